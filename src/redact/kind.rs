//! What a credential is by its public prefix, and what is wrong with its shape.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::fingerprint::Fingerprint;
use super::marker::{self, Marker};
use super::redacted::Redacted;

/// What a credential is, as far as its public prefix or its place tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// `sk-ant-oat…`: access token of a subscription login or of `setup-token`.
    OauthAccess,
    /// `sk-ant-ort…`: refresh token.
    OauthRefresh,
    /// `sk-ant-api…`: API key.
    ApiKey,
    /// `sk-ant-admin…`: administration key.
    AdminKey,
    /// `sk-ant-sid…`: browser session.
    SessionCookie,
    /// Three dot-separated base64url parts (RFC 7519).
    Jwt,
    /// The signature of an AWS Signature Version 4 request.
    AwsSigv4,
    /// `AKIA…`, `ASIA…` and their like.
    AwsAccessKey,
    /// `ghp_…`, `github_pat_…` and their like.
    GithubToken,
    /// `AIza…`.
    GoogleKey,
    /// `ABSK…` or `bedrock-api-key-…`.
    BedrockKey,
    /// An authorization code (RFC 6749 §4.1).
    OauthCode,
    /// A PKCE verifier or challenge (RFC 7636).
    PkceVerifier,
    /// The `state` of an authorization request.
    State,
    /// `user:password` (RFC 7617).
    Basic,
    /// No known shape.
    Unknown,
}

/// Something about a credential's shape that explains a refusal without showing a character of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flag {
    /// Nothing is there.
    Empty,
    /// Quotation marks are part of the value.
    Quoted,
    /// White space inside.
    InnerSpace,
    /// White space in front.
    LeadingSpace,
    /// A line break at the end.
    TrailingNewline,
    /// `Bearer Bearer …`.
    DoubleBearer,
    /// Bytes outside printable ASCII.
    NonAscii,
    /// An OAuth token in `x-api-key`, an API key as `Bearer`.
    WrongKindForHeader,
    /// `your-api-key`, `undefined`, `${ANTHROPIC_API_KEY}` and their like.
    Placeholder,
    /// A known prefix with too little behind it, or an ellipsis at the end.
    TruncatedLooking,
    /// A stand-in that a proxy on the way replaces by the credential, or the token of such a proxy.
    Substitute,
    /// A character that its kind never has: something else was put in, or two values in one.
    OddCharacter,
}

/// How long a credential is, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Length {
    /// Exactly, for kinds whose length is public.
    Exact(u32),
    /// At most this power of two.
    AtMost(u32),
}

impl Length {
    /// The smallest power of two, from 8 on, that `len` does not exceed.
    #[must_use]
    pub fn bucket(len: usize) -> Self {
        let len = u32::try_from(len).unwrap_or(1 << 31);
        Self::AtMost(len.clamp(8, 1 << 31).next_power_of_two())
    }

    pub(super) fn exact(len: usize) -> Self {
        Self::Exact(u32::try_from(len).unwrap_or(u32::MAX))
    }
}

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(len) => write!(f, "len={len}"),
            Self::AtMost(len) => write!(f, "len≤{len}"),
        }
    }
}

impl Serialize for Length {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Exact(len) => serializer.serialize_u32(*len),
            Self::AtMost(len) => serializer.collect_str(&format_args!("≤{len}")),
        }
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Shape;
        impl de::Visitor<'_> for Shape {
            type Value = Length;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a length in bytes or `≤` and a power of two")
            }
            fn visit_u64<E: de::Error>(self, len: u64) -> Result<Length, E> {
                u32::try_from(len).map(Length::Exact).map_err(|_| E::custom("length out of range"))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Length, E> {
                let len = text.strip_prefix('≤').and_then(|n| n.parse::<u32>().ok());
                let len = len.filter(|n| n.is_power_of_two());
                len.map(Length::AtMost).ok_or_else(|| E::custom("not a length"))
            }
        }
        deserializer.deserialize_any(Shape)
    }
}

/// All that is kept of a credential.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Credential {
    /// What it is.
    pub kind: Kind,
    /// How long it is, in bytes, without surrounding white space and quotation marks.
    pub len: Length,
    /// Which one it is: equal for equal values within one trace.
    pub fp: Fingerprint,
    /// What is odd about its shape.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<Flag>,
    /// The public prefix, for example `oat01`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<Redacted>,
}

impl Credential {
    /// Whether `flag` was found.
    #[must_use]
    pub fn has(&self, flag: Flag) -> bool {
        self.flags.contains(&flag)
    }

