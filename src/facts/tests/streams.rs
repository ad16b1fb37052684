//! Event streams.

use super::*;
use crate::trace::{ErrorShape, EventCount, Tone};
use proptest::prelude::*;

const STREAM: &str = concat!(
    "\u{feff}event: message_start\ndata: {\"type\":\"message_start\"}\n\n",
    ": comment\n\n",
    "event: ping\rdata: {\"type\": \"ping\"}\r\r",
    "event: content_block_delta\r\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"\\\"error\\\" event: error\"}}\r\n\r\n",
    "event: ping\ndata:{}\n\n",
    "event: no_data\n\n",
    "id: 7\nretry: 10\nunknown\ndata\n\n",
    "event: error\ndata: {\"type\":\"error\",\ndata: \"error\":{\"type\":\"authentication_error\",\"message\":\"OAuth token has expired.\"}}\n\n",
    "event: message_stop\ndata: {}\n\n",
    "event: unfinished\ndata: {}\n",
);

fn names(names: &[EventCount]) -> Vec<(&str, u64)> {
    names.iter().map(|event| (event.name.as_str(), event.count)).collect()
}

#[test]
fn events_are_counted_and_the_error_is_read() {
    let facts = Answer::events().read(STREAM.as_bytes(), STREAM.len());
    let sse = facts.sse.unwrap();
    assert_eq!(sse.events, 7);
    assert_eq!(
        names(&sse.names),
        [
            ("message_start", 1),
            ("ping", 2),
            ("content_block_delta", 1),
            ("message", 1),
            ("error", 1),
            ("message_stop", 1)
        ]
    );
    assert!(sse.followed);
    assert_eq!(facts.first_event_us, Some(0));
    let error = facts.error.unwrap();
    assert_eq!((error.shape, error.tone), (ErrorShape::SseEvent, Tone::Auth));
    assert_eq!(error.kind.unwrap(), "authentication_error");
    assert_eq!(error.message.unwrap(), "OAuth token has expired.");
}

#[test]
fn times_are_those_of_the_pieces() {
    let body = b"data: a\n\ndata: b\n\ndata: c\n\n";
    let sse = Answer::events().read(body, 9);
    assert_eq!(sse.first_event_us, Some(0));
    let sse = sse.sse.unwrap();
    assert_eq!((sse.span_us, sse.longest_gap_us), (Some(2_000), Some(1_000)));
}

#[test]
fn an_event_that_is_the_whole_body_has_its_time() {
    assert_eq!(Answer::events().read(b"data:\n\n", 6).first_event_us, Some(1_000));
}

#[test]
fn errors_are_seen_without_their_name_and_without_their_end() {
    for body in [
        "data: {\"type\":\"error\",\"error\":{\"type\":\"authentication_error\",\"message\":\"no\"}}\n\n",
        "data: {\"type\":\"error\",\"error\":{\"type\":\"authentication_error\",\"message\":\"no\"}}",
        "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"authentication_error\",\"mess",
        "data: {\"error\":{\"type\":\"authentication_error\",\"message\":\"no\"}}\nevent: error\n\n",
        "event: message\ndata: {\"error\": {\"type\":\"authentication_error\"}}\n\n",
    ] {
        for piece in [1, 4096] {
            let error = Answer { complete: false, ..Answer::events() }.read(body.as_bytes(), piece).error;
            assert_eq!(error.unwrap().kind.unwrap(), "authentication_error", "{body}");
        }
    }
    let talk =
        "data: {\"type\":\"delta\",\"text\":\"\\\"error\\\": {\"}\n\ndata: {\"type\":\"delta\",\"error\":null}\n\n";
    assert_eq!(Answer::events().read(talk.as_bytes(), 4096).error, None);
}

#[test]
fn a_refusal_labelled_as_a_stream_is_read_either_way() {
    let json = r#"{"type":"error","error":{"type":"authentication_error","message":"no"}}"#;
    for body in [json.to_owned(), format!("event: error\ndata: {json}\n\n")] {
        let error = Answer { status: 401, ..Answer::events() }.read(body.as_bytes(), 10).error.unwrap();
        assert_eq!(error.kind.unwrap(), "authentication_error");
        let error = Answer::json(401).read(body.as_bytes(), 10).error.unwrap();
        assert_eq!(error.kind.unwrap(), "authentication_error");
    }
}

