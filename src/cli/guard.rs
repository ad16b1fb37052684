//! The guard of `run` and `proxy`: set up, its alarm heard, its questions put to the terminal.

mod desk;

use super::console;
use anyhow::Result;
use authtrace::analyze::{Labels, Survey};
use authtrace::config::{ConfigError, GuardConfig, WhenStopped};
use authtrace::export::live;
use authtrace::policy::{Answered, Asked, Guard, Limits, Reason, Script, Subject, WARN_AT};
use authtrace::proxy::{Guarding, OnGuard, Policy};
use authtrace::record::Observer;
use authtrace::trace::{Credential, Exchange, Note, NoteKind, Origin, Record};
use desk::Desk;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::IsTerminal as _;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Rings when the guard ends a run.
pub(crate) struct Alarm {
    bell: UnboundedReceiver<Reason>,
    /// Kept, so that the bell stays silent where nobody else holds it.
    _rope: UnboundedSender<Reason>,
    rung: Option<Reason>,
}

impl Alarm {
    /// Until it rings.
    pub(crate) async fn ring(&mut self) {
        if let Some(reason) = self.bell.recv().await {
            self.rung = Some(reason);
        }
    }

    /// Why it has rung, if it has.
    pub(crate) fn rung(&self) -> Option<String> {
        self.rung.map(|reason| reason.to_string())
    }
}

/// The command owns the terminal of `run`, so nobody can be asked there.
pub(crate) fn under_run(guard: Option<GuardConfig>) -> Result<(Option<Policy>, Alarm)> {
    if guard.as_ref().is_some_and(|guard| guard.on == WhenStopped::Hold) {
        return Err(ConfigError::Hold("under `run`, where the command has the terminal").into());
    }
    let (policy, alarm, _) = set_up(guard);
    Ok((policy, alarm))
}

pub(crate) fn under_proxy(guard: Option<GuardConfig>) -> Result<(Option<Policy>, Alarm, Option<Desk>)> {
    let holds = guard.as_ref().is_some_and(|guard| guard.on == WhenStopped::Hold);
    if holds && !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
        return Err(ConfigError::Hold("without a terminal to ask on").into());
    }
    Ok(set_up(guard))
}

fn set_up(guard: Option<GuardConfig>) -> (Option<Policy>, Alarm, Option<Desk>) {
    let (rope, bell) = unbounded_channel();
    let mut desk = None;
    let policy = guard.map(|GuardConfig { limits, on, hosts }| {
        let on = match on {
            WhenStopped::Answer => OnGuard::Answer,
            WhenStopped::Stop => OnGuard::Stop(rope.clone()),
            WhenStopped::Hold => {
                let (send, questions) = unbounded_channel();
                desk = Some(Desk::new(questions));
                OnGuard::Hold(send)
            }
        };
        Policy { guard: Some(Guarding { limits, hosts, on }), ..Policy::default() }
    });
    (policy, Alarm { bell, _rope: rope, rung: None }, desk)
}

/// With the rules of a scenario.
pub(crate) fn with_script(policy: Option<Policy>, script: Option<Script>) -> Option<Policy> {
    match script {
        Some(script) => Some(Policy { script, ..policy.unwrap_or_default() }),
        None => policy,
    }
}

/// What is said while a command runs: nothing on a terminal, where it may have the whole screen. The closing summary has
/// it in any case.
pub(crate) fn warnings_of_run() -> Option<Observer> {
    if std::io::stdout().is_terminal() {
        return None;
    }
    let mut rows = Rows::default();
    let mut notices = Notices::default();
    Some(Box::new(move |records: &[Record]| {
        for record in records {
            match record {
                Record::Note(note) => notices.say(note),
                Record::Exchange(exchange) => {
                    rows.labels.take(record);
                    if rows.take(exchange) == Some(WARN_AT) {
                        console::say(&format!("{}; {ADVICE}", rows.describe(exchange, WARN_AT)));
                    }
                }
                _ => {}
            }
        }
    }))
}

/// Says what authtrace does on purpose, and once that descriptors run out.
#[derive(Default)]
pub(crate) struct Notices {
    short: bool,
}

impl Notices {
    pub(crate) fn say(&mut self, note: &Note) {
        let again = note.kind == NoteKind::Limit && std::mem::replace(&mut self.short, true);
        if let Some(text) = live::of_note(note).filter(|_| !again) {
            console::say(&text);
        }
    }
}

const ADVICE: &str = "authtrace run --guard 3 ends such a loop";

/// The longest row of refusals of one credential, if it is worth a word and no guard has ended it.
pub(crate) fn in_a_row(survey: &Survey) -> Option<String> {
    if survey.notes().iter().any(|note| note.kind == NoteKind::Policy) {
        return None;
    }
    let mut rows = Rows { labels: survey.labels().clone(), ..Rows::default() };
    let mut longest: Option<(u32, &Exchange)> = None;
    for exchange in survey.exchanges() {
        if let Some(count) = rows.take(exchange)
            && longest.is_none_or(|(most, _)| count > most)
        {
            longest = Some((count, exchange));
        }
    }
    let (count, last) = longest.filter(|(count, _)| *count >= WARN_AT)?;
    Some(format!("{}; {ADVICE}", rows.describe(last, count)))
}

/// Rows of refusals, counted as the guard counts them, from what a trace says.
struct Rows {
    guard: Guard,
    labels: Labels,
    counts: HashMap<Subject, u32>,
}

impl Default for Rows {
    fn default() -> Self {
        Self { guard: Guard::new(Limits::default(), Vec::new()), labels: Labels::default(), counts: HashMap::new() }
    }
}

impl Rows {
    /// How many refusals in a row end with this exchange; none: it is no refusal.
    fn take(&mut self, exchange: &Exchange) -> Option<u32> {
        let status = exchange.status().filter(|_| exchange.origin == Origin::Upstream)?;
        let path = exchange.request.path.as_str();
        let subject = self.guard.subject(&Asked {
            method: exchange.request.method.as_str(),
            host: exchange.request.host.as_str(),
            path: path.split('?').next().unwrap_or(path),
            credential: None,
            identity: identity(exchange),
            grant: None,
            elapsed: Duration::ZERO,
        });
        let refused = exchange.error.as_ref().is_some_and(authtrace::trace::ErrorFacts::is_auth);
        let answered = if refused { Answered::Refused } else { Answered::of(subject, status, false) };
        if !matches!(subject, Subject::TokenEndpoint | Subject::Credential { .. }) {
            return None;
        }
        let count = self.counts.entry(subject).or_default();
        match answered {
            Answered::Refused => *count = count.saturating_add(1),
            Answered::Accepted => *count = 0,
            Answered::Begun | Answered::Otherwise => {}
        }
        (answered == Answered::Refused).then_some(*count)
    }

    fn describe(&self, last: &Exchange, count: u32) -> String {
        let label = deciding(last).and_then(|sent| self.labels.get(sent.credential.fp));
        let of = label.map_or_else(|| "by the token endpoint".to_owned(), |label| format!("of {label}"));
        let status = last.status().unwrap_or_default();
        format!("{count} refusals in a row {of}, the last #{} with {status}", last.id)
    }
}

fn deciding(exchange: &Exchange) -> Option<&Credential> {
    let stands = |place: &str| exchange.credentials.iter().find(|sent| sent.place.as_str() == place);
    stands("x-api-key").or_else(|| stands("authorization"))
}

fn identity(exchange: &Exchange) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    deciding(exchange)?.credential.fp.hash(&mut hasher);
    Some(hasher.finish())
}
