//! Made-up credentials: how they look, how they are derived, how they are remembered.

use super::FakeError;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use std::fmt;

/// Length in characters of tokens and keys, the one seen most for bearers.
const LENGTH: usize = 108;

/// What a credential is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CredentialKind {
    /// OAuth access token, `sk-ant-oat01-`.
    AccessToken,
    /// OAuth refresh token, `sk-ant-ort01-`.
    RefreshToken,
    /// API key, `sk-ant-api03-`.
    ApiKey,
    /// Authorization code of a login.
    Code,
}

impl CredentialKind {
    fn prefix(self) -> &'static str {
        match self {
            Self::AccessToken => "sk-ant-oat01-",
            Self::RefreshToken => "sk-ant-ort01-",
            Self::ApiKey => "sk-ant-api03-",
            Self::Code => "",
        }
    }

    /// By the prefix of a value.
    pub(super) fn of(value: &str) -> Option<Self> {
        [Self::AccessToken, Self::RefreshToken, Self::ApiKey].into_iter().find(|kind| value.starts_with(kind.prefix()))
    }
}

/// Names a credential without telling anything of its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Label {
    /// The nth of its kind that the fake issued or adopted, from 0.
    Known(CredentialKind, usize),
    /// One the fake has never issued; the kind is what its prefix claims.
    Stranger(Option<CredentialKind>),
}

impl Label {
    /// The kind, known or claimed.
    #[must_use]
    pub fn kind(self) -> Option<CredentialKind> {
        match self {
            Self::Known(kind, _) => Some(kind),
            Self::Stranger(kind) => kind,
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.kind() {
            Some(CredentialKind::AccessToken) => "access token",
            Some(CredentialKind::RefreshToken) => "refresh token",
            Some(CredentialKind::ApiKey) => "API key",
            Some(CredentialKind::Code) => "code",
            None => "credential",
        };
        match self {
            Self::Known(_, index) => write!(f, "{name} {index}"),
            Self::Stranger(_) => write!(f, "unknown {name}"),
        }
    }
}

/// What all made-up values of a run are derived from.
#[derive(Clone, Copy)]
pub struct Seed([u8; 32]);

impl Seed {
    /// The same number gives the same run.
    #[must_use]
    pub fn fixed(number: u64) -> Self {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&number.to_le_bytes());
        Self(seed)
    }

    /// A run unlike any other.
    ///
    /// # Errors
    /// [`FakeError::Random`] if the system gives no randomness.
    pub fn random() -> Result<Self, FakeError> {
        let mut seed = [0; 32];
        getrandom::getrandom(&mut seed).map_err(FakeError::Random)?;
        Ok(Self(seed))
    }

    /// The nth credential of a kind.
    pub(super) fn credential(&self, kind: CredentialKind, index: usize) -> String {
        let mut value = format!("{}FAKE", kind.prefix());
        let tag = format!("{kind:?}");
        let length = if kind == CredentialKind::Code { 43 } else { LENGTH };
        for block in 0.. {
            if value.len() >= length {
                break;
            }
            value.push_str(&URL_SAFE_NO_PAD.encode(self.block(&tag, index, block)));
        }
        value.truncate(length);
        value
    }

    /// `length` made-up characters of `alphabet` for the nth thing called `tag`.
    pub(super) fn text(&self, tag: &str, index: usize, length: usize, alphabet: &[u8]) -> String {
        let blocks = (0..length.div_ceil(32)).flat_map(|block| self.block(tag, index, block));
        let pick = |byte: u8| alphabet.get(usize::from(byte) % alphabet.len().max(1)).copied().map(char::from);
        blocks.take(length).filter_map(pick).collect()
    }

    /// A made-up version 4 UUID (RFC 9562 §5.4).
    pub(super) fn uuid(&self, tag: &str, index: usize) -> String {
        let hex = self.text(tag, index, 32, b"0123456789abcdef");
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
        format!("{}-{}-4{}-a{}-{}", part(0, 8), part(8, 12), part(13, 16), part(17, 20), part(20, 32))
    }

    fn block(&self, tag: &str, index: usize, block: usize) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(self.0);
        hash.update(tag.as_bytes());
        hash.update((index as u64).to_le_bytes());
        hash.update((block as u64).to_le_bytes());
        hash.finalize().into()
    }
}

/// How a credential is remembered: what a value cannot be got back from.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Remembered([u8; 32]);

impl Remembered {
    pub(super) fn of(value: &str) -> Self {
        Self(Sha256::digest(value.as_bytes()).into())
    }

    /// The first bytes, to tell values apart.
    pub(super) fn number(self) -> u64 {
        let mut first = [0; 8];
        first.iter_mut().zip(self.0).for_each(|(to, from)| *to = from);
        u64::from_le_bytes(first)
    }
}
