//! Which cases there are, read and made ready to be played; and what is wrong with the others.

use crate::cli::console;
use crate::cli::expect::{self, ExpectError};
use authtrace::case::{self, Case, CaseError, Named};
use authtrace::check::{Expectations, KnownMiss, Rule, Source};
use authtrace::export::check::{Checked, Failure, FailureKind};
use authtrace::harness::{self, SceneError};
use authtrace::place::{nearest, plain};
use authtrace::scenario::{self, Against};
use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The longest case that is read, in bytes.
const LONGEST: u64 = 1024 * 1024;

/// A case that can be played, or what is said of one that cannot.
pub(super) type Planned = Result<Arc<Run>, Box<Checked>>;

/// One play of one case.
#[derive(Clone)]
pub(super) struct Run {
    /// What tells it from the others.
    pub(super) name: String,
    /// The file, as the user named it.
    pub(super) file: PathBuf,
    /// The other files that are read for it.
    pub(super) reads: Vec<PathBuf>,
    /// What it shows, in a few words.
    pub(super) title: Option<String>,
    /// As `run --scenario` takes it.
    pub(super) scenario: OsString,
    pub(super) command: Vec<OsString>,
    /// Where the command's program is named.
    pub(super) program: Source,
    pub(super) folder: Option<PathBuf>,
    pub(super) timeout: Duration,
    pub(super) expectations: Expectations,
    pub(super) misses: Vec<KnownMiss>,
    /// Whether nothing is expected of it yet.
    pub(super) is_new: bool,
    /// Whether what is observed is to be written as a new expectation.
    pub(super) updates: bool,
}

/// What is to be done, in the order in which it is shown: each case of these folders and files, so many times.
pub(super) fn plan(paths: &[PathBuf], repeat: u32, update: bool) -> Vec<Planned> {
    let mut found = Vec::new();
    for path in paths {
        match cases_in(path) {
            Ok(files) => found.extend(files.into_iter().map(Ok)),
            Err(failure) => found.push(Err(wrong(shown(path), path, failure))),
        }
    }
    let mut seen = HashSet::new();
    found.retain(|one| match one {
        Ok(file) => seen.insert(file.canonicalize().unwrap_or_else(|_| file.clone())),
        Err(_) => true,
    });
    let files: Vec<PathBuf> = found.iter().flatten().cloned().collect();
    let short = |file: &PathBuf| file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    // A name that several have is told with its folder.
    let name = |file: &PathBuf| match files.iter().filter(|other| short(other) == short(file)).count() {
        0 | 1 => plain(&short(file)),
        _ => shown(&file.with_extension("")),
    };
    found
        .into_iter()
        .flat_map(|one| one.map_or_else(|wrong| vec![Err(wrong)], |file| runs(&name(&file), &file, repeat, update)))
        .collect()
}

/// All plays of one case; one word about it if it cannot be played.
fn runs(name: &str, file: &Path, repeat: u32, update: bool) -> Vec<Planned> {
    let run = match Run::read(name, file, update) {
        Ok(run) => run,
        Err(failure) => return vec![Err(wrong(name.to_owned(), file, failure))],
    };
    let numbered = |number| Run { name: format!("{name} {number}/{repeat}"), ..run.clone() };
    match repeat {
        1 => vec![Ok(Arc::new(run))],
        _ => (1..=repeat).map(|number| Ok(Arc::new(numbered(number)))).collect(),
    }
}

/// Every `NAME.toml` of a folder, sorted; or the file itself.
fn cases_in(path: &Path) -> Result<Vec<PathBuf>, Failure> {
    let unreadable = |error| failure(format!("cannot read {}: {error}", shown(path)), None);
    if !fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let is_case = |path: &PathBuf| {
        let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        !hidden && path.extension().is_some_and(|end| end == "toml") && !path.is_dir()
    };
    let entries = fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(unreadable)?;
    let mut files: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).filter(is_case).collect();
    files.sort();
    if files.is_empty() {
        return Err(failure(
            format!("no case in {}: a case is a file NAME.toml in it (docs/cases.md)", shown(path)),
            None,
        ));
    }
    Ok(files)
}

impl Run {
    fn read(name: &str, file: &Path, update: bool) -> Result<Self, Failure> {
        let text = text(file)?;
        let place = shown(file);
        let case = case::read(&place, &text).map_err(|error| mistake(&place, error))?;
        let folder = file.parent().unwrap_or(Path::new(""));
        let expected = expectations(&case, folder)?;
        if expected.is_none() && !update {
            let message = "nothing is expected: say it under [expect], or name files under expect_files; authtrace test \
                           --update writes what is observed";
            return Err(failure(message.to_owned(), None));
        }
        let is_new = expected.is_none();
        let expectations = expected.unwrap_or_default();
        let value = |name: &str| std::env::var_os(name);
        let command: Result<Vec<OsString>, CaseError> = case.command.iter().map(|word| word.filled_in(value)).collect();
        let command = command.map_err(|error| mistake(&place, error))?;
        let program = case.command.first().map(|word| word.source.clone());
        Ok(Self {
            name: name.to_owned(),
            file: file.to_owned(),
            reads: reads(&case, folder),
            scenario: scenario(&case.scenario, folder)?,
            command,
            program: program.ok_or_else(|| failure("no command".to_owned(), None))?,
            folder: case.folder.as_ref().map(|named| existing_folder(named, folder)).transpose()?,
            timeout: case.timeout,
            misses: known_misses(&case, &expectations)?,
            expectations,
            is_new,
            updates: update,
            title: case.title,
        })
    }
}

