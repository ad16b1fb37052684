//! Where files lie, as a CI system looks for them.

use crate::check::{Outcome, Source};
use std::path::{Component, Path, PathBuf};

/// The folders that the names of files are made relative to. Nothing is looked up in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folders {
    /// The working folder: names are meant from here.
    pub working: PathBuf,
    /// The checked-out repository: names are shown from here.
    pub repository: PathBuf,
}

impl Folders {
    /// A file as the CI system names it, with `/`; of a file that does not lie below the repository the name alone.
    #[must_use]
    pub fn within(&self, file: &str) -> String {
        let whole = straight(&self.working.join(file));
        let below = whole.strip_prefix(straight(&self.repository)).unwrap_or_else(|_| last(&whole));
        let parts: Vec<_> = below.components().map(|part| part.as_os_str().to_string_lossy()).collect();
        parts.join("/")
    }
}

fn last(path: &Path) -> &Path {
    path.file_name().map_or(path, Path::new)
}

/// Without `.` and `..`, as far as that can be done without looking.
fn straight(path: &Path) -> PathBuf {
    let mut straight = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                straight.pop();
            }
            part => straight.push(part),
        }
    }
    straight
}

/// Where a miss is shown: the part that was missed, else the expectation.
pub(super) fn place(outcome: &Outcome) -> Option<&Source> {
    outcome.miss.as_ref().and_then(|miss| miss.source.as_ref()).or(outcome.source.as_ref())
}

/// The same, if that is a place in a file and not an option of the command line.
pub(super) fn place_in_file(outcome: &Outcome) -> Option<&Source> {
    place(outcome).filter(|source| is_file(source))
}

pub(super) fn is_file(source: &Source) -> bool {
    !source.name.starts_with("--")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_named_from_the_repository() {
        let folders = Folders { working: "/home/ci/repo/tests".into(), repository: "/home/ci/repo".into() };
        for (file, shown) in [
            ("auth.toml", "tests/auth.toml"),
            ("./cases/../auth.toml", "tests/auth.toml"),
            ("../auth.toml", "auth.toml"),
            ("/home/ci/repo/a b/auth.toml", "a b/auth.toml"),
            ("../../other/auth.toml", "auth.toml"),
            ("/etc/auth.toml", "auth.toml"),
            ("/home/ci/repository/auth.toml", "auth.toml"),
            ("../../../../../../auth.toml", "auth.toml"),
        ] {
            assert_eq!(folders.within(file), shown, "{file}");
        }
    }
}
