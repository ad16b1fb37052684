//! Expectations as `check` and `run` take them: files and short forms, and what they mean for an exit code.

use super::args::ExpectArgs;
use super::results::Results;
use super::run::Ran;
use super::{console, exit, input};
use anyhow::{Context as _, Result};
use authtrace::analyze::diagnose;
use authtrace::check::{self, ExpectationError, Expectations, evaluate};
use authtrace::export::check::{self as page, Checked, Judged, Suite};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The longest file that is read, in bytes.
const LONGEST: u64 = 1024 * 1024;

/// Expectations that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExpectError {
    #[error(
        "nothing is expected; give --expect FILE, --expect 'POST /v1/messages 200', --deny CODE, --max-auth-failures N, or under check --baseline TRACE"
    )]
    Nothing,
    #[error("cannot read {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{}: it is longer than 1 MiB", path.display())]
    TooLong { path: PathBuf },
    #[error("{name}: {source}")]
    Wrong { name: String, source: ExpectationError },
}

/// Everything that is expected; none if nothing is.
///
/// # Errors
/// [`ExpectError`], with the place of a mistake.
pub(crate) fn read(args: &ExpectArgs) -> Result<Option<Expectations>, ExpectError> {
    let named = args.expect.iter().map(|text| match check::flow_of(text) {
        Some(flow) => flow.map_err(|source| wrong("--expect", source)),
        None => file(Path::new(text)),
    });
    let denied = args.deny.iter().map(|text| check::deny(text).map_err(|source| wrong("--deny", source)));
    let limit = args.max_auth_failures.map(|most| Ok(check::limit_of_auth_failures(most)));
    let all = named.chain(denied).chain(limit).collect::<Result<Vec<_>, _>>()?;
    Ok(all.into_iter().reduce(Expectations::and))
}

/// The same; where something else is held against the trace, too, nothing expected is an empty list.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_or(args: &ExpectArgs, something_else: bool) -> Result<Option<Expectations>, ExpectError> {
    Ok(read(args)?.or_else(|| something_else.then(Expectations::default)))
}

/// The files among them.
pub(crate) fn files(args: &ExpectArgs) -> impl Iterator<Item = &Path> {
    args.expect.iter().filter(|text| check::flow_of(text).is_none()).map(Path::new)
}

/// Reads a file of expectations.
///
/// # Errors
/// [`ExpectError`], with the place of a mistake.
pub(crate) fn file(path: &Path) -> Result<Expectations, ExpectError> {
    let unreadable = |source| ExpectError::Unreadable { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > LONGEST) {
        return Err(ExpectError::TooLong { path: path.to_owned() });
    }
    let no_text = |_| unreadable(io::Error::new(io::ErrorKind::InvalidData, "it is no UTF-8 text"));
    let text = String::from_utf8(bytes).map_err(no_text)?;
    let name = path.display().to_string();
    check::read(&name, &text).map_err(|source| wrong(&name, source))
}

fn wrong(name: &str, source: ExpectationError) -> ExpectError {
    ExpectError::Wrong { name: name.to_owned(), source }
}

/// Holds the trace of a run against what is expected, says what came of it, writes the results, and decides the exit code:
/// a miss is 1; a file that holds is 0, since the command's exit code is one of its expectations; else it is the command's
/// own.
///
/// # Errors
/// The trace cannot be read back, or a result cannot be written.
pub(crate) fn decide(expectations: &Expectations, results: &Results, ran: Ran, took: Duration) -> Result<u8> {
    let trace = ran.trace.context("nothing can be held against what is expected")?;
    let survey = input::own_trace(&trace)?;
    let diagnosis = diagnose(&survey);
    let report = evaluate(&survey, &diagnosis, expectations);
    let mut text = Vec::new();
    page::report(&survey, &report, &mut text, console::stderr_style())?;
    console::write(&String::from_utf8_lossy(&text));
    let held = report.held();
    let judged = Some(Judged::new(&survey, &diagnosis, report));
    let trace = Some(trace.display().to_string());
    let checked = vec![Checked { judged, trace, took, ..Checked::default() }];
    results.write(&Suite { name: "authtrace run".to_owned(), checked, took }, None)?;
    Ok(match held {
        false => exit::PROBLEM,
        true if expectations.decides_exit_code => exit::GOOD,
        true => ran.code,
    })
}
