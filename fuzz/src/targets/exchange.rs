//! Whole exchanges of one connection, from bytes to the line of a trace and back.

use super::secret::{Dice, assert_hidden, has_mark, redactor};
use super::told;
use super::transcript::Raw;
use authtrace::facts::{Extractor, Route, merge_oauth, request_body, response_body};
use authtrace::redact::{Direction, Redactor};
use authtrace::trace::{End, EndKind, Exchange, Origin, Record, RequestIds, Timestamp, Timing};
use std::sync::Arc;

pub fn run(data: &[u8]) {
    if has_mark(data) {
        assert_hidden(data, |data| lines(&told(data)));
    }
    let redactor = redactor();
    let first = exchanges(data, &redactor);
    told::assert_round_trip(&first);
    // The lines that an extractor remembers are what another would have made of them.
    let remembered = exchanges(data, &redactor);
    let all = Raw::all(data);
    let alone = all.iter().enumerate().map(|(at, raw)| {
        let mut extractor = Extractor::new(Arc::clone(&redactor));
        Record::Exchange(Arc::new(exchange(raw, at, &mut extractor)))
    });
    assert_eq!(lines(&remembered), lines(&alone.collect::<Vec<_>>()));
    told::assert_told(&first, &mut Dice::of(data));
}

fn told(data: &[u8]) -> Vec<Record> {
    exchanges(data, &redactor())
}

fn lines(records: &[Record]) -> String {
    records.iter().map(|record| serde_json::to_string(record).expect("serialises") + "\n").collect()
}

fn exchanges(data: &[u8], redactor: &Arc<Redactor>) -> Vec<Record> {
    let mut extractor = Extractor::new(Arc::clone(redactor));
    let all = Raw::all(data);
    all.iter().enumerate().map(|(at, raw)| Record::Exchange(Arc::new(exchange(raw, at, &mut extractor)))).collect()
}

/// What the proxy makes of it.
fn exchange(raw: &Raw<'_>, at: usize, extractor: &mut Extractor) -> Exchange {
    let asked = extractor.request(&raw.request());
    let mut reader = request_body(&raw.request());
    reader.push(raw.body, 1);
    let sent = reader.finish(extractor.redactor(), true);
    let answered = extractor.response(&raw.response());
    let mut reader = response_body(Route::of(raw.target), &raw.response());
    for piece in raw.answer.chunks(97) {
        reader.push(piece, 5);
    }
    let received = reader.finish(extractor.redactor(), true);
    let mut response = answered.response;
    response.trailers = extractor.trailers(&raw.trailers, Direction::Response);
    let mut credentials = asked.credentials;
    credentials.extend(sent.credentials);
    let mut ids = RequestIds { client: asked.client_request_id, ..answered.ids };
    received.add_ids(&mut ids);
    let number = at as u64 + 1;
    Exchange {
        id: number,
        connection: 1,
        lane: extractor.redactor().lane("main"),
        peer: None,
        at: Timestamp::from_unix_ms(1_795_173_242_007 + 1_000 * at as i64),
        request: asked.request,
        credentials,
        response: Some(response),
        error: received.error,
        request_ids: ids,
        oauth: merge_oauth(sent.oauth, received.oauth),
        sse: received.sse,
        timing: Timing { send_us: 1, total_us: 2, ..Timing::default() },
        origin: Origin::Upstream,
        passage: None,
        end: End { outcome: EndKind::Complete, stage: None, detail: None },
    }
}
