//! What is done to a request on purpose: rules of a scenario, and the guard. Decided once, at its head.
//!
//! In come the facts of a head; out comes a [`Plan`], which the relay and HTTP/2 carry out. All connections share one
//! state, and tell it how what passed was answered. What authtrace does here it says: in the record of the exchange, in
//! a note, and in a field of what it answers.

mod own;
mod shape;
mod watch;

pub(super) use own::{MARK, Own, OwnAnswer, frames, push_field};
pub(super) use shape::{Next, Shape, ShapeEnd, Shaper, is_event_stream};
pub(super) use watch::Watch;

use crate::policy::{ApiError, Asked, Cut, Decider, Guard, Limits, Reason, Script, Stop, Subject, Then, Verdict};
use crate::redact::{Credential, Redacted, Redactor};
use crate::trace::{EventSink, Note, NoteKind, Record, Timestamp};
use std::hash::{BuildHasher as _, RandomState};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Notify, oneshot};

/// How long a request waits for the outcome of those before it that carry the same refused credential.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is done to requests.
#[derive(Default)]
pub struct Policy {
    /// Rules for single requests. Those of [`Script::not_live`] let the server answer.
    pub script: Script,
    /// When to stop asking the server.
    pub guard: Option<Guarding>,
}

/// A guard, and what it does.
pub struct Guarding {
    /// When it acts.
    pub limits: Limits,
    /// Hosts that it watches besides Anthropic's.
    pub hosts: Vec<String>,
    /// What it does then.
    pub on: OnGuard,
}

/// What is done to a request that the guard stops.
pub enum OnGuard {
    /// authtrace answers, so that the client gives up.
    Answer,
    /// It is held until somebody decides; who cannot be asked does not hold, and it is answered.
    Hold(UnboundedSender<Held>),
    /// authtrace answers, and says that the end has come.
    Stop(UnboundedSender<Reason>),
}

/// A request that waits for a decision.
pub struct Held {
    /// The number of its exchange.
    pub exchange: u64,
    /// Which client of a shared trace.
    pub lane: Redacted,
    /// Method.
    pub method: Redacted,
    /// Host.
    pub host: Redacted,
    /// Path and query as a template.
    pub path: Redacted,
    /// The credential that it carries.
    pub credential: Option<Credential>,
    /// Why it is held.
    pub reason: Reason,
    /// How it is decided.
    pub reply: oneshot::Sender<Choice>,
}

/// What becomes of a request that was held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// It goes on to the server, and as many more as the limit allows.
    Continue,
    /// It is answered with 401, in the form that ends the retrying.
    Refuse,
    /// Its connection is cut.
    Drop,
}

/// What becomes of one request.
pub(super) enum Plan {
    /// The server answers.
    Pass,
    /// The server does not see it.
    Own(Own),
    /// The server answers, and its event stream goes out otherwise.
    Shape(Shape),
}

/// A plan, and who wants to know how it went.
pub(super) struct Decided {
    pub(super) plan: Plan,
    pub(super) watch: Option<Watch>,
    /// Whether it waited because a rule says so.
    pub(super) delayed: bool,
}

/// What is known of a request when it is decided on. Lives in the connection's own task.
pub(super) struct Question {
    pub(super) exchange: u64,
    pub(super) method: String,
    pub(super) host: String,
    /// Without the query.
    pub(super) path: String,
    pub(super) credential: Option<Credential>,
    pub(super) lane: Redacted,
    /// Method, host and path as they may be shown.
    pub(super) shown: [Redacted; 3],
}

/// The state that all connections share.
pub(super) struct Supervisor {
    begun: Instant,
    hasher: RandomState,
    state: Mutex<State>,
    /// An outcome was observed.
    changed: Notify,
    on: Option<OnGuard>,
    redactor: Arc<Redactor>,
    sink: Arc<dyn EventSink>,
}

struct State {
    decider: Decider,
    guard: Option<Guard>,
}

