//! The configuration file: where it is, and what is wrong with it.

use super::{ConfigError, Options};
use crate::launch::ParentEnvironment;
use std::borrow::Cow;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// The user's configuration file, if there is one: the file that `AUTHTRACE_CONFIG` names, or the one in the usual place.
#[must_use]
pub fn config_file(parent: &ParentEnvironment) -> Option<PathBuf> {
    let named = |name: &str| parent.get(OsStr::new(name)).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = named("AUTHTRACE_CONFIG") {
        return Some(path);
    }
    // A relative one counts as not set (XDG Base Directory Specification); it would lead into the working folder.
    let whole = |name: &str| named(name).filter(|path| path.is_absolute());
    let folder = whole("XDG_CONFIG_HOME").or_else(|| whole("HOME").map(|home| home.join(".config")))?;
    let path = folder.join("authtrace").join("authtrace.toml");
    path.is_file().then_some(path)
}

/// Reads it.
pub(super) fn read(path: &Path) -> Result<Options, ConfigError> {
    let fail = |why: String| ConfigError::File { path: path.to_owned(), why };
    let text = fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
    toml::from_str(&text).map_err(|error| fail(place_of(&text, &error)))
}

/// Line, column and message; toml's own rendering would quote the line, which may hold a password, and some messages quote
/// the value.
fn place_of(text: &str, error: &toml::de::Error) -> String {
    let at = error.span().map_or(0, |span| span.start.min(text.len()));
    let before = text.get(..at).unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line}, column {column}: {}", without_value(error.message()))
}

/// What the reader says of a value that does not fit, but for the value.
fn without_value(message: &str) -> Cow<'_, str> {
    let quotes =
        ["invalid type: ", "invalid value: ", "unknown variant "].iter().any(|begin| message.starts_with(begin));
    match message.rsplit_once(", expected ") {
        Some((_, expected)) if quotes => format!("this cannot be used here: expected {expected}").into(),
        _ => message.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_in_the_file_is_told_with_its_place_and_without_its_line() {
        let text = "lane = \"x\"\nproxy-auth = FAKE-secret\n";
        let error = toml::from_str::<Options>(text).unwrap_err();
        let shown = place_of(text, &error);
        assert!(shown.starts_with("line 2, column ") && !shown.contains("FAKE"), "{shown}");
    }

    #[test]
    fn no_value_of_the_file_is_quoted() {
        for line in [
            "connect-to = \"FAKE-secret, expected FAKE\"",
            "log-format = \"FAKE-secret\"",
            "listen = \"FAKE-secret\"",
            "max-size = \"FAKE-secret\"",
            "lane = [\"FAKE-secret\"]",
            "guard = \"FAKE-secret\"",
            "[ring]\nfreeze-after = \"FAKE-secret\"",
        ] {
            let shown = place_of(line, &toml::from_str::<Options>(line).unwrap_err());
            assert!(shown.starts_with("line ") && !shown.contains("FAKE"), "{shown}");
        }
        let text = "connect-to = \"a:b\"";
        let shown = place_of(text, &toml::from_str::<Options>(text).unwrap_err());
        assert_eq!(shown, "line 1, column 14: this cannot be used here: expected a sequence");
    }
}
