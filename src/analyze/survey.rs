//! Everything that a report needs, read from the records of a trace.

use super::client_log::{self, ClientView};
use super::credentials::{self, CredentialRow};
use super::failures::{self, Failure};
use super::labels::{Label, Labels};
use super::receipt::{self, Receipt};
use super::timing::{self, ClockDifference, TimingSummary};
use crate::redact::{Fingerprint, Redacted};
use crate::trace::{
    ClientLog, Connection, Exchange, Gap, Line, Mode, Note, Origin, Peer, ReadError, Reader, Record, RequestStart,
    Target, Timestamp, TraceEnd, TraceHead,
};
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use std::io::BufRead;
use std::sync::Arc;

/// The content of a trace in the order of time. Records may be taken while the trace is still being written.
#[derive(Clone, Debug, Default)]
pub struct Survey {
    head: Option<TraceHead>,
    exchanges: Vec<Exchange>,
    ended: HashSet<u64>,
    unfinished: BTreeMap<u64, RequestStart>,
    connections: Vec<Connection>,
    gaps: Vec<Gap>,
    notes: Vec<Note>,
    end: Option<TraceEnd>,
    unread: Vec<Unread>,
    labels: Labels,
    client_log: Option<ClientLog>,
}

/// A line of a trace file that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Unread {
    /// Number of the line, from 1.
    pub line: u64,
    /// What is wrong with it, without any of its bytes.
    pub why: String,
}

/// A host whose traffic was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct HostRow {
    /// Host name.
    pub host: Redacted,
    /// Exchanges with it.
    pub exchanges: u64,
}

/// A target whose traffic passed unread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct TunnelRow {
    /// Host and port.
    pub target: Target,
    /// Connections to it.
    pub connections: u64,
    /// Bytes from the clients, all connections together.
    pub bytes_up: u64,
    /// Bytes to the clients, all connections together.
    pub bytes_down: u64,
}

impl Survey {
    /// Reads a trace to its end. Lines that cannot be read are kept as facts ([`Survey::unread`]); a failing disk ends
    /// the reading and is one of them.
    #[must_use]
    pub fn read<R: BufRead>(mut reader: Reader<R>) -> Self {
        let mut survey = Self { head: Some(reader.head().clone()), ..Self::default() };
        loop {
            match reader.next_line() {
                Ok(Some(Line::Record(record))) => survey.add(record),
                Ok(Some(Line::Broken { line, why })) => survey.unread.push(Unread { line, why }),
                Ok(Some(Line::Torn { line })) => {
                    let why = "the last line is not whole: its writer was stopped in the middle".to_owned();
                    survey.unread.push(Unread { line, why });
                }
                Ok(None) => break,
                Err(error) => {
                    let line = if let ReadError::Io { line, .. } = &error { *line } else { 1 };
                    survey.unread.push(Unread { line, why: format!("reading stopped: {error}") });
                    break;
                }
            }
        }
        survey.sort();
        survey
    }

    /// Takes one record.
    pub fn take(&mut self, record: &Record) {
        self.add(record.clone());
        match record {
            Record::Exchange(_) => move_last_into_order(&mut self.exchanges, exchange_order),
            Record::Connection(_) => move_last_into_order(&mut self.connections, connection_order),
            _ => {}
        }
    }

    fn add(&mut self, record: Record) {
        self.labels.take(&record);
        match record {
            Record::Trace(head) => self.head = Some(*head),
            Record::Request(start) => {
                if !self.ended.contains(&start.id) {
                    self.unfinished.insert(start.id, start);
                }
            }
            Record::Exchange(exchange) => {
                self.ended.insert(exchange.id);
                self.unfinished.remove(&exchange.id);
                self.exchanges.push(Arc::unwrap_or_clone(exchange));
            }
            Record::Connection(connection) => self.connections.push(*connection),
            Record::Gap(gap) => self.gaps.push(gap),
            Record::Note(note) => self.notes.push(note),
            Record::End(end) => self.end = Some(end),
        }
    }

    fn sort(&mut self) {
        self.exchanges.sort_by_key(exchange_order);
        self.connections.sort_by_key(connection_order);
    }

    /// The same trace with these exchanges alone. Of connections there are those that carried one of them, or none at all.
    #[must_use]
    pub fn narrowed(&self, keeps: impl Fn(&Exchange) -> bool) -> Self {
        let exchanges: Vec<Exchange> = self.exchanges.iter().filter(|one| keeps(one)).cloned().collect();
        let used: HashSet<u64> = exchanges.iter().map(|one| one.connection).collect();
        let connections = self.connections.iter().filter(|one| one.requests == 0 || used.contains(&one.id));
        Self {
            head: self.head.clone(),
            ended: exchanges.iter().map(|one| one.id).collect(),
            exchanges,
            unfinished: self.unfinished.clone(),
            connections: connections.cloned().collect(),
            gaps: self.gaps.clone(),
            notes: self.notes.clone(),
            end: self.end.clone(),
            unread: self.unread.clone(),
            labels: self.labels.clone(),
            client_log: self.client_log.clone(),
        }
    }

