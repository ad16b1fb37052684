//! Text that may be written anywhere.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// Text that holds no secret, because only this room can make it from foreign bytes.
///
/// Cloning costs a reference count at most. There is deliberately no `Deserialize` and no `From<String>`: what is read
/// back from a file goes through [`reread`](super::reread).
#[derive(Clone)]
pub struct Redacted(Text);

#[derive(Clone)]
enum Text {
    Static(&'static str),
    Shared(Arc<str>),
}

impl Redacted {
    /// Wraps a literal of this program's own source.
    #[must_use]
    pub const fn literal(text: &'static str) -> Self {
        Self(Text::Static(text))
    }

    /// Wraps text that the rules of this room have let through.
    pub(in crate::redact) fn vouched(text: &str) -> Self {
        Self(Text::Shared(Arc::from(text)))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Text::Static(text) => text,
            Text::Shared(text) => text,
        }
    }
}

impl fmt::Display for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Redacted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl Serialize for Redacted {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl PartialEq for Redacted {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Redacted {}

impl PartialEq<str> for Redacted {
    fn eq(&self, other: &str) -> bool {
        self.as_str() == other
    }
}

impl PartialEq<&str> for Redacted {
    fn eq(&self, other: &&str) -> bool {
        self.as_str() == *other
    }
}

impl PartialOrd for Redacted {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Redacted {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl Hash for Redacted {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl Borrow<str> for Redacted {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Redacted {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}
