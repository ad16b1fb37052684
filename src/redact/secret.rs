//! Raw credential bytes that nothing outside this room can read.

use zeroize::Zeroizing;

/// The raw bytes of one credential, wiped when dropped.
///
/// It can be built and handed to a [`Redactor`](super::Redactor), and that is all: no `Debug`, `Display`, `Deref`,
/// `Clone`, `Serialize` or comparison exists, so that no log macro, derive or panic text can print it.
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes ownership of `bytes`; the caller's buffer is the one that is wiped.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes themselves: for this room only.
    pub(in crate::redact) fn expose(&self) -> &[u8] {
        &self.0
    }
}
