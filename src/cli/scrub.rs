//! `scrub`: a HAR of another tool, made fit to be shown.

use super::args::ScrubArgs;
use super::console;
use super::files::{self, NewFile, Readers};
use super::input::{self, InputError};
use anyhow::{Context, Result};
use authtrace::export::har;
use authtrace::import::Imported;
use authtrace::trace::Record;
use std::fs;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::ExitCode;

/// Places that are named one by one.
const NAMED: usize = 10;

pub(crate) fn run(args: ScrubArgs) -> Result<ExitCode> {
    let wanted = files::named(args.out);
    if let Some(out) = &wanted
        && is_same_file(&args.file, out)
    {
        return Err(InputError::Overwrite { path: out.clone() }.into());
    }
    let imported = input::har(&args.file)?;
    let told = summary(&imported);
    let survey = input::survey_of(imported);
    match &wanted {
        Some(out) => {
            let begun = NewFile::create(out, Readers::Own);
            let written = begun.and_then(|file| {
                let mut file = BufWriter::new(file);
                har::write(&survey, &mut file)?;
                file.into_inner().map_err(io::IntoInnerError::into_error)?.finish()
            });
            written.with_context(|| format!("cannot write {}", out.display()))?;
        }
        None => {
            let mut out = BufWriter::new(io::stdout().lock());
            let written = har::write(&survey, &mut out).and_then(|()| out.flush());
            if let Err(error) = written.context("cannot write to standard output") {
                return if super::is_broken_pipe(&error) { Ok(ExitCode::SUCCESS) } else { Err(error) };
            }
        }
    }
    told.iter().for_each(|line| console::say(line));
    if let Some(out) = &wanted {
        console::say(&format!("written to {}", out.display()));
    }
    Ok(ExitCode::SUCCESS)
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    let identity = |path| fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    identity(one).is_some_and(|known| identity(other) == Some(known))
}

/// What was masked, what was left out, what could not be read.
fn summary(imported: &Imported) -> Vec<String> {
    let entries = imported.records.iter().filter(|record| matches!(record, Record::Exchange(_))).count();
    let entries = if entries == 1 { "1 entry".to_owned() } else { format!("{entries} entries") };
    let credentials = match imported.credentials {
        0 => "no credential".to_owned(),
        1 => "1 credential, now a fingerprint".to_owned(),
        many => format!("{many} different credentials, now fingerprints"),
    };
    let mut lines = vec![
        format!("{entries}, {credentials}"),
        "left out: bodies (but for errors and token endpoints, as facts), WebSocket messages, fields of other tools"
            .to_owned(),
    ];
    for record in &imported.records {
        if let Record::Note(note) = record {
            lines.push(note.text.to_string());
        }
    }
    let places =
        imported.unread.iter().map(|place| format!("line {}, column {}: {}", place.line, place.column, place.why));
    lines.extend(places.take(NAMED));
    if let Some(more) = imported.unread.len().checked_sub(NAMED).filter(|more| *more > 0) {
        lines.push(format!("and {more} more places that could not be read"));
    }
    lines
}
