//! `report`: a trace or a HAR, shown.

use super::args::{ReportArgs, ReportFormat};
use super::input::{InputError, Source};
use super::{console, input};
use anyhow::{Context, Result};
use authtrace::analyze::{Survey, diagnose};
use authtrace::export::{har, html, json, markdown, svg, text};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;

pub(crate) fn run(args: ReportArgs) -> Result<ExitCode> {
    if args.client_log.is_some() && args.format == ReportFormat::Har {
        return Err(InputError::LogInHar.into());
    }
    let mut survey = input::survey(Source::of(args.file))?;
    if let Some(log) = &args.client_log {
        survey = survey.with_client_log(input::client_log(log)?);
    }
    match args.out {
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

/// Writes a report beside what is there already: 0600, replacing a file but never following a link.
pub(crate) fn write_new(path: &Path, content: &[u8]) -> Result<()> {
    create(path)?.write_all(content).with_context(|| format!("cannot write {}", path.display()))
}

/// Opens a file for that.
pub(crate) fn create(path: &Path) -> Result<File> {
    let no_follow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(no_follow)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))
}
