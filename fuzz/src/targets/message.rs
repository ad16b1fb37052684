//! Error messages, names from closed lists, and the net under them: lines that a known secret may not leave in.

use super::secret::{Dice, assert_hidden, has_mark, pair, put, redactor};
use authtrace::redact::Redacted;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

pub fn run(data: &[u8]) {
    if has_mark(data) {
        assert_hidden(data, show);
    } else {
        show(data);
    }
    sealed(data);
}

fn show(data: &[u8]) -> String {
    let redactor = redactor();
    let text = String::from_utf8_lossy(data);
    let of_text: [&dyn Fn(&str) -> Redacted; 7] = [
        &|text| redactor.message(text),
        &|text| redactor.scope(text),
        &|text| redactor.error_type(text),
        &|text| redactor.event_name(text),
        &|text| redactor.request_id(text),
        &|text| redactor.model(text),
        &|text| redactor.json_key(text),
    ];
    let shown = of_text.iter().map(|redact| {
        let shown = redact(&text);
        assert_eq!(redact(shown.as_str()), shown, "shown again, it changes");
        assert!(!shown.as_str().chars().any(char::is_control), "{shown:?}");
        shown.as_str().to_owned()
    });
    shown.collect::<Vec<_>>().join("\n")
}

/// A secret that was learned is in no line that is written, in whatever words it stands.
fn sealed(data: &[u8]) {
    let [secret, _] = pair(data);
    let redactor = redactor();
    redactor.learn(secret.as_bytes());
    let secret_in = match Dice::of(data).roll(0..4) {
        0 => secret.clone(),
        1 => secret.bytes().map(|byte| format!("%{byte:02X}")).collect(),
        2 => STANDARD.encode(&secret),
        _ => secret.bytes().map(|byte| format!("{byte:02x}")).collect(),
    };
    let text = String::from_utf8_lossy(&put(data, &secret_in)).into_owned();
    let line = serde_json::json!({"a": text, "b": [{"c": 12}]}).to_string();
    let sealed = redactor.seal(line);
    assert!(serde_json::from_str::<serde_json::Value>(sealed.text()).is_ok(), "no longer JSON: {}", sealed.text());
    if has_mark(data) {
        assert!(!sealed.text().contains(&secret_in), "{}", sealed.text());
        assert!(sealed.hits() > 0, "{}", sealed.text());
    }
    let again = redactor.seal(sealed.text().to_owned());
    assert_eq!((again.hits(), again.text()), (0, sealed.text()));
    assert!(redactor.is_clean(sealed.text()));
}