    /// Adds places that could not be read where the records came from.
    #[must_use]
    pub fn with_unread(mut self, unread: impl IntoIterator<Item = Unread>) -> Self {
        self.unread.extend(unread);
        self
    }

    /// Adds the debug log of the client.
    #[must_use]
    pub fn with_client_log(mut self, log: ClientLog) -> Self {
        self.client_log = Some(log);
        self
    }

    /// What the client believed, beside what happened; absent without its debug log.
    #[must_use]
    pub fn client_view(&self) -> Option<ClientView> {
        self.client_log.as_ref().map(|log| client_log::join(self, log))
    }

    /// The first line: what made the trace, and under which conditions.
    #[must_use]
    pub fn head(&self) -> Option<&TraceHead> {
        self.head.as_ref()
    }

    /// Every exchange, by the time at which it began.
    #[must_use]
    pub fn exchanges(&self) -> &[Exchange] {
        &self.exchanges
    }

    /// Every connection, by the time at which it was accepted.
    #[must_use]
    pub fn connections(&self) -> &[Connection] {
        &self.connections
    }

    /// Requests whose end is not recorded, by number: in flight now, or when the writer died.
    pub fn unfinished(&self) -> impl Iterator<Item = &RequestStart> {
        self.unfinished.values()
    }

    /// Places where records are missing.
    #[must_use]
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// What was noted about the run.
    #[must_use]
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// The last line; absent while the trace is written, and when its writer was killed.
    #[must_use]
    pub fn end(&self) -> Option<&TraceEnd> {
        self.end.as_ref()
    }

    /// Lines of the file that could not be read.
    #[must_use]
    pub fn unread(&self) -> &[Unread] {
        &self.unread
    }

    /// The labels of all credentials.
    #[must_use]
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// The short name of a credential that occurs in the trace.
    #[must_use]
    pub fn credential_label(&self, fp: Fingerprint) -> Option<Label> {
        self.labels.get(fp)
    }

