//! What has been read so far, and what it comes to when everything has been read.

use super::address::Address;
use super::connections::{Connections, Lanes};
use super::json::Json;
use super::scan::Position;
use super::{connections, entry, own, timing};
use crate::facts::Extractor;
use crate::import::{Imported, Unread};
use crate::redact::{Redacted, Redactor};
use crate::trace::{self, Exchange, FormatVersion, Note, NoteKind, Record, Timestamp, TraceEnd, TraceHead};
use std::collections::HashSet;
use std::sync::Arc;

/// Places that are told one by one; further ones are only counted.
const PLACES: usize = 100;
/// The time of what has none, until one is found for it.
const UNDATED: Timestamp = Timestamp::from_unix_ms(0);

/// A capture in the making.
pub(super) struct Capture {
    extractor: Extractor,
    connections: Connections,
    lanes: Lanes,
    exchanges: Vec<Read>,
    creator: Option<(Redacted, Option<Redacted>)>,
    own: Vec<Record>,
    /// Fingerprints.
    credentials: HashSet<String>,
    unread: Vec<Unread>,
    left_out: LeftOut,
    last_at: Option<Timestamp>,
    masked: u64,
}

/// An exchange and the connection that it goes with.
struct Read {
    exchange: Exchange,
    /// Index of the connection that the entry names.
    connection: Option<usize>,
    /// Whether authtrace itself wrote the entry; then its numbers are in it.
    own: bool,
}

/// Entries and parts of entries that are no exchange of this trace.
#[derive(Default)]
struct LeftOut {
    cached: u64,
    not_http: u64,
    undated: u64,
    places: u64,
}

impl Capture {
    pub(super) fn new(redactor: &Arc<Redactor>) -> Self {
        Self {
            extractor: Extractor::new(Arc::clone(redactor)),
            connections: Connections::default(),
            lanes: Lanes::default(),
            exchanges: Vec::new(),
            creator: None,
            own: Vec::new(),
            credentials: HashSet::new(),
            unread: Vec::new(),
            left_out: LeftOut::default(),
            last_at: None,
            masked: 0,
        }
    }

    /// A place that could not be read.
    pub(super) fn unread(&mut self, at: Position, why: &'static str) {
        if self.unread.len() < PLACES {
            self.unread.push(Unread { line: at.line, column: at.column, why: why.to_owned() });
        } else {
            self.left_out.places += 1;
        }
    }

    /// `log.creator`.
    pub(super) fn creator(&mut self, creator: &Json) {
        let redactor = self.extractor.redactor();
        let shown =
            |text: &str, redact: &dyn Fn(&str) -> Redacted| Some(redact(text)).filter(|shown| shown.as_str() == text);
        let name = creator.get("name").word().and_then(|name| shown(name, &|name| redactor.capture_tool(name)));
        let version = creator.get("version").word().and_then(|text| shown(text, &|text| redactor.version(text)));
        self.creator = name.map(|name| (name, version));
    }

    /// `log._authtrace`.
    pub(super) fn own_records(&mut self, own: &Json) {
        let own::Rest { records, unread, lost } = own::rest(own, self.extractor.redactor());
        self.own = records;
        self.unread.extend(unread);
        if lost > 0 {
            let why = format!("{lost} records besides the exchanges could not be read");
            self.unread.push(Unread { line: 1, column: 0, why });
        }
    }

