//! Annotations of GitHub Actions: workflow commands that GitHub shows beside the lines of the files.
//!
//! GitHub takes whatever a step writes as a command if it looks like one, so what else is shown there is made harmless.

use super::super::style::fit;
use super::folders::{Folders, is_file, place};
use super::plain::{explained, failure_of, lines, one_line};
use super::suite::{Checked, Judged, Suite};
use crate::check::Source;
use std::borrow::Cow;
use std::io::{self, Write};

/// So many errors of a step are shown by GitHub; it drops the rest without a word.
const MOST: usize = 10;

/// The longest title, in characters.
const TITLE: usize = 200;

/// The longest message, in characters.
const MESSAGE: usize = 4_000;

/// Writes an error annotation for whatever is not as expected; the last one tells of those for which there is no room.
///
/// # Errors
/// When the writer fails.
pub fn write(suite: &Suite, folders: &Folders, out: &mut impl Write) -> io::Result<()> {
    let all: Vec<Annotation<'_>> = suite.checked.iter().flat_map(annotations).collect();
    let shown = if all.len() > MOST { MOST - 1 } else { all.len() };
    for annotation in all.iter().take(shown) {
        annotation.write(folders, out)?;
    }
    let left_out = all.len() - shown;
    if left_out > 0 {
        let rest =
            format!("GitHub shows {MOST} errors of a step. The log of this step and its summary have all of them.");
        let title = format!("{}: {left_out} more", suite.name);
        Annotation { title, message: rest, source: None, file: None }.write(folders, out)?;
    }
    Ok(())
}

struct Annotation<'a> {
    title: String,
    message: String,
    source: Option<&'a Source>,
    file: Option<&'a str>,
}

fn annotations(one: &Checked) -> Vec<Annotation<'_>> {
    let named = |what: &str| match &one.name {
        Some(name) => format!("{name}: {what}"),
        None => what.to_owned(),
    };
    let file = one.file.as_deref();
    let failure = failure_of(one).map(|failure| Annotation {
        title: named(failure.kind.as_str()),
        message: lines(&failure.message),
        source: one.failure.as_ref().and_then(|failure| failure.source.as_ref()),
        file,
    });
    let missed = one.judged.iter().flat_map(Judged::outcomes).filter_map(|(outcome, told)| {
        let miss = outcome.miss.as_ref()?;
        Some(Annotation {
            title: named(&outcome.expected),
            message: explained(miss, told),
            source: place(outcome),
            file,
        })
    });
    failure.into_iter().chain(missed).collect()
}

impl Annotation<'_> {
    fn write(&self, folders: &Folders, out: &mut impl Write) -> io::Result<()> {
        let title = property(&fit(&one_line(&self.title), TITLE));
        let place = match (self.source.filter(|source| is_file(source)), self.file) {
            (Some(Source { name, place }), _) => {
                format!("file={},line={},col={},", property(&folders.within(name)), place.line, place.column)
            }
            (None, Some(file)) => format!("file={},line=1,", property(&folders.within(file))),
            (None, None) => String::new(),
        };
        writeln!(out, "::error {place}title={title}::{}", data(&fit(&self.message, MESSAGE)))
    }
}

/// As the runner decodes the message of a command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// As the runner decodes a property of a command.
fn property(text: &str) -> String {
    data(&one_line(text)).replace(':', "%3A").replace(',', "%2C")
}

/// Text for the log of a step, in which no line is a command: neither `::name::` at its beginning, nor `##[name]` anywhere.
#[must_use]
pub fn harmless(text: &str) -> Cow<'_, str> {
    if !text.contains("::") && !text.contains("##[") {
        return Cow::Borrowed(text);
    }
    let line = |line: &str| {
        let plain = line.replace("##[", "## [");
        match plain.trim_start().strip_prefix("::") {
            Some(rest) => {
                let margin = plain.len() - plain.trim_start().len();
                format!("{}: :{rest}", plain.get(..margin).unwrap_or_default())
            }
            None => plain,
        }
    };
    Cow::Owned(text.split_inclusive('\n').map(line).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_log_is_a_command() {
        let text = "plain :: text\n  ::add-mask::x\n✗ ##[error]y\n\t::stop-commands::z";
        assert_eq!(harmless(text), "plain :: text\n  : :add-mask::x\n✗ ## [error]y\n\t: :stop-commands::z");
        assert!(matches!(harmless("✓ all hold\n"), Cow::Borrowed(_)));
    }
}
