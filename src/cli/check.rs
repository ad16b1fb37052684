//! `check`: a trace or a HAR, held against expectations.

use super::args::{CheckArgs, CheckFormat};
use super::expect::{self, ExpectError};
use super::input::Source;
use super::results::{self, Results};
use super::{console, diff, exit, files, input};
use anyhow::{Context, Result};
use authtrace::analyze::{Survey, diagnose};
use authtrace::check::{self, Report, evaluate};
use authtrace::export::Style;
use authtrace::export::check::{self as page, Checked, Judged, Suite};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

pub(crate) fn run(args: CheckArgs) -> Result<ExitCode> {
    if let Some(file) = args.learn {
        return learn(args.file, &file);
    }
    let began = Instant::now();
    let wanted = files::named(args.out);
    let expectations = expect::read_or(&args.expect, args.baseline.is_some())?.ok_or(ExpectError::Nothing)?;
    let mut read: Vec<&Path> = args.file.iter().map(PathBuf::as_path).collect();
    read.extend(expect::files(&args.expect));
    read.extend(args.baseline.as_deref());
    let results = Results::plan(&args.results, &read)?;
    if let Some(out) = &wanted {
        read.extend(results.files());
        results::stays_clear(out, &read)?;
    }
    let trace = input::name(args.file.as_deref())?;
    let survey = input::survey_showing(Source::of(args.file), expectations.hosts())?;
    let diagnosis = diagnose(&survey);
    let mut report = evaluate(&survey, &diagnosis, &expectations);
    report.outcomes.extend(diff::against_baseline(args.baseline, expectations.hosts(), &survey, &diagnosis)?);
    let judged = Some(Judged::new(&survey, &diagnosis, report.clone()));
    let checked = Checked { judged, trace, took: began.elapsed(), ..Checked::default() };
    let suite = Suite { name: "authtrace check".to_owned(), took: checked.took, checked: vec![checked] };
    match &wanted {
        Some(out) => {
            let text = shown(&survey, &report, &suite, args.format, &results, Style::default())?;
            results::write_whole(out, &text)?;
            console::say(&format!("result: {}", out.display()));
        }
        None => {
            let text = shown(&survey, &report, &suite, args.format, &results, console::stdout_style(false))?;
            let text = String::from_utf8_lossy(&text);
            let text = if args.format == CheckFormat::Github { text } else { console::harmless(&text) };
            let mut out = io::stdout().lock();
            out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("cannot write to standard output")?;
        }
    }
    results.write(&suite, args.format.form().filter(|_| wanted.is_none()))?;
    Ok(ExitCode::from(if report.held() { exit::GOOD } else { exit::PROBLEM }))
}

/// A draft of expectations. It never takes the place of a file that somebody may have worked on.
fn learn(trace: Option<PathBuf>, file: &Path) -> Result<ExitCode> {
    let survey = input::survey(Source::of(trace))?;
    let text = check::learn(&survey, &diagnose(&survey));
    results::write_new(file, text.as_bytes())?;
    console::say(&format!("draft of expectations: {}; read it before you rely on it", file.display()));
    Ok(ExitCode::from(exit::GOOD))
}

fn shown(
    survey: &Survey,
    report: &Report,
    suite: &Suite,
    format: CheckFormat,
    results: &Results,
    style: Style,
) -> Result<Vec<u8>> {
    if let Some(form) = format.form() {
        return Ok(results.render(form, suite)?);
    }
    let mut text = Vec::new();
    page::report(survey, report, &mut text, style)?;
    Ok(text)
}