#[test]
fn long_lines_and_many_names_cost_no_memory_and_hide_no_error() {
    let mut body = format!("data: {}\n\nevent: x\ndata: {}\n\n", "y".repeat(300_000), "z".repeat(300_000));
    for n in 0..200 {
        body.push_str(&format!("event: n{n}\ndata: 1\n\n"));
    }
    body.push_str(&format!(
        "event: error\ndata: {{\"error\":{{\"type\":\"authentication_error\",\"message\":\"{}\"}}}}\n\n",
        "m".repeat(200_000)
    ));
    for piece in [1_000, 70_000, body.len()] {
        let facts = Answer::events().read(body.as_bytes(), piece);
        let sse = facts.sse.unwrap();
        assert_eq!(sse.events, 203);
        assert_eq!(sse.names.len(), 32);
        assert_eq!(facts.error.unwrap().kind.unwrap(), "authentication_error", "{piece}");
    }
}

#[test]
fn compressed_streams_are_followed_as_they_come() {
    for (coding, encode) in codings() {
        let facts = Answer { coding, ..Answer::events() }.read(&encode(STREAM.as_bytes()), 1);
        assert_eq!(facts.sse.unwrap().events, 7, "{coding}");
        assert!(facts.error.unwrap().is_auth());
    }
    // An encoder that is flushed after the first event: its event must be seen before the rest arrives.
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(b"event: ping\ndata: {}\n\n").unwrap();
    encoder.flush().unwrap();
    let first = encoder.get_ref().len();
    encoder.write_all(b"event: ping\ndata: {}\n\n").unwrap();
    let data = encoder.finish().unwrap();
    let headers: &[RawField<'_>] = &[(b"content-type", b"text/event-stream"), (b"content-encoding", b"gzip")];
    let mut reader = response_body(Route::Messages, &ResponseSource { status: 200, version: Version::Http11, headers });
    reader.push(&data[..first], 5);
    reader.push(&data[first..], 900);
    let facts = reader.finish(&redactor(), true);
    assert_eq!(facts.first_event_us, Some(5));
    assert_eq!(facts.sse.unwrap().longest_gap_us, Some(895));
}

fn without_times(mut facts: BodyFacts) -> BodyFacts {
    facts.first_event_us = None;
    if let Some(sse) = &mut facts.sse {
        sse.span_us = None;
        sse.longest_gap_us = None;
    }
    facts
}

#[test]
fn what_follows_the_first_bytes_does_not_change_what_they_are() {
    let data = [60, 32, 32, 32, 13, 32, 13, 13, 13, 127];
    let answer = Answer { coding: "gzip", ..Answer::events() };
    assert_eq!(without_times(answer.read(&data, 1)), without_times(answer.read(&data, data.len())));
}

proptest! {
    #[test]
    fn where_chunks_are_cut_does_not_matter(piece in 1_usize..STREAM.len()) {
        let whole = without_times(Answer::events().read(STREAM.as_bytes(), STREAM.len()));
        prop_assert_eq!(without_times(Answer::events().read(STREAM.as_bytes(), piece)), whole);
    }

    #[test]
    fn any_bytes_are_survived(
        data in proptest::collection::vec(
            prop_oneof![any::<u8>(), proptest::sample::select(b"\r\n:{}[]\",data evntror\\u".to_vec())], 0..600),
        coding in proptest::sample::select(vec!["", "gzip", "br", "deflate", "zstd", "br, gzip", "x"]),
        status in proptest::sample::select(vec![200_u16, 401, 500]),
        piece in 1_usize..64,
    ) {
        for target in ["/v1/messages", "/v1/oauth/token"] {
            let answer = Answer { target, coding, status, ..Answer::events() };
            let whole = without_times(answer.read(&data, data.len()));
            prop_assert_eq!(without_times(answer.read(&data, piece)), whole);
        }
    }
}
