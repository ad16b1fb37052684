use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use crate::ca::CaError;

/// Why the child did not start, or what it needs could not be prepared. Each message says what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// There is no such program.
    #[error(
        "{}: command not found. If it is a shell alias or function, give the path of the program behind it ('type -a {}' shows it)",
        program.display(),
        program.display()
    )]
    NotFound {
        /// As it was given.
        program: OsString,
    },
    /// The file is there, and what should run it is not.
    #[error("{}: the program that its first line names was not found. Reinstall it, or run it through its interpreter", program.display())]
    NoInterpreter {
        /// As it was given.
        program: OsString,
    },
    /// The program is there and cannot be started.
    #[error("{}: cannot be started: {source}. Check that it is a program for this system and that you may execute it", program.display())]
    NotExecutable {
        /// As it was given.
        program: OsString,
        /// What the operating system said.
        source: io::Error,
    },
    /// A signal handler could not be set up, or the child could not be waited for.
    #[error("the child cannot be looked after: {0}")]
    Supervise(#[source] io::Error),
    /// A private file or folder could not be made.
    #[error("{}: {source}. Set TMPDIR to a folder that you may write to", path.display())]
    TempDir {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// No random bytes for the name of the private folder.
    #[error("no random bytes from the operating system")]
    Random,
    /// A group of `--trust` that does not exist.
    #[error(
        "--trust names something that trust cannot be set up for; choose from {}, or all, or none",
        super::TrustGroup::names()
    )]
    TrustGroup,
    /// The built-in scope could not be read.
    #[error(transparent)]
    Ca(#[from] CaError),
}

impl LaunchError {
    /// Why a program did not start, from what the system said.
    #[must_use]
    pub fn not_started(program: &OsStr, source: io::Error) -> Self {
        let program = program.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound if is_there(&program) => Self::NoInterpreter { program },
            io::ErrorKind::NotFound => Self::NotFound { program },
            _ => Self::NotExecutable { program, source },
        }
    }

    /// The exit code that shells use for this: 127 not found, 126 found but not started, 125 we failed ourselves.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotFound { .. } => 127,
            Self::NoInterpreter { .. } | Self::NotExecutable { .. } => 126,
            _ => 125,
        }
    }
}

/// Whether the name, looked up as a shell would, is a file.
fn is_there(program: &OsStr) -> bool {
    if Path::new(program).components().count() > 1 {
        return Path::new(program).is_file();
    }
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|dir| dir.join(program).is_file()))
}
