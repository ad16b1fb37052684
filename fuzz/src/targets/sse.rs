//! Event streams: neither the cuts between reads nor the kind of line end matter.

use super::secret::{Dice, redactor};
use super::transcript::begins_packed;
use authtrace::facts::{BodyFacts, ResponseSource, Route, Version, response_body};
use authtrace::redact::Redactor;

pub fn run(data: &[u8]) {
    let mut dice = Dice::of(data);
    let redactor = redactor();
    // How much of a damaged stream comes out before the damage is the library's affair.
    if begins_packed(data) {
        read(data, &dice.cuts(data.len()), &redactor);
        return;
    }
    let whole = read(data, &[data.len()], &redactor);
    assert_eq!(whole, read(data, &dice.cuts(data.len()), &redactor));
    if data.len() < 2048 {
        let bytewise: Vec<usize> = (1..=data.len()).collect();
        assert_eq!(whole, read(data, &bytewise, &redactor));
    }
    // Held lines are cut where they are too long, and there the line end counts.
    let is_text = data.first().is_some_and(u8::is_ascii_graphic);
    if is_text && !data.contains(&b'\r') && data.len() < 32 * 1024 {
        for end in ["\r\n", "\r"] {
            let other: Vec<u8> = data
                .iter()
                .flat_map(|byte| if *byte == b'\n' { end.as_bytes().to_vec() } else { vec![*byte] })
                .collect();
            assert_eq!(whole, read(&other, &dice.cuts(other.len()), &redactor), "{end:?}");
        }
    }
    let facts = whole.sse.expect("an event stream");
    let named: u64 = facts.names.iter().map(|name| name.count).sum();
    assert!(named <= facts.events, "{facts:?}");
    let shown: Vec<_> = facts.names.iter().map(|name| redactor.event_name(name.name.as_str())).collect();
    assert!(shown.iter().zip(&facts.names).all(|(again, name)| *again == name.name), "{facts:?}");
}

fn read(data: &[u8], ends: &[usize], redactor: &Redactor) -> BodyFacts {
    let headers: [(&[u8], &[u8]); 1] = [(b"content-type", b"text/event-stream")];
    let source = ResponseSource { status: 200, version: Version::Http11, headers: &headers };
    let mut reader = response_body(Route::of(b"/v1/messages"), &source);
    let mut at = 0;
    for end in ends {
        reader.push(&data[at..*end], 7);
        at = *end;
    }
    reader.finish(redactor, true)
}
