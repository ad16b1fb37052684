//! Bodies: what has to be read of each, and what was in it.

use super::coding::{Codings, Stop};
use super::error::{Setting, Stated};
use super::oauth;
use super::route::Route;
use super::source::{RequestSource, ResponseSource, starts};
use super::sse::Events;
use crate::redact::{Redacted, Redactor};
use crate::trace::{self, ErrorFacts, OAuthFacts, RequestIds, SseFacts};
use zeroize::Zeroizing;

/// Decoded bytes of a body that are held until its end.
const HELD: usize = 64 * 1024;

/// Reads along while a body passes. It holds at most 64 KiB of the decoded body, wiped when dropped, and of most
/// bodies nothing.
pub struct BodyReader(Option<Box<Reading>>);

/// What was read out of a body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BodyFacts {
    /// Credentials in the body of a request.
    pub credentials: Vec<trace::Credential>,
    /// The error that the body states.
    pub error: Option<ErrorFacts>,
    /// `request_id` in the body.
    pub request_id: Option<Redacted>,
    /// Whether the body had a `request_id` that was null.
    pub request_id_null: bool,
    /// What a token endpoint was asked or answered; see [`merge_oauth`](super::merge_oauth).
    pub oauth: Option<OAuthFacts>,
    /// The events of a streamed answer.
    pub sse: Option<SseFacts>,
    /// When the first event was complete, in microseconds since the first byte of the request.
    pub first_event_us: Option<u64>,
}

struct Reading {
    purpose: Purpose,
    codings: Codings,
    held: Option<Zeroizing<Vec<u8>>>,
    events: Option<Events>,
    done: bool,
    /// When the last bytes came, if any have: what waits until the end, to be told apart from a packed body, came no later.
    last_us: Option<u64>,
}

enum Purpose {
    Request,
    Response(Setting),
}

/// What has to be read of a request's body: the forms and objects that token endpoints take.
#[must_use]
pub fn request_body(request: &RequestSource<'_>) -> BodyReader {
    if !Route::of(request.target).carries_credentials() || matches!(request.method, b"GET" | b"HEAD") {
        return BodyReader(None);
    }
    BodyReader::new(Purpose::Request, Codings::of(request.headers), true, false)
}

/// What has to be read of an answer's body: errors, token-endpoint answers, event streams.
#[must_use]
pub fn response_body(route: Route, response: &ResponseSource<'_>) -> BodyReader {
    let holds = response.status >= 400 || route.carries_credentials();
    let streams = starts(response.headers, "content-type", "text/event-stream");
    if !holds && !streams {
        return BodyReader(None);
    }
    let setting = Setting {
        route,
        status: response.status,
        html: starts(response.headers, "content-type", "text/html"),
        challenged: starts(response.headers, "cf-mitigated", "challenge"),
    };
    BodyReader::new(Purpose::Response(setting), Codings::of(response.headers), holds, streams)
}

impl BodyReader {
    fn new(purpose: Purpose, codings: Codings, holds: bool, streams: bool) -> Self {
        let held = holds.then(|| Zeroizing::new(Vec::new()));
        let events = streams.then(Events::new);
        Self(Some(Box::new(Reading { purpose, codings, held, events, done: false, last_us: None })))
    }

    /// A reader that wants nothing.
    #[must_use]
    pub fn idle() -> Self {
        Self(None)
    }

    /// Whether the next bytes of the body still matter; if not, [`push`](Self::push) need not be called.
    #[must_use]
    pub fn wants_data(&self) -> bool {
        self.0.as_ref().is_some_and(|reading| !reading.done)
    }

    /// Reads bytes of the body as they passed, without chunk framing. `at_us` is the time since the first byte of the
    /// request, in microseconds.
    pub fn push(&mut self, data: &[u8], at_us: u64) {
        let Some(reading) = self.0.as_deref_mut().filter(|reading| !reading.done && !data.is_empty()) else {
            return;
        };
        reading.last_us = Some(at_us);
        reading.read(Some(data), at_us);
    }