    pub(super) fn from_marker(marker: &Marker<'_>) -> Option<Self> {
        let (kind, prefix) = match marker.label {
            Some(label) => labelled(label)?,
            None => (Kind::Unknown, None),
        };
        Some(Self { kind, len: marker.len?, fp: marker.fp?, flags: Vec::new(), prefix })
    }
}

impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = self.prefix.as_ref().map_or(self.kind.as_str(), Redacted::as_str);
        write!(f, "‹{label} {} fp={}›", self.len, self.fp)
    }
}

impl<'de> Deserialize<'de> for Credential {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Shape {
            kind: Kind,
            len: Length,
            fp: Fingerprint,
            #[serde(default)]
            flags: Vec<Flag>,
            #[serde(default)]
            prefix: Option<String>,
        }
        let shape = Shape::deserialize(deserializer)?;
        let prefix = match shape.prefix {
            None => None,
            Some(text) => {
                let known = labelled(&text).filter(|(kind, prefix)| *kind == shape.kind && prefix.is_some());
                known.ok_or_else(|| de::Error::custom("not a public prefix of this kind"))?.1
            }
        };
        Ok(Self { kind: shape.kind, len: shape.len, fp: shape.fp, flags: shape.flags, prefix })
    }
}

impl Kind {
    /// The name in records and on screen.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OauthAccess => "oauth-access",
            Self::OauthRefresh => "oauth-refresh",
            Self::ApiKey => "api-key",
            Self::AdminKey => "admin-key",
            Self::SessionCookie => "session-cookie",
            Self::Jwt => "jwt",
            Self::AwsSigv4 => "aws-sigv4",
            Self::AwsAccessKey => "aws-access-key",
            Self::GithubToken => "github-token",
            Self::GoogleKey => "google-key",
            Self::BedrockKey => "bedrock-key",
            Self::OauthCode => "oauth-code",
            Self::PkceVerifier => "pkce-verifier",
            Self::State => "state",
            Self::Basic => "basic",
            Self::Unknown => "unknown",
        }
    }

    /// Whether the length of such a credential is public.
    pub(super) const fn has_public_length(self) -> bool {
        !matches!(self, Self::OauthCode | Self::PkceVerifier | Self::State | Self::Basic | Self::Unknown)
    }

    const ALL: [Self; 16] = [
        Self::OauthAccess,
        Self::OauthRefresh,
        Self::ApiKey,
        Self::AdminKey,
        Self::SessionCookie,
        Self::Jwt,
        Self::AwsSigv4,
        Self::AwsAccessKey,
        Self::GithubToken,
        Self::GoogleKey,
        Self::BedrockKey,
        Self::OauthCode,
        Self::PkceVerifier,
        Self::State,
        Self::Basic,
        Self::Unknown,
    ];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The families behind `sk-ant-`; two digits follow.
const ANTHROPIC: [(&str, Kind); 5] = [
    ("oat", Kind::OauthAccess),
    ("ort", Kind::OauthRefresh),
    ("api", Kind::ApiKey),
    ("admin", Kind::AdminKey),
    ("sid", Kind::SessionCookie),
];

/// Other public prefixes: what a value starts with, how the prefix is shown, the kind.
const PREFIXES: [(&str, &str, Kind); 14] = [
    ("ghp_", "ghp", Kind::GithubToken),
    ("gho_", "gho", Kind::GithubToken),
    ("ghu_", "ghu", Kind::GithubToken),
    ("ghs_", "ghs", Kind::GithubToken),
    ("ghr_", "ghr", Kind::GithubToken),
    ("github_pat_", "github_pat", Kind::GithubToken),
    ("AIza", "AIza", Kind::GoogleKey),
    ("ABSK", "ABSK", Kind::BedrockKey),
    ("bedrock-api-key-", "bedrock-api-key", Kind::BedrockKey),
    ("AKIA", "AKIA", Kind::AwsAccessKey),
    ("ASIA", "ASIA", Kind::AwsAccessKey),
    ("ABIA", "ABIA", Kind::AwsAccessKey),
    ("ACCA", "ACCA", Kind::AwsAccessKey),
    ("A3T", "A3T", Kind::AwsAccessKey),
];

