//! The 401 with an `authentication_error` is recognised in every coding, two layers deep, wherever it stands in the first
//! 64 KiB; nothing else is taken for it. `AUTHTRACE_DETECTION_RUNS` sets how many bodies of each sort.

use super::encodings::{brotli, gzip, zlib, zstandard};
use super::secrets::{LETTERS, Rng};
use super::setting;
use authtrace::facts::{self, ResponseSource, Route, Version};
use authtrace::redact::Redactor;
use authtrace::trace::ErrorFacts;

type Encode = fn(&[u8]) -> Vec<u8>;

const CODINGS: [(&str, Encode); 5] =
    [("", |body| body.to_vec()), ("gzip", gzip), ("deflate", zlib), ("br", brotli), ("zstd", zstandard)];

/// What the proxy reads of an error, in pieces as a network makes them.
fn read(status: u16, coding: &str, body: &[u8], rng: &mut Rng) -> Option<ErrorFacts> {
    let headers: &[(&[u8], &[u8])] =
        &[(b"content-type", b"application/json"), (b"content-encoding", coding.as_bytes())];
    let source = ResponseSource { status, version: Version::Http11, headers };
    let mut reader = facts::response_body(Route::of(b"/v1/messages"), &source);
    let mut rest = body;
    while !rest.is_empty() {
        let longest = *rng.pick(&[1, 40, 1_400, 16_384]);
        let (piece, behind) = rest.split_at(rest.len().min(1 + rng.below(longest)));
        reader.push(piece, 1);
        rest = behind;
    }
    reader.finish(&Redactor::plain(), true).error
}

fn noise(rng: &mut Rng, longest: usize) -> String {
    let len = 1 + rng.below(longest);
    rng.text(len, LETTERS)
}

/// Members in any order with white space, before and behind what counts.
fn error(kind: &str, rng: &mut Rng) -> String {
    let space = |rng: &mut Rng| *rng.pick(&["", " ", "\n  ", "\t", "\r\n"]);
    let s = space(rng);
    let mut inner =
        vec![format!("\"type\"{s}:{s}\"{kind}\""), format!("\"message\":{s}\"Invalid {}\"", noise(rng, 30))];
    if rng.below(3) == 0 {
        inner.push(format!("\"details\":{{\"error_visibility\":\"{}\"}}", noise(rng, 9)));
    }
    if rng.below(2) == 0 {
        inner.reverse();
    }
    let mut outer = vec![
        "\"type\":\"error\"".to_owned(),
        format!("\"error\"{s}:{{{s}{}{s}}}", inner.join(&format!(",{s}"))),
        format!("\"request_id\":\"req_{}\"", noise(rng, 20)),
    ];
    let turn = rng.below(3);
    outer.rotate_left(turn);
    // In all no more than 64 KiB, with what counts anywhere in it.
    let (before, behind) = (rng.below(60_000), rng.below(90_000));
    if rng.below(3) == 0 {
        outer.insert(0, format!("\"pad\":\"{}\"", rng.text(before, LETTERS)));
    }
    if rng.below(3) == 0 {
        outer.push(format!("\"tail\":\"{}\"", rng.text(behind, LETTERS)));
    }
    format!("{s}{{{s}{}{s}}}{s}", outer.join(&format!(",{s}")))
}

/// Bodies that speak of it and are not it.
fn other(rng: &mut Rng) -> String {
    let noise = noise(rng, 40);
    let others: [&str; 4] = ["permission_error", "api_error", "rate_limit_error", "invalid_request_error"];
    match rng.below(8) {
        0 => {
            let kind: &str = others[rng.below(others.len())];
            error(kind, rng)
        }
        1 => {
            format!(r#"{{"type":"error","error":{{"type":"api_error","message":"no authentication_error {noise}"}}}}"#)
        }
        2 => format!(r#"{{"note":"authentication_error","error":{{"type":"{noise}","message":"x"}}}}"#),
        3 => format!(r#"{{"type":"error","error":{{"type":"x_authentication_error","message":"{noise}"}}}}"#),
        4 => format!("<html><title>authentication_error</title>{noise}</html>"),
        5 => format!(r#"{{"content":[{{"error":{{"type":"authentication_error","message":"{noise}"}}}}]}}"#),
        6 => format!(r#"{{"type":"error","error":{{"message":"{{\"type\":\"authentication_error\"}} {noise}"}}}}"#),
        _ => format!("authentication_error {noise}"),
    }
}

fn is_found(facts: Option<&ErrorFacts>) -> bool {
    facts.and_then(|facts| facts.kind.as_ref()).is_some_and(|kind| *kind == "authentication_error")
}

#[test]
fn the_refusal_is_recognised_in_every_coding_and_nothing_else_is() {
    let runs = setting("AUTHTRACE_DETECTION_RUNS", 4);
    let mut rng = Rng::new(15, 15);
    let (mut tried, mut missed, mut wrong) = (0, Vec::new(), Vec::new());
    for (inner, encode_inner) in CODINGS {
        for (outer, encode_outer) in CODINGS {
            let coding = [inner, outer].into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>().join(", ");
            for _ in 0..runs {
                tried += 1;
                let body = error("authentication_error", &mut rng);
                let sent = encode_outer(&encode_inner(body.as_bytes()));
                if !is_found(read(401, &coding, &sent, &mut rng).as_ref()) {
                    missed.push(format!("{coding:?} {} bytes: {:.200}", body.len(), body));
                }
                let body = other(&mut rng);
                let sent = encode_outer(&encode_inner(body.as_bytes()));
                if is_found(read(401, &coding, &sent, &mut rng).as_ref()) {
                    wrong.push(format!("{coding:?}: {body:.300}"));
                }
                // What an answer that succeeded says is content.
                let body = error("authentication_error", &mut rng);
                let sent = encode_outer(&encode_inner(body.as_bytes()));
                if read(200, &coding, &sent, &mut rng).is_some() {
                    wrong.push(format!("200, {coding:?}: {body:.300}"));
                }
            }
        }
    }
    println!("{tried} refusals, {} missed; {} others, {} taken for one", missed.len(), 2 * tried, wrong.len());
    assert!(missed.is_empty(), "{missed:#?}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}
