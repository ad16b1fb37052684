//! A word of a command, in which environment variables may be named: `${NAME}`. `$${` stands for `${`; every other
//! dollar sign stands for itself, as there is no shell.

use super::read::CaseError;
use crate::check::Source;
use crate::place::Place;
use std::ffi::{OsStr, OsString};
use std::ops::Range;

/// A word of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    parts: Vec<Part>,
    /// Where it stands.
    pub source: Source,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable { name: String, place: Place },
}

impl Word {
    /// Reads it; `span` is its place in the file, with the quotes, and `text` that file.
    pub(super) fn read(word: &str, source: Source, text: &str, span: Range<usize>) -> Result<Self, CaseError> {
        let mut parts = Vec::new();
        let mut rest = word;
        while let Some(at) = rest.find("${") {
            let (before, from) = rest.split_at(at);
            if let Some(before) = before.strip_suffix('$') {
                parts.push(Part::Text(format!("{before}${{")));
                rest = from.get(2..).unwrap_or_default();
                continue;
            }
            let Some((name, behind)) = from.get(2..).and_then(|from| from.split_once('}')) else {
                return Err(CaseError::at(text, span, "this ${ has no end; a variable is named as in \"${NAME}\""));
            };
            if !is_name(name) {
                let message = "a variable has a name of letters, digits and underscores; for a plain ${ write $${";
                return Err(CaseError::at(text, span, message));
            }
            let place = Place::of(text, within(text, &span, &format!("${{{name}}}")));
            parts.extend([Part::Text(before.to_owned()), Part::Variable { name: name.to_owned(), place }]);
            rest = behind;
        }
        parts.push(Part::Text(rest.to_owned()));
        parts.retain(|part| !matches!(part, Part::Text(text) if text.is_empty()));
        Ok(Self { parts, source })
    }

    /// The word with the variables' values.
    ///
    /// # Errors
    /// A variable is not set, or empty; with its place.
    pub fn filled_in(&self, value: impl Fn(&str) -> Option<OsString>) -> Result<OsString, CaseError> {
        let mut filled = OsString::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => filled.push(text),
                Part::Variable { name, place } => match value(name).filter(|value| value.as_os_str() != OsStr::new(""))
                {
                    Some(value) => filled.push(value),
                    None => {
                        let message =
                            format!("the environment variable {name} is not set; set it to what is to be run");
                        return Err(CaseError { place: place.clone(), message });
                    }
                },
            }
        }
        Ok(filled)
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Where a part of a word stands in the file; the word itself if it is written with escapes.
fn within(text: &str, span: &Range<usize>, part: &str) -> Range<usize> {
    let found = text.get(span.clone()).and_then(|written| written.find(part));
    found.map_or(span.clone(), |at| span.start + at..span.start + at + part.len())
}
