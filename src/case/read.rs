//! From the file as it is written to values.

use super::format::File;
use super::{Case, FORMAT, Named, TIMEOUT, Word};
use crate::check::{ExpectationError, KnownMiss, Source};
use crate::place::{Place, in_words, plain, visible};
use crate::policy::duration;
use std::ops::Range;
use std::time::Duration;
use toml::Spanned;

/// A mistake in a case: line and column from 1, the line itself, and a caret under the mistake.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}{message}")]
pub struct CaseError {
    /// Where.
    pub place: Place,
    /// What is wrong and what was expected.
    pub message: String,
}

impl CaseError {
    pub(super) fn at(text: &str, span: Range<usize>, message: impl AsRef<str>) -> Self {
        Self { place: Place::of(text, span), message: visible(message.as_ref()) }
    }
}

impl From<ExpectationError> for CaseError {
    fn from(error: ExpectationError) -> Self {
        Self { place: error.place, message: error.message }
    }
}

/// Reads a case; `name` is what reports call the file.
///
/// # Errors
/// The first mistake, with its place.
pub fn read(name: &str, text: &str) -> Result<Case, CaseError> {
    let file: File = toml::from_str(text).map_err(|error| match other_kind(text) {
        Some(message) => CaseError::at(text, 0..0, message),
        None => CaseError::at(text, error.span().unwrap_or(0..0), in_words(error.message())),
    })?;
    Reader { name, text }.case(file)
}

/// What a file is that stands where a case should, by keys that only it has.
fn other_kind(text: &str) -> Option<&'static str> {
    let table: toml::Table = text.parse().ok()?;
    let has = |keys: &[&str]| keys.iter().any(|key| table.contains_key(*key));
    if has(&["command"]) {
        return None;
    }
    if has(&["limits", "findings", "hosts", "flow", "unread_hosts", "allow_empty"]) {
        return Some(
            "these are expectations, no case: keep the file in a folder of its own below this one, and name it under \
             expect_files in each case that it is for",
        );
    }
    has(&["client", "server", "rule", "event", "against", "about"]).then_some(
        "this is a scenario, no case: keep the file in a folder of its own below this one, and name it under scenario \
         in each case that it is for",
    )
}

struct Reader<'a> {
    name: &'a str,
    text: &'a str,
}

impl Reader<'_> {
    fn case(&self, file: File) -> Result<Case, CaseError> {
        if *file.format.get_ref() != FORMAT {
            let message = format!("this authtrace reads format {FORMAT}; a newer one may read this file");
            return Err(self.at(file.format.span(), message));
        }
        Ok(Case {
            title: file.title.map(|title| visible(&title)),
            scenario: self.named(file.scenario, "a scenario has a name: one of authtrace scenario list, or a file")?,
            command: self.command(file.command)?,
            folder: file.folder.map(|folder| self.named(folder, "a folder has a name")).transpose()?,
            timeout: self.timeout(file.timeout.as_ref())?,
            expected: file.expect.map(|written| written.expectations(self.name, self.text)).transpose()?,
            expect_files: self.all(file.expect_files, "a file has a name")?,
            misses: self.misses(file.misses),
        })
    }

    fn command(&self, command: Spanned<Vec<Spanned<String>>>) -> Result<Vec<Word>, CaseError> {
        let span = command.span();
        let words = command.into_inner();
        match words.first() {
            None => return Err(self.at(span, "a command is expected, such as [\"claude\", \"-p\", \"hi\"]")),
            Some(program) if program.get_ref().trim().is_empty() => {
                return Err(self.at(program.span(), "the name of a program is expected"));
            }
            Some(program) if words.len() == 1 && program.get_ref().contains(' ') => {
                let message =
                    "no shell takes this apart: write each word for itself, as in [\"claude\", \"-p\", \"hi\"]";
                return Err(self.at(program.span(), message));
            }
            Some(_) => {}
        }
        let word = |word: Spanned<String>| {
            let span = word.span();
            if word.get_ref().contains('\0') {
                return Err(self.at(span, "a word of a command holds no NUL"));
            }
            Word::read(word.get_ref(), self.source(span.clone()), self.text, span)
        };
        words.into_iter().map(word).collect()
    }

    fn timeout(&self, timeout: Option<&Spanned<String>>) -> Result<Duration, CaseError> {
        let Some(written) = timeout else { return Ok(TIMEOUT) };
        match duration(written.get_ref()) {
            Ok(Duration::ZERO) => Err(self.at(written.span(), "no command ends in no time")),
            Ok(timeout) => Ok(timeout),
            Err(why) => Err(self.at(written.span(), why)),
        }
    }

    fn all(&self, names: Vec<Spanned<String>>, expected: &str) -> Result<Vec<Named>, CaseError> {
        names.into_iter().map(|name| self.named(name, expected)).collect()
    }

    fn named(&self, name: Spanned<String>, expected: &str) -> Result<Named, CaseError> {
        if name.get_ref().trim().is_empty() || name.get_ref().contains('\0') {
            return Err(self.at(name.span(), expected));
        }
        let source = self.source(name.span());
        Ok(Named { text: name.into_inner(), source })
    }

    fn misses(&self, misses: Vec<Spanned<String>>) -> Vec<KnownMiss> {
        let known = |miss: Spanned<String>| KnownMiss { source: self.source(miss.span()), expected: miss.into_inner() };
        misses.into_iter().map(known).collect()
    }

    fn source(&self, span: Range<usize>) -> Source {
        Source { name: plain(self.name), place: Place::of(self.text, span) }
    }

    fn at(&self, span: Range<usize>, message: impl AsRef<str>) -> CaseError {
        CaseError::at(self.text, span, message)
    }
}
