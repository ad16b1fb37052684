//! Requests that are held, put to whoever sits at the terminal, one after the other.

use crate::cli::console;
use authtrace::proxy::{Choice, Held};
use rustix::process::getpgrp;
use rustix::termios::tcgetpgrp;
use std::io::BufRead as _;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How often it is looked whether we have the terminal again.
const LOOK_AGAIN: Duration = Duration::from_millis(300);

/// Where held requests are decided on.
pub(crate) struct Desk {
    questions: UnboundedReceiver<Held>,
}

impl Desk {
    pub(super) fn new(questions: UnboundedReceiver<Held>) -> Self {
        Self { questions }
    }

    /// Asks about each held request until the proxy ends.
    pub(crate) async fn serve(mut self) {
        let (lines, mut typed) = unbounded_channel();
        let reader = Reader::start(lines);
        while let Some(mut held) = self.questions.recv().await {
            if held.reply.is_closed() {
                continue;
            }
            // What was typed before the question is no answer to it.
            while typed.try_recv().is_ok() {}
            console::say(&describe(&held));
            let choice = tokio::select! {
                choice = answer(&reader, &mut typed) => choice,
                () = held.reply.closed() => {
                    console::say(&format!("request {}: the client has gone", held.exchange));
                    continue;
                }
            };
            match choice {
                Some(choice) => drop(held.reply.send(choice)),
                None => {
                    console::say("nobody can be asked any more: from now on authtrace answers what the guard stops");
                    // Without a desk, what is held or would be is answered.
                    return;
                }
            }
        }
    }
}

fn describe(held: &Held) -> String {
    let credential = held.credential.as_ref().map_or_else(|| "no credential".to_owned(), ToString::to_string);
    let lane = if held.lane.as_str() == "main" { String::new() } else { format!(" ({})", held.lane) };
    format!(
        "held: request {}{lane}, {} {}{}, with {credential}; {}. c continue, a answer 401, d drop, then Enter:",
        held.exchange, held.method, held.host, held.path, held.reason
    )
}

/// The choice that was typed; none: the terminal is gone.
async fn answer(reader: &Reader, typed: &mut UnboundedReceiver<Option<String>>) -> Option<Choice> {
    loop {
        reader.wait_for_terminal().await;
        reader.want();
        let line = typed.recv().await.flatten()?;
        match line.trim() {
            "c" | "continue" => return Some(Choice::Continue),
            "a" | "answer" => return Some(Choice::Refuse),
            "d" | "drop" => return Some(Choice::Drop),
            _ => console::say("c continue, a answer 401, d drop:"),
        }
    }
}

/// Reads lines of the terminal in a thread of its own, each only when it is wanted: a process that reads in the
/// background is stopped by the terminal.
struct Reader {
    wanted: std::sync::mpsc::Sender<()>,
    /// Whether a line was wanted that has not been typed.
    reading: std::sync::Arc<std::sync::atomic::AtomicBool>,
}

impl Reader {
    fn start(lines: UnboundedSender<Option<String>>) -> Self {
        use std::sync::atomic::{AtomicBool, Ordering};
        let (wanted, wants) = std::sync::mpsc::channel();
        let reading = std::sync::Arc::new(AtomicBool::new(false));
        let done = std::sync::Arc::clone(&reading);
        std::thread::spawn(move || {
            while wants.recv().is_ok() {
                let mut line = String::new();
                let read = std::io::stdin().lock().read_line(&mut line);
                done.store(false, Ordering::Release);
                let line = matches!(read, Ok(count) if count > 0).then_some(line);
                if lines.send(line).is_err() {
                    return;
                }
            }
        });
        Self { wanted, reading }
    }

    /// A line is wanted. One that was wanted before and has not been typed serves as well.
    fn want(&self) {
        if !self.reading.swap(true, std::sync::atomic::Ordering::AcqRel) {
            let _ = self.wanted.send(());
        }
    }

    async fn wait_for_terminal(&self) {
        let mut told = false;
        while tcgetpgrp(std::io::stdin()).is_ok_and(|foreground| foreground != getpgrp()) {
            if !std::mem::replace(&mut told, true) {
                console::say("bring authtrace to the foreground to decide (fg)");
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    }
}