    /// One entry, which stands at `position`.
    pub(super) fn entry(&mut self, entry: &Json, position: Position) {
        let request = entry.get("request");
        if !matches!(entry, Json::Object(_)) || !matches!(request, Json::Object(_)) {
            return self.unread(position, "this is no entry: an object with a \"request\" was expected");
        }
        if is_cached(entry) {
            self.left_out.cached += 1;
            return;
        }
        let url = entry::url(request);
        let Some(address) = Address::of(&url) else {
            match request.get("url").word() {
                Some(_) => self.left_out.not_http += 1,
                None => self.unread(position, "this entry has no \"url\""),
            }
            return;
        };
        let at = self.time_of(entry);
        let lane = self.lanes.of(entry, self.extractor.redactor());
        let (exchange, distrust) = entry::exchange(entry, &address, at, lane, &mut self.extractor);
        let peer = connections::peer(entry, self.extractor.redactor());
        let mut read = Read { exchange: Exchange { peer, ..exchange }, connection: None, own: false };
        if let Some(facts) = own::Facts::of(entry) {
            facts.complete(&mut read.exchange, self.extractor.redactor());
            read.own = true;
        } else if request.get("method").word() == Some("CONNECT") {
            let redactor = self.extractor.redactor();
            read.connection = Some(self.connections.add_tunnel(entry, &address, &read.exchange, redactor));
            // As with a proxy of our own, only a refusal is an exchange.
            if read.exchange.status().is_none_or(|status| status < 300) {
                return;
            }
        } else {
            read.connection = self.connections.add(entry, &address, &read.exchange, distrust);
        }
        self.keep(read);
    }

    fn keep(&mut self, mut read: Read) {
        let redactor = self.extractor.redactor();
        if let Some(masked) = masked(&read.exchange, redactor) {
            read.exchange = masked;
            self.masked += 1;
        }
        let issued = read.exchange.oauth.iter().flat_map(|oauth| &oauth.issued);
        let seen = read.exchange.credentials.iter().chain(issued).map(|seen| seen.credential.fp.to_string());
        self.credentials.extend(seen.chain(cookies_set(&read.exchange)));
        self.exchanges.push(read);
    }

    /// When the entry began; one without a time stands with the one before it, and with the first that has one if
    /// there is none before it.
    fn time_of(&mut self, entry: &Json) -> Timestamp {
        let at = entry.get("startedDateTime").text().and_then(timing::timestamp);
        if at.is_none() {
            self.left_out.undated += 1;
        }
        self.last_at = at.or(self.last_at);
        self.last_at.unwrap_or(UNDATED)
    }

    fn date_the_first(&mut self) {
        let dated = self.exchanges.iter().map(|read| read.exchange.at).find(|at| *at != UNDATED);
        let undated = self.exchanges.iter_mut().take_while(|read| read.exchange.at == UNDATED);
        for (read, at) in undated.zip(dated.into_iter().cycle()) {
            read.exchange.at = at;
        }
    }

    /// Everything, in the order of time.
    pub(super) fn finish(mut self) -> Imported {
        self.date_the_first();
        let own = self.is_wholly_own();
        if own {
            self.exchanges.sort_by_key(|read| (read.exchange.at, read.exchange.id));
        } else {
            self.exchanges.sort_by_key(|read| read.exchange.at);
        }
        let (connections, numbers) = std::mem::take(&mut self.connections).finish();
        let mut exchanges = Vec::with_capacity(self.exchanges.len());
        for (number, read) in (1..).zip(std::mem::take(&mut self.exchanges)) {
            let mut exchange = read.exchange;
            if !own {
                exchange.id = number;
                let connection = read.connection.and_then(|index| numbers.get(index).copied());
                exchange.connection = connection.unwrap_or(0);
            }
            exchanges.push(exchange);
        }
        let mut records = if own { std::mem::take(&mut self.own) } else { Vec::new() };
        if !own || !records.iter().any(|record| matches!(record, Record::Trace(_))) {
            records.insert(0, Record::Trace(Box::new(self.head(&exchanges, &connections))));
        }
        let ended = last_moment(&exchanges, &connections);
        let end = TraceEnd {
            at: ended,
            connections: connections.len() as u64,
            exchanges: exchanges.len() as u64,
            lost: 0,
            masked: self.masked,
            exit_code: None,
        };
        let notes = self.notes(ended.unwrap_or(UNDATED));
        records.extend(connections.into_iter().map(|connection| Record::Connection(Box::new(connection))));
        records.extend(exchanges.into_iter().map(|exchange| Record::Exchange(Arc::new(exchange))));
        records.extend(notes.into_iter().map(Record::Note));
        if !own {
            records.push(Record::End(end));
        }
        if self.left_out.places > 0 {
            let why = format!("and {} more places could not be read", self.left_out.places);
            self.unread.push(Unread { why, ..self.unread.last().cloned().unwrap_or_default() });
        }
        Imported { records, unread: self.unread, credentials: self.credentials.len() }
    }

