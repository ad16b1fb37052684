//! The flight recorder of `proxy`: set up, its news told, its end summed up.

use super::console;
use super::guard::Notices;
use anyhow::Result;
use authtrace::config::RingConfig;
use authtrace::record::{self, FlightClosed, FlightConfig, FlightNews, FlightRecorder, Observer, Retry};
use authtrace::redact::Redactor;
use authtrace::trace::{Record, TraceHead};
use authtrace::trigger::Trigger;
use std::path::Path;
use std::sync::Arc;

/// Begins to record. Traces go where `report` looks for the newest.
pub(crate) fn start(
    ring: RingConfig,
    head: TraceHead,
    redactor: &Arc<Redactor>,
    observers: Vec<Observer>,
) -> Result<FlightRecorder> {
    let config = FlightConfig {
        folder: record::trace_folder()?,
        bytes: ring.bytes,
        times: ring.times,
        judge: Box::new(Trigger::new(ring.on)),
        tell: Box::new(|news| tell(&news)),
    };
    Ok(FlightRecorder::start(config, head, Arc::clone(redactor), observers)?)
}

/// The lines of a recorder that nobody watches: what authtrace does to the traffic on purpose. Its own log would otherwise grow for days.
pub(crate) fn sparse_lines() -> Observer {
    let mut notices = Notices::default();
    Box::new(move |records: &[Record]| {
        for record in records {
            if let Record::Note(note) = record {
                notices.say(note);
            }
        }
    })
}

/// What it does, for whoever has started it.
pub(crate) fn introduce(folder: &Path) {
    console::say(&format!(
        "flight recorder: no trace until a login fails, then one in {}; SIGUSR1 writes one at once; Ctrl-C ends",
        folder.display()
    ));
}

fn tell(news: &FlightNews) {
    match news {
        FlightNews::Frozen { path, found, exchanges } => {
            if let Some(found) = found {
                console::say(&format!("{} {}", found.code, found.summary));
            }
            console::say(&format!(
                "the last {exchanges} exchanges are in {}; authtrace report shows them",
                path.display()
            ));
        }
        FlightNews::NotFrozen { found, why, retry } => {
            let code = found.as_ref().map(|found| format!("{}: ", found.code)).unwrap_or_default();
            let then = match retry {
                Retry::Soon => "recording goes on, and it is tried again every minute",
                Retry::NextStart => "what was recorded stays there for the next start",
                Retry::Never => "recording goes on",
            };
            console::say(&format!("{code}a trace should have been written, but {why}; {then}"));
        }
        FlightNews::Removed(path) => {
            console::say(&format!(
                "removed {}, the oldest of the recorder's traces, to keep their number and size",
                path.display()
            ));
        }
        FlightNews::Recovered(path) => {
            console::say(&format!(
                "a recorder before this one was killed or could not write; what it held is in {}",
                path.display()
            ));
        }
    }
}

/// The line after the end.
pub(crate) fn closing(closed: &FlightClosed) {
    let traces = match closed.frozen {
        0 => "no trace was written".to_owned(),
        1 => "one trace was written: authtrace report".to_owned(),
        several => format!("{several} traces were written; authtrace report shows the newest"),
    };
    console::say(&format!("{} exchanges passed; {traces}", closed.totals.exchanges));
    if let Some(why) = &closed.degraded {
        console::say(&format!("{} records could not be kept: {why}", closed.totals.lost));
    }
}
