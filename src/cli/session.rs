//! A recorder and a proxy at work: what `run`, `proxy` and `demo` have in common.

use super::{console, flight, guard};
use anyhow::Result;
use authtrace::analyze::{Survey, diagnose};
use authtrace::ca::{Persistence, Scope};
use authtrace::config::{Config, RingConfig};
use authtrace::export::summary;
use authtrace::harness::{self, Beginning};
pub(crate) use authtrace::harness::{ProxyLogin as Login, Surroundings, lane_name};
use authtrace::proxy::Policy;
use authtrace::record::{self, Closed, FlightRecorder, Observer, Recorder};
use authtrace::redact;
use authtrace::trace::{EventSink, Note, NoteKind, Record, Timestamp};
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

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
        Self::start_with(config, surroundings, live, policy, None).await
    }

    /// The same, with a flight recorder instead of a trace if there is a ring.
    pub(crate) async fn start_with(
        config: Config,
        surroundings: &Surroundings<'_>,
        live: Option<Observer>,
        policy: Option<Policy>,
        ring: Option<RingConfig>,
    ) -> Result<Self> {
        let kept_in = config.ca_dir.clone();
        let keep = |beginning: Beginning<'_>| keep(beginning, live.into_iter().collect(), ring);
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

    /// What has been written so far, read from the file: nothing of a long run is kept in memory.
    pub(crate) fn survey(&self) -> Survey {
        // What the user allows stays allowed; the options are good, a redactor has been made of them.
        let _ = redact::reread::configure(self.at.redaction.clone());
        super::input::own_trace(self.trace_path()).unwrap_or_else(|error| {
            console::say(&format!("the trace cannot be read: {error}"));
            Survey::default()
        })
    }

    /// The lines after the end: what was seen, and where it is.
    pub(crate) fn summarise(&self, hints: &[String], closed: &Closed) {
        if matches!(self.recorder, Keeper::Ring(_)) || console::is_quiet() {
            return;
        }
        let degraded = closed.degraded.as_deref();
        let style = console::stderr_style();
        let survey = self.survey();
        let diagnosis = diagnose(&survey);
        let aside: Vec<String> = guard::in_a_row(&survey).into_iter().collect();
        console::write(&summary::closing(&survey, &diagnosis, self.trace_path(), hints, &aside, degraded, style));
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
                Closed { totals: closed.totals, degraded: closed.degraded }
            }
        }
    }
}

/// Begins the trace, or the ring.
fn keep(
    Beginning { head, redactor, redaction, out }: Beginning<'_>,
    observers: Vec<Observer>,
    ring: Option<RingConfig>,
) -> Result<(Keeper, Arc<dyn EventSink>)> {
    if let Some(ring) = ring {
        // What the ring holds is judged as a trace that is read.
        let _ = redact::reread::configure(redaction.clone());
        let recorder = Arc::new(flight::start(ring, head, redactor, observers)?);
        return Ok((Keeper::Ring(Arc::clone(&recorder)), recorder));
    }
    let path = out.map_or_else(record::default_path, Ok)?;
    let recorder = Arc::new(Recorder::start(&path, head, Arc::clone(redactor), observers)?);
    Ok((Keeper::Trace(Arc::clone(&recorder)), recorder))
}

/// The names of a scope, for people: each stands for itself, and domains for all below them as well.
pub(crate) fn scope_names(scope: &Scope) -> Vec<String> {
    if scope.is_everything() {
        return vec!["every host (the authority of this run is not constrained)".to_owned()];
    }
    scope.patterns().map(|pattern| pattern.name().to_owned()).collect()
}
