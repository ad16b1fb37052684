//! Lines for the user on standard error, coloured only on a terminal.
//!
//! A program that serves others must not wait for whoever reads its lines, or does not: after [`detach`] a thread of their
//! own writes them, and what finds its queue full is left out and counted.

use authtrace::export::check::github;
use authtrace::export::{Style, clean};
use std::borrow::Cow;
use std::io::{IsTerminal, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// Columns of a terminal that does not tell.
const USUAL_WIDTH: usize = 100;
/// Texts that may wait to be read. The queue takes memory as they come: a bounded one would take all of it at once.
const MAY_WAIT: usize = 4_096;
/// How long the end waits for a reader.
const PATIENCE: Duration = Duration::from_secs(1);

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
    put(text);
}

/// Where texts go that must not be waited for.
static OUTLET: OnceLock<Sender<Piece>> = OnceLock::new();
/// Texts that wait there.
static WAITING: AtomicUsize = AtomicUsize::new(0);
/// Texts that found no room there.
static LEFT_OUT: AtomicU64 = AtomicU64::new(0);

enum Piece {
    Text(String),
    /// Everything before this has been written.
    Flushed(Sender<()>),
}

/// From here on nobody waits for standard error to be read.
pub(crate) fn detach() {
    let (send, pieces) = channel();
    let spawned = std::thread::Builder::new().name("console".to_owned()).spawn(move || pass_on(&pieces));
    if spawned.is_ok() {
        let _ = OUTLET.set(send);
    }
}

/// Text as it is, now or in its turn.
pub(crate) fn put(text: &str) {
    let Some(outlet) = OUTLET.get() else { return put_now(text) };
    if WAITING.fetch_add(1, Ordering::Relaxed) < MAY_WAIT {
        let _ = outlet.send(Piece::Text(text.to_owned()));
    } else {
        WAITING.fetch_sub(1, Ordering::Relaxed);
        LEFT_OUT.fetch_add(1, Ordering::Relaxed);
    }
}

/// Waits until everything has been read, for a second at most.
pub(crate) fn flush() {
    let Some(outlet) = OUTLET.get() else { return };
    let (done, flushed) = channel();
    if outlet.send(Piece::Flushed(done)).is_ok() {
        let _ = flushed.recv_timeout(PATIENCE);
    }
}

fn pass_on(pieces: &Receiver<Piece>) {
    for piece in pieces {
        match piece {
            Piece::Text(text) => {
                WAITING.fetch_sub(1, Ordering::Relaxed);
                put_now(&text);
            }
            Piece::Flushed(done) => drop(done.send(())),
        }
        match LEFT_OUT.swap(0, Ordering::Relaxed) {
            0 => {}
            count => put_now(&format!("authtrace: {count} lines are left out here: nobody read them in time\n")),
        }
    }
}

fn put_now(text: &str) {
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
