//! Canaries by shape. None is a real credential, and none could be: the alphabets and lengths are right, the content is a
//! counter, spread.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Access,
    Refresh,
    ApiKey,
    Gateway,
    Jwt,
    Basic,
    Hex,
    Uuid,
    Email,
}

pub(crate) const ALL: &[Shape] = &[
    Shape::Access,
    Shape::Refresh,
    Shape::ApiKey,
    Shape::Gateway,
    Shape::Jwt,
    Shape::Basic,
    Shape::Hex,
    Shape::Uuid,
    Shape::Email,
];

pub(crate) struct Canary {
    pub(crate) shape: Shape,
    /// As it is sent.
    pub(crate) text: String,
    /// The parts whose every window of twelve characters is looked for.
    pub(crate) private: Vec<String>,
}

/// `len` characters of `alphabet`, different for each number.
fn spread(number: usize, len: usize, alphabet: &[u8]) -> String {
    let mut state = (number as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(alphabet[usize::try_from((state >> 11) % alphabet.len() as u64).unwrap()])
        })
        .collect()
}

impl Canary {
    pub(crate) fn new(shape: Shape, number: usize) -> Self {
        const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
        let random = |len| spread(number, len, LETTERS);
        let prefixed = |prefix: &str| {
            let rest = format!("FAKE{}AA", random(89));
            (format!("{prefix}{rest}"), vec![rest])
        };
        let (text, private) = match shape {
            Shape::Access => prefixed("sk-ant-oat01-"),
            Shape::Refresh => prefixed("sk-ant-ort01-"),
            Shape::ApiKey => prefixed("sk-ant-api03-"),
            Shape::Gateway => {
                let text = format!("FAKE{}", random(20));
                (text.clone(), vec![text])
            }
            Shape::Jwt => {
                let claims = format!("{{\"sub\":\"FAKE{}\"}}", random(24));
                let claims = URL_SAFE_NO_PAD.encode(claims);
                let text = format!("eyJhbGciOiJIUzI1NiJ9.{claims}.{}", random(43));
                (text.clone(), vec![text])
            }
            Shape::Basic => {
                let pair = format!("FAKEuser{}:FAKEword{}", random(6), random(18));
                let text = STANDARD.encode(&pair);
                (text.clone(), vec![text, pair])
            }
            Shape::Hex => {
                let text = format!("fa4e{}", spread(number, 36, b"0123456789abcdef"));
                (text.clone(), vec![text])
            }
            Shape::Uuid => {
                let hex = spread(number, 32, b"0123456789abcdef");
                let text =
                    format!("fa4e{}-{}-4{}-a{}-{}", &hex[..4], &hex[4..8], &hex[8..11], &hex[11..14], &hex[14..26]);
                (text.clone(), vec![text])
            }
            Shape::Email => {
                let name = format!("FAKE.eve{}", random(14));
                (format!("{name}@example.com"), vec![name])
            }
        };
        Self { shape, text, private }
    }

    /// A host label of it.
    pub(crate) fn label(&self) -> String {
        let plain: String = self.private[0].chars().filter(char::is_ascii_alphanumeric).take(40).collect();
        plain.to_ascii_lowercase()
    }

    pub(crate) fn encoded(&self, how: &str) -> String {
        let bytes = self.text.as_bytes();
        let each = |show: fn(u8) -> String| bytes.iter().map(|byte| show(*byte)).collect::<String>();
        match how {
            "C" => self.text.clone(),
            "label" => self.label(),
            "json" => each(|byte| format!("\\u{byte:04x}")),
            "percent" => each(|byte| format!("%{byte:02X}")),
            "percent-twice" => each(|byte| format!("%25{byte:02x}")),
            // What a URL needs, no more.
            "percent-some" => self.text.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D"),
            "hex" => each(|byte| format!("{byte:02x}")),
            "HEX" => each(|byte| format!("{byte:02X}")),
            "html" => each(|byte| format!("&#{byte};")),
            "html-hex" => each(|byte| format!("&#x{byte:x};")),
            "list" => bytes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            "base64" => STANDARD.encode(bytes),
            "base64-1" => STANDARD.encode([b"x", bytes].concat()),
            "base64-2" => URL_SAFE_NO_PAD.encode([b"xy", bytes].concat()),
            "base64-twice" => STANDARD.encode(STANDARD.encode(bytes)),
            "reversed" => self.text.chars().rev().collect(),
            "upper" => self.text.to_ascii_uppercase(),
            "wide" => each(|byte| format!("{}\\u0000", char::from(byte))),
            "head" => self.text[..self.text.len() / 2].to_owned(),
            "tail" => self.text[self.text.len() / 2..].to_owned(),
            other => panic!("no encoding {other}"),
        }
    }
}
