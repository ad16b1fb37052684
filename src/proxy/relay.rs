//! The relay for HTTP/1.x: messages pass as the bytes they came in, while their framing is followed.
//!
//! Per direction: read → look at the next message part ([`crate::wire`]) → hand its bytes to the other leg → only then
//! make facts of it. The parts of one message at a time, so that every part belongs to one exchange. No message is rebuilt; an
//! ambiguous one is refused before a byte of it has passed.

use super::Shared;
use super::journal::ConnectionLog;
use super::leg::{Eof, Leg};
use super::pump::Pump;
use super::reply;
use super::tls;
use super::tap::{Channel, Tap};
use crate::facts::{Extractor, Version};
use crate::redact::Redacted;
use crate::trace::{End, EndKind, Outcome};
use crate::wire::{
    self, Authority, BodyReader, Field, Framing, HeadReader, Limits, Part, Refusal, RequestContext, ResponseKind,
};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Sleep, sleep, timeout};

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
    let mut relay = Relay {
        client,
        upstream,
        up: Pump::new(early),
        down: Pump::new(Vec::new()),
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
    };
    let stop = tokio::select! {
        biased;
        stop = poll_fn(|cx| relay.poll(cx)) => stop,
        () = shared.stopping.cancelled() => {
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
}

struct InFlight {
    tap: Tap,
    context: RequestContext,
    asked: bool,
    answered: bool,
    upgraded: bool,
}

/// What becomes facts once the bytes have been handed over.
#[derive(Default)]
struct Deferred {
    head: Option<Head>,
    interim: Option<u16>,
    data: Vec<Range<usize>>,
    trailers: Option<Range<usize>>,
    ended: bool,
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
            // The answer may have unblocked the client's direction (an upgrade, room in the pipeline).
            if down.is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn poll_up(&mut self, cx: &mut Context<'_>) {
        loop {
            if self.stop.is_some() {
                return;
            }
            let drained = self.drain_up(cx);
            self.settle_up();
            self.up.compact();
            if self.exchanges.is_empty() {
                self.up.rest();
            }
            if self.has_unread_request() {
                if !drained {
                    return;
                }
                match self.look_at_request_parts() {
                    Ok(Looked::Again) => continue,
                    Ok(Looked::NeedMore) => {}
                    Err(refusal) => return self.refuse_request(refusal),
                }
            }
            let waiting = self.is_paused();
            if self.up.eof.is_some() {
                if !waiting || self.up.unread().is_empty() {
                    self.close_up(cx, drained);
                }
                return;
            }
            // A client that has to wait is still read, within the room that there is: it may go away.
            if waiting && !self.up.has_room() || self.poll_head_due(cx).is_ready() {
                return;
            }
            let empty = self.up.unread().is_empty();
            match self.up.poll_fill(cx, self.client) {
                Poll::Pending => return,
                Poll::Ready(0) => self.client_stopped(),
                Poll::Ready(_) => {
                    if empty {
                        self.read_up = Instant::now();
                    }
                }
            }
        }
    }

    fn drain_up(&mut self, cx: &mut Context<'_>) -> bool {
        match self.up.poll_drain(cx, &mut self.upstream) {
            Poll::Ready(Ok(())) => true,
            Poll::Ready(Err(error)) => {
                // The upstream takes no more; what it said before it went is still read and delivered.
                self.up.sink_failed(&error);
                true
            }
            Poll::Pending => false,
        }
    }

    fn has_unread_request(&self) -> bool {
        !self.up.unread().is_empty() && !self.is_paused()
    }

    fn is_paused(&self) -> bool {
        self.other_authority
            || self.refused.is_some()
            || matches!(self.asking, Asking::Upgrading)
            || (matches!(self.asking, Asking::Head) && (self.exchanges.len() >= PIPELINE || self.draining))
    }

    fn look_at_request(&mut self) -> Result<Looked, Refusal> {
        match &mut self.asking {
            Asking::Head => self.look_at_request_head(),
            Asking::Body(reader) => {
                let part = reader.next(self.up.unread())?;
                let over = reader.is_done();
                Ok(self.take_request_part(part, over))
            }
            Asking::Raw => {
                let all = self.up.unread().len();
                self.up.approve(all);
                if let Some(current) = current_of(&mut self.exchanges) {
                    current.tap.count_request(all);
                }
                Ok(Looked::Again)
            }
            Asking::Upgrading => Ok(Looked::NeedMore),
        }
    }

    fn look_at_request_head(&mut self) -> Result<Looked, Refusal> {
        let unread = self.up.unread();
        let Some(head) = self.heads_up.request(unread, &self.limits)? else {
            self.expect_rest_of_head();
            return Ok(Looked::NeedMore);
        };
        self.head_due = None;
        let raw = unread.get(..head.len).unwrap_or_default();
        let context = head.context(raw);
        let replaced = match self.rewrite(raw, &head)? {
            Rewritten::AsItCame => None,
            Rewritten::To(bytes) => Some(bytes),
            Rewritten::ForAnother => {
                self.other_authority = true;
                return Ok(Looked::NeedMore);
            }
        };
        let raw = match replaced {
            None => RawHead::Buffered(self.up.approve(head.len)),
            Some(bytes) => {
                let raw = raw.to_vec();
                self.up.replace(head.len, &bytes);
                RawHead::Replaced(raw)
            }
        };
        let tap = Tap::begin(&self.channel, self.read_up, self.carried == 0);
        let has_body = head.framing != Framing::None;
        self.asking = match &head.framing {
            Framing::None if head.upgrade => Asking::Upgrading,
            Framing::None => Asking::Head,
            framing => Asking::Body(BodyReader::new(*framing, &self.limits)),
        };
        self.carried += 1;
        self.exchanges.push_back(InFlight { tap, context, asked: false, answered: false, upgraded: false });
        self.pending_up = Deferred { head: Some(Head::Request { raw, head }), ended: !has_body, ..Deferred::default() };
        Ok(Looked::Again)
    }

    fn expect_rest_of_head(&mut self) {
        if self.head_due.is_none() {
            self.head_due = Some(Box::pin(sleep(self.patience)));
        }
    }

    fn poll_head_due(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(due) = &mut self.head_due else { return Poll::Pending };
        if due.as_mut().poll(cx).is_ready() {
            self.stop = Some(Stop::HeadTimeout);
            return Poll::Ready(());
        }
        Poll::Pending
    }

    /// Looks at the parts of one message that have arrived, so that they go on in one write; those before a fault
    /// still do. A part of the next message waits until facts have been made of this one.
    fn look_at_request_parts(&mut self) -> Result<Looked, Refusal> {
        if let Some(refusal) = self.broken_up.take() {
            return Err(refusal);
        }
        let looked = self.look_at_request()?;
        while matches!((&looked, &self.asking), (Looked::Again, Asking::Body(_)))
            && !self.pending_up.ended
            && !self.up.unread().is_empty()
        {
            match self.look_at_request() {
                Ok(Looked::Again) => {}
                Ok(Looked::NeedMore) => break,
                Err(refusal) => {
                    self.broken_up = Some(refusal);
                    break;
                }
            }
        }
        Ok(looked)
    }

    /// As [`Self::look_at_request_parts`], of an answer.
    fn look_at_response_parts(&mut self) -> Result<Looked, Refusal> {
        if let Some(refusal) = self.broken_down.take() {
            return Err(refusal);
        }
        let looked = self.look_at_response()?;
        while matches!((&looked, &self.answering), (Looked::Again, Answering::Body(_)))
            && !self.pending_down.ended
            && !self.down.unread().is_empty()
        {
            match self.look_at_response() {
                Ok(Looked::Again) => {}
                Ok(Looked::NeedMore) => break,
                Err(refusal) => {
                    self.broken_down = Some(refusal);
                    break;
                }
            }
        }
        Ok(looked)
    }

    fn rewrite(&self, raw: &[u8], head: &wire::RequestHead) -> Result<Rewritten, Refusal> {
        let (Form::Absolute(current) | Form::ThroughProxy(current, _)) = &self.form else {
            return Ok(Rewritten::AsItCame);
        };
        let named = match wire::absolute_form(head.target.of(raw)).transpose()? {
            Some(named) if named.scheme == wire::Scheme::Http && named.authority == *current => named,
            // Anything else is for whoever reads the first request of a connection.
            _ => return Ok(Rewritten::ForAnother),
        };
        Ok(Rewritten::To(match &self.form {
            Form::ThroughProxy(_, authorization) => {
                wire::proxied_head(raw, head, authorization.as_ref().map(|value| value.as_bytes()))
            }
            _ => wire::forwarded_head(raw, head, &named)?,
        }))
    }

    /// What comes after the answers to earlier requests must not overtake them.
    fn refuse_request(&mut self, refusal: Refusal) {
        match self.asking {
            Asking::Head if !self.exchanges.is_empty() => self.refused = Some(refusal),
            _ => self.stop = Some(Stop::ClientRefused(refusal)),
        }
    }

    /// `over`: with this part the body is whole, although nothing marks its end.
    fn take_request_part(&mut self, part: Part, over: bool) -> Looked {
        match part {
            Part::NeedMore => Looked::NeedMore,
            Part::Data { take, payload } => {
                let range = self.up.approve(take);
                self.note_request_data(range, payload);
                if over {
                    self.request_over();
                }
                Looked::Again
            }
            Part::End { take, trailers } => {
                let range = self.up.approve(take);
                self.pending_up.trailers = (!trailers.is_empty()).then(|| shift(&range, trailers));
                self.request_over();
                Looked::Again
            }
        }
    }

    fn request_over(&mut self) {
        self.pending_up.ended = true;
        let awaited = self.exchanges.back().is_some_and(|current| current.context.upgrade_requested && !current.answered);
        self.asking = if awaited { Asking::Upgrading } else { Asking::Head };
    }

    fn note_request_data(&mut self, range: Range<usize>, payload: Range<usize>) {
        let Some(current) = self.exchanges.back_mut() else { return };
        current.tap.count_request(payload.len());
        // Whether a body is read is known once its head has become facts.
        if self.pending_up.head.is_some() || current.tap.reads_request() {
            self.pending_up.data.push(shift(&range, payload));
        }
    }

    /// Facts of what the upstream was handed.
    fn settle_up(&mut self) {
        let Deferred { head, data, trailers, ended, .. } = std::mem::take(&mut self.pending_up);
        let Some(current) = self.exchanges.back_mut() else { return };
        if let Some(Head::Request { raw, head }) = head {
            current.tap.add_held(self.read_up, Instant::now());
            let version = version_of(head.minor_version);
            let raw = match &raw {
                RawHead::Buffered(range) => self.up.bytes_at(range.clone()),
                RawHead::Replaced(raw) => raw,
            };
            let target = origin_form_of(head.target.of(raw));
            let mut fields = raw_fields(raw, &head.fields);
            if self.form != Form::Origin {
                // The password of the proxy itself: no credential of the exchange.
                fields.retain(|(name, _)| !name.eq_ignore_ascii_case(b"proxy-authorization"));
            }
            current.tap.request_head(&mut self.extractor, head.method.of(raw), target, version, &fields);
            self.heads_up.recycle(head.fields);
        }
        for range in data {
            current.tap.request_data(self.up.bytes_at(range));
        }
        if let Some(range) = trailers {
            let section = self.up.bytes_at(range);
            let fields = wire::field_lines(section, &self.limits).unwrap_or_default();
            current.tap.request_trailers(self.extractor.trailers(&raw_fields(section, &fields)));
        }
        if ended {
            current.tap.request_sent(Instant::now());
            current.asked = true;
            self.retire();
        }
    }

    fn client_stopped(&mut self) {
        if self.up.eof == Some(Eof::Reset) {
            self.stop = Some(Stop::ClientGone);
        }
    }

    /// Passes the client's end on, once everything before it has been passed on.
    fn close_up(&mut self, cx: &mut Context<'_>, drained: bool) {
        if self.up.closed || !drained {
            return;
        }
        let manner = self.up.eof.unwrap_or(Eof::Clean);
        if self.upstream.poll_close_write(cx, manner).is_ready() {
            self.up.closed = true;
        }
    }

    fn poll_down(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut progressed = false;
        loop {
            if self.stop.is_some() {
                return Poll::Pending;
            }
            let drained = match self.down.poll_drain(cx, self.client) {
                Poll::Ready(Ok(())) => true,
                Poll::Ready(Err(_)) => {
                    self.stop = Some(Stop::ClientGone);
                    return Poll::Pending;
                }
                Poll::Pending => false,
            };
            progressed |= self.settle_down();
            self.down.compact();
            if self.exchanges.is_empty() {
                self.down.rest();
            }
            if !self.down.unread().is_empty() {
                if !drained {
                    return Poll::Pending;
                }
                match self.look_at_response_parts() {
                    Ok(Looked::Again) => continue,
                    Ok(Looked::NeedMore) => {}
                    Err(refusal) => {
                        self.stop = Some(Stop::UpstreamRefused(refusal));
                        return Poll::Pending;
                    }
                }
            }
            if let Some(manner) = self.down.eof {
                if drained && manner == Eof::Reset {
                    self.stop = Some(Stop::UpstreamGone);
                } else if drained {
                    self.close_down(cx);
                }
                break;
            }
            match self.down.poll_fill(cx, &mut self.upstream) {
                Poll::Pending => break,
                Poll::Ready(0) => self.upstream_stopped(),
                Poll::Ready(_) => {
                    self.read_down = Instant::now();
                    if let Some(current) = current_of(&mut self.exchanges) {
                        current.tap.answer_begun(self.read_down);
                    }
                }
            }
        }
        if progressed { Poll::Ready(()) } else { Poll::Pending }
    }

    fn look_at_response(&mut self) -> Result<Looked, Refusal> {
        match &mut self.answering {
            Answering::Head => self.look_at_response_head(),
            Answering::Body(reader) => {
                let part = reader.next(self.down.unread())?;
                let over = reader.is_done();
                Ok(self.take_response_part(part, over))
            }
            Answering::Raw => {
                let all = self.down.unread().len();
                self.down.approve(all);
                if let Some(current) = current_of(&mut self.exchanges) {
                    current.tap.count_response(all);
                }
                Ok(Looked::Again)
            }
        }
    }

    fn look_at_response_head(&mut self) -> Result<Looked, Refusal> {
        let Some(current) = current_of(&mut self.exchanges) else {
            // Unasked for (a 408 on an idle connection): it passes, and nothing can follow it.
            self.answering = Answering::Raw;
            return Ok(Looked::Again);
        };
        let unread = self.down.unread();
        let Some(head) = self.heads_down.response(unread, current.context, &self.limits)? else {
            return Ok(Looked::NeedMore);
        };
        let raw = self.down.approve(head.len);
        if head.kind == ResponseKind::Informational {
            self.pending_down.interim = Some(head.status);
            return Ok(Looked::Again);
        }
        let switched = head.kind == ResponseKind::Switched;
        self.pending_down.ended = head.framing == Framing::None && !switched;
        if switched {
            current.upgraded = true;
            self.answering = Answering::Raw;
            self.asking = Asking::Raw;
        } else {
            if matches!(self.asking, Asking::Upgrading) {
                self.asking = Asking::Head;
            }
            current.context.upgrade_requested = false;
            self.answering = match head.framing {
                Framing::None => Answering::Head,
                framing => Answering::Body(BodyReader::new(framing, &self.limits)),
            };
        }
        self.pending_down.head = Some(Head::Response { raw, head });
        Ok(Looked::Again)
    }

    fn take_response_part(&mut self, part: Part, over: bool) -> Looked {
        match part {
            Part::NeedMore => Looked::NeedMore,
            Part::Data { take, payload } => {
                let range = self.down.approve(take);
                if let Some(current) = current_of(&mut self.exchanges) {
                    current.tap.count_response(payload.len());
                    if self.pending_down.head.is_some() || current.tap.reads_response() {
                        self.pending_down.data.push(shift(&range, payload));
                    }
                }
                if over {
                    self.response_over();
                }
                Looked::Again
            }
            Part::End { take, trailers } => {
                let range = self.down.approve(take);
                self.pending_down.trailers = (!trailers.is_empty()).then(|| shift(&range, trailers));
                self.response_over();
                Looked::Again
            }
        }
    }

    fn response_over(&mut self) {
        self.pending_down.ended = true;
        self.answering = Answering::Head;
    }

    /// Facts of what the client was handed. Whether an exchange ended.
    fn settle_down(&mut self) -> bool {
        let Deferred { head, interim, data, trailers, ended } = std::mem::take(&mut self.pending_down);
        let Some(current) = current_of(&mut self.exchanges) else { return false };
        if let Some(status) = interim {
            current.tap.interim(status);
        }
        let unblocked = head.is_some();
        if let Some(Head::Response { raw, head }) = head {
            current.tap.add_held(self.read_down, Instant::now());
            let fields = raw_fields(self.down.bytes_at(raw), &head.fields);
            current.tap.response_head(&mut self.extractor, head.status, version_of(head.minor_version), &fields);
            self.heads_down.recycle(head.fields);
        }
        for range in data {
            current.tap.response_data(self.down.bytes_at(range));
        }
        if let Some(range) = trailers {
            let section = self.down.bytes_at(range);
            let fields = wire::field_lines(section, &self.limits).unwrap_or_default();
            current.tap.response_trailers(self.extractor.trailers(&raw_fields(section, &fields)));
        }
        if ended {
            current.answered = true;
            self.retire();
        }
        ended || unblocked
    }

    /// Ends the exchanges that are complete on both sides, oldest first.
    fn retire(&mut self) {
        while self.exchanges.front().is_some_and(|current| current.asked && current.answered) {
            if let Some(mut done) = self.exchanges.pop_front() {
                done.tap.end(End::complete());
            }
        }
    }

    fn upstream_stopped(&mut self) {
        self.upstream_first = self.up.eof.is_none();
        if self.up.sink_reset {
            self.down.eof = Some(Eof::Reset);
        }
        // A head that breaks off passes as it is: what the client makes of it is between the two.
        let rest = self.down.unread().len();
        self.down.approve(rest);
        if let Answering::Body(reader) = &mut self.answering
            && self.down.eof != Some(Eof::Reset)
            && reader.at_eof().is_ok()
        {
            self.answering = Answering::Head;
            if let Some(current) = current_of(&mut self.exchanges) {
                current.answered = true;
                // Nothing can follow, so a request that is still being sent ends here as well.
                current.asked = true;
            }
            self.retire();
        }
    }

    fn close_down(&mut self, cx: &mut Context<'_>) {
        if self.down.closed {
            return;
        }
        let manner = self.down.eof.unwrap_or(Eof::Clean);
        if self.client.poll_close_write(cx, manner).is_ready() {
            self.down.closed = true;
        }
    }

    /// When both sides have stopped, or the relay is drained of exchanges while it is being stopped; also when one side
    /// has stopped, nothing is in flight, and the other has had time to stop as well.
    fn poll_finished(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let sending = self.exchanges.iter().any(|current| !current.asked || current.upgraded);
        let idle = self.exchanges.is_empty() && self.down.is_drained();
        if self.down.closed && (self.up.closed || self.up.sink_gone) {
            return Poll::Ready(());
        }
        if self.draining && idle && self.up.is_drained() {
            return Poll::Ready(());
        }
        let upstream_over = self.down.closed && !sending;
        let client_over = self.up.closed && idle;
        if !(upstream_over || client_over) {
            self.parting = None;
            return Poll::Pending;
        }
        self.parting.get_or_insert_with(|| Box::pin(sleep(PARTING))).as_mut().poll(cx)
    }

    async fn conclude(mut self, stop: Stop) -> RelayEnd {
        let (outcome, detail) = self.read_stop(stop);
        match stop {
            Stop::ClientGone => self.upstream.reset_on_close(),
            Stop::UpstreamGone | Stop::UpstreamRefused(_) => {
                self.client.reset_on_close();
                self.upstream.reset_on_close();
            }
            Stop::ClientRefused(refusal) => {
                self.upstream.reset_on_close();
                self.refuse(refusal).await;
            }
            Stop::OtherAuthority => {}
            Stop::HeadTimeout | Stop::Finished | Stop::Drained => self.part().await,
        }
        let unread = matches!(stop, Stop::OtherAuthority).then(|| self.up.take_unread());
        RelayEnd { outcome, detail, unread }
    }

    /// Ends in good order what has not been ended.
    async fn part(&mut self) {
        let parting = async {
            if !self.down.closed {
                let _ = self.client.shutdown().await;
            }
            if !self.up.closed && !self.up.sink_gone {
                let _ = self.upstream.shutdown().await;
            }
        };
        let _ = timeout(PARTING, parting).await;
    }

    /// The connection's outcome; what was in flight ends accordingly.
    fn read_stop(&mut self, stop: Stop) -> (Outcome, Option<Redacted>) {
        let client_stopped = self.up.eof.is_some() && !self.upstream_first;
        let (kind, outcome, detail) = match stop {
            Stop::Finished if self.exchanges.iter().all(|current| current.upgraded) => (EndKind::Upgraded, Outcome::Ok, None),
            Stop::Finished if client_stopped => (EndKind::ClientAbort, Outcome::ClientAbort, None),
            Stop::Finished => (
                EndKind::UpstreamClosed,
                Outcome::UpstreamReset,
                Some(Redacted::literal("the upstream closed the connection before the answer was complete")),
            ),
            Stop::ClientGone => (EndKind::ClientAbort, Outcome::ClientAbort, None),
            Stop::UpstreamGone if self.down.alert.is_some() && self.channel.client_certificate_asked => {
                (EndKind::UpstreamReset, Outcome::UpstreamMtls, Some(Redacted::literal(tls::MTLS_HINT)))
            }
            Stop::UpstreamGone => {
                (EndKind::UpstreamReset, Outcome::UpstreamReset, Some(Redacted::literal("the upstream reset the connection")))
            }
            Stop::ClientRefused(refusal) => (EndKind::Refused, Outcome::ClientProtocol, self.explain(refusal)),
            Stop::UpstreamRefused(refusal) => {
                (EndKind::UpstreamProtocol, Outcome::UpstreamProtocol, self.explain(refusal))
            }
            Stop::HeadTimeout => {
                (EndKind::ClientAbort, Outcome::ClientTimeout, Some(Redacted::literal("the head of a request was not finished in time")))
            }
            Stop::OtherAuthority => (EndKind::Complete, Outcome::Ok, None),
            Stop::Drained => (EndKind::Shutdown, Outcome::Shutdown, None),
        };
        let idle = self.exchanges.is_empty();
        for mut current in self.exchanges.drain(..) {
            match current.upgraded && kind != EndKind::UpstreamProtocol {
                true => current.tap.end(End { outcome: EndKind::Upgraded, stage: None, detail: None }),
                false => current.tap.break_off(kind, detail.clone()),
            }
        }
        match stop {
            _ if outcome == Outcome::UpstreamMtls => (outcome, detail),
            Stop::ClientGone if self.carried == 0 && self.up.alert.is_some_and(tls::refuses_certificate) => (
                Outcome::ClientDistrustsCa,
                Some(Redacted::literal("the client finished the handshake and then refused our certificate with a TLS alert")),
            ),
            Stop::ClientGone | Stop::UpstreamGone if idle && self.carried > 0 => (Outcome::Ok, None),
            // The command has ended, and with it its connections: that is no doing of ours.
            Stop::Drained if idle && client_stopped && self.carried > 0 => (Outcome::Ok, None),
            Stop::Finished if self.carried == 0 && !client_stopped => {
                (Outcome::UnusedTunnel, Some(Redacted::literal("the upstream closed before the client had sent a request")))
            }
            Stop::Finished | Stop::ClientGone if self.carried == 0 => (
                Outcome::UnusedTunnel,
                Some(Redacted::literal("the client finished the handshake and closed without a request")),
            ),
            _ => (outcome, detail),
        }
    }

    fn explain(&self, refusal: Refusal) -> Option<Redacted> {
        Some(self.channel.shared.redactor.message(&refusal.to_string()))
    }

    /// An answer of ours to a request that cannot be passed on, if no other answer is under way.
    async fn refuse(&mut self, refusal: Refusal) {
        let answer = reply::refusal(refusal.status(), refusal.code(), &refusal.to_string());
        let talk = async {
            let begun = current_of(&mut self.exchanges).is_some_and(|current| current.tap.is_being_answered());
            if self.down.is_drained() && matches!(self.answering, Answering::Head) && !begun {
                self.client.write_all(&answer).await?;
                self.client.shutdown().await?;
                // Closing over unread bytes would make the kernel reset, and the answer could be lost.
                let mut rest = [0_u8; 4_096];
                while self.client.read(&mut rest).await? > 0 {}
            }
            Ok::<(), std::io::Error>(())
        };
        let _ = timeout(Duration::from_secs(1), talk).await;
    }
}

impl<C: Leg, U: Leg> Drop for Relay<'_, C, U> {
    fn drop(&mut self) {
        self.log.add_bytes(self.up.bytes, self.down.bytes);
        self.log.add_requests(self.carried);
    }
}

/// The exchange that the upstream is to answer next.
fn current_of(exchanges: &mut VecDeque<InFlight>) -> Option<&mut InFlight> {
    exchanges.iter_mut().find(|current| !current.answered)
}

enum Rewritten {
    AsItCame,
    To(Vec<u8>),
    ForAnother,
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

