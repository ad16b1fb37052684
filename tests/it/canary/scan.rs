//! Looks for canaries in bytes, in every encoding. It shares no code with what it judges: it decodes what was written in
//! all ways and compares windows of twelve characters without regard to case.

use super::shapes::Canary;
use std::collections::HashMap;

const WINDOW: usize = 12;

pub(crate) struct Scanner {
    windows: HashMap<[u8; WINDOW], usize>,
    /// Which beginnings of windows there are: most places of a text are ruled out by one look.
    beginnings: Vec<bool>,
    names: Vec<String>,
    found: Vec<String>,
    searched: usize,
}

impl Default for Scanner {
    fn default() -> Self {
        Self {
            windows: HashMap::new(),
            beginnings: vec![false; 1 << 24],
            names: Vec::new(),
            found: Vec::new(),
            searched: 0,
        }
    }
}

fn beginning(text: &[u8], at: usize) -> usize {
    let eight = u64::from_le_bytes(text[at..at + 8].try_into().unwrap());
    usize::try_from(eight.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40).unwrap()
}

impl Scanner {
    pub(crate) fn add(&mut self, canary: &Canary, name: &str) {
        for part in &canary.private {
            let folded = part.to_ascii_lowercase();
            assert!(folded.len() >= WINDOW);
            for window in folded.as_bytes().windows(WINDOW) {
                // What all tokens of a kind have in common is nobody's secret.
                if !b"eyjhbgcioijiuzi1nij9.eyjzdwiioijgqutf".windows(WINDOW).any(|public| public == window) {
                    let mut window: [u8; WINDOW] = window.try_into().unwrap();
                    for _direction in 0..2 {
                        self.beginnings[beginning(&window, 0)] = true;
                        self.windows.entry(window).or_insert(self.names.len());
                        window.reverse();
                    }
                }
            }
        }
        self.names.push(name.to_owned());
    }

    pub(crate) fn search(&mut self, place: &str, bytes: &[u8]) {
        self.searched += 1;
        let once = views(bytes);
        for (how, view) in &once {
            self.compare(place, how, view);
        }
        for (how, view) in &once {
            match *how {
                "base64" | "hex" => self.compare_all(place, how, base64s(view)),
                "percent" | "escapes" => {
                    self.compare(
                        place,
                        &format!("{how}, twice"),
                        &if *how == "percent" { percent(view) } else { escapes(view) },
                    );
                    self.compare_all(place, how, base64s(view));
                    self.compare(place, &format!("{how}, then hex"), &hex(view, 0));
                }
                _ => {}
            }
        }
    }

    fn compare_all(&mut self, place: &str, first: &str, views: impl Iterator<Item = Vec<u8>>) {
        for view in views {
            self.compare(place, &format!("{first}, then base64"), &view);
        }
    }

    fn compare(&mut self, place: &str, how: &str, view: &[u8]) {
        let text = view.to_ascii_lowercase();
        for at in 0..text.len().saturating_sub(WINDOW - 1) {
            if !self.beginnings[beginning(&text, at)] {
                continue;
            }
            let window: [u8; WINDOW] = text[at..at + WINDOW].try_into().unwrap();
            let Some(name) = self.windows.get(&window) else { continue };
            let known = format!("{}: in {place}", self.names[*name]);
            if !self.found.iter().any(|found| found.starts_with(&known)) {
                let around = &text[at.saturating_sub(60)..(at + 60).min(text.len())];
                self.found.push(format!("{known} ({how}): …{}…", String::from_utf8_lossy(around)));
            }
        }
    }

    pub(crate) fn assert_nothing(&self) {
        assert!(self.searched > 0 && !self.windows.is_empty());
        assert!(self.found.is_empty(), "{} leaks:\n{}", self.found.len(), self.found.join("\n"));
    }
}