    /// Whether authtrace wrote the HAR and nobody has joined another one to it.
    fn is_wholly_own(&self) -> bool {
        let mut numbers = HashSet::new();
        let entries_are = self.exchanges.iter().all(|read| read.own && numbers.insert(read.exchange.id));
        entries_are && !self.own.is_empty()
    }

    fn head(&self, exchanges: &[Exchange], connections: &[trace::Connection]) -> TraceHead {
        let begun = exchanges.iter().map(|exchange| exchange.at);
        let begun = begun.chain(connections.iter().map(|connection| connection.opened)).min();
        let mut hosts: Vec<Redacted> = Vec::new();
        for exchange in exchanges {
            if !hosts.contains(&exchange.request.host) {
                hosts.push(exchange.request.host.clone());
            }
        }
        let (tool, version) = self.creator.clone().map_or((None, None), |(tool, version)| (Some(tool), version));
        TraceHead {
            format: FormatVersion::CURRENT,
            tool: Redacted::literal(concat!("authtrace ", env!("CARGO_PKG_VERSION"))),
            os: Redacted::literal(""),
            started: begun.unwrap_or(UNDATED),
            intercept: hosts,
            variables: Vec::new(),
            shared_fingerprints: false,
            imported: Some(trace::Imported { format: Redacted::literal("HAR"), tool, version }),
            played: None,
            part: None,
        }
    }

    fn notes(&self, at: Timestamp) -> Vec<Note> {
        let redactor = self.extractor.redactor();
        let told = [
            (self.left_out.cached, "left out: the browser answered them from its cache"),
            (self.left_out.not_http, "left out: their addresses are not of HTTP (data, extensions, files)"),
            (self.left_out.undated, "without a usable time: they stand with the entry before them"),
        ];
        let told = told.into_iter().filter(|(count, _)| *count > 0);
        let note = |(count, text): (u64, &str)| {
            let noun = if count == 1 { "entry" } else { "entries" };
            Note { at, kind: NoteKind::Other, text: redactor.message(&format!("{count} {noun} {text}")) }
        };
        told.map(note).collect()
    }
}

/// Fingerprints of the cookies that the answer set.
fn cookies_set(exchange: &Exchange) -> impl Iterator<Item = String> {
    let fields = exchange.response.iter().flat_map(|response| &response.headers);
    let set = fields.filter(|field| field.name.as_str().eq_ignore_ascii_case("set-cookie"));
    set.filter_map(|field| {
        let cookie = field.value.as_str().split("; ").next()?;
        let (_, value) = cookie.rsplit_once("fp=")?;
        value.get(..8).map(str::to_owned)
    })
}

/// Whether a browser says that the answer never came over the network.
fn is_cached(entry: &Json) -> bool {
    let worker = entry.get("response").get("_fetchedViaServiceWorker").truth() == Some(true);
    let from = [entry.get("_fromCache"), entry.get("response").get("_fromCache")];
    worker || from.iter().any(|from| from.word().is_some() || from.truth() == Some(true))
}

/// The exchange without what was learned as a credential, if something of it was about to get through.
fn masked(exchange: &Exchange, redactor: &Redactor) -> Option<Exchange> {
    let line = serde_json::to_string(exchange).ok()?;
    if redactor.is_clean(&line) {
        return None;
    }
    let sealed = redactor.seal(line);
    serde_json::from_str(sealed.text()).ok()
}

fn last_moment(exchanges: &[Exchange], connections: &[trace::Connection]) -> Option<Timestamp> {
    let after = |at: Timestamp, us: u64| at.unix_ms().saturating_add(i64::try_from(us / 1000).unwrap_or(i64::MAX));
    let of_exchanges = exchanges.iter().map(|exchange| after(exchange.at, exchange.timing.total_us));
    let of_connections = connections.iter().map(|connection| after(connection.opened, connection.duration_us));
    of_exchanges.chain(of_connections).max().map(Timestamp::from_unix_ms)
}
