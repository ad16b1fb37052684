//! Text that may be written anywhere.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::fingerprint::Fingerprint;
use super::kind::{Kind, labelled};
use super::marker;

/// Text that holds no secret, because only this room can make it from foreign bytes.
///
/// Cloning costs a reference count at most. There is deliberately no `Deserialize` and no `From<String>`: what is read
/// back from a file goes through [`reread`](super::reread).
#[derive(Clone)]
pub struct Redacted(Text);

#[derive(Clone)]
enum Text {
    Static(&'static str),
    /// Most values are short: these are copied, so that threads do not contend for a reference count.
    Inline {
        len: u8,
        bytes: [u8; SHORT],
    },
    Shared(Arc<str>),
}

/// The longest text that is kept inline, in bytes: it makes [`Text`] no larger.
const SHORT: usize = 22;

impl Redacted {
    /// Wraps a literal of this program's own source.
    #[must_use]
    pub const fn literal(text: &'static str) -> Self {
        Self(Text::Static(text))
    }

    /// Wraps text that the rules of this room have let through.
    pub(in crate::redact) fn vouched(text: &str) -> Self {
        let mut bytes = [0; SHORT];
        match (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            (Some(room), Ok(len)) => {
                room.copy_from_slice(text.as_bytes());
                Self(Text::Inline { len, bytes })
            }
            _ => Self(Text::Shared(Arc::from(text))),
        }
    }

    /// The values that were taken out of it: the fingerprint of each, and what kind of credential it looks like, if any.
    pub fn taken_out(&self) -> impl Iterator<Item = (Fingerprint, Option<Kind>)> {
        marker::all(self.as_str()).filter_map(|marker| {
            let kind = marker.label.and_then(labelled).map(|(kind, _)| kind);
            Some((marker.fp?, kind))
        })
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            Text::Static(text) => text,
            Text::Inline { len, bytes } => {
                let text = bytes.get(..usize::from(*len)).unwrap_or_default();
                std::str::from_utf8(text).unwrap_or_default()
            }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_text_takes_no_room_of_its_own_and_long_text_is_whole() {
        assert_eq!(size_of::<Redacted>(), 24);
        for length in 0..64 {
            let text: String = "aé‹z".chars().cycle().take(length).collect();
            let redacted = Redacted::vouched(&text);
            assert_eq!(redacted.as_str(), text);
            assert_eq!(redacted.clone(), redacted);
        }
    }
}
