//! Which entries went over one connection, and which came from one process, as far as the capture tells.

use super::address::Address;
use super::entry;
use super::json::Json;
use crate::facts::Scheme;
use crate::redact::{Redacted, Redactor};
use crate::trace::{Connection, ConnectionEnd, EndKind, Exchange, Mode, Outcome, Peer, Target};
use std::collections::HashMap;

/// The connections of a capture. Until [`Connections::finish`] they are numbered from 0 in the order of their appearance.
#[derive(Default)]
pub(super) struct Connections {
    known: HashMap<Key, usize>,
    list: Vec<Seen>,
}

#[derive(PartialEq, Eq, Hash)]
struct Key {
    process: Option<String>,
    connection: Option<String>,
    https: bool,
    host: String,
    port: u16,
}

struct Seen {
    record: Connection,
    until_us: i64,
}

impl Connections {
    /// Adds an exchange to the connection that its entry names; `None` if it names none and nothing about the
    /// connection is known otherwise.
    pub(super) fn add(
        &mut self,
        entry: &Json,
        address: &Address<'_>,
        exchange: &Exchange,
        distrust: bool,
    ) -> Option<usize> {
        let process = process(entry).map(str::to_owned);
        let connection = label(entry.get("connection"));
        if process.is_none() && connection.is_none() && !distrust {
            return None;
        }
        let key = Key {
            process,
            connection,
            https: address.scheme == Scheme::Https,
            host: address.host.to_ascii_lowercase(),
            port: address.port,
        };
        let next = self.list.len();
        let at = if key.process.is_none() && key.connection.is_none() {
            next
        } else {
            *self.known.entry(key).or_insert(next)
        };
        if at == next {
            self.list.push(Seen::begin(address, exchange));
        }
        let seen = self.list.get_mut(at)?;
        seen.extend(exchange);
        seen.record.requests += 1;
        if distrust {
            seen.record.end = ended(Outcome::ClientDistrustsCa, exchange.end.detail.clone());
        }
        Some(at)
    }

    /// Adds the connection that a CONNECT was to open.
    pub(super) fn add_tunnel(
        &mut self,
        entry: &Json,
        address: &Address<'_>,
        exchange: &Exchange,
        redactor: &Redactor,
    ) -> usize {
        let mut seen = Seen::begin(address, exchange);
        seen.extend(exchange);
        let answered = entry::status(entry.get("response"));
        let (mode, end) = match answered {
            Some(200..300) if is_broken(entry) => (
                Mode::Intercepted,
                ended(Outcome::ClientTls, Some(Redacted::literal("the TLS handshake inside the tunnel failed"))),
            ),
            Some(200..300) => opened(entry.get("_tls")),
            Some(status) => (Mode::Refused, refused(status, exchange, redactor)),
            None => (Mode::Refused, ended(unreached(exchange.end.outcome), exchange.end.detail.clone())),
        };
        seen.record.mode = mode;
        seen.record.via_upstream_proxy = end.outcome == Outcome::UpstreamProxyRefused;
        seen.record.requests = u64::from(end.outcome == Outcome::UpstreamProxyRefused);
        seen.record.end = end;
        seen.record.target = Some(Target { host: redactor.host(address.host), port: address.port });
        self.list.push(seen);
        self.list.len() - 1
    }

    /// The connections by the time at which they were opened, numbered from 1, and the number of each by its former one.
    pub(super) fn finish(self) -> (Vec<Connection>, Vec<u64>) {
        let mut order: Vec<usize> = (0..self.list.len()).collect();
        order.sort_by_key(|at| self.list.get(*at).map(|seen| seen.record.opened));
        let mut numbers = vec![0; order.len()];
        for (number, at) in (1..).zip(&order) {
            if let Some(slot) = numbers.get_mut(*at) {
                *slot = number;
            }
        }
        let mut records: Vec<Connection> =
            self.list.into_iter().zip(&numbers).map(|(seen, number)| seen.close(*number)).collect();
        records.sort_by_key(|record| record.id);
        (records, numbers)
    }
}

impl Seen {
    fn begin(address: &Address<'_>, exchange: &Exchange) -> Self {
        let record = Connection {
            id: 0,
            lane: exchange.lane.clone(),
            peer: exchange.peer.clone(),
            opened: exchange.at,
            duration_us: 0,
            target: Some(Target { host: exchange.request.host.clone(), port: address.port }),
            mode: if address.scheme == Scheme::Https { Mode::Intercepted } else { Mode::Plain },
            client_tls: None,
            upstream_tls: None,
            server_name_mismatch: false,
            via_upstream_proxy: false,
            dns_us: exchange.timing.dns_us,
            connect_us: exchange.timing.connect_us,
            bytes_up: 0,
            bytes_down: 0,
            requests: 0,
            end: ended(Outcome::Ok, None),
        };
        Self { record, until_us: i64::MIN }
    }

    fn extend(&mut self, exchange: &Exchange) {
        let begun = exchange.at.unix_ms().saturating_mul(1000);
        let until = begun.saturating_add(i64::try_from(exchange.timing.total_us).unwrap_or(i64::MAX));
        self.until_us = self.until_us.max(until);
        if exchange.at < self.record.opened {
            self.record.opened = exchange.at;
            self.record.dns_us = exchange.timing.dns_us;
            self.record.connect_us = exchange.timing.connect_us;
        }
        self.record.bytes_up = self.record.bytes_up.saturating_add(exchange.request.body_bytes);
        let answered = exchange.response.as_ref().map_or(0, |response| response.body_bytes);
        self.record.bytes_down = self.record.bytes_down.saturating_add(answered);
    }

