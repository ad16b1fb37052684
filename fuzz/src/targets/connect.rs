//! The target of CONNECT, and the absolute form: one reading, and never of an address in disguise.

use authtrace::ca::Scope;
use authtrace::wire::{Host, Limits, absolute_form, connect_target, forwarded_head, proxied_head, request_head};
use std::net::IpAddr;

pub fn run(data: &[u8]) {
    target(data);
    let limits = Limits::default();
    if let Ok(Some(head)) = request_head(data, &limits) {
        target(head.target.of(data));
        let rewritten = proxied_head(data, &head, Some(b"Basic RkFLRQ=="));
        let again = request_head(&rewritten, &limits).expect("what is passed on to a proxy is a head");
        assert_eq!(again.map(|again| again.framing), Some(head.framing));
        if let Some(Ok(form)) = absolute_form(head.target.of(data))
            && let Ok(rewritten) = forwarded_head(data, &head, &form)
        {
            let again = request_head(&rewritten, &limits).expect("what is passed on to an origin is a head");
            let again = again.expect("a whole one");
            assert_eq!((again.len, again.framing), (rewritten.len(), head.framing));
            assert_eq!(again.method.of(&rewritten), head.method.of(data));
            let target = again.target.of(&rewritten);
            assert!(target.starts_with(b"/") || target == b"*", "not in origin form");
            assert!(again.host.is_some(), "an origin is not told its name");
        }
    }
}

fn target(text: &[u8]) {
    if let Ok(authority) = connect_target(text) {
        let written = authority.to_string();
        assert_eq!(connect_target(written.as_bytes()).as_ref(), Ok(&authority), "{written}");
        assert_ne!(authority.port, 0);
        scope(&authority.host);
    }
    if let Some(Ok(form)) = absolute_form(text) {
        let written = form.authority.to_string();
        assert_eq!(connect_target(written.as_bytes()).as_ref(), Ok(&form.authority), "{written}");
        scope(&form.authority.host);
    }
}

/// What is intercepted is a name that stands on the list, as a person would read the list.
fn scope(host: &Host) {
    let scope = Scope::from_patterns([".anthropic.com", "claude.ai"]).expect("a good list");
    let name = host.to_string();
    let listed = matches!(host, Host::Name(_))
        && (name == "claude.ai" || name == "anthropic.com" || name.ends_with(".anthropic.com"));
    // A name with an underscore can be dialled and not signed.
    assert!(!scope.covers(&name) || listed, "{name}");
    assert!(scope.covers(&name) || !listed || name.contains('_') || name.len() > 200, "{name}");
    // As `127.1` and `0x7f.1` are read by inet_aton.
    let last = name.trim_end_matches('.').rsplit('.').next().unwrap_or_default();
    let hexadecimal = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let number = last.bytes().all(|byte| byte.is_ascii_digit())
        || last.strip_prefix("0x").or(last.strip_prefix("0X")).is_some_and(hexadecimal);
    assert!(!number || !matches!(host, Host::Name(_)), "{name}");
    assert_eq!(name.parse::<IpAddr>().is_ok(), matches!(host, Host::Ip(_)), "{name}");
}
