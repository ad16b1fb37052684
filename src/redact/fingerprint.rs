//! Keyed fingerprints: enough to see that two values are the same, too little to test a guess.

use std::fmt;

use hmac::{Hmac, Mac};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::Sha256;
use zeroize::Zeroizing;

/// The label under which every value is hashed. It names no kind, so that one token has one fingerprint wherever it
/// stands.
const LABEL: &[u8] = b"authtrace fingerprint 1\0";

/// The first 32 bits of HMAC-SHA-256 of a value under the trace's random key, shown as eight hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(u32);

impl Fingerprint {
    /// Reads eight lower-case hex digits; anything else is `None`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let plain = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() != 8 || !text.bytes().all(plain) {
            return None;
        }
        u32::from_str_radix(text, 16).ok().map(Self)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut digits = [0; 8];
        for (place, digit) in digits.iter_mut().enumerate() {
            *digit = b"0123456789abcdef"[(self.0 >> (28 - 4 * place) & 15) as usize];
        }
        serializer.serialize_str(std::str::from_utf8(&digits).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("not a fingerprint"))
    }
}

/// The key of one trace, kept as an HMAC state that is cloned for each value.
pub(super) struct Fingerprinter(Hmac<Sha256>);

/// What one HMAC gives: the digits shown, and 64 further bits that identify the value inside this process.
pub(super) struct Digest {
    pub(super) shown: Fingerprint,
    pub(super) identity: u64,
}

impl Fingerprinter {
    pub(super) fn new(key: &[u8; 32]) -> Self {
        // A key no longer than the block (64 bytes) is zero-padded to it: RFC 2104 §2.
        let mut block = Zeroizing::new([0u8; 64]);
        block[..32].copy_from_slice(key);
        let mut mac = <Hmac<Sha256> as hmac::digest::KeyInit>::new((&*block).into());
        mac.update(LABEL);
        Self(mac)
    }

    pub(super) fn digest(&self, value: &[u8]) -> Digest {
        let mut mac = self.0.clone();
        mac.update(value);
        let bytes: [u8; 32] = mac.finalize().into_bytes().into();
        let mut shown = [0; 4];
        let mut identity = [0; 8];
        shown.copy_from_slice(&bytes[..4]);
        identity.copy_from_slice(&bytes[8..16]);
        Digest { shown: Fingerprint(u32::from_be_bytes(shown)), identity: u64::from_be_bytes(identity) }
    }

    pub(super) fn fingerprint(&self, value: &[u8]) -> Fingerprint {
        self.digest(value).shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_rfc_4231_style_hmac() {
        let printer = Fingerprinter::new(&[0x0b; 32]);
        let mut mac = Hmac::<Sha256>::new_from_slice(&[0x0b; 32]).unwrap();
        mac.update(LABEL);
        mac.update(b"value");
        let want = mac.finalize().into_bytes();
        assert_eq!(printer.fingerprint(b"value").0.to_be_bytes(), want[..4]);
    }

    #[test]
    fn parse_takes_only_eight_lower_case_digits() {
        assert_eq!(Fingerprint::parse("3f9c21ab").map(|f| f.to_string()).as_deref(), Some("3f9c21ab"));
        for bad in ["", "3f9c21a", "3F9C21AB", "3f9c21abc", "+f9c21ab", "3f9c21ag", "٣f9c21a"] {
            assert_eq!(Fingerprint::parse(bad), None, "{bad}");
        }
    }
}
