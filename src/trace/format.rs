//! The version of the trace format and who may read it.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;

/// `authtrace/MAJOR.MINOR`. A reader accepts every minor of the majors it knows; a newer major is refused by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormatVersion {
    /// Changed when an old reader would misread a new trace.
    pub major: u16,
    /// Changed when something was added that an old reader may skip.
    pub minor: u16,
}

/// Why a trace cannot be read by this version.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FormatError {
    /// The trace was written by a newer authtrace.
    #[error("the trace has format {found}, and this authtrace reads up to {known}; a newer authtrace can read it")]
    Newer {
        /// The version in the file.
        found: FormatVersion,
        /// The version this program writes.
        known: FormatVersion,
    },
}

impl FormatVersion {
    /// What this program writes.
    pub const CURRENT: Self = Self { major: 1, minor: 0 };

    /// Whether this program can read a trace of that version.
    ///
    /// # Errors
    /// [`FormatError::Newer`] for a newer major version.
    pub fn check_readable(self) -> Result<(), FormatError> {
        if self.major > Self::CURRENT.major {
            return Err(FormatError::Newer { found: self, known: Self::CURRENT });
        }
        Ok(())
    }
}

impl fmt::Display for FormatVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "authtrace/{}.{}", self.major, self.minor)
    }
}

impl Serialize for FormatVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for FormatVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text).ok_or_else(|| de::Error::custom("not a format name such as authtrace/1.0"))
    }
}

fn parse(text: &str) -> Option<FormatVersion> {
    let (major, minor) = text.strip_prefix("authtrace/")?.split_once('.')?;
    Some(FormatVersion { major: major.parse().ok()?, minor: minor.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_minor_is_read_and_a_newer_major_is_not() {
        let newer_minor = FormatVersion { major: 1, minor: 9 };
        let newer_major = FormatVersion { major: 2, minor: 0 };
        assert_eq!(newer_minor.check_readable(), Ok(()));
        let message = newer_major.check_readable().unwrap_err().to_string();
        assert!(message.contains("authtrace/2.0") && message.contains("authtrace/1.0"), "{message}");
    }
}