impl Supervisor {
    pub(super) fn new(policy: Policy, redactor: Arc<Redactor>, sink: Arc<dyn EventSink>) -> Self {
        let (guard, on) = match policy.guard {
            Some(Guarding { limits, hosts, on }) => (Some(Guard::new(limits, hosts)), Some(on)),
            None => (None, None),
        };
        Self {
            begun: Instant::now(),
            hasher: RandomState::new(),
            state: Mutex::new(State { decider: Decider::new(policy.script), guard }),
            changed: Notify::new(),
            on,
            redactor,
            sink,
        }
    }

    /// What becomes of a request; `held` is set while somebody is asked, and while it is delayed.
    pub(super) async fn decide(self: Arc<Self>, question: Question, held: Arc<AtomicBool>) -> Decided {
        let watch = match self.pass_guard(&question, &held).await {
            Ok(watch) => watch,
            Err(own) => return Decided { plan: Plan::Own(own), watch: None, delayed: false },
        };
        let decision = self.state().decider.decide(&self.asked(&question));
        let Some(rule) = decision.rule else { return Decided { plan: Plan::Pass, watch, delayed: false } };
        let rule = rule + 1;
        let delayed = !decision.delay.is_zero();
        if delayed {
            let (ms, id) = (decision.delay.as_millis(), question.exchange);
            self.note(&format!("exchange {id} was delayed by {ms} ms, as rule {rule} of the scenario says"));
            // Who goes away meanwhile has sent nothing: above all no refresh token is used up for nobody.
            held.store(true, Ordering::Release);
            tokio::time::sleep(decision.delay).await;
            held.store(false, Ordering::Release);
        }
        let plan = self.plan(decision.then, rule, question.exchange);
        Decided { plan, watch, delayed }
    }

    fn plan(&self, then: Then, rule: usize, exchange: u64) -> Plan {
        let told =
            |what: &str| self.redactor.message(&format!("authtrace {what}, as rule {rule} of the scenario says"));
        let id = format!("req_authtrace{exchange:012}");
        let answer = |answer| Plan::Own(Own::Answer(OwnAnswer::new(answer, own::BY_SCENARIO, told("answered"))));
        let shape = |then| Plan::Shape(Shape::new(then, told("changed the stream")));
        match then {
            Then::Pass | Then::Accept | Then::Coded(_) | Then::Token(_) => Plan::Pass,
            Then::Error(error) => answer(error.answer(&id)),
            Then::Html(page) => answer(page.answer()),
            Then::Raw(raw) => answer(raw.answer()),
            Then::Cut(cut) => Plan::Own(Own::Cut(cut, told("cut the connection"))),
            Then::Truncate { events, cut } => shape(shape::How::Truncate(events, cut)),
            Then::StreamError { events, error } => shape(shape::How::Error(events, error)),
            Then::Slow(gap) => shape(shape::How::Slow(gap)),
        }
    }

    /// A watch over what passes the guard, or what is done instead.
    async fn pass_guard(self: &Arc<Self>, question: &Question, held: &AtomicBool) -> Result<Option<Watch>, Own> {
        let Some(on) = &self.on else { return Ok(None) };
        let patience = tokio::time::Instant::now() + PATIENCE;
        let mut may_wait = true;
        loop {
            let mut changed = pin!(self.changed.notified());
            // Before the look, so that no outcome falls between look and wait.
            changed.as_mut().enable();
            let (verdict, subject) = self.ask_guard(question, may_wait);
            match verdict {
                Verdict::Pass => return Ok(self.watch(subject)),
                Verdict::Warn { refused } => {
                    let exchange = question.exchange;
                    self.note(&format!("{refused} refusals in a row of one credential before exchange {exchange}"));
                    return Ok(self.watch(subject));
                }
                Verdict::Wait => may_wait = tokio::time::timeout_at(patience, changed).await.is_ok(),
                Verdict::Stop(stop) => {
                    if let Some(own) = self.stop(on, question, stop, held).await {
                        return Err(own);
                    }
                    self.forgive(question, stop.reason);
                }
            }
        }
    }

