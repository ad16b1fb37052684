//! Results for CI systems: files in the forms that were asked for, annotations and a job summary where GitHub reads them.

use super::args::{ResultArgs, ResultForm};
use super::console;
use super::files::{self, Readers};
use authtrace::export::check::{Folders, Suite, github, json, junit, markdown, sarif, tap};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A result that cannot be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResultError {
    #[error("a result cannot go to {}: {why}", path.display())]
    Place { path: PathBuf, why: &'static str },
    #[error("cannot write the result to {}: {source}; give another file, or make room for this one", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("cannot tell the working folder: {0}")]
    Folder(io::Error),
}

/// Where results go.
#[derive(Debug)]
pub(crate) struct Results {
    files: Vec<(ResultForm, PathBuf)>,
    folders: Folders,
    /// Whether GitHub Actions reads what we write.
    github: bool,
    /// Where it takes the summary of this step.
    summary: Option<PathBuf>,
}

impl Results {
    /// Looks whether results can go where they are to go, before anything is run. They never go over what is read.
    ///
    /// # Errors
    /// A place where no file can be, or where one is that must stay.
    pub(crate) fn plan(args: &ResultArgs, read: &[&Path]) -> Result<Self, ResultError> {
        let own = |form, file: &Option<PathBuf>| file.clone().map(|file| (form, file));
        let listed = args.report.iter().map(|one| (one.form, one.file.clone()));
        let files: Vec<(ResultForm, PathBuf)> =
            [own(ResultForm::Junit, &args.junit), own(ResultForm::Sarif, &args.sarif)]
                .into_iter()
                .flatten()
                .chain(listed)
                .collect();
        let mut taken: Vec<&Path> = read.to_vec();
        for (_, path) in &files {
            stays_clear(path, &taken)?;
            taken.push(path);
        }
        let github = under_github();
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let working = std::env::current_dir().map_err(ResultError::Folder)?;
        let workspace = variable("GITHUB_WORKSPACE").filter(|_| github).and_then(|path| fs::canonicalize(path).ok());
        let repository =
            workspace.filter(|workspace| working.starts_with(workspace)).unwrap_or_else(|| working.clone());
        let summary = variable("GITHUB_STEP_SUMMARY").filter(|_| github);
        Ok(Self { files, folders: Folders { working, repository }, github, summary })
    }

    /// Whether files were asked for.
    pub(crate) fn is_asked(&self) -> bool {
        !self.files.is_empty()
    }

    /// The files that were asked for.
    pub(crate) fn files(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|(_, path)| path.as_path())
    }

    /// The result in a form.
    pub(crate) fn render(&self, form: ResultForm, suite: &Suite) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        match form {
            ResultForm::Junit => junit::write(suite, &self.folders, &mut text),
            ResultForm::Sarif => sarif::write(suite, &self.folders, &mut text),
            ResultForm::Github => github::write(suite, &self.folders, &mut text),
            ResultForm::Tap => tap::write(suite, &mut text),
            ResultForm::Json => json::write(suite, &mut text),
            ResultForm::Md => markdown::write(suite, usize::MAX, &mut text),
        }?;
        Ok(text)
    }

    /// Writes every file, and what GitHub reads: annotations to standard error, where they disturb no other output. What
    /// was not asked for (the summary) is no error if it cannot be written. `shown` is the form on standard output.
    ///
    /// # Errors
    /// The first file that could not be written; the others are.
    pub(crate) fn write(&self, suite: &Suite, shown: Option<ResultForm>) -> Result<(), ResultError> {
        if self.github && shown != Some(ResultForm::Github) {
            self.annotate(suite);
        }
        if let Some(path) = &self.summary
            && let Err(error) = summarise(suite, path)
        {
            console::say(&format!("the job summary could not be written to {}: {error}", path.display()));
        }
        let traces: Vec<&Path> = suite.checked.iter().filter_map(|one| one.trace.as_deref()).map(Path::new).collect();
        let write = |(form, path): &(ResultForm, PathBuf)| {
            stays_clear(path, &traces)?;
            let failed = |source| ResultError::Write { path: path.clone(), source };
            write_whole(path, &self.render(*form, suite).map_err(failed)?)
        };
        let written: Vec<Result<(), ResultError>> = self.files.iter().map(write).collect();
        written.into_iter().collect()
    }

    fn annotate(&self, suite: &Suite) {
        if let Ok(text) = self.render(ResultForm::Github, suite) {
            console::command(&String::from_utf8_lossy(&text));
        }
    }
}

/// Whether this is a step of GitHub Actions.
pub(crate) fn under_github() -> bool {
    std::env::var_os("GITHUB_ACTIONS").is_some_and(|value| value == "true")
}

/// Writes a file whole or not at all, for the next step of a job, too.
///
/// # Errors
/// [`ResultError::Write`].
pub(crate) fn write_whole(path: &Path, text: &[u8]) -> Result<(), ResultError> {
    files::write(path, Readers::Others, text).map_err(|source| ResultError::Write { path: path.to_owned(), source })
}

/// Writes a file that is not there yet.
///
/// # Errors
/// [`ResultError`]: there is one already, or it cannot be written.
pub(crate) fn write_new(path: &Path, text: &[u8]) -> Result<(), ResultError> {
    stays_clear(path, &[])?;
    let created = File::create_new(path).and_then(|mut file| file.write_all(text));
    created.map_err(|source| match source.kind() {
        io::ErrorKind::AlreadyExists => {
            ResultError::Place { path: path.to_owned(), why: "it is there already; give the name of a new file" }
        }
        _ => ResultError::Write { path: path.to_owned(), source },
    })
}

/// Whether a result can go to a place, and not over what is read or written otherwise.
///
/// # Errors
/// [`ResultError::Place`].
pub(crate) fn stays_clear(path: &Path, others: &[&Path]) -> Result<(), ResultError> {
    let place = |why| Err(ResultError::Place { path: path.to_owned(), why });
    if files::is_standard(path) {
        return place("that is no file; give the name of one, or /dev/stdout for standard output");
    }
    if path.is_dir() || path.file_name().is_none() {
        return place("that is a folder; give the name of a file");
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if folder.is_some_and(|folder| !folder.is_dir()) {
        return place("there is no such folder; make it first");
    }
    match others.iter().any(|other| is_same(path, other)) {
        true => place("another file of this command has that name; give another one"),
        false => Ok(()),
    }
}

/// Whether two names are of one file, which need not be there yet.
fn is_same(one: &Path, other: &Path) -> bool {
    let whole = |path: &Path| {
        let resolved = path.parent().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
        let folder = resolved.and_then(|folder| fs::canonicalize(folder).ok());
        fs::canonicalize(path).ok().or_else(|| Some(folder?.join(path.file_name()?)))
    };
    // A terminal or a pipe can take several.
    let is_file = fs::metadata(one).map_or(true, |found| found.is_file());
    is_file && whole(one).is_some_and(|one| whole(other) == Some(one))
}

/// Adds the result to the summary of a step, within what is left of its room.
fn summarise(suite: &Suite, path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    let there = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    let mut text = Vec::new();
    markdown::write(suite, markdown::SUMMARY_OF_A_STEP.saturating_sub(there), &mut text)?;
    file.write_all(&text)
}
