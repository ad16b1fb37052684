//! What is shown: a line for each case as it ends, what failed once more at the end, a line for the whole. On a terminal,
//! a last line says what is being done.

use super::play::Played;
use crate::cli::console;
use authtrace::export::check::{Checked, State};
use authtrace::export::{Ink, Style, clean};
use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// How often the last line is written anew.
const TICK: Duration = Duration::from_millis(250);
/// The column that words such as PASS end in.
const MARGIN: usize = 12;
/// So many lines of what a command printed are shown, from its end.
const LINES: usize = 40;

pub(super) struct Screen {
    style: Style,
    /// Whether anybody sees a last line that changes.
    live: bool,
    begun: Instant,
    /// How many there are.
    all: usize,
    running: Vec<String>,
    counts: Counts,
    stopping: bool,
    /// Whether somebody still reads standard output.
    read: bool,
}

#[derive(Default)]
struct Counts {
    passed: usize,
    missed: usize,
    timed_out: usize,
    errors: usize,
    not_run: usize,
}

impl Counts {
    fn add(&mut self, state: State) {
        *match state {
            State::Held => &mut self.passed,
            State::Missed => &mut self.missed,
            State::TimedOut => &mut self.timed_out,
            State::Failed => &mut self.errors,
            State::NotRun => &mut self.not_run,
        } += 1;
    }

    fn done(&self) -> usize {
        self.passed + self.missed + self.timed_out + self.errors + self.not_run
    }

    /// `12 passed, 1 missed`: what there is of each.
    fn words(&self) -> String {
        let parts = [
            (self.passed, "passed"),
            (self.missed, "missed"),
            (self.timed_out, "timed out"),
            (self.errors, if self.errors == 1 { "error" } else { "errors" }),
            (self.not_run, "not run"),
        ];
        let shown = parts.iter().enumerate().filter(|(at, (count, _))| *at == 0 || *count > 0);
        shown.map(|(_, (count, word))| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
    }
}

impl Screen {
    /// For so many cases, so many at a time; with a first line. If standard output is for another form, it gets nothing.
    pub(super) fn new(all: usize, jobs: usize, is_read: bool) -> Self {
        let mut screen = Self {
            style: console::stdout_style(false),
            live: io::stderr().is_terminal(),
            begun: Instant::now(),
            all,
            running: Vec::new(),
            counts: Counts::default(),
            stopping: false,
            read: is_read,
        };
        let beside = match jobs.min(all) {
            0 | 1 => String::new(),
            jobs => format!(", {jobs} at a time"),
        };
        screen.line(&screen.headed(Ink::Good, "Starting", &format!("{}{beside}", counted(all, "case"))));
        screen
    }

    pub(super) fn started(&mut self, name: &str) {
        self.running.push(name.to_owned());
        self.progress();
    }

    /// The line of a case that has ended.
    pub(super) fn ended(&mut self, one: &Checked) {
        let name = one.name.as_deref().unwrap_or_default();
        self.running.retain(|running| running != name);
        self.counts.add(one.state());
        self.line(&self.headed(
            ink(one.state()),
            word(one.state()),
            &format!("[{:>8.3}s] {}", one.took.as_secs_f64(), clean(name)),
        ));
        self.progress();
    }

