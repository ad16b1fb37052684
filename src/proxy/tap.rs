//! One exchange as it passes: what is read off it, and its record, emitted exactly once, also when it is dropped.
//!
//! The raw head is kept only until its bytes have been handed to the socket; then it becomes facts and is gone.

use super::Shared;
use super::journal::{ConnectionLog, micros};
use super::passage::{Meter, Passed, Way};
use super::peer::Answer;
use super::supervise::{Question, Watch};
use crate::facts::{
    self, BodyFacts, BodyReader, Extractor, RequestFacts, RequestSource, ResponseFacts, ResponseSource, Route, Scheme,
    Version,
};
use crate::redact::{self, Redacted};
use crate::trace::{
    End, EndKind, ErrorFacts, Exchange, HeaderField, Note, NoteKind, Origin, Passage, Record, RequestIds, RequestStart,
    Stage, Timestamp, Timing,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// What the exchanges of one connection have in common.
pub(super) struct Channel {
    pub(super) shared: Arc<Shared>,
    pub(super) connection: u64,
    pub(super) lane: Redacted,
    pub(super) scheme: Scheme,
    pub(super) host: String,
    pub(super) port: u16,
    /// Whether its exchanges are recorded, or only counted.
    recorded: bool,
    /// Whether the upstream asked for a client certificate, which we do not have.
    pub(super) client_certificate_asked: bool,
    /// Set when the upstream has broken off, so that what ends thereafter is not taken for the client's doing.
    pub(super) upstream_gone: AtomicBool,
    dialed: (Option<u64>, Option<u64>, Option<u64>),
    peer: Arc<Answer>,
}

impl Channel {
    pub(super) fn new(shared: &Arc<Shared>, log: &ConnectionLog, scheme: Scheme, host: String, port: u16) -> Self {
        Self {
            shared: Arc::clone(shared),
            connection: log.id(),
            lane: log.lane().clone(),
            scheme,
            host,
            port,
            recorded: true,
            client_certificate_asked: false,
            upstream_gone: AtomicBool::new(false),
            dialed: log.timing(),
            peer: Arc::clone(log.peer()),
        }
    }

    /// The upstream asked for a client certificate.
    pub(super) fn asked_for_certificate(self, asked: bool) -> Self {
        Self { client_certificate_asked: asked, ..self }
    }

    /// Whether its exchanges are recorded.
    pub(super) fn is_recorded(&self) -> bool {
        self.recorded
    }

    /// The host is out of scope: what passes is counted, and nothing of it is read.
    pub(super) fn unread(self) -> Self {
        Self { recorded: false, ..self }
    }
}

/// Fields of a raw head.
pub(super) type RawFields<'a> = [(&'a [u8], &'a [u8])];

/// One exchange in the making.
pub(super) struct Tap {
    channel: Arc<Channel>,
    id: u64,
    at: Timestamp,
    begun: Instant,
    first_of_connection: bool,
    request: Option<RequestFacts>,
    route: Route,
    request_body: BodyReader,
    request_bytes: u64,
    request_trailers: Vec<HeaderField>,
    sent: Option<Instant>,
    response: Option<ResponseFacts>,
    response_body: BodyReader,
    response_bytes: u64,
    response_trailers: Vec<HeaderField>,
    interim: Vec<u16>,
    answered: Option<Instant>,
    added_us: u64,
    origin: Origin,
    /// What authtrace did to it on purpose.
    done: Option<Redacted>,
    /// Whether authtrace let it wait on purpose.
    delayed: bool,
    watch: Option<Watch>,
    up: Passing,
    down: Passing,
    ended: bool,
}

/// What has passed of one message.
#[derive(Default)]
struct Passing {
    meter: Option<Box<Meter>>,
    passed: Option<Passed>,
}

impl Tap {
    pub(super) fn begin(channel: &Arc<Channel>, begun: Instant, first_of_connection: bool) -> Self {
        Self {
            channel: Arc::clone(channel),
            id: if channel.recorded { channel.shared.numbers.next_exchange() } else { 0 },
            at: Timestamp::from(std::time::SystemTime::now() - begun.elapsed()),
            begun,
            first_of_connection,
            request: None,
            route: Route::Other,
            request_body: BodyReader::idle(),
            request_bytes: 0,
            request_trailers: Vec::new(),
            sent: None,
            response: None,
            response_body: BodyReader::idle(),
            response_bytes: 0,
            response_trailers: Vec::new(),
            interim: Vec::new(),
            answered: None,
            added_us: 0,
            origin: Origin::Upstream,
            done: None,
            delayed: false,
            watch: None,
            up: Passing::default(),
            down: Passing::default(),
            ended: false,
        }
    }

    /// Who answers, if it is not the upstream.
    pub(super) fn set_origin(&mut self, origin: Origin) {
        self.origin = origin;
    }

    /// What is answered is not what the server said; `done` says so in a sentence.
    pub(super) fn answered_by_us(&mut self, done: Redacted) {
        self.origin = Origin::Authtrace;
        self.done = Some(done);
    }

    /// Nothing of it has passed; if it ends now, that was not the server's doing.
    pub(super) fn hold_back(&mut self) {
        self.answered_by_us(Redacted::literal("it ended while authtrace held it back, and was not sent to the server"));
    }

    /// It goes on to the server after all; `delayed`: later than it would have, on purpose.
    pub(super) fn let_pass(&mut self, delayed: bool) {
        self.origin = Origin::Upstream;
        self.done = None;
        self.delayed = delayed;
    }

    /// Somebody wants to know how it is answered.
    pub(super) fn watched_by(&mut self, watch: Option<Watch>) {
        self.watch = watch;
    }

    /// The status of the final answer is known; to be told before a byte of it goes out.
    pub(super) fn status_known(&mut self, status: u16, stream: bool) {
        if let Some(watch) = &mut self.watch {
            watch.answered(status, stream);
        }
    }

    /// What is to be decided on, once the head has become facts.
    pub(super) fn question(&self, method: &[u8], target: &[u8]) -> Option<Question> {
        let facts = self.request.as_ref()?;
        let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
        let credential = |place: &str| facts.credentials.iter().find(|sent| sent.place.as_str() == place);
        let deciding =
            credential("x-api-key").or_else(|| credential("authorization")).or_else(|| facts.credentials.first());
        Some(Question {
            exchange: self.id,
            method: String::from_utf8_lossy(method).into_owned(),
            host: self.channel.host.to_ascii_lowercase(),
            path: String::from_utf8_lossy(path).into_owned(),
            credential: deciding.map(|sent| sent.credential.clone()),
            lane: self.channel.lane.clone(),
            shown: [facts.request.method.clone(), facts.request.host.clone(), facts.request.path.clone()],
        })
    }

    /// The head of the request has been forwarded.
    pub(super) fn request_head(
        &mut self,
        extractor: &mut Extractor,
        method: &[u8],
        target: &[u8],
        version: Version,
        headers: &RawFields<'_>,
    ) {
        if !self.channel.recorded {
            return;
        }
        let channel = Arc::clone(&self.channel);
        let source = RequestSource {
            method,
            scheme: channel.scheme,
            host: &channel.host,
            port: channel.port,
            target,
            version,
            headers,
        };
        self.route = Route::of(target);
        self.request_body = facts::request_body(&source);
        let facts = extractor.request(&source);
        channel.shared.sink.emit(Record::Request(RequestStart {
            id: self.id,
            connection: channel.connection,
            at: self.at,
            method: facts.request.method.clone(),
            host: facts.request.host.clone(),
            path: facts.request.path.clone(),
        }));
        self.request = Some(facts);
    }

    /// Whether the data of the request has to be handed over, not only counted.
    pub(super) fn reads_request(&self) -> bool {
        self.request_body.wants_data()
    }

    pub(super) fn request_data(&mut self, data: &[u8]) {
        self.request_body.push(data, micros(self.begun.elapsed()));
    }

    pub(super) fn count_request(&mut self, bytes: usize) {
        self.request_bytes += bytes as u64;
    }

    pub(super) fn request_trailers(&mut self, trailers: Vec<HeaderField>) {
        self.request_trailers = trailers;
    }

    /// The last byte of the request has been forwarded.
    pub(super) fn request_sent(&mut self, at: Instant) {
        self.sent.get_or_insert(at);
    }

    /// The first byte of an answer has arrived.
    pub(super) fn answer_begun(&mut self, at: Instant) {
        self.answered.get_or_insert(at);
    }

    /// Whether bytes of the final answer have arrived.
    pub(super) fn is_being_answered(&self) -> bool {
        self.answered.is_some()
    }

    pub(super) fn interim(&mut self, status: u16) {
        self.interim.push(status);
        self.answered = None;
    }

    /// The head of the final answer has been forwarded.
    pub(super) fn response_head(
        &mut self,
        extractor: &mut Extractor,
        status: u16,
        version: Version,
        headers: &RawFields<'_>,
    ) {
        if !self.channel.recorded {
            return;
        }
        let source = ResponseSource { status, version, headers };
        self.response_body = facts::response_body(self.route, &source);
        self.response = Some(extractor.response(&source));
    }

    pub(super) fn reads_response(&self) -> bool {
        self.response_body.wants_data()
    }

    pub(super) fn response_data(&mut self, data: &[u8]) {
        self.response_body.push(data, micros(self.begun.elapsed()));
    }

    pub(super) fn count_response(&mut self, bytes: usize) {
        self.response_bytes += bytes as u64;
    }

    pub(super) fn response_trailers(&mut self, trailers: Vec<HeaderField>) {
        self.response_trailers = trailers;
    }

    /// What has passed of the request, or passed on after its end.
    pub(super) fn request_passed(&mut self, passed: Option<Passed>) {
        self.up.join(passed);
    }

    /// What has passed of the answer.
    pub(super) fn response_passed(&mut self, passed: Option<Passed>) {
        self.down.join(passed);
    }

    /// Has a message followed by a meter of its own.
    pub(super) fn follow(&mut self, way: Way, meter: Meter) {
        self.passing(way).meter = Some(Box::new(meter));
    }

    /// The meter of a message that is followed.
    pub(super) fn meter(&mut self, way: Way) -> Option<&mut Meter> {
        self.passing(way).meter.as_deref_mut()
    }

    /// A message that is followed has come to its end.
    pub(super) fn passed_whole(&mut self, way: Way) {
        self.passing(way).finish(true);
    }

    fn passing(&mut self, way: Way) -> &mut Passing {
        match way {
            Way::Up => &mut self.up,
            Way::Down => &mut self.down,
        }
    }

    /// Time that a head spent inside the proxy.
    pub(super) fn add_held(&mut self, since: Instant, until: Instant) {
        self.added_us += micros(until.saturating_duration_since(since));
    }

    /// How far the exchange has come.
    pub(super) fn stage(&self) -> Stage {
        if self.response.is_some() {
            Stage::ResponseBody
        } else if self.answered.is_some() {
            Stage::ResponseHead
        } else if self.sent.is_some() {
            Stage::Wait
        } else {
            Stage::Request
        }
    }

    /// The exchange broke off at the stage that it had come to.
    pub(super) fn break_off(&mut self, outcome: EndKind, detail: Option<Redacted>) {
        let stage = Some(self.stage());
        self.end(End { outcome, stage, detail });
    }

    /// Nobody goes on: the client has left, unless the upstream has or the proxy is being stopped.
    pub(super) fn abandon(&mut self) {
        if self.channel.upstream_gone.load(Ordering::Acquire) {
            let detail = Redacted::literal("the upstream broke the connection off");
            return self.break_off(EndKind::UpstreamReset, Some(detail));
        }
        let stopping = self.channel.shared.stopping.is_cancelled();
        self.break_off(if stopping { EndKind::Shutdown } else { EndKind::ClientAbort }, None);
    }

    /// Writes the record. Later calls do nothing. A panic on the way costs the record and not the connection.
    pub(super) fn end(&mut self, end: End) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        if redact::guard(|| self.record(end)).is_none() {
            self.tell_failure();
        }
    }

    fn record(&mut self, end: End) {
        // Without a head nothing was forwarded, and there is nothing to tell.
        let Some(facts) = self.request.take() else { return };
        let complete = end.outcome == EndKind::Complete;
        let redactor = &self.channel.shared.redactor;
        let asked = std::mem::replace(&mut self.request_body, BodyReader::idle()).finish(redactor, complete);
        let answered = std::mem::replace(&mut self.response_body, BodyReader::idle()).finish(redactor, complete);
        let refused = answered.error.as_ref().is_some_and(ErrorFacts::is_auth);
        if let Some(mut watch) = self.watch.take() {
            watch.ended(refused);
        }
        if self.delayed && end.outcome == EndKind::ClientAbort && self.response.is_none() {
            self.answered_by_us(Redacted::literal(
                "the client gave up on it after authtrace had delayed it on purpose",
            ));
        }
        let end = End { detail: end.detail.or(self.done.take()), ..end };
        let exchange = self.assemble(facts, asked, answered, end);
        self.channel.shared.sink.emit(Record::Exchange(Arc::new(exchange)));
    }

    /// An exchange of which nothing can be told: a defect of ours, which is told instead.
    fn tell_failure(&self) {
        let text = Redacted::literal("an exchange could not be recorded because of an internal error of authtrace");
        let note = Note { at: Timestamp::now(), kind: NoteKind::RedactionFailed, text };
        // If that fails as well, the traffic goes on all the same.
        let _ = redact::guard(|| self.channel.shared.sink.emit(Record::Note(note)));
    }

    fn assemble(&mut self, facts: RequestFacts, asked: BodyFacts, answered: BodyFacts, end: End) -> Exchange {
        let mut request = facts.request;
        request.body_bytes = self.request_bytes;
        request.trailers = std::mem::take(&mut self.request_trailers);
        let mut credentials = facts.credentials;
        credentials.extend(asked.credentials);
        let (response, ids) = match self.response.take() {
            Some(ResponseFacts { mut response, ids }) => {
                response.interim = std::mem::take(&mut self.interim);
                response.body_bytes = self.response_bytes;
                response.trailers = std::mem::take(&mut self.response_trailers);
                (Some(response), ids)
            }
            None => (None, RequestIds::default()),
        };
        let passage = (self.origin == Origin::Upstream).then(|| self.passage(response.is_some()));
        Exchange {
            id: self.id,
            connection: self.channel.connection,
            lane: self.channel.lane.clone(),
            peer: self.channel.peer.known(),
            at: self.at,
            request,
            credentials,
            response,
            error: answered.error,
            request_ids: RequestIds {
                body: answered.request_id,
                body_null: answered.request_id_null,
                client: facts.client_request_id,
                ..ids
            },
            oauth: facts::merge_oauth(asked.oauth, answered.oauth),
            sse: answered.sse,
            timing: self.timing(answered.first_event_us),
            origin: self.origin,
            passage,
            end,
        }
    }

    fn passage(&mut self, answered: bool) -> Passage {
        self.up.finish(false);
        self.down.finish(false);
        let (redactor, id) = (&self.channel.shared.redactor, self.id);
        let tell = |passed: Option<Passed>, way| passed.unwrap_or_else(Passed::nothing).tell(redactor, id, way);
        Passage {
            request: tell(self.up.passed.take(), Way::Up),
            response: answered.then(|| tell(self.down.passed.take(), Way::Down)),
        }
    }

    fn timing(&self, first_event_us: Option<u64>) -> Timing {
        let now = Instant::now();
        let (dns_us, connect_us, tls_us) =
            if self.first_of_connection { self.channel.dialed } else { (None, None, None) };
        let sent = self.sent.unwrap_or(now);
        let span = |from: Instant, to: Instant| micros(to.saturating_duration_since(from));
        Timing {
            dns_us,
            connect_us,
            tls_us,
            send_us: span(self.begun, sent),
            wait_us: self.answered.map(|answered| span(sent, answered)),
            first_event_us,
            receive_us: self.answered.map(|answered| span(answered, now)),
            total_us: span(self.begun, now),
            added_us: self.added_us,
        }
    }
}

impl Passing {
    fn join(&mut self, more: Option<Passed>) {
        let Some(more) = more else { return };
        self.passed = Some(match self.passed.take() {
            Some(passed) => passed.and_then(&more),
            None => more,
        });
    }

    fn finish(&mut self, whole: bool) {
        let passed = self.meter.take().map(|mut meter| meter.take(whole));
        self.join(passed);
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.abandon();
    }
}