/// Kind, public prefix and length of that prefix in bytes.
pub(super) fn classify(core: &[u8]) -> (Kind, Option<Redacted>, usize) {
    if let Some(rest) = core.strip_prefix(b"sk-ant-") {
        for (family, kind) in ANTHROPIC {
            if let Some(rest) = rest.strip_prefix(family.as_bytes())
                && let [a, b, b'-', ..] = rest
                && a.is_ascii_digit()
                && b.is_ascii_digit()
            {
                let prefix = anthropic_prefix(family, *a, *b);
                return (kind, Some(prefix), 7 + family.len() + 3);
            }
        }
        return (Kind::Unknown, None, 7);
    }
    for (start, shown, kind) in PREFIXES {
        if core.starts_with(start.as_bytes()) {
            let is_aws = kind == Kind::AwsAccessKey;
            if is_aws && !(core.len() == 20 && core.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())) {
                continue;
            }
            return (kind, Some(Redacted::literal(shown)), start.len());
        }
    }
    if is_jwt(core) {
        return (Kind::Jwt, None, 0);
    }
    (Kind::Unknown, None, 0)
}

fn anthropic_prefix(family: &str, a: u8, b: u8) -> Redacted {
    match (family, a, b) {
        ("oat", b'0', b'1') => Redacted::literal("oat01"),
        ("ort", b'0', b'1') => Redacted::literal("ort01"),
        ("api", b'0', b'3') => Redacted::literal("api03"),
        ("sid", b'0', b'1') => Redacted::literal("sid01"),
        ("sid", b'0', b'2') => Redacted::literal("sid02"),
        _ => Redacted::vouched(&format!("{family}{}{}", char::from(a), char::from(b))),
    }
}

fn is_jwt(core: &[u8]) -> bool {
    let text = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    core.starts_with(b"ey")
        && core.len() >= 20
        && core.iter().filter(|b| **b == b'.').count() == 2
        && core.iter().all(text)
}

/// What a label inside `‹…›` says about a credential; `None` where it is no credential's label.
pub(super) fn labelled(label: &str) -> Option<(Kind, Option<Redacted>)> {
    if let Some(kind) = Kind::ALL.into_iter().find(|kind| kind.as_str() == label) {
        return Some((kind, None));
    }
    if let Some((_, shown, kind)) = PREFIXES.into_iter().find(|(_, shown, _)| *shown == label) {
        return Some((kind, Some(Redacted::literal(shown))));
    }
    ANTHROPIC.into_iter().find_map(|(family, kind)| match label.strip_prefix(family)?.as_bytes() {
        [a, b] if a.is_ascii_digit() && b.is_ascii_digit() => Some((kind, Some(anthropic_prefix(family, *a, *b)))),
        _ => None,
    })
}

/// Where a credential stands, as far as it decides which kinds belong there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    ApiKey,
    Bearer,
    Cookie,
    Other,
}

/// A credential's text without what surrounds it by mistake, and the flags for what was taken off.
pub(super) fn strip(raw: &[u8]) -> (&[u8], Vec<Flag>) {
    let mut flags = Vec::new();
    let mut core = raw;
    if core.first().is_some_and(u8::is_ascii_whitespace) {
        flags.push(Flag::LeadingSpace);
    }
    if matches!(core.last(), Some(b'\n' | b'\r')) {
        flags.push(Flag::TrailingNewline);
    }
    core = core.trim_ascii();
    if core.len() > 7 && core[..7].eq_ignore_ascii_case(b"bearer ") {
        flags.push(Flag::DoubleBearer);
        core = core[7..].trim_ascii();
    }
    let is_quote = |b: &u8| matches!(b, b'"' | b'\'' | b'`');
    if core.first().is_some_and(is_quote) || core.last().is_some_and(is_quote) {
        flags.push(Flag::Quoted);
        while let [first, rest @ ..] = core
            && is_quote(first)
        {
            core = rest;
        }
        while let [rest @ .., last] = core
            && is_quote(last)
        {
            core = rest;
        }
        core = core.trim_ascii();
    }
    if core.is_empty() {
        flags.push(Flag::Empty);
    }
    if core.iter().any(u8::is_ascii_whitespace) {
        flags.push(Flag::InnerSpace);
    }
    (core, flags)
}

