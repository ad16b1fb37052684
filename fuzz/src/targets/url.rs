//! Targets, URLs, hosts and the other short texts of a head.

use super::secret::{assert_hidden, has_mark, redactor};
use authtrace::redact::Redacted;

pub fn run(data: &[u8]) {
    if has_mark(data) {
        assert_hidden(data, show);
    } else {
        show(data);
    }
}

fn show(data: &[u8]) -> String {
    let redactor = redactor();
    let text = String::from_utf8_lossy(data);
    let path = |text: &str| redactor.path(text.as_bytes());
    let mut all = stable(&redactor.path(data), path);
    let of_text: [&dyn Fn(&str) -> Redacted; 8] = [
        &path,
        &|text| redactor.host(text),
        &|text| redactor.method(text.as_bytes()),
        &|text| redactor.lane(text),
        &|text| redactor.program(text),
        &|text| redactor.place(text),
        &|text| redactor.variable(text),
        &|text| redactor.version(text),
    ];
    for redact in of_text {
        all.push('\n');
        all.push_str(&stable(&redact(&text), redact));
    }
    all
}

/// The text, which is not changed by being redacted once more.
fn stable(shown: &Redacted, again: impl Fn(&str) -> Redacted) -> String {
    assert_eq!(&again(shown.as_str()), shown, "shown again, it changes");
    assert!(!shown.as_str().chars().any(char::is_control), "{shown:?}");
    shown.as_str().to_owned()
}
