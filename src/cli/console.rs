//! Lines for the user on standard error, coloured only on a terminal.

use authtrace::export::check::github;
use authtrace::export::{Style, clean};
use std::borrow::Cow;
use std::io::{IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Columns of a terminal that does not tell.
const USUAL_WIDTH: usize = 100;

/// Whether only errors are told.
static QUIET: AtomicBool = AtomicBool::new(false);

/// From here on only errors are told.
pub(crate) fn hush() {
    QUIET.store(true, Ordering::Relaxed);
}

/// Whether only errors are told.
pub(crate) fn is_quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// How to write to standard error.
pub(crate) fn stderr_style() -> Style {
    Style { color: wants_color(std::io::stderr().is_terminal()), width: width(std::io::stderr()), full: false }
}

/// How to write to standard output.
pub(crate) fn stdout_style(full: bool) -> Style {
    Style { color: wants_color(std::io::stdout().is_terminal()), width: width(std::io::stdout()), full }
}

/// A sentence, begun with our name. A terminal gets it broken between words, whatever else reads it as one line.
pub(crate) fn say(text: &str) {
    if !is_quiet() {
        line(text);
    }
}

/// Names of files and causes of errors may come from anywhere: nothing in them steers the terminal.
fn line(text: &str) {
    let harmless: Vec<Cow<'_, str>> = text.split('\n').map(clean).collect();
    let text = format!("authtrace: {}", harmless.join("\n"));
    if std::io::stderr().is_terminal() {
        write(&stderr_style().paragraph(&text));
    } else {
        write(&(text + "\n"));
    }
}

/// Text as it is; in a step of GitHub Actions, where lines can be commands, without any.
pub(crate) fn write(text: &str) {
    command(&harmless(text));
}

/// Text that may hold commands of GitHub Actions.
pub(crate) fn command(text: &str) {
    let mut stderr = std::io::stderr().lock();
    let _ = stderr.write_all(text.as_bytes());
}

/// Text for the log of a step of GitHub Actions, or for any other reader.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    if super::results::under_github() { github::harmless(text) } else { Cow::Borrowed(text) }
}

/// An error with its causes, each on the same line.
pub(crate) fn error(error: &anyhow::Error) {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        // Many a sentence quotes its cause already, where it is of use.
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    line(&text);
}

/// `NO_COLOR` (any value that is not empty) switches colours off.
fn wants_color(terminal: bool) -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
    terminal && !refused && !dumb
}

fn width(stream: impl std::os::fd::AsFd) -> usize {
    rustix::termios::tcgetwinsize(stream)
        .ok()
        .map(|size| usize::from(size.ws_col))
        .filter(|columns| *columns > 0)
        .unwrap_or(USUAL_WIDTH)
}
