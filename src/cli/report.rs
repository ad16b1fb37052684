//! `report`: a trace or a HAR, shown.

use super::args::{ReportArgs, ReportFormat};
use super::files::{self, Readers};
use super::input::{InputError, Source};
use super::{console, input};
use anyhow::{Context, Result};
use authtrace::analyze::{Survey, diagnose};
use authtrace::export::{har, html, json, markdown, svg, text};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

pub(crate) fn run(args: ReportArgs) -> Result<ExitCode> {
    if args.client_log.is_some() && matches!(args.format, ReportFormat::Har | ReportFormat::Svg) {
        return Err(InputError::NoPlaceForLog.into());
    }
    let mut survey = input::survey(Source::of(args.file))?;
    if let Some(log) = &args.client_log {
        survey = survey.with_client_log(input::client_log(log)?);
    }
    match files::named(args.out) {
        Some(out) => {
            let mut text = Vec::new();
            render(&survey, args.format, args.full, false, &mut text)?;
            write_new(&out, &text)?;
            console::say(&format!("report: {}", out.display()));
        }
        None => {
            let mut out = BufWriter::new(io::stdout().lock());
            render(&survey, args.format, args.full, true, &mut out)
                .and_then(|()| Ok(out.flush()?))
                .context("cannot write the report to standard output")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn render(survey: &Survey, format: ReportFormat, full: bool, to_stdout: bool, out: &mut impl Write) -> Result<()> {
    let mut style = console::stdout_style(full);
    style.color &= to_stdout;
    match format {
        ReportFormat::Text => text::report(survey, &diagnose(survey), out, style)?,
        ReportFormat::Json => json::report(survey, &diagnose(survey), out)?,
        ReportFormat::Md => markdown::report(survey, &diagnose(survey), out)?,
        ReportFormat::Har => har::write(survey, out)?,
        ReportFormat::Html => html::report(survey, &diagnose(survey), out)?,
        ReportFormat::Svg => svg::report(survey, &diagnose(survey), out)?,
    }
    Ok(())
}

/// Writes a report for this user alone, in the place of an older one.
pub(crate) fn write_new(path: &Path, content: &[u8]) -> Result<()> {
    files::write(path, Readers::Own, content).with_context(|| format!("cannot write {}", path.display()))
}
