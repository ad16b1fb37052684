//! `replay`, `scenario from`: a trace played again, and made as small as can be.

use super::args::ReplayArgs;
use super::input::{InputError, Source};
use super::scene::Scene;
use super::trial::{End, Interrupt, Trial, Tried};
use super::{console, exit, files, input, logging, play, report, run as command};
use anyhow::{Context, Result};
use authtrace::analyze::{Survey, diagnose};
use authtrace::catalogue::Code;
use authtrace::config::{LogFormat, Options};
use authtrace::harness::Stage;
use authtrace::launch::{self, ParentEnvironment, TempDir};
use authtrace::replay::{self, Excerpt, Minimised, Replayed, Speed};
use authtrace::scenario::{self, Scenario};
use std::ffi::OsString;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tokio::runtime::Runtime;

/// So many plays are tried with the built-in client.
const TRIALS: usize = 300;
/// So many with a command, which takes seconds each time.
const TRIALS_OF_COMMAND: usize = 60;
/// So many differences are told.
const TOLD: usize = 8;

pub(crate) fn run(args: ReplayArgs) -> Result<ExitCode> {
    logging::install(LogFormat::default());
    let source = Recording::read(args.trace, args.speed, args.out.as_deref())?;
    if args.minimise {
        let trials = args.trials.unwrap_or(if args.command.is_empty() { TRIALS } else { TRIALS_OF_COMMAND });
        return source.smallest(&args.command, trials, args.out);
    }
    source.announce();
    if args.out.is_some() {
        write_scenario(&source.text(&source.replayed.scenario, &[]), args.out)?;
    }
    let played = super::runtime()?.block_on(perform(&source.replayed.scenario, &args.command, args.trace_out))?;
    Ok(source.compare(&played))
}

/// `scenario from`: the built-in client decides what matters.
pub(crate) fn scenario_from(trace: PathBuf, out: Option<PathBuf>, trials: usize) -> Result<ExitCode> {
    logging::install(LogFormat::default());
    Recording::read(trace, Speed::Unwaited, out.as_deref())?.smallest(&[], trials, out)
}

/// Plays a scenario with a command, or with the built-in client; with the trace of it.
async fn perform(scenario: &Scenario, command: &[OsString], out: Option<PathBuf>) -> Result<Survey> {
    let parent: ParentEnvironment = std::env::vars_os().collect();
    // The command is given made-up credentials, and what it does is as little somebody else's business as ever.
    launch::deny_tracing().context("cannot shield the process from others")?;
    let stage = Stage::set(scenario.clone(), &parent).await?;
    let options = Options { out, ..Options::default() };
    if command.is_empty() {
        let session = play::with_builtin_client(&stage, options).await?;
        stage.clear().await;
        console::say(&format!("played with the built-in client; trace: {}", session.trace_path().display()));
        return Ok(session.survey()?);
    }
    let ran = command::in_scene(Scene::Staged(Box::new(stage)), options, command, &parent).await?;
    Ok(input::own_trace(&ran.trace?)?)
}

/// A trace, and the scenario made of it.
struct Recording {
    survey: Survey,
    verdict: Code,
    replayed: Replayed,
}

impl Recording {
    fn read(trace: PathBuf, speed: Speed, out: Option<&Path>) -> Result<Self> {
        if let Some(out) = out.filter(|out| is_same(&trace, out)) {
            return Err(InputError::Overwrite { path: out.to_owned() }.into());
        }
        let Excerpt { survey, left_out } = replay::excerpt(input::survey(Source::of(Some(trace)))?);
        let mut replayed = replay::convert(&survey, speed)?;
        replayed.warnings.extend(left_out);
        for warning in &replayed.warnings {
            console::say(warning);
        }
        Ok(Self { verdict: diagnose(&survey).verdict.code, survey, replayed })
    }

    fn announce(&self) {
        let lines = &self.replayed.made_from;
        lines.iter().for_each(|line| console::say(line));
    }

    /// The file, with from what it was made.
    fn text(&self, scenario: &Scenario, more: &[String]) -> String {
        let Replayed { made_from, warnings, .. } = &self.replayed;
        let remarks: Vec<String> = made_from.iter().chain(warnings).chain(more).cloned().collect();
        scenario::write(scenario, &remarks)
    }

    /// Says whether the play came to the verdict of the trace, and where the client left the recorded path.
    fn compare(&self, played: &Survey) -> ExitCode {
        let differences = replay::compare(&self.survey, played);
        for one in differences.iter().take(TOLD) {
            console::say(&one.to_string());
        }
        match differences.len().saturating_sub(TOLD) {
            0 if differences.is_empty() => console::say("the client kept to the recorded path"),
            0 => {}
            more => console::say(&format!("and {more} more differences")),
        }
        let verdict = diagnose(played).verdict.code;
        if verdict == self.verdict {
            console::say(&format!("the verdict is that of the trace: {verdict}"));
            return ExitCode::SUCCESS;
        }
        console::say(&format!("the verdict is {verdict}; that of the trace is {}", self.verdict));
        ExitCode::from(exit::PROBLEM)
    }

