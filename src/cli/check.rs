//! `check`: a trace or a HAR, held against expectations.

use super::args::{CheckArgs, CheckFormat};
use super::expect::{self, ExpectError};
use super::input::Source;
use super::{console, diff, exit, input};
use anyhow::{Context, Result};
use authtrace::analyze::diagnose;
use authtrace::check::evaluate;
use authtrace::export::check::{self as page, Checked, Judged, Suite};
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

pub(crate) fn run(args: CheckArgs) -> Result<ExitCode> {
    let expectations = expect::read_or(&args.expect, args.baseline.is_some())?.ok_or(ExpectError::Nothing)?;
    let survey = input::survey_showing(Source::of(args.file), expectations.hosts())?;
    let diagnosis = diagnose(&survey);
    let mut report = evaluate(&survey, &diagnosis, &expectations);
    report.outcomes.extend(diff::against_baseline(args.baseline, expectations.hosts(), &survey, &diagnosis)?);
    let held = report.held();
    let mut out = BufWriter::new(io::stdout().lock());
    match args.format {
        CheckFormat::Human => page::report(&survey, &report, &mut out, console::stdout_style(false)),
        CheckFormat::Json => {
            let judged = Some(Judged::new(&survey, &diagnosis, report));
            let checked = vec![Checked { judged, ..Checked::default() }];
            page::json::write(
                &Suite { name: "authtrace check".to_owned(), checked, took: std::time::Duration::ZERO },
                &mut out,
            )
        }
    }
    .and_then(|()| out.flush())
    .context("cannot write to standard output")?;
    Ok(ExitCode::from(if held { exit::GOOD } else { exit::PROBLEM }))
}
