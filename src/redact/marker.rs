//! The grammar of `‹…›`, which stands wherever something was taken out.
//!
//! `‹label len=108 fp=3f9c21ab›`: label from a closed list, length exact or `len≤` a power of two, eight hex digits.
//! What matches wholly is already redacted and passes unchanged through every rule of this room.

use super::fingerprint::Fingerprint;
use super::kind::{Length, labelled};

const OPEN: &str = "‹";
const CLOSE: &str = "›";

/// The longest text between the brackets, in bytes.
const LONGEST: usize = 64;

/// Labels that name no credential.
const LABELS: [&str; 9] = ["uuid", "id", "host", "ip", "name", "key", "path", "query", "text"];

/// Labels that stand alone.
const ALONE: [&str; 3] = ["masked", "empty", "port"];

/// The mark of a value that is too long to be looked at.
pub(super) const TOO_LONG: &str = "too-long";

/// What the taint net leaves of a text that held a secret.
pub(super) const MASKED: &str = "‹masked›";

/// The parts of one `‹…›`.
pub(super) struct Marker<'a> {
    pub(super) label: Option<&'a str>,
    pub(super) len: Option<Length>,
    pub(super) fp: Option<Fingerprint>,
}

/// The marker that `text` starts with, and its length in bytes.
pub(super) fn at_start(text: &str) -> Option<(Marker<'_>, usize)> {
    let inner = text.strip_prefix(OPEN)?;
    let mut window = inner.len().min(LONGEST);
    while !inner.is_char_boundary(window) {
        window -= 1;
    }
    let end = inner.get(..window)?.find(CLOSE)?;
    let marker = parse(inner.get(..end)?)?;
    Some((marker, OPEN.len() + end + CLOSE.len()))
}

/// The marker that all of `bytes` is.
pub(super) fn whole(bytes: &[u8]) -> Option<Marker<'_>> {
    if bytes.first() != Some(&0xe2) {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    at_start(text).filter(|(_, len)| *len == text.len()).map(|(marker, _)| marker)
}

/// Whether all of `bytes` is one marker.
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    whole(bytes).is_some()
}

/// Whether one of the markers in `text`, if any, covers the byte at `at`. Splitting rules use it.
pub(super) fn skip(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes.get(at) != Some(&0xe2) {
        return None;
    }
    let end = bytes.len().min(at + LONGEST + 8);
    let slice = bytes.get(at..end)?;
    let text = match std::str::from_utf8(slice) {
        Ok(text) => text,
        Err(e) => std::str::from_utf8(slice.get(..e.valid_up_to())?).ok()?,
    };
    at_start(text).map(|(_, len)| len)
}

/// The markers in `text`.
pub(super) fn all(text: &str) -> impl Iterator<Item = Marker<'_>> {
    text.match_indices(OPEN).filter_map(|(at, _)| at_start(text.get(at..)?)).map(|(marker, _)| marker)
}

/// What stands between the markers in `bytes`.
pub(super) fn between(bytes: &[u8]) -> Vec<&[u8]> {
    let mut pieces = Vec::new();
    let (mut start, mut at) = (0, 0);
    while at < bytes.len() {
        match skip(bytes, at) {
            Some(len) => {
                pieces.push(&bytes[start..at]);
                at += len;
                start = at;
            }
            None => at += 1,
        }
    }
    pieces.push(&bytes[start..]);
    pieces
}

fn parse(inner: &str) -> Option<Marker<'_>> {
    if ALONE.contains(&inner) {
        return Some(Marker { label: Some(inner), len: None, fp: None });
    }
    let mut marker = Marker { label: None, len: None, fp: None };
    for (index, part) in inner.split(' ').enumerate() {
        if let Some(digits) = part.strip_prefix("fp=") {
            if marker.fp.is_some() {
                return None;
            }
            marker.fp = Some(Fingerprint::parse(digits)?);
        } else if marker.fp.is_some() {
            return None;
        } else if let Some(len) = part.strip_prefix("len=") {
            set(&mut marker.len, Length::Exact(number(len)?))?;
        } else if let Some(len) = part.strip_prefix("len≤") {
            set(&mut marker.len, Length::AtMost(number(len).filter(|n| n.is_power_of_two())?))?;
        } else if index == 0 && (LABELS.contains(&part) || part == TOO_LONG || labelled(part).is_some()) {
            marker.label = Some(part);
        } else {
            return None;
        }
    }
    let too_long = marker.label == Some(TOO_LONG);
    let complete = if too_long { marker.len.is_some() && marker.fp.is_none() } else { marker.fp.is_some() };
    complete.then_some(marker)
}

fn set(slot: &mut Option<Length>, len: Length) -> Option<()> {
    slot.replace(len).is_none().then_some(())
}

fn number(digits: &str) -> Option<u32> {
    let plain = !digits.is_empty() && digits.len() <= 10 && digits.bytes().all(|b| b.is_ascii_digit());
    if !plain || (digits.len() > 1 && digits.starts_with('0')) { None } else { digits.parse().ok() }
}

/// Splits `bytes` at every `separator` that stands outside markers and quotation marks.
pub(super) fn split(bytes: &[u8], separator: u8) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let (mut start, mut at, mut quoted) = (0, 0, false);
    while at < bytes.len() {
        if let Some(len) = skip(bytes, at) {
            at += len;
            continue;
        }
        match bytes[at] {
            b'"' => quoted = !quoted,
            b'\\' if quoted => at += 1,
            b if b == separator && !quoted => {
                parts.push(&bytes[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    parts.push(&bytes[start..]);
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_closed_grammar_is_a_marker() {
        for good in [
            "‹oat01 len=108 fp=3f9c21ab›",
            "‹unknown len≤64 fp=3f9c21ab›",
            "‹len≤32 fp=00000000›",
            "‹uuid fp=3f9c21ab›",
            "‹masked›",
            "‹too-long len≤131072›",
        ] {
            assert!(is_whole(good.as_bytes()), "{good}");
        }
        for bad in [
            "‹›",
            "‹hunter2FAKE fp=3f9c21ab›",
            "‹oat01 len=108 fp=3f9c21ab",
            "‹oat01 len=108 fp=3f9c21ab› ",
            "‹oat01 fp=3f9c21ab FAKE›",
            "‹oat01›",
            "‹len≤33 fp=3f9c21ab›",
            "‹len=1 len=2 fp=3f9c21ab›",
            "‹len=0123 fp=3f9c21ab›",
            "‹too-long›",
            "‹fp=3F9C21AB›",
            "‹≤≤≤≤≤≤≤≤≤≤≤≤≤≤≤≤≤≤≤≤≤≤≤≤≤≤≤≤≤",
        ] {
            assert!(!is_whole(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn split_leaves_markers_and_quotes_whole() {
        let parts = split("a b,‹len≤32 fp=00000000›,\"x,y\"".as_bytes(), b',');
        assert_eq!(parts, ["a b".as_bytes(), "‹len≤32 fp=00000000›".as_bytes(), b"\"x,y\""]);
        let parts = split("a ‹len≤32 fp=00000000› c".as_bytes(), b' ');
        assert_eq!(parts.len(), 3);
    }
}
