//! The relay for HTTP/1.x: messages pass as the bytes they came in, while their framing is followed.
//!
//! Per direction: read → look at the next message part ([`crate::wire`]) → hand its bytes to the other leg → only then
//! make facts of it. The parts of one message at a time, so that every part belongs to one exchange. No message is rebuilt; an
//! ambiguous one is refused before a byte of it has passed.

mod answering;
mod asking;
mod ending;
mod own;
mod shaping;

use super::Shared;
use super::journal::ConnectionLog;
use super::leg::Leg;
use super::passage::Meter;
use super::pump::Pump;
use super::supervise::{Own, Shape, Supervisor};
use super::tap::{Channel, Tap};
use crate::facts::{Extractor, Version};
use crate::policy::Cut;
use crate::redact::Redacted;
use crate::trace::{End, Outcome};
use crate::wire::{self, Authority, BodyReader, Field, HeadReader, Limits, Refusal, RequestContext};
use own::Deciding;
use shaping::Shaping;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::time::Sleep;

/// Requests that may wait for their answers on one connection; beyond it the client is not read.
const PIPELINE: usize = 64;
/// How long the other side may take to end after one side has, when nothing is in flight.
const PARTING: Duration = Duration::from_secs(1);

/// In which form requests arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// As to an origin: they pass as they came.
    Origin,
    /// As to a proxy (RFC 9112 §3.2.2), all for that origin: the request line is rewritten, `Proxy-*` fields go.
    Absolute(Authority),
    /// As to a proxy, for the proxy that we go through: only `Proxy-*` fields are exchanged for ours.
    ThroughProxy(Authority, Option<zeroize::Zeroizing<String>>),
}

/// How a relay ended.
pub(super) struct RelayEnd {
    pub(super) outcome: Outcome,
    pub(super) detail: Option<Redacted>,
    /// The client goes on with a request for another authority: its connection, and what was read of it.
    pub(super) unread: Option<Vec<u8>>,
}

/// Relays until either side ends, and tells the connection's record what passed. The client's leg is given back
/// through `client` only when [`RelayEnd::unread`] is set, so it is taken by reference there.
pub(super) async fn run<C: Leg, U: Leg>(
    shared: &Arc<Shared>,
    log: &mut ConnectionLog,
    mut client: C,
    upstream: U,
    channel: Arc<Channel>,
    form: Form,
    early: Vec<u8>,
) -> RelayEnd {
    run_on(shared, log, &mut client, upstream, channel, form, early).await
}

/// As [`run`], for a caller that keeps the client's leg.
pub(super) async fn run_on<C: Leg, U: Leg>(
    shared: &Arc<Shared>,
    log: &mut ConnectionLog,
    client: &mut C,
    upstream: U,
    channel: Arc<Channel>,
    form: Form,
    early: Vec<u8>,
) -> RelayEnd {
    let pump = |early| match channel.is_recorded() {
        true => Pump::new(early).metered(Meter::of_bytes(shared.seed)),
        false => Pump::new(early),
    };
    let channel_recorded = channel.is_recorded();
    let mut relay = Box::new(Relay {
        client,
        upstream,
        up: pump(early),
        down: pump(Vec::new()),
        asking: Asking::Head,
        answering: Answering::Head,
        exchanges: VecDeque::new(),
        extractor: Extractor::new(Arc::clone(&shared.redactor)),
        channel,
        form,
        heads_up: HeadReader::default(),
        heads_down: HeadReader::default(),
        limits: Limits::default(),
        carried: 0,
        read_up: Instant::now(),
        read_down: Instant::now(),
        head_due: None,
        patience: shared.patience.head,
        supervisor: shared.supervisor.clone().filter(|_| channel_recorded),
        deciding: None,
        last_word: false,
        pending_up: Deferred::default(),
        broken_up: None,
        broken_down: None,
        pending_down: Deferred::default(),
        other_authority: false,
        refused: None,
        parting: None,
        answers_first: false,
        upstream_first: false,
        draining: false,
        stop: None,
        log,
    });
    // Of its own, so that those who wait do not contend for one lock each time they look.
    let stopping = shared.stopping.child_token();
    let stop = tokio::select! {
        biased;
        stop = poll_fn(|cx| relay.poll(cx)) => stop,
        () = stopping.cancelled() => {
            relay.draining = true;
            poll_fn(|cx| relay.poll(cx)).await
        }
    };
    relay.conclude(stop).await
}

