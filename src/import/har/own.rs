//! What authtrace itself left in a HAR besides the format (`_authtrace`): facts that HAR has no words for.
//!
//! They are redacted again like everything that is read.

use super::json::Json;
use crate::import::Unread;
use crate::redact::Redactor;
use crate::trace::{
    Credential, End, ErrorFacts, Exchange, HeaderField, OAuthFacts, Origin, Passage, Peer, Record, RequestIds,
    SseFacts, Timing,
};
use serde::Deserialize;

/// The facts of one entry.
#[derive(Deserialize)]
pub(super) struct Facts {
    pub(super) exchange: u64,
    connection: u64,
    lane: String,
    peer: Option<Peer>,
    #[serde(default)]
    credentials: Vec<Credential>,
    error: Option<ErrorFacts>,
    #[serde(default)]
    request_ids: RequestIds,
    oauth: Option<OAuthFacts>,
    sse: Option<SseFacts>,
    timing: Timing,
    origin: Origin,
    passage: Option<Passage>,
    end: End,
    #[serde(default)]
    interim: Vec<u16>,
    #[serde(default)]
    request_trailers: Vec<HeaderField>,
    #[serde(default)]
    response_trailers: Vec<HeaderField>,
    host: Option<String>,
    path: Option<String>,
}

impl Facts {
    /// The facts of an entry that authtrace wrote.
    pub(super) fn of(entry: &Json) -> Option<Self> {
        let facts = entry.get("_authtrace");
        if facts.is_null() { None } else { serde_json::from_value(facts.to_value()).ok() }
    }

    /// Completes what HAR itself says.
    pub(super) fn complete(self, exchange: &mut Exchange, redactor: &Redactor) {
        exchange.id = self.exchange;
        exchange.connection = self.connection;
        exchange.lane = redactor.lane(&self.lane);
        exchange.peer = self.peer;
        exchange.credentials = self.credentials;
        exchange.error = self.error;
        exchange.request_ids = self.request_ids;
        exchange.oauth = self.oauth;
        exchange.sse = self.sse;
        exchange.timing = self.timing;
        exchange.origin = self.origin;
        exchange.passage = self.passage;
        exchange.end = self.end;
        exchange.request.trailers = self.request_trailers;
        if let Some(response) = &mut exchange.response {
            response.interim = self.interim;
            response.trailers = self.response_trailers;
        }
        if let Some(host) = self.host {
            exchange.request.host = redactor.host(&host);
        }
        if let Some(path) = self.path {
            exchange.request.path = redactor.path(path.as_bytes());
        }
    }
}

/// What a trace holds besides exchanges.
pub(super) struct Rest {
    pub(super) records: Vec<Record>,
    /// Places of the original trace that could not be read.
    pub(super) unread: Vec<Unread>,
    /// How many of the records could not be read.
    pub(super) lost: usize,
}

/// What authtrace put into a HAR besides its entries.
pub(super) fn rest(own: &Json, redactor: &Redactor) -> Rest {
    let items = own.get("records").items();
    let records: Vec<Record> =
        items.iter().filter_map(|record| serde_json::from_value(record.to_value()).ok()).collect();
    let unread = own.get("unread").items().iter().filter_map(|place| {
        let why = redactor.message(place.get("why").text()?).to_string();
        Some(Unread { line: place.get("line").count()?, column: 0, why })
    });
    Rest { unread: unread.collect(), lost: items.len() - records.len(), records }
}