/// The files that a case names.
fn reads(case: &Case, folder: &Path) -> Vec<PathBuf> {
    let scenario = Some(&case.scenario).filter(|named| harness::is_file(&named.text));
    case.expect_files.iter().chain(scenario).map(|named| folder.join(&named.text)).collect()
}

fn text(file: &Path) -> Result<String, Failure> {
    let failed = |why: &dyn std::fmt::Display| failure(format!("cannot read {}: {why}", shown(file)), None);
    // A pipe that nobody writes to would keep all cases waiting.
    if !fs::metadata(file).map_err(|error| failed(&error))?.is_file() {
        return Err(failed(&"it is no plain file"));
    }
    let mut bytes = Vec::new();
    File::open(file).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes)).map_err(|error| failed(&error))?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > LONGEST) {
        return Err(failed(&"it is longer than 1 MiB"));
    }
    String::from_utf8(bytes).map_err(|_| failed(&"it is no UTF-8 text"))
}

/// What the case says and what its files say, together; none if neither says anything.
fn expectations(case: &Case, folder: &Path) -> Result<Option<Expectations>, Failure> {
    let read = |named: &Named| {
        let path = folder.join(&named.text);
        expect::file(&path).map_err(|error| match error {
            ExpectError::Wrong { name, source } => failure(source.message, Some(Source { name, place: source.place })),
            other => failure(other.to_string(), Some(named.source.clone())),
        })
    };
    let files = case.expect_files.iter().map(read).collect::<Result<Vec<_>, _>>()?;
    let all = case.expected.clone().into_iter().chain(files).reduce(Expectations::and);
    // What is known to be missed may well be the contrary of what is expected.
    let mut certain = all.clone().unwrap_or_default();
    certain.expected.retain(|one| case.misses.iter().all(|known| known.expected != one.rule.to_string()));
    match certain.contradiction() {
        Some((source, message)) => Err(failure(message, Some(source.clone()))),
        None => Ok(all),
    }
}

/// The scenario as `run` takes it. It is read here, so that a mistake in it is told before anything runs.
fn scenario(named: &Named, folder: &Path) -> Result<OsString, Failure> {
    let is_file = harness::is_file(&named.text);
    let path = if is_file { folder.join(&named.text) } else { PathBuf::from(&named.text) };
    let here = |message: String| failure(message, Some(named.source.clone()));
    let text = harness::text(&path.to_string_lossy()).map_err(|error: SceneError| here(error.to_string()))?;
    let read = scenario::read(&text)
        .map_err(|error| failure(error.message, Some(Source { name: shown(&path), place: error.place })))?;
    if read.against == Against::Live {
        return Err(here(
            "this scenario is against live servers, and a case never leaves this machine; play it with authtrace run --scenario"
                .to_owned(),
        ));
    }
    for warning in &read.warnings {
        console::say(&format!("{}: {warning}", shown(&path)));
    }
    if !is_file {
        return Ok(named.text.clone().into());
    }
    std::path::absolute(&path).map(PathBuf::into_os_string).map_err(|error| here(error.to_string()))
}

fn existing_folder(named: &Named, folder: &Path) -> Result<PathBuf, Failure> {
    let path = folder.join(&named.text);
    match path.canonicalize() {
        Ok(path) if path.is_dir() => Ok(path),
        Ok(_) => Err(failure(format!("{} is no folder", shown(&path)), Some(named.source.clone()))),
        Err(error) => Err(failure(format!("cannot find {}: {error}", shown(&path)), Some(named.source.clone()))),
    }
}

/// What is known to be missed, if it is expected at all.
fn known_misses(case: &Case, expectations: &Expectations) -> Result<Vec<KnownMiss>, Failure> {
    let unsaid = |rule: &Rule| matches!(rule, Rule::ExitCode { asked: false, .. });
    let words: Vec<String> =
        expectations.expected.iter().filter(|one| !unsaid(&one.rule)).map(|one| one.rule.to_string()).collect();
    for known in &case.misses {
        if !words.contains(&known.expected) {
            let near = nearest(&known.expected, words.iter().map(String::as_str));
            let hint = near.map(|near| format!("; is {near:?} meant?")).unwrap_or_default();
            let message = format!("nothing that is expected has these words: those behind ✓ and ✗ of the result{hint}");
            return Err(failure(message, Some(known.source.clone())));
        }
    }
    Ok(case.misses.clone())
}

fn mistake(name: &str, error: CaseError) -> Failure {
    failure(error.message, Some(Source { name: plain(name), place: error.place }))
}

fn failure(message: String, source: Option<Source>) -> Failure {
    Failure { kind: FailureKind::Error, message: plain(&message), source }
}

fn wrong(name: String, file: &Path, failure: Failure) -> Box<Checked> {
    Box::new(Checked { name: Some(name), file: Some(shown(file)), failure: Some(failure), ..Checked::default() })
}

/// The files that are read for a case, also for one that cannot be played.
pub(super) fn files_of(planned: &Planned) -> Vec<&Path> {
    match planned {
        Ok(run) => run.reads.iter().chain([&run.file]).map(PathBuf::as_path).collect(),
        Err(wrong) => {
            let source = wrong.failure.as_ref().and_then(|failure| failure.source.as_ref());
            wrong.file.iter().chain(source.map(|source| &source.name)).map(Path::new).collect()
        }
    }
}

/// A path as a line shows it.
pub(super) fn shown(path: &Path) -> String {
    plain(&path.to_string_lossy())
}