struct Relay<'a, C: Leg, U: Leg> {
    log: &'a mut ConnectionLog,
    client: &'a mut C,
    upstream: U,
    up: Pump,
    down: Pump,
    asking: Asking,
    answering: Answering,
    /// Oldest first; the front one is being answered.
    exchanges: VecDeque<InFlight>,
    extractor: Extractor,
    channel: Arc<Channel>,
    form: Form,
    heads_up: HeadReader,
    heads_down: HeadReader,
    limits: Limits,
    carried: u64,
    read_up: Instant,
    read_down: Instant,
    head_due: Option<Pin<Box<Sleep>>>,
    patience: Duration,
    /// Decides on each request, if anybody does.
    supervisor: Option<Arc<Supervisor>>,
    /// The request at the beginning of what is unread is being decided on.
    deciding: Option<Box<Deciding>>,
    /// What was given to the client last is the end of its connection.
    last_word: bool,
    pending_up: Deferred,
    /// What is wrong behind the parts that were approved last.
    broken_up: Option<Refusal>,
    broken_down: Option<Refusal>,
    pending_down: Deferred,
    other_authority: bool,
    /// A request that is refused once the answers before it have passed.
    refused: Option<Refusal>,
    parting: Option<Pin<Box<Sleep>>>,
    answers_first: bool,
    /// Whether the upstream stopped sending before the client did.
    upstream_first: bool,
    draining: bool,
    stop: Option<Stop>,
}

/// What the client's direction expects next.
enum Asking {
    Head,
    Body(BodyReader),
    /// An upgrade was asked for; what follows is for whoever wins.
    Upgrading,
    Raw,
}

/// What the upstream's direction expects next.
enum Answering {
    Head,
    Body(BodyReader),
    Raw,
    /// An event stream that goes out otherwise.
    Shaped(Box<Shaping>),
}

struct InFlight {
    tap: Tap,
    context: RequestContext,
    asked: bool,
    answered: bool,
    upgraded: bool,
    /// Whether the client waits for a 100 before it sends the body, and has sent nothing of it.
    withheld: bool,
    /// What is done on purpose, in a supervised run.
    purpose: Option<Box<Purpose>>,
}

/// What becomes of a request on purpose.
enum Purpose {
    /// The server does not see it, and this comes in its turn.
    Own {
        own: Own,
        /// Whether the client means to go on on this connection.
        persistent: bool,
    },
    /// It was answered, or is being answered, by us.
    Given,
    /// The stream of its answer goes out otherwise.
    Shape(Shape),
}

impl InFlight {
    /// Whether the server does not see it.
    fn is_own(&self) -> bool {
        matches!(self.purpose.as_deref(), Some(Purpose::Own { .. } | Purpose::Given))
    }
}

/// What becomes facts once the bytes have been handed over.
#[derive(Default)]
struct Deferred {
    head: Option<Head>,
    interim: Option<u16>,
    data: Vec<Range<usize>>,
    trailers: Option<Range<usize>>,
    ended: bool,
    /// With it the upstream stopped sending.
    last: bool,
}

enum Head {
    Request { raw: RawHead, head: wire::RequestHead },
    Response { raw: Range<usize>, head: wire::ResponseHead },
}

/// Where the head stands as it came.
enum RawHead {
    /// In the buffer, which stays as it is until facts have been made.
    Buffered(Range<usize>),
    /// By itself: the buffer has what it was rewritten to.
    Replaced(Vec<u8>),
    /// Nowhere: facts have been made of it.
    Told,
}