/// The flags that the text itself deserves.
pub(super) fn inspect(core: &[u8], kind: Kind, place: Place, flags: &mut Vec<Flag>) {
    if core.iter().any(|b| !(b' '..=b'~').contains(b)) {
        flags.push(Flag::NonAscii);
    }
    let misplaced = match place {
        Place::ApiKey => matches!(kind, Kind::OauthAccess | Kind::OauthRefresh | Kind::SessionCookie),
        Place::Bearer => {
            matches!(kind, Kind::ApiKey | Kind::AdminKey | Kind::OauthRefresh | Kind::SessionCookie)
        }
        Place::Cookie | Place::Other => false,
    };
    if misplaced {
        flags.push(Flag::WrongKindForHeader);
    }
    if has_odd_character(core, kind) {
        flags.push(Flag::OddCharacter);
    }
    if is_substitute(core) {
        flags.push(Flag::Substitute);
    } else if is_placeholder(core) {
        flags.push(Flag::Placeholder);
    } else if is_truncated(core, kind) {
        flags.push(Flag::TruncatedLooking);
    }
}

/// What proxies that keep the credential to themselves give the client in its place: marks inside the value, and the
/// public prefixes of such products.
const SUBSTITUTES: [&str; 10] = [
    "proxy-managed",
    "proxy_managed",
    "managed-by-proxy",
    "credential-isolation",
    "credential-proxy",
    "injected-by",
    "sandbox-managed",
    "sbx-managed",
    "replaced-by-proxy",
    "proxy-placeholder",
];
const SUBSTITUTE_PREFIXES: [&str; 2] = ["vm0_", "vm0-"];

fn is_substitute(core: &[u8]) -> bool {
    let lower = core.get(..core.len().min(256)).unwrap_or_default().to_ascii_lowercase();
    SUBSTITUTE_PREFIXES.iter().any(|prefix| lower.starts_with(prefix.as_bytes()))
        || SUBSTITUTES.iter().any(|mark| memchr::memmem::find(&lower, mark.as_bytes()).is_some())
}

/// Anthropic's credentials are base64url behind their prefix (RFC 4648 §5).
fn has_odd_character(core: &[u8], kind: Kind) -> bool {
    let base64url = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let ours =
        matches!(kind, Kind::OauthAccess | Kind::OauthRefresh | Kind::ApiKey | Kind::AdminKey | Kind::SessionCookie);
    // White space, quotation marks and bytes beyond ASCII have flags of their own.
    let told = |b: &u8| b.is_ascii_whitespace() || !b.is_ascii() || matches!(b, b'"' | b'\'' | b'`');
    ours && !core.ends_with(b"...") && core.iter().any(|b| !base64url(b) && !told(b))
}

fn is_truncated(core: &[u8], kind: Kind) -> bool {
    let short = match kind {
        Kind::OauthAccess | Kind::OauthRefresh | Kind::ApiKey | Kind::AdminKey | Kind::SessionCookie => 60,
        Kind::GithubToken | Kind::GoogleKey => 30,
        _ => 0,
    };
    core.len() < short || core.ends_with(b"...") || core.ends_with("…".as_bytes())
}

/// Words that configuration examples and broken scripts leave where a credential belongs.
const PLACEHOLDERS: [&str; 25] = [
    "undefined",
    "null",
    "none",
    "nil",
    "true",
    "false",
    "dummy",
    "test",
    "token",
    "key",
    "apikey",
    "api_key",
    "api-key",
    "changeme",
    "change-me",
    "placeholder",
    "secret",
    "password",
    "not-needed",
    "no-key",
    "unused",
    "example",
    "sk-ant",
    "ollama",
    "anything",
];

pub(super) fn is_placeholder(core: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(core) else {
        return false;
    };
    if text.is_empty() || text.len() > 64 {
        return false;
    }
    let lower = text.to_ascii_lowercase();
    let tail = lower.rsplit_once("01-").or_else(|| lower.rsplit_once("03-")).map_or(lower.as_str(), |(_, tail)| tail);
    let wrapped = |open: &str, close: &str| lower.starts_with(open) && lower.ends_with(close);
    let name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    PLACEHOLDERS.contains(&lower.as_str())
        || PLACEHOLDERS.contains(&tail)
        || wrapped("${", "}")
        || wrapped("{{", "}}")
        || wrapped("<", ">")
        || wrapped("%", "%")
        || lower.strip_prefix('$').is_some_and(|rest| rest.bytes().all(name))
        || tail.bytes().all(|b| matches!(b, b'x' | b'*' | b'.' | b'-' | b'_'))
        || ["your-", "your_", "your ", "yourapi", "my-api-key", "insert-", "replace-", "replace_", "xxxx", "****"]
            .iter()
            .any(|word| tail.starts_with(word))
}

/// Reads a credential back from its own `‹…›`.
pub(super) fn reread(raw: &[u8]) -> Option<Credential> {
    Credential::from_marker(&marker::whole(raw)?)
}

#[cfg(test)]
mod tests;