    fn smallest(&self, command: &[OsString], trials: usize, out: Option<PathBuf>) -> Result<ExitCode> {
        let found = Trials::new(self.verdict, command)?.minimise(&self.replayed.scenario, trials)?;
        let rules = |scenario: &Scenario| scenario.script.rules.len();
        let told = match found {
            Minimised { holds: false, .. } if command.is_empty() => format!(
                "the built-in client does not come to {} with what was recorded: nothing is left out. Try the client of the \
                 trace: authtrace replay TRACE --minimise -- claude -p hi",
                self.verdict
            ),
            Minimised { holds: false, .. } => {
                format!("the command does not come to {} with what was recorded: nothing is left out", self.verdict)
            }
            Minimised { complete, trials, ref scenario, .. } => format!(
                "made smaller in {trials} plays with {}: {} of {} rules are left, and the verdict is still that of the trace{}",
                if command.is_empty() { "the built-in client" } else { "the command" },
                rules(scenario),
                rules(&self.replayed.scenario),
                if complete { "" } else { "; more might go with more plays (--trials)" },
            ),
        };
        console::say(&told);
        write_scenario(&self.text(&found.scenario, &[told]), out)?;
        Ok(ExitCode::from(if found.holds { exit::GOOD } else { exit::PROBLEM }))
    }
}

fn write_scenario(text: &str, out: Option<PathBuf>) -> Result<()> {
    match files::named(out) {
        Some(out) => {
            report::write_new(&out, text.as_bytes())?;
            console::say(&format!("scenario: {}", out.display()));
            Ok(())
        }
        None => std::io::stdout().lock().write_all(text.as_bytes()).context("cannot write to standard output"),
    }
}

fn is_same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

/// Plays that answer one question: does this scenario still come to the verdict?
struct Trials<'a> {
    verdict: Code,
    command: &'a [OsString],
    parent: ParentEnvironment,
    runtime: Runtime,
    interrupt: Interrupt,
    files: TempDir,
    /// What kept a play from being made, at first.
    trouble: Option<anyhow::Error>,
    made: usize,
}

impl<'a> Trials<'a> {
    fn new(verdict: Code, command: &'a [OsString]) -> Result<Self> {
        let parent: ParentEnvironment = std::env::vars_os().collect();
        let files = TempDir::create(&parent)?;
        let runtime = super::runtime()?;
        let interrupt = Interrupt::watch(&runtime)?;
        Ok(Self { verdict, command, parent, runtime, interrupt, files, trouble: None, made: 0 })
    }

    fn minimise(mut self, scenario: &Scenario, trials: usize) -> Result<Minimised> {
        let found = replay::minimise(scenario, trials, |candidate| self.holds(candidate));
        self.interrupt.check()?;
        match self.trouble {
            Some(trouble) if !found.holds => Err(trouble),
            Some(trouble) => {
                console::say(&format!("a play could not be made, and counts as another verdict: {trouble}"));
                Ok(found)
            }
            None => Ok(found),
        }
    }

    fn holds(&mut self, candidate: &Scenario) -> bool {
        if self.interrupt.check().is_err() {
            return false;
        }
        self.made += 1;
        // A trace is never written over another one.
        let trace = self.files.path().join(format!("trace-{}.jsonl", self.made));
        let played = self.play(candidate, &trace);
        let _ = std::fs::remove_file(trace);
        match played {
            Ok(verdict) => {
                let holds = verdict == self.verdict;
                if holds && !self.command.is_empty() {
                    let rules = candidate.script.rules.len();
                    console::say(&format!("play {}: {verdict}, with {rules} rules", self.made));
                }
                holds
            }
            Err(trouble) => {
                self.trouble.get_or_insert(trouble);
                false
            }
        }
    }

    fn play(&self, candidate: &Scenario, trace: &Path) -> Result<Code> {
        if self.command.is_empty() {
            let session = self.runtime.block_on(async {
                let stage = Stage::set(candidate.clone(), &self.parent).await?;
                let options = Options { out: Some(trace.to_owned()), ..Options::default() };
                let session = play::with_builtin_client(&stage, options).await;
                stage.clear().await;
                session
            })?;
            return Ok(diagnose(&session.survey()?).verdict.code);
        }
        let file = self.files.path().join("scenario.toml");
        std::fs::write(&file, scenario::write(candidate, &[])).context("cannot write a scenario to be tried")?;
        let trial = Trial { scenario: file.as_os_str(), command: self.command, trace, folder: None, timeout: None };
        // The command's own failure is what is played; only its not being run is trouble.
        let Tried { end, output, .. } = trial.run_alone(&self.runtime, &self.interrupt)?;
        if matches!(end, End::Failed(_)) {
            let said = output.trim().trim_start_matches("authtrace: ").to_owned();
            anyhow::bail!(if said.is_empty() { "the command could not be started".to_owned() } else { said });
        }
        Ok(diagnose(&input::own_trace(trace)?).verdict.code)
    }
}
