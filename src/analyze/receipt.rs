//! What authtrace did to what passed through it: the answer to "was it the proxy?".

use super::timing::{Spread, spread};
use crate::redact::Redacted;
use crate::trace::{Connection, Exchange, HandshakeLeg, HeadChange, HeadPassage, MessagePassage, Mode, Origin};
use serde::Serialize;
use std::collections::BTreeMap;

/// Every exchange is in exactly one of `passed`, `altered`, `incomplete`, `answered_by_us`, `answered_by_upstream_proxy`
/// and `unknown`; its numbers there are those of the exchanges, ascending.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Receipt {
    /// How much of what is asked here the trace tells.
    pub knowledge: Knowledge,
    /// Exchanges in the trace.
    pub exchanges: u64,
    /// Exchanges of which both messages came to their end and went out as they came in (`head_changes` aside).
    pub passed: u64,
    /// Exchanges of which a byte or a field went out otherwise than it was to: a fault of authtrace.
    pub altered: Vec<u64>,
    /// Exchanges that broke off, or of which one side stopped taking bytes: what passed of them is not altered.
    pub incomplete: Vec<u64>,
    /// Exchanges that authtrace answered itself, since it could not pass them on.
    pub answered_by_us: Vec<u64>,
    /// Exchanges (CONNECT requests) that were refused by the proxy which authtrace goes through; none of it is a server's.
    pub answered_by_upstream_proxy: Vec<u64>,
    /// Exchanges of which nothing was taken down: another tool captured them, or an older authtrace.
    pub unknown: Vec<u64>,
    /// How the heads of the requests went out.
    pub request_heads: HeadCounts,
    /// How the heads of the answers went out.
    pub response_heads: HeadCounts,
    /// How many heads each kind of change was made to.
    pub head_changes: BTreeMap<HeadChange, u64>,
    /// Bodies of the requests, all together.
    pub up: Bytes,
    /// Bodies of the answers, all together.
    pub down: Bytes,
    /// Intercepted connections with both handshakes finished, by the protocols (ALPN) that were agreed on.
    pub alpn: Vec<AlpnPair>,
    /// Whether every intercepted connection agreed on the same protocol on both legs. True if there is none.
    pub alpn_equal: bool,
    /// The time that the heads spent inside authtrace, of the exchanges that passed through it and were answered.
    pub added: Option<Spread>,
    /// Whether a TLS session with an upstream was authtrace's own, so that the server saw its TLS fingerprint in place of
    /// the client's.
    pub tls_fingerprint_caveat: bool,
}

/// How much a trace tells about the passage of its exchanges.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Knowledge {
    /// All of it. Also of a trace without exchanges.
    Full,
    /// Some exchanges are `unknown`.
    Partial,
    /// All are: not known, captured by another tool.
    None,
}

/// Heads by the way in which they went out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HeadCounts {
    /// HTTP/1.x: byte for byte.
    pub verbatim: u64,
    /// HTTP/2: the same fields with the same values.
    pub same_fields: u64,
    /// Changed on purpose, as `head_changes` say.
    pub rewritten: u64,
    /// Not whole: broken off.
    pub partial: u64,
    /// Changed by a fault.
    pub altered: u64,
}

/// Bytes of bodies on the two legs. They differ by what was in the middle of authtrace when an exchange broke off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Bytes {
    /// Read from one leg.
    pub read: u64,
    /// Written to the other.
    pub written: u64,
}

/// Connections that agreed on these protocols.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AlpnPair {
    /// Between client and authtrace; absent: none.
    pub client: Option<Redacted>,
    /// Between authtrace and upstream; absent: none.
    pub upstream: Option<Redacted>,
    /// How many.
    pub connections: u64,
}

impl Receipt {
    /// Whether nothing speaks against authtrace: no exchange was altered or answered by it, and all of it is known.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.knowledge == Knowledge::Full
            && self.altered.is_empty()
            && self.answered_by_us.is_empty()
            && self.alpn_equal
    }
}

pub(super) fn write(exchanges: &[Exchange], connections: &[Connection]) -> Receipt {
    let mut receipt = Receipt {
        knowledge: Knowledge::Full,
        exchanges: exchanges.len() as u64,
        passed: 0,
        altered: Vec::new(),
        incomplete: Vec::new(),
        answered_by_us: Vec::new(),
        answered_by_upstream_proxy: Vec::new(),
        unknown: Vec::new(),
        request_heads: HeadCounts::default(),
        response_heads: HeadCounts::default(),
        head_changes: BTreeMap::new(),
        up: Bytes::default(),
        down: Bytes::default(),
        alpn: alpn_pairs(connections),
        alpn_equal: true,
        added: None,
        tls_fingerprint_caveat: connections.iter().any(|connection| connection.upstream_tls.is_some()),
    };
    receipt.alpn_equal = receipt.alpn.iter().all(|pair| pair.client == pair.upstream);
    for exchange in exchanges {
        receipt.add(exchange);
    }
    let lists = [
        &mut receipt.altered,
        &mut receipt.incomplete,
        &mut receipt.answered_by_us,
        &mut receipt.answered_by_upstream_proxy,
        &mut receipt.unknown,
    ];
    lists.into_iter().for_each(|list| list.sort_unstable());
    let unknown = receipt.unknown.len();
    if unknown > 0 {
        receipt.knowledge = if unknown == exchanges.len() { Knowledge::None } else { Knowledge::Partial };
    }
    let measured = exchanges.iter().filter(|exchange| exchange.passage.is_some() && exchange.response.is_some());
    receipt.added = spread(measured.map(|exchange| exchange.timing.added_us).collect());
    receipt
}