/// Why the relay stops.
#[derive(Clone, Copy, Debug)]
enum Stop {
    Finished,
    OtherAuthority,
    ClientGone,
    UpstreamGone,
    ClientRefused(Refusal),
    UpstreamRefused(Refusal),
    HeadTimeout,
    Drained,
    /// On purpose.
    Cut(Cut),
}

/// What looking at the next message part came to.
enum Looked {
    NeedMore,
    Again,
}

impl<C: Leg, U: Leg> Relay<'_, C, U> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Stop> {
        // Neither direction may use up what the runtime lets a task do at once, time and again.
        self.answers_first = !self.answers_first;
        loop {
            let down = if self.answers_first { self.poll_down(cx) } else { Poll::Pending };
            let waited = self.awaits_own_answer();
            self.poll_up(cx);
            let down = if self.answers_first { down } else { self.poll_down(cx) };
            if let Some(stop) = self.stop.take() {
                return Poll::Ready(stop);
            }
            if self.poll_finished(cx).is_ready() {
                return Poll::Ready(if self.draining { Stop::Drained } else { Stop::Finished });
            }
            if self.other_authority && self.exchanges.is_empty() && self.up.is_drained() && self.down.is_drained() {
                return Poll::Ready(Stop::OtherAuthority);
            }
            if let Some(refusal) = self.refused
                && self.exchanges.is_empty()
                && self.down.is_drained()
            {
                return Poll::Ready(Stop::ClientRefused(refusal));
            }
            // The client's direction may have come to where an answer of ours is due.
            if self.is_own_answer_due() {
                continue;
            }
            // As long as it was due, or a request was being decided on, the upstream was not read.
            if waited && !self.awaits_own_answer() {
                continue;
            }
            // The answer may have unblocked the client's direction (an upgrade, room in the pipeline).
            if down.is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Ends the exchanges that are complete on both sides, oldest first.
    fn retire(&mut self) {
        while self.exchanges.front().is_some_and(|current| current.asked && current.answered) {
            if let Some(mut done) = self.exchanges.pop_front() {
                done.tap.end(End::complete());
            }
        }
    }
}

impl<C: Leg, U: Leg> Relay<'_, C, U> {
    /// Tells the exchanges that do not come to their end what has passed of them.
    fn tell_what_passed(&mut self) {
        for current in &mut self.exchanges {
            if !current.asked || current.upgraded {
                current.tap.request_passed(self.up.take_passed(current.upgraded));
            }
        }
        if let Some(current) = current_of(&mut self.exchanges) {
            current.tap.response_passed(self.down.take_passed(current.upgraded));
        }
    }
}

impl<C: Leg, U: Leg> Drop for Relay<'_, C, U> {
    fn drop(&mut self) {
        self.tell_what_passed();
        self.log.add_bytes(self.up.bytes, self.down.bytes);
        self.log.add_requests(self.carried);
    }
}

/// The exchange that the upstream is to answer next.
fn current_of(exchanges: &mut VecDeque<InFlight>) -> Option<&mut InFlight> {
    exchanges.iter_mut().find(|current| !current.answered)
}

fn shift(range: &Range<usize>, inner: Range<usize>) -> Range<usize> {
    range.start + inner.start..range.start + inner.end
}

fn version_of(minor: u8) -> Version {
    if minor == 0 { Version::Http10 } else { Version::Http11 }
}

fn raw_fields<'a>(raw: &'a [u8], fields: &[Field]) -> Vec<(&'a [u8], &'a [u8])> {
    fields.iter().map(|field| (field.name.of(raw), field.value.of(raw))).collect()
}

/// Path and query of a target in whichever form.
pub(super) fn origin_form_of(target: &[u8]) -> &[u8] {
    match wire::absolute_form(target) {
        Some(Ok(named)) if !named.origin_form.is_empty() => named.origin_form.of(target),
        Some(_) => b"/",
        None => target,
    }
}

/// Fields of a head that is already apart from its connection.
pub(super) fn fields_of<'a>(raw: &'a [u8], fields: &[Field]) -> Vec<(&'a [u8], &'a [u8])> {
    raw_fields(raw, fields)
}
