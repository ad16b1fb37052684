//! `diff`: two traces side by side; and `check --baseline`, which holds a trace against a good one.

use super::args::{DiffArgs, DiffFormat};
use super::input::Source;
use super::{console, exit, input};
use anyhow::{Context, Result};
use authtrace::analyze::{Diagnosis, Survey, diagnose};
use authtrace::check::{self, Outcome};
use authtrace::compare::{Seen, compare};
use authtrace::export::diff::{self as page, Side, Sides};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Two traces that cannot be compared.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DiffError {
    #[error("both traces are to be read from standard input; name a file for one of them")]
    BothFromInput,
}

pub(crate) fn run(args: DiffArgs) -> Result<ExitCode> {
    let is_input = |path: &Path| path.as_os_str() == "-";
    if is_input(&args.before) && is_input(&args.after) {
        return Err(DiffError::BothFromInput.into());
    }
    let names = [&args.before, &args.after].map(|path| match is_input(path) {
        true => "standard input".to_owned(),
        false => path.display().to_string(),
    });
    let before = input::survey(Source::of(Some(args.before)))?;
    let after = input::survey(Source::of(Some(args.after)))?;
    let (one, other) = (diagnose(&before), diagnose(&after));
    let comparison = compare(Seen { survey: &before, diagnosis: &one }, Seen { survey: &after, diagnosis: &other });
    let sides =
        Sides { before: Side { name: &names[0], survey: &before }, after: Side { name: &names[1], survey: &after } };
    let mut out = BufWriter::new(io::stdout().lock());
    match args.format {
        DiffFormat::Human => page::report(sides, &comparison, &mut out, console::stdout_style(false)),
        DiffFormat::Json => page::json::report(sides, &comparison, &mut out),
        DiffFormat::Md => page::markdown::report(sides, &comparison, &mut out),
    }
    .and_then(|()| out.flush())
    .context("cannot write to standard output")?;
    let is_worse = args.exit_code && !comparison.regressions.is_empty();
    Ok(ExitCode::from(if is_worse { exit::PROBLEM } else { exit::GOOD }))
}

/// What comes of a trace held against a good one, if one is given. `hosts` may be shown.
///
/// # Errors
/// The good one cannot be read.
pub(crate) fn against_baseline(
    baseline: Option<PathBuf>,
    hosts: Vec<String>,
    survey: &Survey,
    diagnosis: &Diagnosis,
) -> Result<Vec<Outcome>> {
    let Some(path) = baseline else { return Ok(Vec::new()) };
    let name = path.display().to_string();
    let good = input::survey_showing(Source::of(Some(path)), hosts)?;
    let seen = Seen { survey: &good, diagnosis: &diagnose(&good) };
    Ok(check::against_baseline(&name, seen, Seen { survey, diagnosis }))
}