impl Receipt {
    fn add(&mut self, exchange: &Exchange) {
        match exchange.origin {
            Origin::Authtrace => return self.answered_by_us.push(exchange.id),
            Origin::UpstreamProxy => return self.answered_by_upstream_proxy.push(exchange.id),
            Origin::Upstream => {}
        }
        let Some(passage) = &exchange.passage else { return self.unknown.push(exchange.id) };
        self.up.add(&passage.request);
        self.request_heads.add(passage.request.head);
        if let Some(response) = &passage.response {
            self.down.add(response);
            self.response_heads.add(response.head);
        }
        let messages = || std::iter::once(&passage.request).chain(&passage.response);
        for change in messages().flat_map(|message| &message.head_changes) {
            *self.head_changes.entry(*change).or_default() += 1;
        }
        if messages().any(MessagePassage::is_altered) {
            self.altered.push(exchange.id);
        } else if passage.response.is_none() || messages().any(|message| !message.whole) {
            self.incomplete.push(exchange.id);
        } else {
            self.passed += 1;
        }
    }
}

impl HeadCounts {
    fn add(&mut self, head: HeadPassage) {
        let count = match head {
            HeadPassage::Verbatim => &mut self.verbatim,
            HeadPassage::SameFields => &mut self.same_fields,
            HeadPassage::Rewritten => &mut self.rewritten,
            HeadPassage::Partial => &mut self.partial,
            HeadPassage::Altered => &mut self.altered,
        };
        *count += 1;
    }
}

impl Bytes {
    fn add(&mut self, message: &MessagePassage) {
        self.read = self.read.saturating_add(message.read.bytes);
        self.written = self.written.saturating_add(message.written.bytes);
    }
}

