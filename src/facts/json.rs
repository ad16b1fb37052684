//! JSON read tolerantly: what stands before a break is still read.
//!
//! One pass, no recursion, no tree: scalars down to [`DEPTH`] keys deep are handed out with their path as they come,
//! so that truncated, over-long, bottomless or slightly broken documents give what they have. Arrays are transparent:
//! a value inside has the path of the array.

use zeroize::Zeroizing;

/// How many keys deep values are looked at.
const DEPTH: usize = 4;

/// Keys longer than this are not told apart.
const KEY: usize = 40;

/// A value or the opening of an object.
pub(super) enum Value<'a> {
    Object,
    Null,
    /// A number, `true` or `false`, as it is spelled.
    Word(&'a [u8]),
    Text(Text<'a>),
}

/// A string with its escapes.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    raw: &'a [u8],
    /// Whether its closing quotation mark was there.
    pub(super) whole: bool,
}

/// Keys from the root to a value.
pub(super) struct Path<'a>(&'a [Key]);

impl Path<'_> {
    /// Whether it consists of exactly these keys.
    pub(super) fn is(&self, keys: &[&str]) -> bool {
        self.0.len() == keys.len() && self.0.iter().zip(keys).all(|(key, want)| key.bytes() == want.as_bytes())
    }

    /// Number of keys.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The key at `index` from the root.
    pub(super) fn key(&self, index: usize) -> &[u8] {
        self.0.get(index).map_or(b"", Key::bytes)
    }

    /// The last key.
    pub(super) fn last(&self) -> &[u8] {
        self.0.last().map_or(b"", Key::bytes)
    }
}

#[derive(Clone, Copy)]
struct Key {
    bytes: [u8; KEY],
    len: usize,
}

impl Key {
    const NONE: Self = Self { bytes: [0; KEY], len: 0 };

    fn of(text: Text<'_>) -> Self {
        let mut key = Self::NONE;
        let plain = text.unescape();
        if let Some(slot) = key.bytes.get_mut(..plain.len()) {
            slot.copy_from_slice(plain.as_bytes());
            key.len = plain.len();
        }
        key
    }

    fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// Calls `visit` with every value that stands at most [`DEPTH`] keys deep, in their order.
pub(super) fn scan<'a>(bytes: &'a [u8], visit: &mut dyn FnMut(&Path<'_>, Value<'a>)) {
    let mut keys = [Key::NONE; DEPTH];
    // The open containers, outermost first: whether each is an object. Deeper ones are only counted.
    let mut open = [false; 2 * DEPTH];
    let (mut depth, mut named) = (0_usize, 0_usize);
    let mut expects_key = false;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let seen = depth <= open.len() && named <= DEPTH;
        match byte {
            b'{' | b'[' => {
                if byte == b'{' && seen {
                    visit(&Path(keys.get(..named).unwrap_or_default()), Value::Object);
                }
                if let Some(slot) = open.get_mut(depth) {
                    *slot = byte == b'{';
                    if *slot {
                        named += 1;
                        if let Some(key) = keys.get_mut(named.wrapping_sub(1)) {
                            *key = Key::NONE;
                        }
                    }
                }
                depth += 1;
                expects_key = byte == b'{';
                at += 1;
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if open.get(depth) == Some(&true) {
                    named = named.saturating_sub(1);
                }
                expects_key = false;
                at += 1;
                if depth == 0 {
                    return;
                }
            }
            b',' => {
                expects_key = depth > 0 && open.get(depth - 1) == Some(&true);
                at += 1;
            }
            b'"' => {
                let text = string(bytes.get(at + 1..).unwrap_or_default());
                at += 1 + text.raw.len() + usize::from(text.whole);
                if !seen {
                    continue;
                }
                if expects_key {
                    if text.whole
                        && let Some(key) = named.checked_sub(1).and_then(|index| keys.get_mut(index))
                    {
                        *key = Key::of(text);
                    }
                    expects_key = false;
                } else {
                    visit(&Path(keys.get(..named).unwrap_or_default()), Value::Text(text));
                }
            }
            b'-' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => {
                let rest = bytes.get(at..).unwrap_or_default();
                let len = rest.iter().position(|b| !is_word(*b)).unwrap_or(rest.len());
                let word = rest.get(..len).unwrap_or_default();
                if seen && !expects_key {
                    let value = if word == b"null" { Value::Null } else { Value::Word(word) };
                    visit(&Path(keys.get(..named).unwrap_or_default()), value);
                }
                at += len.max(1);
            }
            _ => at += 1,
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.' | b'_')
}

/// The string that `bytes` starts with, behind its opening quotation mark.
fn string(bytes: &[u8]) -> Text<'_> {
    let mut from = 0;
    while let Some(found) = bytes.get(from..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        let at = from + found;
        if bytes.get(at) == Some(&b'"') {
            return Text { raw: bytes.get(..at).unwrap_or_default(), whole: true };
        }
        from = at + 2;
    }
    Text { raw: bytes, whole: false }
}