    /// Somebody has ended it: what runs is waited for.
    pub(super) fn stopping(&mut self, running: usize) {
        self.stopping = true;
        self.line(&self.headed(Ink::Warning, "Stopping", &format!("{} being ended", counted(running, "case"))));
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// Ready when the last line should be written anew; never if there is none.
    pub(super) async fn due(&self) {
        match self.live {
            true => tokio::time::sleep(TICK).await,
            false => std::future::pending().await,
        }
    }

    /// Writes the last line.
    pub(super) fn progress(&self) {
        if !self.live || self.running.is_empty() {
            return;
        }
        let seconds = self.begun.elapsed().as_secs();
        let names = self.running.iter().map(|name| clean(name)).collect::<Vec<_>>().join(", ");
        let text = format!("[{:>3}:{:02}] {}/{} · {names}", seconds / 60, seconds % 60, self.counts.done(), self.all);
        let room = self.style.width.saturating_sub(MARGIN + 2);
        let text: String = text.chars().take(room).collect();
        console::write(&format!("\r\x1b[2K{}", self.headed(Ink::Heading, "Running", &text)));
    }

    /// What failed, and the line for the whole.
    pub(super) fn finish(&mut self, all: &[Played], took: Duration) {
        self.running.clear();
        for failed in all.iter().filter(|one| !matches!(one.checked.state(), State::Held | State::NotRun)) {
            self.failed(failed);
        }
        let observed = all.iter().filter_map(|one| Some((one.checked.name.as_deref()?, one.observed.as_deref()?)));
        for (name, observed) in observed {
            self.line(&self.headed(Ink::Heading, "Observed", &format!("{}: {}", clean(name), clean(observed))));
        }
        let good = self.counts.done() > 0 && self.counts.passed == self.counts.done();
        let ink = if good { Ink::Good } else { Ink::Bad };
        let seconds = took.as_secs_f64();
        let all = counted(self.counts.done(), "case");
        self.line(&"─".repeat(self.style.width.min(60)));
        self.line(&self.headed(ink, "Summary", &format!("[{seconds:>8.3}s] {all}: {}", self.counts.words())));
    }

    fn failed(&mut self, one: &Played) {
        let Played { checked, title, told, .. } = one;
        let name = checked.name.as_deref().unwrap_or_default();
        let file = checked.file.as_deref().unwrap_or_default();
        let title = title.as_deref().map(|title| format!(": {}", clean(title))).unwrap_or_default();
        let head = format!("─── {}  {}{title}", word(checked.state()), clean(name));
        self.line("");
        self.line(&self.style.paint(ink(checked.state()), &head));
        if let Some(failure) = &checked.failure {
            self.line(self.style.paragraph(&clean(&failure.message)).trim_end());
            match &failure.source {
                Some(source) => {
                    let place = &source.place;
                    let margin = " ".repeat(place.line.to_string().len());
                    self.line(&format!("  {margin}--> {}:{}:{}", clean(&source.name), place.line, place.column));
                    place.excerpt().lines().for_each(|line| self.line(&format!("  {}", clean(line))));
                }
                None if !file.is_empty() && !failure.message.contains(file) => {
                    self.line(&format!("  --> {}", clean(file)))
                }
                None => {}
            }
        }
        if !told.is_empty() {
            self.line(told.trim_end());
        }
        self.output(&checked.output);
        if let Some(trace) = &checked.trace {
            self.line(&format!("\n{} {}", self.style.paint(Ink::Heading, "trace:"), clean(trace)));
        }
    }

    /// The end of what a command printed. A bar stands before each line, so that nothing takes it for a line of ours.
    fn output(&mut self, output: &str) {
        let lines: Vec<&str> = output.trim_end().lines().collect();
        if lines.is_empty() {
            return;
        }
        let over = lines.len().saturating_sub(LINES);
        let more = if over == 0 { String::new() } else { format!(" (its last {LINES} lines)") };
        self.line(&format!("\n{}{more}", self.style.paint(Ink::Heading, "what the command printed:")));
        lines.iter().skip(over).for_each(|line| self.line(&format!("  │ {}", clean(line))));
    }

    fn headed(&self, ink: Ink, word: &str, text: &str) -> String {
        format!("{}{} {text}", " ".repeat(MARGIN.saturating_sub(word.chars().count())), self.style.paint(ink, word))
    }

    /// A line of the result. If nobody reads it any more, the cases are run all the same: the exit code counts.
    fn line(&mut self, text: &str) {
        if self.live {
            console::write("\r\x1b[2K");
        }
        if self.read {
            let mut out = io::stdout().lock();
            self.read = writeln!(out, "{}", console::harmless(text)).and_then(|()| out.flush()).is_ok();
        }
    }
}

fn word(state: State) -> &'static str {
    match state {
        State::Held => "PASS",
        State::Missed => "FAIL",
        State::TimedOut => "TIMEOUT",
        State::Failed => "ERROR",
        State::NotRun => "NOT RUN",
    }
}

fn ink(state: State) -> Ink {
    match state {
        State::Held => Ink::Good,
        State::NotRun => Ink::Warning,
        State::Missed | State::TimedOut | State::Failed => Ink::Bad,
    }
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