    /// What was in the body. `complete` says whether it came to its proper end.
    #[must_use]
    pub fn finish(self, redactor: &Redactor, complete: bool) -> BodyFacts {
        let Some(mut reading) = self.0 else {
            return BodyFacts::default();
        };
        let last_us = reading.last_us.unwrap_or_default();
        reading.read(None, last_us);
        match reading.purpose {
            Purpose::Request => reading.request_facts(redactor),
            Purpose::Response(setting) => reading.response_facts(&redactor.for_answers(), setting, complete),
        }
    }
}

impl BodyFacts {
    /// Adds the body's ids to those of the heads.
    pub fn add_ids(&self, ids: &mut RequestIds) {
        ids.body.clone_from(&self.request_id);
        ids.body_null = self.request_id_null;
    }
}

impl Reading {
    /// Decodes `data`, or what still waits at the end.
    fn read(&mut self, data: Option<&[u8]>, at_us: u64) {
        let Self { codings, held, events, .. } = self;
        let mut sink = |out: &[u8]| {
            let mut full = true;
            if let Some(held) = held {
                let room = HELD.saturating_sub(held.len());
                hold(held, out.get(..room).unwrap_or(out));
                full = held.len() >= HELD;
            }
            if let Some(events) = events {
                events.push(out, at_us);
                full = false;
            }
            if full { Err(Stop::Enough) } else { Ok(()) }
        };
        let done = match data {
            Some(data) => codings.push(data, &mut sink),
            None => codings.finish(&mut sink),
        };
        self.done = done.is_err();
    }

    fn request_facts(self, redactor: &Redactor) -> BodyFacts {
        let held = self.held.unwrap_or_default();
        if held.is_empty() {
            return BodyFacts::default();
        }
        let (oauth, credentials) = oauth::request(&held, redactor);
        let oauth = (oauth != OAuthFacts::default() || !credentials.is_empty()).then_some(oauth);
        BodyFacts { credentials, oauth, ..BodyFacts::default() }
    }

    fn response_facts(self, redactor: &Redactor, setting: Setting, complete: bool) -> BodyFacts {
        let mut facts = BodyFacts::default();
        let held = self.held.unwrap_or_default();
        let readable = self.codings.is_readable();
        let mut stated = None;
        // Issued values are learned before any message is redacted.
        if setting.route.carries_credentials() {
            let oauth = oauth::response(&held, setting.status, redactor);
            facts.oauth = (oauth != OAuthFacts::default()).then_some(oauth);
        }
        let labelled = self.events.is_some();
        let events = self.events.or_else(|| unlabelled_events(&held));
        if let Some(events) = events {
            let seen = events.finish(redactor, readable && complete);
            stated = seen.error.map(|data| Stated::in_event(&data, setting));
            facts.first_event_us = seen.first_us.filter(|_| labelled);
            facts.sse = Some(seen.facts);
        }
        if stated.is_none() && setting.status >= 400 {
            let lost = held.trim_ascii().is_empty() && self.last_us.is_some() && !readable;
            stated = Some(if lost { Stated::unreadable() } else { Stated::in_body(&held, setting) });
        } else if stated.is_none() && setting.route.carries_credentials() {
            stated = Some(Stated::in_body(&held, setting)).filter(Stated::is_oauth_error);
        }
        if let Some(stated) = stated {
            facts.request_id = stated.request_id(redactor);
            facts.request_id_null = stated.id_null && facts.request_id.is_none();
            facts.error = Some(stated.facts(redactor, setting));
        }
        facts
    }
}

/// Adds to what is held. A buffer that is too small is wiped when its larger one is filled; most bodies need but a small
/// one, and wiping costs what the capacity is.
fn hold(held: &mut Zeroizing<Vec<u8>>, bytes: &[u8]) {
    let needed = held.len() + bytes.len();
    if needed > held.capacity() {
        let mut larger = Zeroizing::new(Vec::with_capacity(needed.next_power_of_two().max(1024)));
        larger.extend_from_slice(held);
        *held = larger;
    }
    held.extend_from_slice(bytes);
}

/// An event stream whose content type did not say so.
fn unlabelled_events(held: &[u8]) -> Option<Events> {
    let starts_as_events = [b"event:".as_slice(), b"data:"].iter().any(|start| held.starts_with(start));
    starts_as_events.then(|| {
        let mut events = Events::new();
        events.push(held, 0);
        events
    })
}
