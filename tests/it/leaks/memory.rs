//! A look into the memory of the running program, as a core image would show it (Linux, as root or with the right to trace).

use super::sinks::Sink;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};

/// What it can write: heap, stacks, data. Code and constants are the same for everybody.
pub(crate) struct Image {
    pub(crate) regions: Vec<Vec<u8>>,
}

impl Image {
    /// `None` where the system does not let us look.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).ok()?;
        let mut memory = File::open(format!("/proc/{pid}/mem")).ok()?;
        let mut regions = Vec::new();
        for line in maps.lines() {
            let mut words = line.split_whitespace();
            let (Some(range), Some(rights)) = (words.next(), words.next()) else { continue };
            let (from, to) = range.split_once('-')?;
            let (from, to) = (u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?);
            if !rights.starts_with("rw") || line.ends_with("[vvar]") {
                continue;
            }
            let mut region = vec![0; usize::try_from(to - from).ok()?];
            memory.seek(SeekFrom::Start(from)).ok()?;
            // Guard pages and the like cannot be read.
            if memory.read_exact(&mut region).is_ok() {
                regions.push(region);
            }
        }
        (!regions.is_empty()).then_some(Self { regions })
    }

    pub(crate) fn len(&self) -> usize {
        self.regions.iter().map(Vec::len).sum()
    }

    /// How often these bytes stand in it.
    pub(crate) fn count(&self, bytes: &[u8]) -> usize {
        self.regions.iter().map(|region| memchr::memmem::find_iter(region, bytes).count()).sum()
    }

    /// The private scalars of P-256 keys in PKCS#8 or SEC 1 form (RFC 5958, RFC 5915), with the public point behind them.
    pub(crate) fn keys(&self) -> Vec<Key> {
        // SEQUENCE { INTEGER 1, OCTET STRING of 32 bytes …
        const HEAD: &[u8] = b"\x02\x01\x01\x04\x20";
        // … [1] { BIT STRING of an uncompressed point.
        const POINT: &[u8] = b"\xa1\x44\x03\x42\x00\x04";
        let mut keys: Vec<Key> = Vec::new();
        for region in &self.regions {
            for at in memchr::memmem::find_iter(region, HEAD) {
                let behind = &region[at + HEAD.len()..];
                let Some((scalar, behind)) = behind.split_at_checked(32) else { continue };
                let Some(point) = behind.strip_prefix(POINT).and_then(|rest| rest.get(..64)) else { continue };
                if keys.iter().all(|key| key.scalar != scalar) {
                    keys.push(Key { scalar: scalar.to_vec(), point: point.to_vec() });
                }
            }
        }
        keys
    }
}

pub(crate) struct Key {
    pub(crate) scalar: Vec<u8>,
    pub(crate) point: Vec<u8>,
}

impl Key {
    /// Every form in which the scalar might be written down.
    pub(crate) fn forms(&self) -> Vec<(&'static str, Vec<u8>)> {
        use base64::Engine as _;
        use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
        let hex = |upper: bool| {
            let show = |byte: &u8| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") };
            self.scalar.iter().map(show).collect::<String>().into_bytes()
        };
        let mut forms = vec![
            ("bytes", self.scalar.clone()),
            ("bytes, reversed", self.scalar.iter().rev().copied().collect()),
            ("hex", hex(false)),
            ("HEX", hex(true)),
            ("a list", self.scalar.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ").into_bytes()),
        ];
        for shift in 0..3 {
            let padded = [&b"\x04\x20\x04\x20\x04\x20"[..shift], &self.scalar].concat();
            // Without the characters that share bits with what stands around.
            let inner = |text: String| text.as_bytes()[2 * usize::from(shift > 0) + shift / 2..text.len() - 3].to_vec();
            forms.push(("base64", inner(STANDARD_NO_PAD.encode(&padded))));
            forms.push(("base64url", inner(URL_SAFE_NO_PAD.encode(&padded))));
        }
        forms
    }

    /// Where it stands in any form.
    pub(crate) fn found_in<'a>(&self, sinks: impl IntoIterator<Item = &'a Sink>) -> Vec<String> {
        let forms = self.forms();
        let mut found = Vec::new();
        for (sink, bytes) in sinks {
            let hits = forms.iter().filter(|(_, form)| memchr::memmem::find(bytes, form).is_some());
            found.extend(hits.map(|(how, _)| format!("{sink} ({how})")));
        }
        found
    }
}

#[test]
fn a_key_is_found_in_every_form() {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let pair = rcgen::KeyPair::generate().unwrap();
    let der = pair.serialize_der();
    let image = Image { regions: vec![[&[9; 77], der.as_slice(), &[7; 99]].concat()] };
    let keys = image.keys();
    assert_eq!(keys.len(), 1);
    assert!(memchr::memmem::find(&der, &keys[0].point).is_some());
    let scalar = keys[0].scalar.as_slice();
    let sinks: Vec<Sink> = vec![
        ("der".to_owned(), der.clone()),
        ("pem".to_owned(), pair.serialize_pem().replace('\n', "").into_bytes()),
        ("base64".to_owned(), STANDARD.encode(scalar).into_bytes()),
        ("base64 at 1".to_owned(), STANDARD.encode([&[1], scalar].concat()).into_bytes()),
        ("base64 at 2".to_owned(), STANDARD.encode([&[1, 2], scalar].concat()).into_bytes()),
        ("hex".to_owned(), scalar.iter().map(|byte| format!("{byte:02x}")).collect::<String>().into_bytes()),
    ];
    for sink in &sinks {
        assert!(!keys[0].found_in([sink]).is_empty(), "{}", sink.0);
    }
    assert!(keys[0].found_in([&("other".to_owned(), rcgen::KeyPair::generate().unwrap().serialize_der())]).is_empty());
}
