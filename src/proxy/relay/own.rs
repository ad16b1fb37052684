//! Requests that are decided on, and those that the server does not see: swallowed as they are framed, and answered by
//! us in their turn.

use super::Answering;
use super::asking::tell_head;
use super::{Asking, Deferred, InFlight, Looked, Purpose, Relay, Stop, current_of, raw_fields, shaping, shift};
use crate::facts::Version;
use crate::policy::Cut;
use crate::proxy::leg::{Eof, Leg};
use crate::proxy::supervise::{Decided, Own, OwnAnswer, Plan};
use crate::proxy::tap::Tap;
use crate::redact::Direction;
use crate::trace::HeadChange;
use crate::wire::{self, BodyReader, Framing, Part};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Bytes of one request that is being decided on: several times what Claude Code sends.
const READ_AHEAD: usize = 4 << 20;
/// How long the client's socket may take what was said to it before it is cut.
const LAST_BYTES: Duration = Duration::from_secs(1);

/// A request that is being decided on. Nothing of it has passed.
pub(super) struct Deciding {
    head: wire::RequestHead,
    replaced: Option<(Vec<u8>, Vec<HeadChange>)>,
    tap: Tap,
    /// Whether somebody is asked, or it is delayed.
    held: Arc<AtomicBool>,
    decided: Pin<Box<dyn Future<Output = Decided> + Send>>,
}

