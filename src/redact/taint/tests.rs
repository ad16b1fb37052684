use base64::engine::general_purpose::URL_SAFE;

use super::*;

const TOKEN: &str =
    "sk-ant-oat01-FAKEBOSqsdJ6wi-C4JFlHWTZyd5pFVrkLCI7wU9S2Sl1GFH1Ux_-VbHuOsNwFd5o2IJSamP-iydYmQ4I0TySwPyY0U";

fn learned() -> Redactor {
    let r = Redactor::plain();
    r.learn(TOKEN.as_bytes());
    r
}

#[test]
fn lines_without_secrets_pass() {
    let r = learned();
    for line in [
        r#"{"host":"api.anthropic.com","path":"/v1/messages?beta=true","status":401,"credential":"‹oat01 len=108 fp=3f9c21ab›"}"#,
        r#"{"prefix":"sk-ant-oat01-","note":"a \"quoted\" word, 100% sure"}"#,
        "",
        "plain words",
    ] {
        let sealed = r.seal(line.to_owned());
        assert_eq!((sealed.text(), sealed.hits()), (line, 0));
    }
    assert_eq!(r.masked(), 0);
}

#[test]
fn every_encoding_is_masked_and_json_stays_json() {
    let r = learned();
    let own = TOKEN.as_bytes();
    let hex: String = own.iter().map(|b| format!("{b:02x}")).collect();
    let percent: String = own.iter().map(|b| format!("%{b:02X}")).collect();
    let unicode: String = own.iter().map(|b| format!("\\u{:04x}", u32::from(*b))).collect();
    let nested = unicode.replace('\\', "\\\\");
    for form in [
        TOKEN.to_owned(),
        TOKEN[40..60].to_owned(),
        hex.clone(),
        hex.to_uppercase(),
        percent.clone(),
        percent.replace('%', "%25"),
        unicode,
        nested,
        STANDARD.encode(own),
        URL_SAFE.encode(own),
        STANDARD.encode([b"x", own].concat()),
        STANDARD.encode([b"xy", own].concat()),
        STANDARD.encode(STANDARD.encode(own)),
        format!("before {TOKEN} after"),
    ] {
        let line = format!(r#"{{"a":"kept","b":"{form}","c":[1,"{form}"]}}"#);
        let sealed = r.seal(line);
        assert_eq!(sealed.text(), r#"{"a":"kept","b":"‹masked›","c":[1,"‹masked›"]}"#, "{form}");
        assert_eq!(sealed.hits(), 2);
        assert!(r.seal(format!("log {form} end")).hits() > 0, "{form}");
    }
    assert!(r.masked() > 0);
}

#[test]
fn short_secrets_stand_alone_and_numbers_are_zeroed() {
    let r = Redactor::plain();
    r.learn(b"hunter2FK");
    r.learn(b"90817263544");
    assert_eq!(
        r.seal(r#"{"a":"pw hunter2FK!","b":"hunter2FKx","n":90817263544}"#.into()).text(),
        r#"{"a":"‹masked›","b":"hunter2FKx","n":0}"#
    );
}

#[test]
fn twelve_bytes_of_a_secret_are_found_wherever_they_stand() {
    let r = learned();
    let own = &TOKEN[14..];
    for start in 0..=own.len() - GRAM {
        let run = &own[start..start + GRAM];
        for pad in 0..2 * GRAM {
            let line = format!("{}{run}{}", ".".repeat(pad), ".".repeat(2 * GRAM - pad));
            assert_eq!(r.taint().find(line.as_bytes()), vec![pad..pad + GRAM], "{line}");
            assert!(r.taint().find(&line.as_bytes()[..pad + GRAM - 1]).is_empty());
        }
    }
}

#[test]
fn memory_is_bounded_and_the_newest_stay() {
    let r = Redactor::plain();
    let secret = |n: u32| {
        format!("FAKE-{:08x}-{:08x}-secret", n.wrapping_mul(2_654_435_761), n.wrapping_mul(40_503).wrapping_add(77))
    };
    for n in 0..5000 {
        r.learn(secret(n).as_bytes());
    }
    for (secrets, grams) in r.taint().read().sizes() {
        assert!(secrets <= 2 * known::SECRETS && grams <= 2 * known::GRAMS);
    }
    assert_eq!(r.seal(secret(4999)).hits(), 1);
    assert_eq!(r.seal(secret(4500)).hits(), 1);
}

#[test]
fn what_servers_send_makes_nothing_forgotten_that_a_client_holds() {
    let r = learned();
    let cookie = format!("session={}", "FAKE-0a1b2c3d4e-session-cookie");
    let _ = r.credentials(b"cookie", cookie.as_bytes());
    let before = r.memory();
    for n in 0..5000_u32 {
        let random = format!("FAKE{:08x}{:08x}", n.wrapping_mul(2_654_435_761), n.wrapping_mul(40_503));
        let _ = r.for_answers().credentials(b"set-cookie", format!("a={random}").as_bytes());
    }
    assert!(r.memory() >= before + 2, "the answers have forgotten some of theirs");
    assert_eq!(r.seal(format!("{TOKEN} {cookie}")).hits(), 2);
    for n in 0..5000_u32 {
        let random = format!("FAKE{:08x}{:08x}", n.wrapping_mul(2_246_822_519), n.wrapping_mul(3_266_489));
        let _ = r.credentials(b"cookie", format!("a={random}").as_bytes());
    }
    assert_eq!(r.seal(TOKEN.to_owned()).hits(), 1, "cookies have room of their own");
}

#[test]
fn what_is_seen_again_is_remembered_longer() {
    let r = learned();
    for n in 0..10_000_u32 {
        r.learn(format!("FAKE{:08x}{:08x}", n.wrapping_mul(2_654_435_761), n.wrapping_mul(40_503)).as_bytes());
        if n % 1000 == 0 {
            r.learn(TOKEN.as_bytes());
        }
    }
    assert_eq!(r.seal(TOKEN.to_owned()).hits(), 1);
}

#[test]
fn placeholders_and_public_text_are_not_learned() {
    let r = Redactor::plain();
    r.learn(b"your-api-key-here");
    r.learn(b"authentication_error");
    r.learn("‹oat01 len=108 fp=3f9c21ab›".as_bytes());
    assert_eq!(r.seal("your-api-key-here authentication_error ‹oat01 len=108 fp=3f9c21ab›".into()).hits(), 0);
}
