//! `check`: a trace or a HAR, held against expectations.

use super::args::{CheckArgs, CheckFormat};
use super::expect::{self, ExpectError};
use super::input::Source;
use super::{console, exit, input};
use anyhow::{Context, Result};
use authtrace::analyze::diagnose;
use authtrace::check::evaluate;
use authtrace::export::check as page;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

pub(crate) fn run(args: CheckArgs) -> Result<ExitCode> {
    let expectations = expect::read(&args.expect)?.ok_or(ExpectError::Nothing)?;
    let survey = input::survey_showing(Source::of(args.file), expectations.hosts())?;
    let report = evaluate(&survey, &diagnose(&survey), &expectations);
    let mut out = BufWriter::new(io::stdout().lock());
    match args.format {
        CheckFormat::Human => page::report(&survey, &report, &mut out, console::stdout_style(false)),
        CheckFormat::Json => page::json::report(&report, &mut out),
    }
    .and_then(|()| out.flush())
    .context("cannot write to standard output")?;
    Ok(ExitCode::from(if report.held() { exit::GOOD } else { exit::PROBLEM }))
}
