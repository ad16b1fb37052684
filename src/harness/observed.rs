//! What went over the wire, and whether it is what was expected.

use super::HarnessError;
use crate::analyze::{Diagnosis, Label, Survey, Verdict, diagnose};
use crate::check::{self, Expectations, Report, evaluate};
use crate::export::{Style, check as page, markdown, text};
use crate::trace::{Credential, Exchange};
use std::fmt;
use std::path::Path;

/// What went over the wire, as far as it may be shown: values of credentials are not in it.
#[derive(Clone, Debug)]
pub struct Observed {
    survey: Survey,
    diagnosis: Diagnosis,
}

impl Observed {
    pub(super) fn of(survey: Survey) -> Self {
        let diagnosis = diagnose(&survey);
        Self { survey, diagnosis }
    }

    /// Every request with its answer, by the time at which it began.
    #[must_use]
    pub fn exchanges(&self) -> &[Exchange] {
        self.survey.exchanges()
    }

    /// Everything that was recorded: connections, notes, gaps, views of the exchanges.
    #[must_use]
    pub fn survey(&self) -> &Survey {
        &self.survey
    }

    /// What was found out about it: findings, and what became of each credential.
    #[must_use]
    pub fn diagnosis(&self) -> &Diagnosis {
        &self.diagnosis
    }

    /// What it comes down to.
    #[must_use]
    pub fn verdict(&self) -> &Verdict {
        &self.diagnosis.verdict
    }

    /// The short name of a credential in this trace, such as `oat-A`.
    #[must_use]
    pub fn label(&self, credential: &Credential) -> Option<Label> {
        self.survey.credential_label(credential.credential.fp)
    }

    /// The report, as `authtrace report` shows it.
    #[must_use]
    pub fn report(&self) -> String {
        let style = Style { full: true, ..Style::default() };
        written(|out| text::report(&self.survey, &self.diagnosis, out, style))
    }

    /// The same in Markdown, fit to be pasted into an issue.
    #[must_use]
    pub fn report_markdown(&self) -> String {
        written(|out| markdown::report(&self.survey, &self.diagnosis, out))
    }

    /// Holds it against expectations in TOML; `docs/expectations.md` describes them.
    ///
    /// # Errors
    /// [`HarnessError::Expectations`]: a mistake in the text, with its place. What is missed is none: ask [`Checked`].
    pub fn check(&self, expectations: &str) -> Result<Checked, HarnessError> {
        self.check_text("expectations", expectations)
    }

    /// The same with a file.
    ///
    /// # Errors
    /// [`HarnessError::Unreadable`], and those of [`Self::check`].
    pub fn check_file(&self, path: impl AsRef<Path>) -> Result<Checked, HarnessError> {
        let path = path.as_ref();
        let unreadable = |source| HarnessError::Unreadable { path: path.to_owned(), source };
        self.check_text(&path.display().to_string(), &std::fs::read_to_string(path).map_err(unreadable)?)
    }

    /// The same with values, such as [`check::deny`] and [`check::limit_of_auth_failures`] make.
    #[must_use]
    pub fn check_against(&self, expectations: &Expectations) -> Checked {
        let report = evaluate(&self.survey, &self.diagnosis, expectations);
        let text = written(|out| page::report(&self.survey, &report, out, Style::default()));
        Checked { report, text }
    }

    /// Fails the test unless what went over the wire is what was expected, and says how they differ: [`Self::check`] and
    /// [`Checked::assert_held`] in one.
    ///
    /// # Panics
    /// If an expectation is missed, or has a mistake.
    #[track_caller]
    pub fn assert(&self, expectations: &str) {
        let (held, text) = match self.check(expectations) {
            Ok(checked) => (checked.held(), checked.text),
            Err(mistake) => (false, mistake.to_string()),
        };
        assert!(held, "{text}");
    }

    fn check_text(&self, name: &str, text: &str) -> Result<Checked, HarnessError> {
        let mistake = |source| HarnessError::Expectations { name: name.to_owned(), source };
        Ok(self.check_against(&check::read(name, text).map_err(mistake)?))
    }
}

/// What came of expectations. Shown, it is the text that `authtrace check` prints: what holds in a line each, then each
/// miss with the line of the expectation, the exchange that comes nearest, and what happened around it.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    report: Report,
    text: String,
}

impl Checked {
    /// Whether everything is as expected.
    #[must_use]
    pub fn held(&self) -> bool {
        self.report.held()
    }

    /// The outcomes one by one.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Fails the test if an expectation is missed, and says which and by what.
    ///
    /// # Panics
    /// If an expectation is missed.
    #[track_caller]
    pub fn assert_held(&self) {
        assert!(self.held(), "{self}");
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Memory takes whatever is written.
fn written(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>) -> String {
    let mut out = Vec::new();
    let _ = write(&mut out);
    String::from_utf8_lossy(&out).into_owned()
}