impl Text<'_> {
    /// The text meant (RFC 8259 §7). What is not UTF-8 or no escape becomes U+FFFD.
    pub(super) fn unescape(&self) -> Zeroizing<String> {
        let mut out = Zeroizing::new(String::with_capacity(self.raw.len()));
        let mut rest = self.raw;
        loop {
            let plain = memchr::memchr(b'\\', rest).unwrap_or(rest.len());
            push_lossy(&mut out, rest.get(..plain).unwrap_or_default());
            rest = rest.get(plain + 1..).unwrap_or_default();
            let Some((&escape, behind)) = rest.split_first() else {
                return out;
            };
            rest = behind;
            match escape {
                b'b' => out.push('\u{8}'),
                b'f' => out.push('\u{c}'),
                b'n' => out.push('\n'),
                b'r' => out.push('\r'),
                b't' => out.push('\t'),
                b'u' => out.push(unicode(&mut rest)),
                b'"' | b'\\' | b'/' => out.push(char::from(escape)),
                _ => out.push(char::REPLACEMENT_CHARACTER),
            }
        }
    }
}

fn push_lossy(out: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        if !chunk.invalid().is_empty() {
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }
}

/// The character behind `\u`, with its second half if it is a surrogate pair.
fn unicode(rest: &mut &[u8]) -> char {
    let Some(first) = hex4(rest) else {
        return char::REPLACEMENT_CHARACTER;
    };
    *rest = rest.get(4..).unwrap_or_default();
    if !(0xd800..0xdc00).contains(&first) {
        return char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER);
    }
    let second = rest.strip_prefix(b"\\u").and_then(hex4).filter(|low| (0xdc00..0xe000).contains(low));
    let Some(second) = second else {
        return char::REPLACEMENT_CHARACTER;
    };
    *rest = rest.get(6..).unwrap_or_default();
    char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

fn hex4(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.get(..4)?;
    digits.iter().try_fold(0, |sum, digit| Some(sum * 16 + char::from(*digit).to_digit(16)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value as Json;

    /// What is handed out: path and value.
    fn read(bytes: &[u8]) -> Vec<(String, String)> {
        let mut out = Vec::new();
        scan(bytes, &mut |path, value| {
            let keys: Vec<_> = (0..path.len()).map(|at| String::from_utf8_lossy(path.key(at)).into_owned()).collect();
            let value = match value {
                Value::Object => return,
                Value::Null => "null".to_owned(),
                Value::Word(word) => String::from_utf8_lossy(word).into_owned(),
                Value::Text(text) => format!("{:?}", text.unescape().as_str()),
            };
            out.push((keys.join("/"), value));
        });
        out
    }

    /// The same from a tree.
    fn walk(json: &Json, keys: &[&str], out: &mut Vec<(String, String)>) {
        match json {
            Json::Object(map) if keys.len() < DEPTH => {
                for (key, value) in map {
                    walk(value, &[keys, &[key.as_str()]].concat(), out);
                }
            }
            Json::Object(_) => {}
            Json::Array(items) => items.iter().for_each(|item| walk(item, keys, out)),
            Json::String(text) => out.push((keys.join("/"), format!("{text:?}"))),
            other => out.push((keys.join("/"), other.to_string())),
        }
    }

    fn json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<String>().prop_map(Json::from),
        ];
        leaf.prop_recursive(3, 40, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
                proptest::collection::btree_map("[a-z\\\\\"é]{0,6}", inner, 0..4)
                    .prop_map(|map| Json::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn agrees_with_a_strict_reader(json in json()) {
            prop_assume!(json.is_object());
            let mut want = Vec::new();
            walk(&json, &[], &mut want);
            prop_assert_eq!(read(serde_json::to_string(&json).unwrap().as_bytes()), want.clone());
            prop_assert_eq!(read(serde_json::to_string_pretty(&json).unwrap().as_bytes()), want);
        }

        #[test]
        fn any_bytes_are_survived(bytes in proptest::collection::vec(
            prop_oneof![any::<u8>(), proptest::sample::select(b"{}[]:,\"\\ue1".to_vec())], 0..200)) {
            read(&bytes);
        }
    }

    #[test]
    fn escapes_are_resolved() {
        let text = br#"{"\u0061":"\ud83d\ude00\/\n\ud83d\u00e9\q\u12"}"#;
        let want = ("a".to_owned(), format!("{:?}", "\u{1f600}/\n\u{fffd}é\u{fffd}\u{fffd}12"));
        assert_eq!(read(text), [want]);
    }

    #[test]
    fn what_lies_deeper_is_passed_over() {
        let text = br#"{"a":{"b":{"c":{"d":1,"e":{"f":2,"g":[{"h":3}]},"i":4}}},"j":[[[[[[[[5]]]]]]]],"k":6}"#;
        let want = [("a/b/c/d", "1"), ("a/b/c/i", "4"), ("j", "5"), ("k", "6")];
        let read = read(text);
        let seen: Vec<_> = read.iter().map(|(path, value)| (path.as_str(), value.as_str())).collect();
        assert!(want.iter().filter(|pair| pair.0 != "j").all(|pair| seen.contains(pair)), "{seen:?}");
        assert!(!seen.iter().any(|(_, value)| ["2", "3"].contains(value)), "{seen:?}");
    }
}