    fn close(self, number: u64) -> Connection {
        let lasted = self.until_us.saturating_sub(self.record.opened.unix_ms().saturating_mul(1000));
        Connection { id: number, duration_us: u64::try_from(lasted).unwrap_or(0), ..self.record }
    }
}

/// Whether Charles notes that it came to nothing inside the tunnel.
fn is_broken(entry: &Json) -> bool {
    entry.get("response").get("_charlesStatus").word().is_some_and(|status| status != "COMPLETE")
}

/// The tunnel was opened: what is known of the handshake inside.
fn opened(tls: &Json) -> (Mode, ConnectionEnd) {
    if tls.get("handshake_completed").truth() == Some(true) || tls.is_null() {
        let mode = if tls.is_null() { Mode::Tunnel } else { Mode::Intercepted };
        return (mode, ended(Outcome::Ok, None));
    }
    // The alerts of RFC 8446 §6.2 that speak of the certificate. A client may also leave without any.
    const REFUSING: [&str; 7] = [
        "bad_certificate",
        "unsupported_certificate",
        "certificate_revoked",
        "certificate_expired",
        "certificate_unknown",
        "unknown_ca",
        "access_denied",
    ];
    let alert = tls.get("client_alert").word();
    let end = match alert {
        Some(alert) if REFUSING.contains(&alert.to_ascii_lowercase().as_str()) => ended(
            Outcome::ClientDistrustsCa,
            Some(Redacted::literal("the client refused the certificate with a TLS alert")),
        ),
        Some(_) => {
            ended(Outcome::ClientTls, Some(Redacted::literal("the client ended the handshake with a TLS alert")))
        }
        None => ended(
            Outcome::ClientDistrustsCa,
            Some(Redacted::literal("the client closed the connection before it finished the handshake")),
        ),
    };
    (Mode::Intercepted, end)
}

fn refused(status: u16, exchange: &Exchange, redactor: &Redactor) -> ConnectionEnd {
    let mut text = "the upstream proxy refused the tunnel".to_owned();
    let schemes = offered(exchange);
    if !schemes.is_empty() {
        text = format!("{text}; it offers {}", schemes.join(", "));
    }
    ConnectionEnd {
        outcome: Outcome::UpstreamProxyRefused,
        detail: Some(redactor.message(&text)),
        status: Some(status),
    }
}

/// The schemes of `Proxy-Authenticate` (RFC 9110 §11.7.1) that there are proxies for.
fn offered(exchange: &Exchange) -> Vec<&'static str> {
    const SCHEMES: [&str; 5] = ["Basic", "Digest", "NTLM", "Negotiate", "Bearer"];
    let fields = exchange.response.iter().flat_map(|response| &response.headers);
    let challenges = fields.filter(|field| field.name.as_str().eq_ignore_ascii_case("proxy-authenticate"));
    let words: Vec<&str> = challenges.flat_map(|field| field.value.as_str().split([' ', ','])).collect();
    SCHEMES.into_iter().filter(|scheme| words.iter().any(|word| word.eq_ignore_ascii_case(scheme))).collect()
}

/// A CONNECT that was not answered.
fn unreached(end: EndKind) -> Outcome {
    match end {
        EndKind::NotResolved => Outcome::UpstreamDns,
        EndKind::TlsFailed => Outcome::UpstreamTls,
        EndKind::ClientAbort | EndKind::NotSent => Outcome::ClientAbort,
        EndKind::UpstreamReset | EndKind::UpstreamClosed => Outcome::UpstreamReset,
        EndKind::UpstreamProtocol => Outcome::UpstreamProtocol,
        _ => Outcome::UpstreamConnect,
    }
}

fn ended(outcome: Outcome, detail: Option<Redacted>) -> ConnectionEnd {
    ConnectionEnd { outcome, detail, status: None }
}

/// The process of an entry, by whatever name the capture gives it.
pub(super) fn process(entry: &Json) -> Option<&str> {
    entry.get("_client").get("process").word()
}

/// The process of an entry as the operating system knows it.
pub(super) fn peer(entry: &Json, redactor: &Redactor) -> Option<Peer> {
    let pid = entry.get("_client").get("pid").count().and_then(|pid| u32::try_from(pid).ok())?;
    Some(Peer { pid, program: process(entry).map(|name| redactor.program(name)) })
}

/// A name or number; empty and 0 name nothing.
fn label(value: &Json) -> Option<String> {
    match value {
        Json::Number(number) => Some(number.to_string()),
        other => other.word().map(str::to_owned),
    }
    .filter(|label| label != "0")
}

/// The names of the processes of a capture as lanes. A name that may be shown stands; any other becomes `process-1` and so
/// on, in the order of first appearance, so that processes stay apart.
#[derive(Default)]
pub(super) struct Lanes {
    given: HashMap<String, Redacted>,
    numbered: u32,
}

impl Lanes {
    pub(super) fn of(&mut self, entry: &Json, redactor: &Redactor) -> Redacted {
        let Some(name) = process(entry) else {
            return Redacted::literal("main");
        };
        if let Some(lane) = self.given.get(name) {
            return lane.clone();
        }
        let shown = redactor.lane(name);
        let plain = shown.as_str() == name && !name.starts_with("process-");
        let lane = if plain { shown } else { self.next(redactor) };
        self.given.insert(name.to_owned(), lane.clone());
        lane
    }

    fn next(&mut self, redactor: &Redactor) -> Redacted {
        self.numbered += 1;
        redactor.lane(&format!("process-{}", self.numbered))
    }
}
