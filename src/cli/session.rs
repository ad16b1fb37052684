//! A recorder and a proxy at work: what `run`, `proxy` and `demo` have in common.

use super::input::InputError;
use super::{console, flight, guard};
use anyhow::Result;
use authtrace::analyze::{Survey, diagnose};
use authtrace::ca::{Persistence, Scope};
use authtrace::config::{Config, RingConfig};
use authtrace::export::summary;
use authtrace::harness::{self, Beginning};
pub(crate) use authtrace::harness::{ProxyLogin as Login, Surroundings, lane_name};
use authtrace::proxy::Policy;
use authtrace::record::{self, Closed, FlightRecorder, Observer, Place, Recorder, RecorderConfig, TraceNews};
use authtrace::redact;
use authtrace::trace::{EventSink, Note, NoteKind, Record, Timestamp};
use std::io::IsTerminal as _;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};

/// A running recorder and proxy.
pub(crate) struct Session {
    at: harness::Session,
    recorder: Keeper,
}

/// What keeps the records.
enum Keeper {
    Trace(Arc<Recorder>),
    Ring(Arc<FlightRecorder>),
}

impl Deref for Session {
    type Target = harness::Session;

    fn deref(&self) -> &harness::Session {
        &self.at
    }
}

impl Session {
    /// Binds the proxy and begins the trace. `live` reads along.
    /// `policy` is what is done to requests on purpose.
    pub(crate) async fn start(
        config: Config,
        surroundings: &Surroundings<'_>,
        live: Option<Observer>,
        policy: Option<Policy>,
    ) -> Result<Self> {
        // A command may have the whole screen of the terminal.
        let silent = std::io::stdout().is_terminal();
        let keep = |beginning: Beginning<'_>| keep(beginning, live.into_iter().collect(), None, silent);
        Self::open(config, surroundings, policy, keep)
    }

    /// The same, with a flight recorder instead of a trace if there is a ring.
    pub(crate) async fn start_with(
        config: Config,
        surroundings: &Surroundings<'_>,
        live: Option<Observer>,
        policy: Option<Policy>,
        ring: Option<RingConfig>,
    ) -> Result<Self> {
        let keep = |beginning: Beginning<'_>| keep(beginning, live.into_iter().collect(), ring, false);
        Self::open(config, surroundings, policy, keep)
    }

    fn open(
        config: Config,
        surroundings: &Surroundings<'_>,
        policy: Option<Policy>,
        keep: impl FnOnce(Beginning<'_>) -> Result<(Keeper, Arc<dyn EventSink>)>,
    ) -> Result<Self> {
        withstand_limits();
        let kept_in = config.ca_dir.clone();
        let (at, recorder) = harness::Session::open(config, surroundings, policy, keep)?;
        if let (Some(folder), Some(persistence)) = (kept_in, at.kept)
            && persistence != Persistence::Kept
        {
            console::say(&format!("{persistence}: {}", folder.join("ca.pem").display()));
        }
        Ok(Self { at, recorder })
    }

    /// The trace; the folder of traces, of a flight recorder.
    pub(crate) fn trace_path(&self) -> &Path {
        match &self.recorder {
            Keeper::Trace(recorder) => recorder.path(),
            Keeper::Ring(recorder) => recorder.folder(),
        }
    }

    /// Has the flight recorder write a trace, if there is one.
    pub(crate) fn freeze(&self) {
        if let Keeper::Ring(recorder) = &self.recorder {
            recorder.freeze();
        }
    }

    /// Has the recorder go on in a new file, if somebody has given the present one another name.
    pub(crate) fn reopen(&self) {
        if let Keeper::Trace(recorder) = &self.recorder {
            recorder.reopen();
        }
    }

    /// What has been written so far, read from the file: nothing of a long run is kept in memory.
    ///
    /// # Errors
    /// The file cannot be read.
    pub(crate) fn survey(&self) -> Result<Survey, InputError> {
        // What the user allows stays allowed; the options are good, a redactor has been made of them.
        let _ = redact::reread::configure(self.at.redaction.clone());
        super::input::own_trace(self.trace_path())
    }

    /// The lines after the end: what was seen, what there is to `explain` about it, and where it is. Of a trace that cannot be
    /// read they say that alone.
    ///
    /// # Errors
    /// The trace cannot be read, or what has its name is another file.
    pub(crate) fn summarise(
        &self,
        closed: &Closed,
        explain: impl FnOnce(&Survey) -> Vec<String>,
    ) -> Result<(), Unjudged> {
        if matches!(self.recorder, Keeper::Ring(_)) {
            return Ok(());
        }
        let degraded = degraded(closed);
        let read = match &closed.place {
            Place::AsNamed if console::is_quiet() => return Ok(()),
            Place::AsNamed => self.survey().map_err(Unjudged::Unreadable),
            Place::Renamed(now) => Err(Unjudged::Renamed { path: self.trace_path().to_owned(), now: now.clone() }),
            Place::Gone => Err(Unjudged::Gone { path: self.trace_path().to_owned() }),
        };
        let survey = read.inspect_err(|unjudged| {
            console::say(&unjudged.to_string());
            if let Some(why) = &degraded {
                console::say(&format!("records could not be written: {why}"));
            }
        })?;
        let hints = explain(&survey);
        let diagnosis = diagnose(&survey);
        let mut aside: Vec<String> = guard::in_a_row(&survey).into_iter().collect();
        aside.extend(closed.dropped.then(|| DROPPED.to_owned()));
        let (path, style) = (self.trace_path(), console::stderr_style());
        console::write(&summary::closing(&survey, &diagnosis, path, &hints, &aside, degraded.as_deref(), style));
        Ok(())
    }

    /// Writes a note into the trace.
    pub(crate) fn note(&self, kind: NoteKind, text: &str) {
        let text = self.at.redactor.message(text);
        let note = Record::Note(Note { at: Timestamp::now(), kind, text });
        match &self.recorder {
            Keeper::Trace(recorder) => recorder.emit(note),
            Keeper::Ring(recorder) => recorder.emit(note),
        }
    }

    /// Drains the proxy and closes the trace. A flight recorder says what it has done.
    pub(crate) async fn close(&self, exit_code: Option<i32>) -> Closed {
        self.at.proxy.stop().await;
        match &self.recorder {
            Keeper::Trace(recorder) => recorder.close(exit_code),
            Keeper::Ring(recorder) => {
                let closed = recorder.close();
                flight::closing(&closed);
                Closed { totals: closed.totals, degraded: closed.degraded, ..Closed::default() }
            }
        }
    }
}

/// Why nothing is judged by a trace at its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unjudged {
    #[error("the trace {} was renamed while it was written, and nothing is judged{}", path.display(), whereabouts(now.as_deref()))]
    Renamed { path: PathBuf, now: Option<PathBuf> },
    #[error("the trace {} is gone, and nothing is judged", path.display())]
    Gone { path: PathBuf },
    #[error("the trace cannot be read, and nothing is judged: {0}")]
    Unreadable(InputError),
}