type View = (&'static str, Vec<u8>);

/// `bytes` decoded in every way.
fn views(bytes: &[u8]) -> Vec<View> {
    let mut views = vec![
        ("as it is", bytes.to_vec()),
        ("percent", percent(bytes)),
        ("escapes", escapes(bytes)),
        ("entities", entities(bytes)),
        ("numbers", numbers(bytes)),
        ("wide", bytes.iter().copied().filter(|byte| *byte != 0).collect()),
        (
            "unspaced",
            bytes.iter().copied().filter(|byte| !byte.is_ascii_whitespace() && !b"-_.,:;\"'".contains(byte)).collect(),
        ),
        ("hex", hex(bytes, 0)),
        ("hex, odd", hex(bytes, 1)),
    ];
    views.extend(base64s(bytes).map(|view| ("base64", view)));
    views
}

fn base64s(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    (0..4).map(|shift| base64(bytes, shift))
}

fn digit(byte: Option<&u8>) -> Option<u8> {
    byte.and_then(|byte| char::from(*byte).to_digit(16)).and_then(|digit| u8::try_from(digit).ok())
}

fn percent(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%'
            && let (Some(high), Some(low)) = (digit(bytes.get(at + 1)), digit(bytes.get(at + 2)))
        {
            out.push(high * 16 + low);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    out
}

fn escapes(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let code = after.strip_prefix('u').or_else(|| after.strip_prefix('x'));
        let len = if after.starts_with('x') { 2 } else { 4 };
        match code.and_then(|code| code.get(..len)).and_then(|code| u32::from_str_radix(code, 16).ok()) {
            Some(code) => {
                out.extend(char::from_u32(code).filter(|c| *c != '\0'));
                rest = after.get(1 + len..).unwrap_or_default();
            }
            None => rest = after,
        }
    }
    out.push_str(rest);
    out.into_bytes()
}

fn entities(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes);
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_ref();
    while let Some((before, after)) = rest.split_once("&#") {
        out.push_str(before);
        let (number, radix, skip) = match after.strip_prefix(['x', 'X']) {
            Some(number) => (number, 16, 1),
            None => (after, 10, 0),
        };
        let end = number.find(|c: char| !c.is_digit(radix)).unwrap_or(number.len());
        out.extend(u32::from_str_radix(number.get(..end).unwrap_or_default(), radix).ok().and_then(char::from_u32));
        rest = after.get(skip + end..).unwrap_or_default();
        rest = rest.strip_prefix(';').unwrap_or(rest);
    }
    out.push_str(rest);
    out.into_bytes()
}

/// Runs of decimal numbers as bytes, such as `[115, 107, 45]`.
fn numbers(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes);
    text.split(|c: char| !c.is_ascii_digit())
        .filter(|number| !number.is_empty())
        .filter_map(|number| number.parse().ok())
        .collect()
}

/// Runs of hex digits as bytes; whatever else there is ends a run.
fn hex(bytes: &[u8], shift: usize) -> Vec<u8> {
    let mut out = Vec::new();
    for run in bytes.split(|byte| !byte.is_ascii_hexdigit()).filter(|run| run.len() >= 2 * WINDOW) {
        for pair in run.get(shift..).unwrap_or_default().chunks_exact(2) {
            out.push(digit(pair.first()).unwrap_or(0) * 16 + digit(pair.get(1)).unwrap_or(0));
        }
        out.push(b'\n');
    }
    out
}

/// Runs of either base64 alphabet as bytes, from the character `shift` on.
fn base64(bytes: &[u8], shift: usize) -> Vec<u8> {
    let value = |byte: u8| match byte {
        b'A'..=b'Z' => Some(u32::from(byte - b'A')),
        b'a'..=b'z' => Some(u32::from(byte - b'a') + 26),
        b'0'..=b'9' => Some(u32::from(byte - b'0') + 52),
        b'+' | b'-' => Some(62),
        b'/' | b'_' => Some(63),
        _ => None,
    };
    let mut out = Vec::new();
    for run in bytes.split(|byte| value(*byte).is_none()).filter(|run| run.len() >= WINDOW) {
        for group in run.get(shift..).unwrap_or_default().chunks(4) {
            let bits =
                group.iter().fold(0, |bits, byte| bits << 6 | value(*byte).unwrap_or(0)) << (6 * (4 - group.len()));
            out.extend_from_slice(&bits.to_be_bytes()[1..]);
        }
        out.push(b'\n');
    }
    out
}

#[test]
fn the_scanner_finds_what_is_there_in_every_encoding() {
    for shape in super::shapes::ALL {
        for how in [
            "C",
            "json",
            "percent",
            "percent-twice",
            "hex",
            "HEX",
            "html",
            "html-hex",
            "list",
            "base64",
            "base64-1",
            "base64-2",
            "base64-twice",
            "reversed",
            "upper",
            "wide",
            "head",
            "tail",
        ] {
            let canary = Canary::new(*shape, 77);
            let mut scanner = Scanner::default();
            scanner.add(&canary, "x");
            scanner.search("y", format!("{{\"record\":\"{}\"}}", canary.encoded(how)).as_bytes());
            // Half of a short one may have no window of its own.
            assert!(
                !scanner.found.is_empty() || (["head", "tail"].contains(&how) && canary.text.len() < 40),
                "{shape:?} {how}"
            );
            let mut clean = Scanner::default();
            clean.add(&canary, "x");
            clean.search("y", Canary::new(*shape, 78).encoded(how).as_bytes());
            assert!(clean.found.is_empty(), "{shape:?} {how} {:?}", clean.found);
        }
    }
}
