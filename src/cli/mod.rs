//! The command line: one file per command. Own output goes to standard error; standard output is for what was asked for.

mod args;
mod bisect;
mod ca;
mod check;
mod console;
mod demo;
mod diff;
mod doctor;
mod exit;
mod expect;
mod explain;
mod fake;
mod files;
mod flight;
mod guard;
mod input;
mod join;
mod logging;
mod manual;
mod play;
mod proxy;
mod replay;
mod report;
mod results;
mod roots;
mod run;
mod scenario;
mod scene;
mod scrub;
mod session;
mod test;
mod trial;

use args::{CaCommand, Cli, Command};
use clap::Parser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use std::process::ExitCode;

/// Parses the command line and runs the command.
pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(error),
    };
    logging::install_panic_hook();
    let result = match cli.command {
        Command::Run(args) => {
            return run::run(args).unwrap_or_else(|error| {
                console::error(&error);
                exit::code_of_run(&error)
            });
        }
        Command::Proxy(args) => proxy::run(args),
        Command::Demo(args) => demo::run(args),
        Command::Replay(args) => replay::run(args),
        Command::Report(args) => report::run(args),
        Command::Explain(args) => explain::run(&args),
        Command::Check(args) => check::run(args),
        Command::Diff(args) => diff::run(args),
        Command::Bisect(args) => bisect::run(args),
        Command::Test(args) => test::run(args),
        Command::Fake(args) => fake::run(args),
        Command::Scenario(command) => scenario::run(command),
        Command::Scrub(args) => scrub::run(args),
        Command::Doctor(args) => doctor::run(args),
        Command::Ca(CaCommand::Show { ca_dir }) => ca::show(&ca_dir),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man => manual::page(),
    };
    let code = result.unwrap_or_else(|error| {
        // Whoever read along has seen enough.
        if is_broken_pipe(&error) {
            return ExitCode::from(exit::GOOD);
        }
        console::error(&error);
        exit::code_of(&error)
    });
    console::flush();
    code
}

/// Help and version are good; a mistake is 2, or 125 under `run`.
fn usage(mut error: clap::Error) -> ExitCode {
    hide_values(&mut error);
    let _ = error.print();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        return ExitCode::from(exit::GOOD);
    }
    let under_run = std::env::args_os().nth(1).is_some_and(|command| command == "run");
    ExitCode::from(if under_run { exit::FAILED } else { exit::USAGE })
}

/// A value that cannot be used is not shown, whether it was given as an argument or by a variable: it may be a URL with a
/// password in it. Neither is an argument too many, unless it looks like an option, a name or a path.
fn hide_values(error: &mut clap::Error) {
    let too_many = match error.kind() {
        ErrorKind::UnknownArgument => ContextKind::InvalidArg,
        _ => ContextKind::InvalidSubcommand,
    };
    for kind in [ContextKind::InvalidValue, too_many] {
        let Some(ContextValue::String(given)) = error.get(kind) else { continue };
        if kind == ContextKind::InvalidValue && !given.is_empty() || !is_plain(given) {
            error.insert(kind, ContextValue::String("…".to_owned()));
        }
    }
}

fn is_plain(given: &str) -> bool {
    given.len() <= 40 && given.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_./".contains(&byte))
}

/// The threads that carry the traffic: as many as there are cores, four at most.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    use anyhow::Context as _;
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get).min(4);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .context("cannot start the threads that carry the traffic")
}

/// Whether nobody reads standard output any more.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let kind =
        |cause: &(dyn std::error::Error + 'static)| cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
    error.chain().filter_map(kind).any(|kind| kind == std::io::ErrorKind::BrokenPipe)
}
