//! Made-up secrets, unique by seed: the alphabets and lengths of the real ones, random content, `FAKE` inside where the
//! alphabet has those letters.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

/// Random numbers by seed (SplitMix64, Steele et al. 2014).
#[derive(Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64, stream: u64) -> Self {
        let mut rng = Self(seed ^ stream.wrapping_mul(0xd605_1e9b_35a4_8f27));
        rng.next();
        rng
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }

    /// Below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).unwrap()
    }

    pub(crate) fn text(&mut self, len: usize, alphabet: &[u8]) -> String {
        (0..len).map(|_| char::from(alphabet[self.below(alphabet.len())])).collect()
    }

    pub(crate) fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

pub(crate) const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
const URL_SAFE: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const BASE32: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
const WORDLIKE: &[u8] = b"abcdefghijkmnpqrstuvwxyz23456789";
const KEYBOARD: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789!*._~-";
pub(crate) const HEX: &[u8] = b"0123456789abcdef";

/// What a secret looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Access,
    Refresh,
    ApiKey,
    AdminKey,
    Session,
    /// Without any shape: a gateway's key, an OAuth code.
    Gateway,
    /// A PKCE verifier (RFC 7636 §4.1).
    Verifier,
    Password,
    Jwt,
    /// `user:password` in base64.
    Basic,
    AwsKey,
    AwsSecret,
    Bedrock,
    Github,
    Google,
    /// Base64 with all its characters.
    Standard,
    Hex,
    Uuid,
    Email,
}

pub(crate) const ALL: &[Shape] = &[
    Shape::Access,
    Shape::Refresh,
    Shape::ApiKey,
    Shape::AdminKey,
    Shape::Session,
    Shape::Gateway,
    Shape::Verifier,
    Shape::Password,
    Shape::Jwt,
    Shape::Basic,
    Shape::AwsKey,
    Shape::AwsSecret,
    Shape::Bedrock,
    Shape::Github,
    Shape::Google,
    Shape::Standard,
    Shape::Hex,
    Shape::Uuid,
    Shape::Email,
];

/// Those that can stand where only letters, digits and hyphens may.
pub(crate) const TOKENS: &[Shape] =
    &[Shape::Access, Shape::ApiKey, Shape::Gateway, Shape::AwsKey, Shape::Github, Shape::Google];

/// Those that no grammar for ids takes for an id.
pub(crate) const NO_IDS: &[Shape] = &[
    Shape::Access,
    Shape::Refresh,
    Shape::ApiKey,
    Shape::AdminKey,
    Shape::Session,
    Shape::Gateway,
    Shape::Verifier,
    Shape::Password,
    Shape::Jwt,
    Shape::AwsKey,
    Shape::Github,
    Shape::Google,
    Shape::Email,
];

/// Letters and digits in one case: host labels.
pub(crate) const LABELS: &[Shape] = &[Shape::Gateway];

#[derive(Clone)]
pub(crate) struct Secret {
    pub(crate) shape: Shape,
    /// As it is sent.
    pub(crate) text: String,
    /// The parts that nobody may see: without public prefixes and what all of its kind have in common.
    pub(crate) private: Vec<String>,
}

impl Secret {
    pub(crate) fn new(shape: Shape, rng: &mut Rng) -> Self {
        let mut behind = |prefix: &str, len: usize, alphabet: &[u8]| {
            let private = format!("FAKE{}", rng.text(len - 4, alphabet));
            (format!("{prefix}{private}"), vec![private])
        };
        let (text, private) = match shape {
            Shape::Access => behind("sk-ant-oat01-", 95, URL_SAFE),
            Shape::Refresh => behind("sk-ant-ort01-", 95, URL_SAFE),
            Shape::ApiKey | Shape::AdminKey => {
                let prefix = if shape == Shape::ApiKey { "sk-ant-api03-" } else { "sk-ant-admin01-" };
                let (text, private) = behind(prefix, 93, URL_SAFE);
                (format!("{text}AA"), private)
            }
            Shape::Session => behind("sk-ant-sid01-", 86, URL_SAFE),
            Shape::Gateway => behind("", 24, LETTERS),
            Shape::Verifier => behind("", 43, URL_SAFE),
            Shape::Password => behind("", 18, KEYBOARD),
            Shape::AwsKey => behind("ASIA", 16, BASE32),
            Shape::AwsSecret => behind("", 40, b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"),
            Shape::Bedrock => behind("ABSK", 112, LETTERS),
            Shape::Github => behind("ghp_", 36, LETTERS),
            Shape::Google => behind("AIza", 35, LETTERS),
            Shape::Email => {
                let (name, private) = behind("", 18, WORDLIKE);
                (format!("{name}@example.com"), private)
            }
            Shape::Standard => {
                let bytes: Vec<u8> = (0..48).map(|_| rng.next().to_le_bytes()[0]).collect();
                let text = STANDARD.encode(bytes);
                (text.clone(), vec![text])
            }
            Shape::Jwt => {
                let name = format!("FAKE{}", rng.text(24, LETTERS));
                let claims = URL_SAFE_NO_PAD.encode(format!("{{\"sub\":\"{name}\"}}"));
                let signature = rng.text(43, URL_SAFE);
                let private = vec![name, claims[16..].to_owned(), signature.clone()];
                (format!("eyJhbGciOiJIUzI1NiJ9.{claims}.{signature}"), private)
            }
            Shape::Basic => {
                let (user, password) = (rng.text(12, LETTERS), rng.text(20, LETTERS));
                let text = STANDARD.encode(format!("FAKE{user}:{password}"));
                (text.clone(), vec![text[8..].to_owned(), user, password])
            }
            Shape::Hex => {
                let text = format!("fa4e{}", rng.text(36, HEX));
                (text.clone(), vec![text])
            }
            Shape::Uuid => {
                let hex = rng.text(32, HEX);
                let text =
                    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[12..15], &hex[15..18], &hex[18..30]);
                (text.clone(), vec![text])
            }
        };
        Self { shape, text, private }
    }

    /// Hex digits alone: eight of them are what a fingerprint looks like, so that only more of them tell anything.
    pub(crate) fn is_hex(&self) -> bool {
        matches!(self.shape, Shape::Hex | Shape::Uuid)
    }

    /// As a label of a host name.
    pub(crate) fn label(&self) -> String {
        let plain: String = self.private[0].chars().filter(char::is_ascii_alphanumeric).take(40).collect();
        plain.to_ascii_lowercase()
    }
}
