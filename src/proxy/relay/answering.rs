//! The upstream's direction: answers are looked at, passed on, and become facts.

use super::{
    Answering, Asking, Deferred, Head, Looked, Purpose, Relay, Stop, current_of, raw_fields, shaping, shift, version_of,
};
use crate::proxy::leg::{Eof, Leg};
use crate::redact::Direction;
use crate::wire::{self, BodyReader, Framing, Part, Refusal, ResponseKind};
use std::task::{Context, Poll};
use std::time::Instant;

impl<C: Leg, U: Leg> Relay<'_, C, U> {
    pub(super) fn poll_down(&mut self, cx: &mut Context<'_>) -> Poll<()> {
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
            progressed |= self.settle_down(drained);
            self.down.compact();
            if self.exchanges.is_empty() {
                self.down.rest();
            }
            if drained && self.speak(cx) {
                progressed = true;
                continue;
            }
            if self.stop.is_some() {
                return Poll::Pending;
            }
            if self.last_word || self.awaits_own_answer() {
                break;
            }
            if !self.down.unread().is_empty() {
                if !drained {
                    return Poll::Pending;
                }
                match self.look_at_response_parts() {
                    Ok(Looked::Again) => continue,
                    Ok(Looked::NeedMore) if self.is_shaping_behind() => break,
                    Ok(Looked::NeedMore) => {}
                    Err(refusal) => {
                        self.stop = Some(Stop::UpstreamRefused(refusal));
                        return Poll::Pending;
                    }
                }
            }
            // What is left of a shaped stream goes out first.
            if self.down.eof.is_some() && matches!(self.answering, Answering::Shaped(_)) {
                break;
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
            Answering::Shaped(_) => self.look_at_shaped_part(),
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
        // Empty lines between messages: clients skip them, so they pass.
        let blank = self.down.unread().iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        if blank > 0 {
            self.down.approve(blank);
            return Ok(Looked::Again);
        }
        let Some(current) = current_of(&mut self.exchanges) else {
            // Unasked for (a 408 on an idle connection): it passes, and nothing can follow it.
            self.answering = Answering::Raw;
            return Ok(Looked::Again);
        };
        let unread = self.down.unread();
        let Some(head) = self.heads_down.response(unread, current.context, &self.limits)? else {
            return Ok(Looked::NeedMore);
        };
        let switched = head.kind == ResponseKind::Switched;
        if head.kind == ResponseKind::Final {
            let stream = self.supervisor.is_some() && shaping::is_stream(unread, &head);
            current.tap.status_known(head.status, stream);
            if stream
                && shaping::is_plain(unread, &head)
                && let Some(Purpose::Shape(shape)) = current.purpose.take().map(|purpose| *purpose)
            {
                self.begin_shaping(head, shape);
                return Ok(Looked::Again);
            }
        }
        let raw = self.down.approve_head(head.len);
        if head.kind == ResponseKind::Informational {
            current.withheld &= head.status != 100;
            self.pending_down.interim = Some(head.status);
            return Ok(Looked::Again);
        }
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

    /// Facts of what the client was handed; the answer has ended when it has taken all of it (`drained`). Whether an
    /// exchange ended, or its head unblocked the client's direction.
    fn settle_down(&mut self, drained: bool) -> bool {
        let Deferred { head, interim, data, trailers, ended, last } = std::mem::take(&mut self.pending_down);
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
            current.tap.response_trailers(self.extractor.trailers(&raw_fields(section, &fields), Direction::Response));
        }
        if ended && !drained {
            self.pending_down.ended = true;
            self.pending_down.last = last;
            return unblocked;
        }
        if ended {
            current.answered = true;
            current.tap.response_passed(self.down.take_passed(true));
            // Nothing can follow, so a request that is still being sent ends here as well.
            if last && !std::mem::replace(&mut current.asked, true) {
                current.tap.request_passed(self.up.take_passed(false));
            }
            self.retire();
        }
        ended || unblocked
    }

    fn upstream_stopped(&mut self) {
        self.upstream_first = self.up.eof.is_none();
        if self.up.sink_reset {
            self.down.eof = Some(Eof::Reset);
        }
        if matches!(self.answering, Answering::Shaped(_)) {
            return self.shaped_stopped();
        }
        // A head that breaks off passes as it is: what the client makes of it is between the two.
        let rest = self.down.unread().len();
        self.down.approve(rest);
        if let Answering::Body(reader) = &mut self.answering
            && self.down.eof != Some(Eof::Reset)
            && reader.at_eof().is_ok()
        {
            self.answering = Answering::Head;
            self.pending_down.ended = true;
            self.pending_down.last = true;
        }
    }

    pub(super) fn close_down(&mut self, cx: &mut Context<'_>) {
        if self.down.closed {
            return;
        }
        let manner = self.down.eof.unwrap_or(Eof::Clean);
        if self.client.poll_close_write(cx, manner).is_ready() {
            self.down.closed = true;
        }
    }
}