fn whereabouts(now: Option<&Path>) -> String {
    now.map_or_else(String::new, |now| format!("; it is {} now, and authtrace report shows it", now.display()))
}

/// Why records could not be written, and how many.
fn degraded(closed: &Closed) -> Option<String> {
    closed.degraded.as_ref().map(|why| match closed.totals.lost {
        0 => why.clone(),
        lost if closed.dropped => {
            format!("{why}; with those that made way for --max-size, {} not in the trace", records(lost))
        }
        lost => format!("{why}; {} not in the trace", records(lost)),
    })
}

/// A trace that may not grow (`ulimit -f`) must not end the traffic: with a handler the write fails instead. A command that we
/// start does not inherit it.
fn withstand_limits() {
    drop(signal(SignalKind::from_raw(rustix::process::Signal::XFSZ.as_raw())));
}

/// Begins the trace, or the ring.
fn keep(
    Beginning { head, redactor, redaction, out, max_size }: Beginning<'_>,
    observers: Vec<Observer>,
    ring: Option<RingConfig>,
    silent: bool,
) -> Result<(Keeper, Arc<dyn EventSink>)> {
    if let Some(ring) = ring {
        // What the ring holds is judged as a trace that is read.
        let _ = redact::reread::configure(redaction.clone());
        let recorder = Arc::new(flight::start(ring, head, redactor, observers)?);
        return Ok((Keeper::Ring(Arc::clone(&recorder)), recorder));
    }
    let path = out.map_or_else(record::default_path, Ok)?;
    let tell = Box::new(move |news| {
        if !silent {
            console::say(&told(&news));
        }
    });
    let config = RecorderConfig { path, max_size, tell };
    let recorder = Arc::new(Recorder::start_with(config, head, Arc::clone(redactor), observers)?);
    Ok((Keeper::Trace(Arc::clone(&recorder)), recorder))
}

/// What is said of a trace that has reached its size.
const DROPPED: &str =
    "the trace has reached --max-size: the oldest records make way; the report says how many are gone";

fn records(count: u64) -> String {
    if count == 1 { "one record".to_owned() } else { format!("{count} records") }
}

fn told(news: &TraceNews) -> String {
    match news {
        TraceNews::Degraded { why } => {
            format!("trace_degraded: {why}; the traffic goes on, and what is not recorded is counted")
        }
        TraceNews::Resumed { lost: 0 } => "the trace is written again".to_owned(),
        TraceNews::Resumed { lost } => format!("the trace is written again; {} lost", records(*lost)),
        TraceNews::Removed { records: gone } => {
            format!("trace_degraded: somebody has removed the trace, and with it {}; it was begun anew", records(*gone))
        }
        TraceNews::Truncated { records: gone } => {
            format!(
                "trace_degraded: somebody has truncated the trace, and with it went {}; it was begun anew",
                records(*gone)
            )
        }
        TraceNews::Dropped => DROPPED.to_owned(),
    }
}

/// The names of a scope, for people: each stands for itself, and domains for all below them as well.
pub(crate) fn scope_names(scope: &Scope) -> Vec<String> {
    if scope.is_everything() {
        return vec!["every host (the authority of this run is not constrained)".to_owned()];
    }
    scope.patterns().map(|pattern| pattern.name().to_owned()).collect()
}