impl<C: Leg, U: Leg> Relay<'_, C, U> {
    /// Makes facts of a head, and asks what becomes of its request.
    pub(super) fn begin_deciding(&mut self, head: wire::RequestHead, replaced: Option<(Vec<u8>, Vec<HeadChange>)>) {
        let mut tap = Tap::begin(&self.channel, self.read_up, self.carried == 0);
        let raw = self.up.unread().get(..head.len).unwrap_or_default();
        tell_head(&mut tap, &mut self.extractor, &self.form, raw, &head);
        let question = tap.question(head.method.of(raw), super::origin_form_of(head.target.of(raw)));
        let (Some(supervisor), Some(question)) = (&self.supervisor, question) else {
            return self.pass_head(head, replaced, Some((tap, None)));
        };
        tap.hold_back();
        let held = Arc::new(AtomicBool::new(false));
        let decided = Box::pin(Arc::clone(supervisor).decide(question, Arc::clone(&held)));
        self.deciding = Some(Box::new(Deciding { head, replaced, tap, held, decided }));
    }

    /// Ready when a decision was made, and begun to be carried out.
    pub(super) fn poll_deciding(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deciding) = &mut self.deciding else { return Poll::Pending };
        let Poll::Ready(Decided { plan, watch, delayed }) = deciding.decided.as_mut().poll(cx) else {
            return Poll::Pending;
        };
        let Some(deciding) = self.deciding.take() else { return Poll::Pending };
        let Deciding { head, replaced, mut tap, .. } = *deciding;
        tap.watched_by(watch);
        match plan {
            Plan::Pass => {
                tap.let_pass(delayed);
                self.pass_head(head, replaced, Some((tap, None)));
            }
            Plan::Own(own) => self.swallow_head(head, tap, own),
            Plan::Shape(shape) => {
                tap.let_pass(delayed);
                let replaced = self.without_codings(&head, replaced);
                self.pass_head(head, Some(replaced), Some((tap, Some(Box::new(Purpose::Shape(shape))))));
            }
        }
        Poll::Ready(())
    }

    /// Whether somebody is asked about the request at the front, or it is delayed. Who goes away then does not want an answer.
    pub(super) fn is_held(&self) -> bool {
        self.deciding.as_ref().is_some_and(|deciding| deciding.held.load(Ordering::Acquire))
    }

    /// Whether more than the usual room is given to a client that waits for a decision: with its whole request read, its
    /// end is noticed.
    pub(super) fn may_read_ahead(&self) -> bool {
        self.deciding.is_some() && self.up.unread().len() < READ_AHEAD
    }

    /// The head of a request whose event stream is to be read: no coding may hide it.
    fn without_codings(
        &self,
        head: &wire::RequestHead,
        replaced: Option<(Vec<u8>, Vec<HeadChange>)>,
    ) -> (Vec<u8>, Vec<HeadChange>) {
        let (bytes, mut changes) =
            replaced.unwrap_or_else(|| (self.up.unread().get(..head.len).unwrap_or_default().to_vec(), Vec::new()));
        changes.push(HeadChange::AcceptEncoding);
        (shaping::without_codings(&bytes), changes)
    }

    fn swallow_head(&mut self, head: wire::RequestHead, mut tap: Tap, own: Own) {
        let raw = self.up.unread().get(..head.len).unwrap_or_default();
        let context = head.context(raw);
        self.up.discard(head.len);
        tap.answered_by_us(match &own {
            Own::Answer(OwnAnswer { told, .. }) | Own::Cut(_, told) => told.clone(),
        });
        if let Own::Answer(answer) = &own {
            tap.status_known(answer.status, false);
        }
        let asked = head.framing == Framing::None;
        if asked {
            tap.request_sent(Instant::now());
        } else {
            self.asking = Asking::Body(BodyReader::new(head.framing, &self.limits));
        }
        self.carried += 1;
        let persistent = head.persistent && head.minor_version > 0;
        self.exchanges.push_back(InFlight {
            tap,
            context,
            asked,
            answered: false,
            upgraded: false,
            withheld: head.expects_continue && !asked,
            purpose: Some(Box::new(Purpose::Own { own, persistent })),
        });
        self.heads_up.recycle(head.fields);
    }

    /// A part of a body that goes nowhere. `over` as for one that passes.
    pub(super) fn swallow_request_part(&mut self, part: Part, over: bool) -> Looked {
        let Some(current) = self.exchanges.back_mut() else { return Looked::NeedMore };
        let ended = match part {
            Part::NeedMore => return Looked::NeedMore,
            Part::Data { take, payload } => {
                let range = self.up.discard(take);
                current.withheld = false;
                current.tap.count_request(payload.len());
                if current.tap.reads_request() {
                    current.tap.request_data(self.up.bytes_at(shift(&range, payload)));
                }
                over
            }
            Part::End { take, trailers } => {
                let range = self.up.discard(take);
                let section = self.up.bytes_at(shift(&range, trailers));
                let fields = wire::field_lines(section, &self.limits).unwrap_or_default();
                current
                    .tap
                    .request_trailers(self.extractor.trailers(&raw_fields(section, &fields), Direction::Request));
                true
            }
        };
        if ended {
            current.asked = true;
            current.tap.request_sent(Instant::now());
            self.asking = Asking::Head;
            self.retire();
        }
        Looked::Again
    }

    /// Whether what the client is to get next comes from us, now or later; the upstream's end has to wait for it.
    pub(super) fn awaits_own_answer(&self) -> bool {
        match self.exchanges.iter().find(|current| !current.answered) {
            Some(current) => current.is_own(),
            None => self.deciding.is_some(),
        }
    }

    /// Whether everything before an answer of ours has passed. A client that waits for a 100 gets it at once.
    pub(super) fn is_own_answer_due(&self) -> bool {
        let next = self.exchanges.iter().find(|current| !current.answered);
        let due = next.is_some_and(|current| {
            let own = matches!(current.purpose.as_deref(), Some(Purpose::Own { .. }));
            own && (current.asked || current.withheld)
        });
        due && self.stop.is_none() && self.down.is_drained() && matches!(self.answering, Answering::Head)
    }

    /// Puts what we have to say in front of what the upstream says. Whether there was anything.
    pub(super) fn speak(&mut self, cx: &mut Context<'_>) -> bool {
        if self.is_own_answer_due() {
            self.give_own_answer();
            return self.stop.is_none();
        }
        if matches!(self.answering, Answering::Shaped(_)) {
            return self.speak_shaped(cx);
        }
        if self.last_word && !self.down.closed {
            // However the upstream has ended: what was said last is to arrive.
            self.down.eof = Some(Eof::Clean);
            self.close_down(cx);
        }
        false
    }

    fn give_own_answer(&mut self) {
        let upstream_over = self.down.eof.is_some();
        let Some(current) = current_of(&mut self.exchanges) else { return };
        let Some(purpose) = current.purpose.replace(Box::new(Purpose::Given)) else { return };
        let Purpose::Own { own, persistent } = *purpose else { return };
        let answer = match own {
            Own::Answer(answer) => answer,
            Own::Cut(cut, _) => {
                self.stop = Some(Stop::Cut(cut));
                return;
            }
        };
        let (to_head, last) = (current.context.head, !persistent || upstream_over);
        current.tap.answer_begun(Instant::now());
        current.tap.response_head(&mut self.extractor, answer.status, Version::Http11, &answer.raw_fields());
        if answer.has_body(to_head) {
            current.tap.count_response(answer.body.len());
            current.tap.response_data(&answer.body);
        }
        self.down.inject(&answer.message(to_head, last));
        self.pending_down = Deferred { ended: true, ..Deferred::default() };
        self.last_word |= last;
    }

    /// Ends the client's connection in the middle, after what was said to it has reached its socket.
    pub(super) async fn cut(&mut self, cut: Cut) {
        let _ = tokio::time::timeout(LAST_BYTES, poll_fn(|cx| self.down.poll_drain(cx, self.client))).await;
        match cut {
            Cut::Reset => self.client.reset_on_close(),
            Cut::Close => {
                let _ = poll_fn(|cx| self.client.poll_close_write(cx, Eof::Cut)).await;
            }
        }
        self.upstream.reset_on_close();
    }
}
