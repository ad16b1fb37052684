//! `test`: cases, each played by a child of this very program and held against what is expected of it.
//!
//! What is wrong with one case keeps none of the others from being run. The result goes to standard output; progress, on
//! a terminal alone, to standard error.

mod observed;
mod plan;
mod play;
mod screen;
mod traces;

use super::args::{CheckFormat, TestArgs};
use super::results::Results;
use super::trial::Interrupt;
use super::{console, exit, logging};
use anyhow::{Context, Result};
use authtrace::config::LogFormat;
use authtrace::export::check::Suite;
use plan::Planned;
use play::Played;
use screen::Screen;
use std::collections::HashMap;
use std::io::{self, Write as _};
use std::num::NonZero;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::{JoinError, JoinSet};
use traces::Traces;

/// What is said of a case in which authtrace came to an end itself.
const BROKEN: &str = "an internal error of authtrace; please report it with the version";

pub(crate) fn run(args: TestArgs) -> Result<ExitCode> {
    logging::install(LogFormat::default());
    let begun = Instant::now();
    let planned = plan::plan(&args.paths, args.repeat.get(), args.update);
    let files: Vec<&Path> = planned.iter().flat_map(plan::files_of).collect();
    let results = Results::plan(&args.results, &files)?;
    let traces = Arc::new(Traces::new(args.traces)?);
    let runtime = super::runtime()?;
    let interrupt = Interrupt::watch(&runtime)?;
    let jobs = args.jobs.or_else(|| std::thread::available_parallelism().ok()).map_or(1, NonZero::get);
    let mut screen = Screen::new(planned.len(), jobs, args.format == CheckFormat::Human);
    let played = runtime.block_on(play_all(planned, jobs, &traces, &interrupt, &mut screen));
    screen.finish(&played, begun.elapsed());
    for (name, observed) in
        played.iter().filter_map(|one| Some((one.checked.name.as_deref()?, one.observed.as_deref()?)))
    {
        console::say(&format!("observed flow of {name}: {observed}"));
    }
    let worst = played.iter().map(|one| one.code).max().unwrap_or(exit::USAGE);
    let checked = played.into_iter().map(|one| one.checked).collect();
    let suite = Suite { name: "authtrace test".to_owned(), checked, took: begun.elapsed() };
    if let Some(form) = args.format.form() {
        let text = results.render(form, &suite)?;
        io::stdout().lock().write_all(&text).context("cannot write to standard output")?;
    }
    results.write(&suite, args.format.form())?;
    Ok(ExitCode::from(interrupt.check().map_or_else(|interrupted| interrupted.code, |()| worst)))
}

/// Plays all, so many at a time, in their order; the results in that order, too.
async fn play_all(
    planned: Vec<Planned>,
    jobs: usize,
    traces: &Arc<Traces>,
    interrupt: &Interrupt,
    screen: &mut Screen,
) -> Vec<Played> {
    let mut results: Vec<Option<Played>> = planned.iter().map(|_| None).collect();
    let mut runs = Vec::new();
    for (place, one) in planned.into_iter().enumerate() {
        match one {
            Ok(run) => runs.push((place, run)),
            Err(wrong) => end(&mut results, place, Played::wrong(*wrong), screen),
        }
    }
    let mut queue = runs.iter();
    let mut playing = JoinSet::new();
    let mut places = HashMap::new();
    loop {
        while playing.len() < jobs
            && interrupt.check().is_ok()
            && let Some((place, run)) = queue.next()
        {
            let (task, traces, stop) = (Arc::clone(run), Arc::clone(traces), interrupt.token.clone());
            screen.started(&run.name);
            let task = playing.spawn(async move { task.play(&traces, &stop).await });
            places.insert(task.id(), (*place, run));
        }
        tokio::select! {
            ended = playing.join_next_with_id() => {
                let Some(ended) = ended else { break };
                let id = ended.as_ref().map_or_else(JoinError::id, |(id, _)| *id);
                let Some((place, run)) = places.remove(&id) else { continue };
                let played = ended.map_or_else(|_| run.broken(BROKEN.to_owned(), Duration::ZERO), |(_, played)| played);
                end(&mut results, place, played, screen);
            }
            () = screen.due() => screen.progress(),
            () = interrupt.token.cancelled(), if !screen.is_stopping() => screen.stopping(playing.len()),
        }
    }
    for (place, run) in queue {
        end(&mut results, *place, run.not_run("somebody ended authtrace before its turn came"), screen);
    }
    results.into_iter().flatten().collect()
}

fn end(results: &mut [Option<Played>], place: usize, played: Played, screen: &mut Screen) {
    screen.ended(&played.checked);
    if let Some(result) = results.get_mut(place) {
        *result = Some(played);
    }
}
