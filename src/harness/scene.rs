//! Which scenario is meant: a built-in one by its name, or a file, with what is wrong with it.

use crate::catalogue::Code;
use crate::scenario::{self, Scenario, ScenarioError};
use std::fs::File;
use std::io::{self, Read as _};
use std::path::PathBuf;

/// The longest file that is read, in bytes.
const LONGEST: u64 = 1024 * 1024;

/// A scenario that cannot be played.
#[derive(Debug, thiserror::Error)]
pub enum SceneError {
    /// A name that no built-in scenario has.
    #[error(
        "no built-in scenario has that name{}; authtrace scenario list shows all; a file is named with a slash, or .toml at its end",
        meant(*nearest)
    )]
    Unknown {
        /// The name that was probably meant.
        nearest: Option<&'static str>,
    },
    /// A verdict that cannot be played.
    #[error("no scenario leads to {code}: {why}")]
    NotPlayed {
        /// Which.
        code: Code,
        /// Why not.
        why: &'static str,
    },
    /// A finding that is no verdict.
    #[error("{code} is found beside another verdict; play that: --scenario {of}")]
    Beside {
        /// Which.
        code: Code,
        /// The verdict beside which it is found.
        of: Code,
    },
    /// A file that cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file that no person wrote.
    #[error("{}: it is longer than 1 MiB", path.display())]
    TooLong {
        /// Which.
        path: PathBuf,
    },
    /// A mistake in a scenario, with its place.
    #[error("{}: {source}", path.display())]
    Wrong {
        /// The file, or the name.
        path: PathBuf,
        /// What is wrong, and where.
        source: ScenarioError,
    },
    /// A scenario for live traffic where only the fake is played.
    #[error(
        "this scenario is against live servers; the fake has no part in it. Play it with: authtrace run --scenario"
    )]
    Live,
}

/// The text of a scenario: that of a built-in one by its name, or of a file.
///
/// # Errors
/// [`SceneError`] for an unknown name or an unreadable file.
pub fn text(named: &str) -> Result<String, SceneError> {
    if !is_file(named) {
        return builtin(named).map(str::to_owned);
    }
    let path = PathBuf::from(named);
    let unreadable = |source| SceneError::Unreadable { path: path.clone(), source };
    let mut bytes = Vec::new();
    File::open(&path).and_then(|file| file.take(LONGEST + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > LONGEST) {
        return Err(SceneError::TooLong { path });
    }
    String::from_utf8(bytes).map_err(|_| unreadable(io::Error::new(io::ErrorKind::InvalidData, "it is no UTF-8 text")))
}

/// Reads a scenario by name or file.
///
/// # Errors
/// [`SceneError`], with the place of the mistake.
pub fn load(named: &str) -> Result<Scenario, SceneError> {
    scenario::read(&text(named)?).map_err(|source| SceneError::Wrong { path: named.into(), source })
}

/// Whether this names a file, and no built-in scenario. A URL is neither, and may have a password in it.
#[must_use]
pub fn is_file(named: &str) -> bool {
    !named.contains("://") && (named.contains(['/', '\\']) || named.to_ascii_lowercase().ends_with(".toml"))
}

fn builtin(named: &str) -> Result<&'static str, SceneError> {
    let unknown = || SceneError::Unknown { nearest: scenario::nearest(named) };
    if let Some(one) = scenario::builtin(named) {
        return Ok(one.text);
    }
    let code: Code = named.parse().map_err(|_| unknown())?;
    if let Some((code, why)) = scenario::not_played().iter().find(|(not, _)| *not == code) {
        return Err(SceneError::NotPlayed { code: *code, why });
    }
    match scenario::beside().iter().find(|(beside, _)| *beside == code) {
        Some((code, of)) => Err(SceneError::Beside { code: *code, of: *of }),
        None => Err(unknown()),
    }
}

fn meant(nearest: Option<&str>) -> String {
    nearest.map(|name| format!(" (is {name:?} meant?)")).unwrap_or_default()
}
