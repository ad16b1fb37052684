//! Bodies, in all content codings: how they are cut does not matter, and packed they say what they say plain.

use super::secret::{Dice, redactor};
use super::transcript::{Raw, begins_packed};
use authtrace::facts::{BodyFacts, RawField, ResponseSource, Route, request_body, response_body};
use authtrace::redact::Redactor;
use std::io::Write;

/// As much of a body as is sure to be read in every coding.
const READ: usize = 60 * 1024;

pub fn run(data: &[u8]) {
    let mut dice = Dice::of(data);
    let redactor = redactor();
    for raw in Raw::all(data).iter().take(1) {
        let asked = |ends: &[usize]| {
            let mut reader = request_body(&raw.request());
            push(raw.body, ends, |piece| reader.push(piece, 3));
            reader.finish(&redactor, true)
        };
        assert_eq!(asked(&[raw.body.len()]), asked(&dice.cuts(raw.body.len())));
        let whole = answer(raw, &raw.answer_headers, raw.answer, &[raw.answer.len()], &redactor);
        let cut = answer(raw, &raw.answer_headers, raw.answer, &dice.cuts(raw.answer.len()), &redactor);
        // How much of a damaged stream comes out before the damage is the library's affair.
        if is_plain(raw) {
            assert_eq!(whole, cut);
        }
        packed(raw, &redactor, &mut dice);
    }
}

fn answer(raw: &Raw<'_>, headers: &[RawField<'_>], body: &[u8], ends: &[usize], redactor: &Redactor) -> BodyFacts {
    let source = ResponseSource { headers, ..raw.response() };
    let mut reader = response_body(Route::of(raw.target), &source);
    push(body, ends, |piece| reader.push(piece, 5));
    reader.finish(redactor, true)
}

/// Whether nothing is to be unpacked.
fn is_plain(raw: &Raw<'_>) -> bool {
    let labelled = raw.answer_headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(b"content-encoding"));
    !labelled && !begins_packed(raw.answer)
}

fn push(body: &[u8], ends: &[usize], mut take: impl FnMut(&[u8])) {
    let mut at = 0;
    for end in ends {
        take(&body[at..*end]);
        at = *end;
    }
}

/// Without a coding, and then in one or two: the same facts.
fn packed(raw: &Raw<'_>, redactor: &Redactor, dice: &mut Dice) {
    // A body that itself looks like a packed one is unpacked without a label, too.
    let looks_packed = begins_packed(raw.answer) || !raw.answer.first().is_some_and(u8::is_ascii_graphic);
    if raw.answer.len() > READ || looks_packed {
        return;
    }
    let is_coding = |name: &[u8]| name.eq_ignore_ascii_case(b"content-encoding");
    let headers: Vec<_> = raw.answer_headers.iter().copied().filter(|(name, _)| !is_coding(name)).collect();
    let plain = answer(raw, &headers, raw.answer, &[raw.answer.len()], redactor);
    says_what_it_says(raw, &plain);
    let codings = ["gzip", "deflate", "br", "zstd"];
    let (inner, outer) = (codings[dice.roll(0..4)], codings[dice.roll(0..4)]);
    for labels in [vec![inner], vec![inner, outer]] {
        let body = labels.iter().fold(raw.answer.to_vec(), |body, label| encoded(&body, label));
        let label = labels.join(", ");
        let mut headers = headers.clone();
        headers.push((b"Content-Encoding", label.as_bytes()));
        let unpacked = answer(raw, &headers, &body, &dice.cuts(body.len()), redactor);
        assert_eq!(plain, unpacked, "{label}");
    }
}

/// The error that every reader of JSON finds is found.
fn says_what_it_says(raw: &Raw<'_>, facts: &BodyFacts) {
    let times = |text: &str| raw.answer.windows(text.len()).filter(|window| *window == text.as_bytes()).count();
    if raw.status < 400 || times("\"error\"") != 1 || times("\"type\"") > 2 || raw.answer.contains(&b'\\') {
        return;
    }
    let Ok(value) = serde_json::from_slice::<serde_json::Value>(raw.answer) else { return };
    if value["type"] == "error" && value["error"]["type"] == "authentication_error" {
        let kind = facts.error.as_ref().and_then(|error| error.kind.as_ref());
        assert_eq!(kind.map(|kind| kind.as_str()), Some("authentication_error"), "{facts:?}");
    }
}

fn encoded(body: &[u8], label: &str) -> Vec<u8> {
    let packed = match label {
        "gzip" => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(body).and_then(|()| encoder.finish())
        }
        "deflate" => {
            let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(body).and_then(|()| encoder.finish())
        }
        "br" => {
            let mut out = Vec::new();
            let mut encoder = brotli::CompressorWriter::new(&mut out, 4096, 1, 16);
            let written = encoder.write_all(body).and_then(|()| encoder.flush());
            drop(encoder);
            written.map(|()| out)
        }
        _ => zstd::encode_all(body, 1),
    };
    packed.expect("packing into memory")
}
