//! Faults that tools make in the text of JSON, and that do not change what is meant.

use zeroize::Zeroizing;

/// `raw` as valid JSON text, if what is wrong with it is of a known kind: bytes that are no UTF-8, control characters
/// inside strings, halves of surrogate pairs. `None` if there is nothing of the kind.
pub(super) fn mended(raw: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut out = Zeroizing::new(Vec::with_capacity(raw.len() + raw.len() / 8 + 16));
    let mut changed = false;
    let mut inside = false;
    for chunk in raw.utf8_chunks() {
        let mut rest = chunk.valid().as_bytes();
        while let Some((&byte, behind)) = rest.split_first() {
            let mut taken = 1;
            match byte {
                b'"' => {
                    inside = !inside;
                    out.push(byte);
                }
                b'\\' if inside => {
                    let (len, lone) = escape(rest);
                    changed |= lone;
                    taken = len.min(rest.len());
                    let kept = if lone { b"\\ufffd".as_slice() } else { rest.get(..taken).unwrap_or_default() };
                    out.extend_from_slice(kept);
                }
                0..=0x1f if inside => {
                    changed = true;
                    out.extend_from_slice(format!("\\u{byte:04x}").as_bytes());
                }
                _ => out.push(byte),
            }
            rest = behind.get(taken - 1..).unwrap_or_default();
        }
        if !chunk.invalid().is_empty() {
            changed = true;
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
    changed.then_some(out)
}

/// Length of the escape that `rest` starts with, and whether it is half of a surrogate pair without the other half.
fn escape(rest: &[u8]) -> (usize, bool) {
    let unit = |at: usize| {
        let digits = rest.get(at..at + 6)?.strip_prefix(b"\\u")?;
        u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
    };
    match unit(0) {
        Some(0xd800..=0xdbff) if unit(6).is_some_and(|low| (0xdc00..=0xdfff).contains(&low)) => (12, false),
        Some(0xd800..=0xdfff) => (6, true),
        _ => (2, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(raw: &[u8]) -> Option<String> {
        mended(raw).map(|text| serde_json::from_slice::<String>(&text).unwrap())
    }

    #[test]
    fn known_faults_are_mended() {
        assert_eq!(read(b"\"a\nb\"").unwrap(), "a\nb");
        assert_eq!(read(b"\"\xe9t\xe9\"").unwrap(), "\u{fffd}t\u{fffd}");
        assert_eq!(read(br#""\ud83d!""#).unwrap(), "\u{fffd}!");
        assert_eq!(read(b"\"\\ud83d\\ude00 \\ude00\n\"").unwrap(), "\u{1f600} \u{fffd}\n");
    }

    #[test]
    fn valid_text_and_other_faults_are_left_alone() {
        for raw in [r#"{"a": "\\ud83d \"x\" \ud83d\ude00"}"#, "{\n\t\"a\": 1 }", "{\"a\":}", "\"\\"] {
            assert!(mended(raw.as_bytes()).is_none(), "{raw}");
        }
    }
}