    /// Refused exchanges and connections that came to nothing, by time. Refusals of telemetry are not among them:
    /// see [`Survey::telemetry_refusals`].
    #[must_use]
    pub fn failures(&self) -> Vec<Failure<'_>> {
        failures::failures(&self.exchanges, &self.connections)
    }

    /// Exchanges of telemetry that were refused: they say nothing about the login.
    pub fn telemetry_refusals(&self) -> impl Iterator<Item = &Exchange> {
        let by_server = |exchange: &&Exchange| exchange.origin != Origin::Authtrace;
        let refused = |exchange: &&Exchange| exchange.is_auth_failure() && failures::is_telemetry(exchange);
        self.exchanges.iter().filter(by_server).filter(refused)
    }

    /// The last exchange before `failure` that carried a credential and was answered with 2xx.
    #[must_use]
    pub fn accepted_before(&self, failure: &Exchange) -> Option<&Exchange> {
        let before = self.exchanges.iter().rev().filter(|other| (other.at, other.id) < (failure.at, failure.id));
        before.into_iter().find(|other| failures::is_accepted(other))
    }

    /// The first exchange after `failure` that asked the same, carried a credential and was answered with 2xx. Other
    /// endpoints may well accept what this one refuses. After a refused token request, whatever was accepted.
    #[must_use]
    pub fn accepted_after(&self, failure: &Exchange) -> Option<&Exchange> {
        let asked = |exchange: &Exchange| {
            let request = &exchange.request;
            (request.method.clone(), request.host.clone(), request.path.clone())
        };
        let wanted = asked(failure);
        let mut after = self
            .exchanges
            .iter()
            .filter(|other| (other.at, other.id) > (failure.at, failure.id))
            .filter(|other| failure.oauth.is_some() || asked(other) == wanted);
        after.find(|other| failures::is_accepted(other))
    }

    /// One row per credential, by the time at which it was first seen.
    #[must_use]
    pub fn credentials(&self) -> Vec<CredentialRow> {
        credentials::rows(&self.exchanges, &self.labels)
    }

    /// The clients of the trace, in the order of their first exchange or connection.
    #[must_use]
    pub fn lanes(&self) -> Vec<&Redacted> {
        let mut lanes = Vec::new();
        let of_exchanges = self.exchanges.iter().map(|exchange| &exchange.lane);
        for lane in of_exchanges.chain(self.connections.iter().map(|connection| &connection.lane)) {
            if !lanes.contains(&lane) {
                lanes.push(lane);
            }
        }
        lanes
    }

    /// Hosts whose traffic was read, in the order of their first exchange.
    #[must_use]
    pub fn hosts(&self) -> Vec<HostRow> {
        let mut rows: Vec<HostRow> = Vec::new();
        for exchange in &self.exchanges {
            match rows.iter_mut().find(|row| row.host == exchange.request.host) {
                Some(row) => row.exchanges += 1,
                None => rows.push(HostRow { host: exchange.request.host.clone(), exchanges: 1 }),
            }
        }
        rows
    }

    /// What the clients called themselves (`user-agent`), in the order of their first exchange.
    #[must_use]
    pub fn clients(&self) -> Vec<&Redacted> {
        let mut clients = Vec::new();
        for field in self.exchanges.iter().flat_map(|exchange| &exchange.request.headers) {
            if field.name.as_str().eq_ignore_ascii_case("user-agent") && !clients.contains(&&field.value) {
                clients.push(&field.value);
            }
        }
        clients
    }

    /// Targets whose traffic passed unread, in the order of their first connection.
    #[must_use]
    pub fn tunnelled(&self) -> Vec<TunnelRow> {
        let mut rows: Vec<TunnelRow> = Vec::new();
        for connection in self.connections.iter().filter(|connection| connection.mode == Mode::Tunnel) {
            let Some(target) = &connection.target else { continue };
            let at = rows.iter().position(|row| row.target == *target).unwrap_or_else(|| {
                rows.push(TunnelRow { target: target.clone(), connections: 0, bytes_up: 0, bytes_down: 0 });
                rows.len() - 1
            });
            if let Some(row) = rows.get_mut(at) {
                row.connections += 1;
                row.bytes_up = row.bytes_up.saturating_add(connection.bytes_up);
                row.bytes_down = row.bytes_down.saturating_add(connection.bytes_down);
            }
        }
        rows
    }

    /// How often each status was answered.
    #[must_use]
    pub fn statuses(&self) -> BTreeMap<u16, u64> {
        let mut counts = BTreeMap::new();
        for status in self.exchanges.iter().filter_map(Exchange::status) {
            *counts.entry(status).or_default() += 1;
        }
        counts
    }

    /// Where the time went.
    #[must_use]
    pub fn timing(&self) -> TimingSummary {
        let all = timing::summarise(&self.exchanges);
        // What another tool's capture went through, authtrace did not see.
        if self.is_imported() { TimingSummary { added: None, ..all } } else { all }
    }

    /// What authtrace did to what passed through it.
    #[must_use]
    pub fn receipt(&self) -> Receipt {
        receipt::write(&self.exchanges, &self.connections)
    }

    /// The process that made a request: as the exchange says, or else its connection.
    #[must_use]
    pub fn peer_of<'a>(&'a self, exchange: &'a Exchange) -> Option<&'a Peer> {
        let of_connection = || self.connections.iter().find(|connection| connection.id == exchange.connection);
        exchange.peer.as_ref().or_else(|| of_connection()?.peer.as_ref())
    }

    /// How far the server's clock was from this machine's in one exchange, in milliseconds: positive if the server's was
    /// ahead. Absent if the answer has no usable `Date`.
    #[must_use]
    pub fn clock_difference_of(&self, exchange: &Exchange) -> Option<i64> {
        timing::difference(exchange)
    }

    /// Whether it was read from the capture of another tool.
    #[must_use]
    pub fn is_imported(&self) -> bool {
        self.head.as_ref().is_some_and(|head| head.imported.is_some())
    }

    /// How far the servers' clocks are from this machine's; absent if no answer had a usable `Date`.
    #[must_use]
    pub fn clock_difference(&self) -> Option<ClockDifference> {
        timing::clock_difference(&self.exchanges)
    }
}

impl Survey {
    /// From records in any order, of which some have labels already.
    pub(super) fn labelled(labels: Labels, records: impl Iterator<Item = Record>) -> Self {
        let mut survey = Self { labels, ..Self::default() };
        records.for_each(|record| survey.add(record));
        survey.sort();
        survey
    }
}

impl FromIterator<Record> for Survey {
    /// From records in any order.
    fn from_iter<I: IntoIterator<Item = Record>>(records: I) -> Self {
        Self::labelled(Labels::default(), records.into_iter())
    }
}

fn exchange_order(exchange: &Exchange) -> (Timestamp, u64) {
    (exchange.at, exchange.id)
}

fn connection_order(connection: &Connection) -> (Timestamp, u64) {
    (connection.opened, connection.id)
}

/// Records come in the order in which things ended; nearly always the last one is in its place already.
fn move_last_into_order<T, K: Ord>(items: &mut [T], order: impl Fn(&T) -> K) {
    let Some((last, sorted)) = items.split_last() else { return };
    let key = order(last);
    let at = sorted.partition_point(|item| order(item) <= key);
    if let Some(moved) = items.get_mut(at..) {
        moved.rotate_right(1);
    }
}