    /// What is done to a request that does not pass; none: it goes on after all.
    async fn stop(&self, on: &OnGuard, question: &Question, stop: Stop, held: &AtomicBool) -> Option<Own> {
        let what = stop.reason;
        let id = question.exchange;
        match on {
            OnGuard::Stop(tell) if !self.is_beside(question, stop.reason) => {
                if stop.first {
                    self.note(&format!("{what}: with exchange {id} authtrace ended the run"));
                }
                let _ = tell.send(stop.reason);
            }
            OnGuard::Answer | OnGuard::Stop(_) => {
                if stop.first {
                    self.note(&format!("{what}: from exchange {id} on authtrace answers in the server's place"));
                }
            }
            OnGuard::Hold(desk) => {
                held.store(true, Ordering::Release);
                let choice = ask(desk, question, stop.reason).await;
                held.store(false, Ordering::Release);
                let own = |text: &str| self.redactor.message(&format!("{what}; {text}"));
                match choice {
                    Some(Choice::Continue) => {
                        self.note(&format!("{what}: exchange {id} was held, and let go on"));
                        return None;
                    }
                    Some(Choice::Refuse) => {
                        let told = own("somebody had authtrace answer 401");
                        let error = ApiError::unauthorized(&sentence(stop.reason));
                        return Some(Own::Answer(OwnAnswer::ending(error, own::BY_ASKING, told)));
                    }
                    Some(Choice::Drop) => {
                        return Some(Own::Cut(Cut::Reset, own("somebody had authtrace drop it")));
                    }
                    None => {}
                }
            }
        }
        let told = self.redactor.message(&format!("{what}; authtrace answered in the server's place"));
        let error = ApiError::new(403, "permission_error", &sentence(stop.reason));
        Some(Own::Answer(OwnAnswer::ending(error, own::by_guard(stop.reason), told)))
    }

    /// Whether what was refused is no message: a token may be good for messages and for nothing beside, so that ends no
    /// run.
    fn is_beside(&self, question: &Question, reason: Reason) -> bool {
        let subject = self.state().guard.as_ref().map(|guard| guard.subject(&self.asked(question)));
        matches!((subject, reason), (Some(Subject::Credential { model: false, .. }), Reason::Refusals(_)))
    }

    fn ask_guard(&self, question: &Question, may_wait: bool) -> (Verdict, Subject) {
        let asked = self.asked(question);
        let mut state = self.state();
        let Some(guard) = &mut state.guard else { return (Verdict::Pass, Subject::Unwatched) };
        let verdict = if may_wait { guard.decide(&asked) } else { guard.decide_now(&asked) };
        (verdict, guard.subject(&asked))
    }

    fn forgive(&self, question: &Question, reason: Reason) {
        if let Some(guard) = &mut self.state().guard {
            guard.forgive(&self.asked(question), reason);
        }
    }

    fn watch(self: &Arc<Self>, subject: Subject) -> Option<Watch> {
        (subject != Subject::Unwatched).then(|| Watch::new(Arc::clone(self), subject))
    }

    fn asked<'a>(&self, question: &'a Question) -> Asked<'a> {
        Asked {
            method: &question.method,
            host: &question.host,
            path: &question.path,
            credential: question.credential.as_ref().map(|credential| credential.kind),
            identity: question.credential.as_ref().map(|credential| self.hasher.hash_one(credential.fp)),
            grant: None,
            elapsed: self.begun.elapsed(),
        }
    }

    fn note(&self, text: &str) {
        let text = self.redactor.message(text);
        self.sink.emit(Record::Note(Note { at: Timestamp::now(), kind: NoteKind::Policy, text }));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks whoever sits at the desk; none: nobody does.
async fn ask(desk: &UnboundedSender<Held>, question: &Question, reason: Reason) -> Option<Choice> {
    let (reply, choice) = oneshot::channel();
    let [method, host, path] = question.shown.clone();
    let (credential, lane) = (question.credential.clone(), question.lane.clone());
    desk.send(Held { exchange: question.exchange, lane, method, host, path, credential, reason, reply }).ok()?;
    choice.await.ok()
}

/// What the user of the client reads.
fn sentence(reason: Reason) -> String {
    format!("authtrace stopped this request: {reason}. It was not sent to the server")
}
