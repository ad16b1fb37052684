//! Codings that are broken, endless or more than two.

use super::*;
use crate::trace::ErrorShape;
use std::time::{Duration, Instant};

#[test]
fn what_cannot_be_decoded_is_said_to_be_unreadable() {
    let body = br#"{"type":"error","error":{"type":"authentication_error","message":"no"}}"#;
    let cases: [(&str, Vec<u8>); 6] = [
        ("gzip, gzip, gzip", gzip(&gzip(&gzip(body)))),
        ("compress", vec![0x1f, 0x9d, 0x90, 1, 2, 3, 4, 5, 6, 7]),
        ("gzip", vec![7; 64]),
        ("br", vec![0xff; 64]),
        ("zstd", vec![9; 64]),
        ("deflate", vec![0xff; 64]),
    ];
    for (coding, data) in cases {
        for piece in [1, 64, 4096] {
            let error = Answer { coding, ..Answer::json(401) }.read(&data, piece).error.unwrap();
            assert_eq!(error.shape, ErrorShape::Unreadable, "{coding}");
            assert!(error.is_auth());
        }
    }
}

#[test]
fn a_stream_that_breaks_gives_what_came_before() {
    let body = format!(
        r#"{{"type":"error","error":{{"type":"authentication_error","message":"no"}},"pad":"{}"}}"#,
        (0..60_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_string()).collect::<String>()
    );
    // Long, because a block of zstd (up to 128 KiB) gives nothing before it is whole.
    for (coding, encode) in codings().into_iter().skip(2) {
        let mut data = encode(body.as_bytes());
        data.truncate(data.len() * 3 / 4);
        data.extend_from_slice(&[0xff; 32]);
        let facts = Answer { coding, complete: false, ..Answer::json(401) }.read(&data, 100);
        assert_eq!(facts.error.unwrap().kind.unwrap(), "authentication_error", "{coding}");
    }
}

#[test]
fn bombs_are_dropped() {
    let zeros = vec![0_u8; 64 << 20];
    let spaces = vec![b' '; 64 << 20];
    for (coding, encode) in codings().into_iter().skip(2) {
        let data = encode(&zeros);
        let started = Instant::now();
        let facts = Answer { coding, ..Answer::json(401) }.read(&data, 16_384);
        assert_eq!(facts.error.unwrap().shape, ErrorShape::Unreadable, "{coding}");
        let facts = Answer { coding, ..Answer::events() }.read(&encode(&spaces), 16_384);
        assert_eq!(facts.sse.unwrap().events, 0, "{coding}");
        // Generous for an unoptimised build; an unbounded decoder takes much longer.
        assert!(started.elapsed() < Duration::from_secs(30), "{coding}");
    }
}

#[test]
fn a_stream_that_expands_without_end_is_not_followed() {
    let bomb = gzip(&gzip(&vec![b' '; 512 << 20]));
    let facts = Answer { coding: "gzip, gzip", ..Answer::events() }.read(&bomb, 1024);
    assert!(!facts.sse.unwrap().followed);
}

#[test]
fn many_small_events_behind_a_large_one_cost_no_more_than_their_bytes() {
    let mut body = format!("data: {}\n\n", "y".repeat(200_000)).into_bytes();
    for _ in 0..100_000 {
        body.extend_from_slice(b"data:a\n\n");
    }
    let started = Instant::now();
    assert_eq!(Answer::events().read(&body, 16_384).sse.unwrap().events, 100_001);
    assert!(started.elapsed() < Duration::from_secs(5));
}
