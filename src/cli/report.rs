//! `report`: a trace, shown.

use super::args::{ReportArgs, ReportFormat};
use super::console;
use anyhow::{Context, Result};
use authtrace::analyze::{Survey, diagnose};
use authtrace::config::Options;
use authtrace::export::{json, markdown, text};
use authtrace::record;
use authtrace::redact::{self, reread};
use authtrace::trace::{ReadError, Reader};
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Input that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    #[error("there is no trace yet in {}; make one with: authtrace run -- claude", folder.display())]
    NoTrace { folder: PathBuf },
    #[error("cannot open {}: {source}", path.display())]
    Open { path: PathBuf, source: io::Error },
    #[error("{}: {source}", path.display())]
    Read { path: PathBuf, source: ReadError },
}

pub(crate) fn run(args: ReportArgs) -> Result<ExitCode> {
    allow_kept_fields()?;
    let path = match args.file {
        Some(path) => path,
        None => newest()?,
    };
    let survey = read(&path)?;
    match args.out {
        Some(out) => {
            let mut text = Vec::new();
            render(&survey, args.format, args.full, false, &mut text)?;
            write_new(&out, &text)?;
            console::say(&format!("report: {}", out.display()));
        }
        None => {
            let mut out = BufWriter::new(io::stdout().lock());
            if let Err(error) = render(&survey, args.format, args.full, true, &mut out).and_then(|()| Ok(out.flush()?))
            {
                return if super::is_broken_pipe(&error) { Ok(ExitCode::SUCCESS) } else { Err(error) };
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What the user's `[[keep]]` let into the trace may be shown from it, too.
fn allow_kept_fields() -> Result<()> {
    let keep = Options::default().with_file(&std::env::vars_os().collect())?.kept_fields();
    reread::configure(redact::Options::default().with_keep(keep))?;
    Ok(())
}

fn newest() -> Result<PathBuf> {
    let newest = record::newest_trace()?;
    Ok(newest.ok_or(InputError::NoTrace { folder: record::trace_folder()? })?)
}

pub(crate) fn read(path: &Path) -> Result<Survey> {
    let file = File::open(path).map_err(|source| InputError::Open { path: path.to_owned(), source })?;
    let survey = Reader::new(BufReader::with_capacity(256 * 1024, file)).map(Survey::read);
    Ok(survey.map_err(|source| InputError::Read { path: path.to_owned(), source })?)
}

fn render(survey: &Survey, format: ReportFormat, full: bool, to_stdout: bool, out: &mut impl Write) -> Result<()> {
    let mut style = console::stdout_style(full);
    style.color &= to_stdout;
    match format {
        ReportFormat::Text => text::report(survey, &diagnose(survey), out, style)?,
        ReportFormat::Json => json::report(survey, &diagnose(survey), out)?,
        ReportFormat::Md => markdown::report(survey, &diagnose(survey), out)?,
    }
    Ok(())
}

/// Writes a report beside what is there already: 0600, replacing a file but never following a link.
pub(crate) fn write_new(path: &Path, content: &[u8]) -> Result<()> {
    let no_follow = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(no_follow)
        .open(path)
        .and_then(|mut file| file.write_all(content))
        .with_context(|| format!("cannot write {}", path.display()))
}
