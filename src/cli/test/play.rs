//! One case: played, and held against what is expected of it.

use super::observed;
use super::plan::{Run, shown};
use super::traces::Traces;
use crate::cli::trial::{End, Trial, Tried};
use crate::cli::{console, exit, input};
use authtrace::analyze::diagnose;
use authtrace::check::{evaluate, learn};
use authtrace::export::check::{self as page, Checked, Failure, FailureKind, Judged, State};
use std::path::Path;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// What came of a case.
pub(super) struct Played {
    pub(super) checked: Checked,
    /// What the case shows, in a few words.
    pub(super) title: Option<String>,
    /// What came of the expectations, for this screen; empty if it did not come to that.
    pub(super) told: String,
    /// The exit code that stands for it.
    pub(super) code: u8,
    /// What became of the file with the observed flow, if one was to be written.
    pub(super) observed: Option<String>,
}

impl Played {
    /// What is said of a case that cannot be read.
    pub(super) fn wrong(checked: Checked) -> Self {
        Self { checked, title: None, told: String::new(), code: exit::USAGE, observed: None }
    }
}

impl Run {
    /// Plays it, unless `stop` comes first.
    pub(super) async fn play(&self, traces: &Traces, stop: &CancellationToken) -> Played {
        let trace = traces.path(&self.name);
        let trial = Trial {
            scenario: &self.scenario,
            command: &self.command,
            trace: &trace,
            folder: self.folder.as_deref(),
            timeout: Some(self.timeout),
        };
        let mut played = match trial.run(stop).await {
            Ok(tried) => self.judged(tried, &trace),
            Err(error) => self.broken(format!("{error:#}"), Duration::ZERO),
        };
        let state = played.checked.state();
        match traces.keep(&self.name, !matches!(state, State::Held | State::NotRun)) {
            Ok(kept) => played.checked.trace = kept,
            Err(_) => played.code = exit::FAILED,
        }
        if state == State::Held {
            played.checked.output.clear();
        }
        played
    }

    fn judged(&self, tried: Tried, trace: &Path) -> Played {
        let Tried { end, took, output } = tried;
        let mut failure = None;
        match end {
            End::Ended(_) => {}
            End::TimedOut => {
                let message = format!(
                    "the command had not ended after {}, and was ended; a case that takes longer says timeout = \"2m\"",
                    seconds(self.timeout)
                );
                // What it did until then may say why; without a trace, that is all there is.
                if !trace.exists() {
                    return self.failed(FailureKind::Timeout, message, took, output, exit::PROBLEM);
                }
                failure = Some(Failure { kind: FailureKind::Timeout, message, source: None });
            }
            End::Stopped => return self.not_run("somebody ended authtrace while it was running"),
            End::Failed(code) => {
                let said = output.trim().replace("\nauthtrace: ", "\n");
                let said = said.trim_start_matches("authtrace: ").to_owned();
                let code = if matches!(code, 126 | 127) { exit::USAGE } else { exit::FAILED };
                return self.failed(FailureKind::Error, said, took, String::new(), code);
            }
        }
        let survey = match input::own_trace(trace) {
            Ok(survey) => survey,
            Err(error) => return self.broken(error.to_string(), took),
        };
        let diagnosis = diagnose(&survey);
        let report = evaluate(&survey, &diagnosis, &self.expectations).with_known(&self.misses);
        let mut told = Vec::new();
        // Writing to memory does not fail.
        let _ = page::report(&survey, &report, &mut told, console::stdout_style(false));
        let held = if report.held() && failure.is_none() { exit::GOOD } else { exit::PROBLEM };
        let observed = self.updates && failure.is_none() && (self.is_new || !report.held());
        let observed = observed.then(|| observed::write(&self.file, &learn(&survey, &diagnosis)));
        let code = if matches!(observed, Some(Err(_))) { exit::FAILED } else { held };
        let observed = observed.map(|written| written.unwrap_or_else(|why| why));
        let judged = Some(Judged::new(&survey, &diagnosis, report));
        let checked = Checked { judged, failure, took, output, ..self.unjudged() };
        Played { checked, title: self.title.clone(), told: String::from_utf8_lossy(&told).into_owned(), code, observed }
    }

    /// What is said of one that was not played, or not to its end.
    pub(super) fn not_run(&self, why: &str) -> Played {
        self.failed(FailureKind::NotRun, why.to_owned(), Duration::ZERO, String::new(), exit::FAILED)
    }

    /// What is said of one in which authtrace itself failed.
    pub(super) fn broken(&self, why: String, took: Duration) -> Played {
        self.failed(FailureKind::Error, why, took, String::new(), exit::FAILED)
    }

    fn failed(&self, kind: FailureKind, message: String, took: Duration, output: String, code: u8) -> Played {
        let source = (kind == FailureKind::Error && code == exit::USAGE).then(|| self.program.clone());
        let failure = Some(Failure { kind, message, source });
        let checked = Checked { failure, took, output, ..self.unjudged() };
        Played { checked, title: self.title.clone(), told: String::new(), code, observed: None }
    }

    fn unjudged(&self) -> Checked {
        Checked { name: Some(self.name.clone()), file: Some(shown(&self.file)), ..Checked::default() }
    }
}

fn seconds(time: Duration) -> String {
    if time.subsec_millis() == 0 { format!("{} s", time.as_secs()) } else { format!("{:.1} s", time.as_secs_f64()) }
}