fn alpn_pairs(connections: &[Connection]) -> Vec<AlpnPair> {
    let mut pairs: Vec<AlpnPair> = Vec::new();
    let intercepted = connections.iter().filter(|connection| connection.mode == Mode::Intercepted);
    for (client, upstream) in intercepted.filter_map(|connection| {
        let protocol = |leg: &Option<HandshakeLeg>| leg.as_ref().map(|leg| leg.alpn.clone());
        Some((protocol(&connection.client_tls)?, protocol(&connection.upstream_tls)?))
    }) {
        match pairs.iter_mut().find(|pair| pair.client == client && pair.upstream == upstream) {
            Some(pair) => pair.connections += 1,
            None => pairs.push(AlpnPair { client, upstream, connections: 1 }),
        }
    }
    pairs.sort_by(|a, b| (&a.client, &a.upstream).cmp(&(&b.client, &b.upstream)));
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analyze::fixture;
    use crate::trace::Record;
    use serde_json::{Value, json};
    use std::sync::Arc;

    fn body(bytes: u64, digest: &str) -> Value {
        json!({"bytes": bytes, "digest": digest})
    }

    fn message(read: Value, written: Value, whole: bool) -> Value {
        json!({"head": "verbatim", "whole": whole, "read": read, "written": written})
    }

    fn good(bytes: u64) -> Value {
        message(body(bytes, "3f9c21ab"), body(bytes, "3f9c21ab"), true)
    }

    fn exchange(id: u64, passage: Value) -> Value {
        let mut exchange = fixture::message(id, "02.301", &fixture::access("3f9c21ab"), 200, 1_000);
        exchange["passage"] = passage;
        exchange
    }

    fn connection(id: u64, client: Value, upstream: Value) -> Value {
        let leg = |alpn: Value| json!({"version": "TLSv1.3", "alpn": alpn, "resumed": false, "handshake_us": 1});
        let mut connection = json!({
            "record": "connection", "id": id, "lane": "main", "opened": "2026-11-20T11:14:02.000Z", "duration_us": 1,
            "mode": "intercepted", "bytes_up": 0, "bytes_down": 0, "requests": 1, "outcome": "ok",
        });
        connection["client_tls"] = leg(client);
        connection["upstream_tls"] = leg(upstream);
        connection
    }

    fn receipt(records: &[Value]) -> Receipt {
        let (mut exchanges, mut connections) = (Vec::new(), Vec::new());
        for record in records {
            match serde_json::from_value(record.clone()).unwrap() {
                Record::Exchange(exchange) => exchanges.push(Arc::unwrap_or_clone(exchange)),
                Record::Connection(connection) => connections.push(*connection),
                other => panic!("{other:?}"),
            }
        }
        write(&exchanges, &connections)
    }

    #[test]
    fn what_passed_as_it_came_is_clean() {
        let mut rewritten = good(1);
        rewritten["head"] = json!("rewritten");
        rewritten["head_changes"] = json!(["absolute_form", "proxy_fields"]);
        let receipt = receipt(&[
            exchange(1, json!({"request": good(100), "response": good(7)})),
            exchange(2, json!({"request": rewritten, "response": good(8)})),
            connection(1, json!("h2"), json!("h2")),
            connection(2, Value::Null, Value::Null),
        ]);
        assert!(receipt.is_clean(), "{receipt:#?}");
        assert_eq!((receipt.exchanges, receipt.passed), (2, 2));
        assert_eq!(receipt.up, Bytes { read: 101, written: 101 });
        assert_eq!(receipt.down, Bytes { read: 15, written: 15 });
        assert_eq!(receipt.request_heads, HeadCounts { verbatim: 1, rewritten: 1, ..HeadCounts::default() });
        assert_eq!(receipt.response_heads, HeadCounts { verbatim: 2, ..HeadCounts::default() });
        let changes: Vec<_> = receipt.head_changes.into_iter().collect();
        assert_eq!(changes, [(HeadChange::AbsoluteForm, 1), (HeadChange::ProxyFields, 1)]);
        assert_eq!(receipt.alpn.len(), 2);
        assert!(receipt.tls_fingerprint_caveat);
        assert_eq!(receipt.added.map(|added| added.count), Some(2));
    }

    #[test]
    fn a_digest_a_count_or_a_head_that_differs_is_an_alteration() {
        let other_digest = message(body(5, "3f9c21ab"), body(5, "3f9c21ac"), true);
        let fewer = message(body(5, "3f9c21ab"), body(4, "3f9c21ac"), true);
        let more_of_a_torn_one = message(body(5, "3f9c21ab"), body(6, "3f9c21ac"), false);
        let same_count_of_a_torn_one = message(body(5, "3f9c21ab"), body(5, "3f9c21ac"), false);
        let mut head = good(5);
        head["head"] = json!("altered");
        for (at, altered) in
            [other_digest, fewer, more_of_a_torn_one, same_count_of_a_torn_one, head].into_iter().enumerate()
        {
            for passage in
                [json!({"request": altered, "response": good(1)}), json!({"request": good(1), "response": altered})]
            {
                let receipt = receipt(&[exchange(9, passage)]);
                assert_eq!(receipt.altered, [9], "{at}");
                assert!(!receipt.is_clean() && receipt.passed == 0 && receipt.incomplete.is_empty());
            }
        }
    }

    #[test]
    fn what_broke_off_is_incomplete_and_not_altered() {
        let torn = message(body(65_536, "3f9c21ab"), body(16_384, "b81e07d4"), false);
        let receipt = receipt(&[
            exchange(2, json!({"request": good(1), "response": torn})),
            exchange(1, json!({"request": good(1)})),
        ]);
        assert_eq!(receipt.incomplete, [1, 2]);
        assert!(receipt.is_clean());
        assert_eq!(receipt.down, Bytes { read: 65_536, written: 16_384 });
    }

    #[test]
    fn answers_of_ours_and_protocols_that_differ_are_told() {
        let mut ours = exchange(3, Value::Null);
        ours["origin"] = json!("authtrace");
        let mut theirs = exchange(4, Value::Null);
        theirs["origin"] = json!("upstream_proxy");
        let receipt = receipt(&[ours, theirs, connection(1, json!("http/1.1"), json!("h2"))]);
        assert_eq!(
            (receipt.answered_by_us.as_slice(), receipt.answered_by_upstream_proxy.as_slice()),
            ([3].as_slice(), [4].as_slice())
        );
        assert!(!receipt.alpn_equal && !receipt.is_clean());
        assert_eq!(receipt.knowledge, Knowledge::Full);
    }

    #[test]
    fn what_another_tool_captured_is_not_known() {
        let known = exchange(2, json!({"request": good(1), "response": good(1)}));
        let unknown = exchange(1, Value::Null);
        let all = receipt(std::slice::from_ref(&unknown));
        assert_eq!((all.knowledge, all.added, all.unknown.as_slice()), (Knowledge::None, None, [1].as_slice()));
        let some = receipt(&[known, unknown]);
        assert_eq!(
            (some.knowledge, some.passed, some.added.map(|added| added.count)),
            (Knowledge::Partial, 1, Some(1))
        );
        assert!(!some.is_clean() && !some.tls_fingerprint_caveat);
        assert_eq!(receipt(&[]).knowledge, Knowledge::Full);
    }
}
