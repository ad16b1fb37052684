//! The client's direction: requests are looked at, passed on, and become facts.

use super::{
    Answering, Asking, Deferred, Form, Head, InFlight, Looked, PIPELINE, Purpose, RawHead, Relay, Stop, current_of,
    origin_form_of, raw_fields, shift, version_of,
};
use crate::facts::Extractor;
use crate::proxy::leg::{Eof, Leg};
use crate::proxy::tap::Tap;
use crate::redact::Direction;
use crate::trace::HeadChange;
use crate::wire::{self, BodyReader, Framing, Part, Refusal};
use std::ops::Range;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::time::sleep;

impl<C: Leg, U: Leg> Relay<'_, C, U> {
    pub(super) fn poll_up(&mut self, cx: &mut Context<'_>) {
        loop {
            if self.stop.is_some() {
                return;
            }
            if self.poll_deciding(cx).is_ready() {
                continue;
            }
            let drained = self.drain_up(cx);
            self.settle_up(drained);
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
            if waiting && !self.up.has_room() && !self.may_read_ahead() || self.poll_head_due(cx).is_ready() {
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
            || self.deciding.is_some()
            || self.last_word
            || matches!(self.asking, Asking::Upgrading)
            || (matches!(self.asking, Asking::Head) && (self.exchanges.len() >= PIPELINE || self.draining))
    }

    fn look_at_request(&mut self) -> Result<Looked, Refusal> {
        if self.may_leave_body_out() {
            match wire::request_head(self.up.unread(), &self.limits) {
                Ok(Some(_)) => return Ok(self.leave_body_out()),
                Ok(None) => return Ok(Looked::NeedMore),
                // Not a request, so it is the body after all.
                Err(_) => {}
            }
        }
        match &mut self.asking {
            Asking::Head => self.look_at_request_head(),
            Asking::Body(reader) => {
                let part = reader.next(self.up.unread())?;
                let over = reader.is_done();
                if self.exchanges.back().is_some_and(InFlight::is_own) {
                    return Ok(self.swallow_request_part(part, over));
                }
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

    /// RFC 9110 §10.1.1: a client that got a final answer instead of the 100 that it waited for may leave the body out,
    /// and go on with its next request.
    fn may_leave_body_out(&self) -> bool {
        matches!(self.asking, Asking::Body(_))
            && self.exchanges.back().is_some_and(|current| current.withheld && current.answered)
            && self.up.unread().iter().take_while(|byte| **byte != b' ').all(u8::is_ascii_uppercase)
    }

    fn leave_body_out(&mut self) -> Looked {
        self.asking = Asking::Head;
        if let Some(current) = self.exchanges.back_mut() {
            current.asked = true;
            current.tap.request_passed(self.up.take_passed(true));
        }
        self.retire();
        Looked::Again
    }

    fn look_at_request_head(&mut self) -> Result<Looked, Refusal> {
        if matches!(self.answering, Answering::Raw) {
            // What would be read as its answer has come already.
            self.stop = Some(Stop::UpstreamRefused(Refusal::UnaskedAnswer));
            return Ok(Looked::NeedMore);
        }
        let unread = self.up.unread();
        let Some(head) = self.heads_up.request(unread, &self.limits)? else {
            self.expect_rest_of_head();
            return Ok(Looked::NeedMore);
        };
        self.head_due = None;
        let raw = unread.get(..head.len).unwrap_or_default();
        let replaced = match self.rewrite(raw, &head)? {
            Rewritten::AsItCame => None,
            Rewritten::To(bytes, changes) => Some((bytes, changes)),
            Rewritten::ForAnother => {
                self.other_authority = true;
                return Ok(Looked::NeedMore);
            }
        };
        if self.supervisor.is_some() {
            self.begin_deciding(head, replaced);
            return Ok(Looked::Again);
        }
        self.pass_head(head, replaced, None);
        Ok(Looked::Again)
    }

    /// Lets a head pass, as it came or replaced. `decided`: it was decided on, with this outcome.
    pub(super) fn pass_head(
        &mut self,
        head: wire::RequestHead,
        replaced: Option<(Vec<u8>, Vec<HeadChange>)>,
        decided: Option<(Tap, Option<Box<Purpose>>)>,
    ) {
        let raw = self.up.unread().get(..head.len).unwrap_or_default();
        let context = head.context(raw);
        let raw = match replaced {
            None => RawHead::Buffered(self.up.approve_head(head.len)),
            Some((bytes, changes)) => {
                let raw = raw.to_vec();
                self.up.replace_head(head.len, &bytes, changes);
                RawHead::Replaced(raw)
            }
        };
        let (raw, tap, purpose) = match decided {
            None => (raw, Tap::begin(&self.channel, self.read_up, self.carried == 0), None),
            Some((tap, purpose)) => (RawHead::Told, tap, purpose),
        };
        let has_body = head.framing != Framing::None;
        self.asking = match &head.framing {
            Framing::None if head.upgrade => Asking::Upgrading,
            Framing::None => Asking::Head,
            framing => Asking::Body(BodyReader::new(*framing, &self.limits)),
        };
        self.carried += 1;
        let withheld = head.expects_continue;
        self.exchanges.push_back(InFlight {
            tap,
            context,
            asked: false,
            answered: false,
            upgraded: false,
            withheld,
            purpose,
        });
        self.pending_up = Deferred { head: Some(Head::Request { raw, head }), ended: !has_body, ..Deferred::default() };
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

    fn rewrite(&self, raw: &[u8], head: &wire::RequestHead) -> Result<Rewritten, Refusal> {
        let (Form::Absolute(current) | Form::ThroughProxy(current, _)) = &self.form else {
            return Ok(Rewritten::AsItCame);
        };
        let named = match wire::absolute_form(head.target.of(raw)).transpose()? {
            Some(named) if named.scheme == wire::Scheme::Http && named.authority == *current => named,
            // Anything else is for whoever reads the first request of a connection.
            _ => return Ok(Rewritten::ForAnother),
        };
        let mut changes = Vec::new();
        let bytes = match &self.form {
            Form::ThroughProxy(_, authorization) => {
                changes.extend(authorization.is_some().then_some(HeadChange::UpstreamProxyFields));
                wire::proxied_head(raw, head, authorization.as_ref().map(|value| value.as_bytes()))
            }
            _ => {
                changes.push(HeadChange::AbsoluteForm);
                changes.extend(head.host.is_none().then_some(HeadChange::HostAdded));
                wire::forwarded_head(raw, head, &named)?
            }
        };
        let for_us = head.fields.iter().any(|field| wire::is_for_this_proxy(field.name.of(raw)));
        changes.extend(for_us.then_some(HeadChange::ProxyFields));
        Ok(Rewritten::To(bytes, changes))
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
        let awaited =
            self.exchanges.back().is_some_and(|current| current.context.upgrade_requested && !current.answered);
        self.asking = if awaited { Asking::Upgrading } else { Asking::Head };
    }

    fn note_request_data(&mut self, range: Range<usize>, payload: Range<usize>) {
        let Some(current) = self.exchanges.back_mut() else { return };
        current.withheld = false;
        current.tap.count_request(payload.len());
        // Whether a body is read is known once its head has become facts.
        if self.pending_up.head.is_some() || current.tap.reads_request() {
            self.pending_up.data.push(shift(&range, payload));
        }
    }

    /// Facts of what the upstream was handed. The request has been sent when it has taken all of it (`drained`).
    fn settle_up(&mut self, drained: bool) {
        let Deferred { head, data, trailers, ended, .. } = std::mem::take(&mut self.pending_up);
        let Some(current) = self.exchanges.back_mut() else { return };
        if let Some(Head::Request { raw, head }) = head {
            current.tap.add_held(self.read_up, Instant::now());
            let raw = match &raw {
                RawHead::Buffered(range) => Some(self.up.bytes_at(range.clone())),
                RawHead::Replaced(raw) => Some(raw.as_slice()),
                RawHead::Told => None,
            };
            if let Some(raw) = raw {
                tell_head(&mut current.tap, &mut self.extractor, &self.form, raw, &head);
            }
            self.heads_up.recycle(head.fields);
        }
        for range in data {
            current.tap.request_data(self.up.bytes_at(range));
        }
        if let Some(range) = trailers {
            let section = self.up.bytes_at(range);
            let fields = wire::field_lines(section, &self.limits).unwrap_or_default();
            current.tap.request_trailers(self.extractor.trailers(&raw_fields(section, &fields), Direction::Request));
        }
        if ended && !drained {
            self.pending_up.ended = true;
        } else if ended {
            current.tap.request_sent(Instant::now());
            current.tap.request_passed(self.up.take_passed(true));
            current.asked = true;
            self.retire();
        }
    }

    fn client_stopped(&mut self) {
        if self.up.eof == Some(Eof::Reset) || self.is_held() {
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
}

/// Facts of the head of a request.
pub(super) fn tell_head(tap: &mut Tap, extractor: &mut Extractor, form: &Form, raw: &[u8], head: &wire::RequestHead) {
    let target = origin_form_of(head.target.of(raw));
    let mut fields = raw_fields(raw, &head.fields);
    if *form != Form::Origin {
        // The password of the proxy itself: no credential of the exchange.
        fields.retain(|(name, _)| !name.eq_ignore_ascii_case(b"proxy-authorization"));
    }
    tap.request_head(extractor, head.method.of(raw), target, version_of(head.minor_version), &fields);
}

/// What becomes of a head that names its origin.
enum Rewritten {
    AsItCame,
    To(Vec<u8>, Vec<HeadChange>),
    ForAnother,
}
