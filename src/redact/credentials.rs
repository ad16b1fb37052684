//! Header values that are credentials, with and without a scheme, and challenges.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::cookies;
use super::grammar::{AUTH_PARAMS, AUTH_VALUES, Grammar, SCHEMES};
use super::headers::lookup;
use super::kind::{self, Credential, Kind, Place};
use super::marker;
use super::redacted::Redacted;
use super::redactor::{Redactor, TOO_LONG};
use super::syntax;

/// A credential in a header field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderCredential {
    /// The authentication scheme, as sent (`Bearer`).
    pub scheme: Option<Redacted>,
    /// The cookie or parameter whose value it is.
    pub item: Option<Redacted>,
    /// What is known of it.
    pub credential: Credential,
}

impl Redactor {
    /// The credentials in one header field, in order; empty for a header that carries none. They are learned.
    #[must_use]
    pub fn credentials(&self, name: &[u8], value: &[u8]) -> Vec<HeaderCredential> {
        let Some(entry) = lookup(name) else {
            return Vec::new();
        };
        if value.len() > TOO_LONG {
            return Vec::new();
        }
        match entry.rule.2 {
            Grammar::Credential => {
                let place = if entry.rule.0 == "x-api-key" { Place::ApiKey } else { Place::Other };
                vec![HeaderCredential {
                    scheme: None,
                    item: None,
                    credential: self.describe(value, Kind::Unknown, place),
                }]
            }
            Grammar::Authorization => {
                self.authorization(value).into_iter().filter_map(Piece::into_credential).collect()
            }
            Grammar::Cookie => cookies::request(self, value).into_iter().filter_map(Piece::into_credential).collect(),
            Grammar::SetCookie => {
                cookies::response(self, value).into_iter().filter_map(Piece::into_credential).collect()
            }
            _ => Vec::new(),
        }
    }

    /// How a credential-carrying value is shown; `None` where `grammar` carries none.
    pub(super) fn credential_value(&self, grammar: Grammar, value: &[u8]) -> Option<String> {
        match grammar {
            Grammar::Credential => Some(join(&[self.piece(value, Kind::Unknown, Place::Other)], "")),
            Grammar::Authorization => Some(join(&self.authorization(value), ", ")),
            Grammar::Cookie => Some(join(&cookies::request(self, value), "; ")),
            Grammar::SetCookie => Some(join(&cookies::response(self, value), "; ")),
            _ => None,
        }
    }

    fn authorization(&self, value: &[u8]) -> Vec<Piece> {
        let (scheme, rest) = scheme(value);
        let Some(scheme) = scheme else {
            return vec![self.piece(value, Kind::Unknown, Place::Bearer)];
        };
        let is = |name: &str| scheme.as_str().eq_ignore_ascii_case(name);
        if is("Basic") {
            self.learn_basic(rest);
            return vec![self.piece(rest, Kind::Basic, Place::Other).behind(scheme)];
        }
        let parameters = is("Digest")
            || is("Hawk")
            || is("HOBA")
            || is("OAuth")
            || scheme.as_str().to_ascii_uppercase().starts_with("AWS4-");
        if !parameters || !rest.contains(&b'=') && !rest.contains(&0xe2) {
            let place = if is("Bearer") { Place::Bearer } else { Place::Other };
            return vec![self.piece(rest, Kind::Unknown, place).behind(scheme)];
        }
        let mut pieces = Vec::new();
        for part in marker::split(rest, b',') {
            let mut piece = self.parameter(part.trim_ascii());
            if pieces.is_empty() {
                piece.scheme = Some(scheme.clone());
            }
            pieces.push(piece);
        }
        pieces
    }

    /// A credential; what earlier redaction left without a fingerprint (`‹masked›`) stays as it is.
    pub(super) fn piece(&self, raw: &[u8], hint: Kind, place: Place) -> Piece {
        if marker::is_whole(raw) && kind::reread(raw).is_none() {
            return Piece { scheme: None, item: None, credential: None, text: lossy(raw) };
        }
        Piece { scheme: None, item: None, credential: Some(self.describe(raw, hint, place)), text: String::new() }
    }

    /// One `name=value` behind a scheme.
    fn parameter(&self, part: &[u8]) -> Piece {
        let (name, Some(value)) = cookies::pair_of(part) else {
            return self.piece(part, Kind::Unknown, Place::Other);
        };
        let item = self.name(name, AUTH_PARAMS);
        if syntax::in_list(name, &["credential"]) {
            let key = marker::split(value, b'/').first().copied().unwrap_or_default();
            return self.piece(key, Kind::AwsAccessKey, Place::Other).of(item);
        }
        if syntax::in_list(name, &["signature"]) {
            return self.piece(value, Kind::AwsSigv4, Place::Other).of(item);
        }
        let bare = unquoted(value);
        if syntax::in_list(bare, AUTH_VALUES) || (syntax::in_list(name, &["nc"]) && syntax::integer(value)) {
            return Piece { text: lossy(value), ..Piece::plain(item) };
        }
        if syntax::in_list(name, &["signedheaders"]) {
            let names: Vec<_> = marker::split(value, b';').into_iter().map(|name| self.header_name(name)).collect();
            return Piece { text: names.join(";"), ..Piece::plain(item) };
        }
        self.piece(bare, Kind::Unknown, Place::Other).of(item)
    }

    fn header_name(&self, name: &[u8]) -> String {
        if lookup(name).is_some() { lossy(name) } else { self.labelled("name", name) }
    }

    /// A name from `known` as sent, any other one as a fingerprint.
    pub(super) fn name(&self, name: &[u8], known: &[&str]) -> Redacted {
        if syntax::in_list(name, known) {
            Redacted::vouched(&lossy(name))
        } else {
            Redacted::vouched(&self.labelled("name", name))
        }
    }

    fn learn_basic(&self, encoded: &[u8]) {
        let Ok(pair) = STANDARD.decode(encoded.trim_ascii()) else {
            return;
        };
        if let Some(at) = pair.iter().position(|b| *b == b':') {
            // Short names of users are words (`user`, `token`), short passwords are secrets all the same.
            if at >= 8 {
                self.learn(&pair[..at]);
            }
            self.learn(&pair[at + 1..]);
        }
        self.learn(&pair);
    }

    /// Challenges: schemes, parameter names and closed values stand, the rest is fingerprinted (RFC 9110 §11.6.1).
    pub(super) fn challenge(&self, value: &[u8]) -> String {
        let mut text = String::new();
        for (index, part) in marker::split(value, b',').into_iter().enumerate() {
            if index > 0 {
                text.push_str(", ");
            }
            let part = part.trim_ascii();
            let (scheme, rest) = scheme(part);
            let rest = match scheme {
                Some(scheme) => {
                    text.push_str(scheme.as_str());
                    if rest.is_empty() {
                        continue;
                    }
                    text.push(' ');
                    rest
                }
                None => part,
            };
            text.push_str(&self.challenge_parameter(rest));
        }
        text
    }

    fn challenge_parameter(&self, part: &[u8]) -> String {
        if syntax::in_list(part, SCHEMES) {
            return lossy(part);
        }
        let (name, Some(value)) = cookies::pair_of(part) else {
            return self.opaque(part);
        };
        let bare = unquoted(value);
        let shown = if syntax::in_list(bare, AUTH_VALUES) {
            lossy(bare)
        } else if syntax::in_list(name, &["scope"]) && !bare.is_empty() {
            self.scope(&lossy(bare)).to_string()
        } else if syntax::in_list(
            name,
            &["resource_metadata", "authorization_uri", "error_uri", "as_uri", "resource", "issuer"],
        ) {
            self.path(bare).to_string()
        } else if syntax::in_list(name, &["error_description"]) {
            std::str::from_utf8(bare)
                .map_or_else(|_| self.opaque(bare), |text| self.message(text).to_string().replace('"', "'"))
        } else {
            self.opaque(bare)
        };
        let quote = if bare.len() == value.len() { "" } else { "\"" };
        // Without quotes, what is shown has to stay one parameter: a quote that nothing closes held more than one.
        let shown = if quote.is_empty() && shown.contains([',', '"']) { self.opaque(bare) } else { shown };
        format!("{}={quote}{shown}{quote}", self.name(name, AUTH_PARAMS))
    }
}

/// One part of a credential-carrying value.
pub(super) struct Piece {
    pub(super) scheme: Option<Redacted>,
    pub(super) item: Option<Redacted>,
    pub(super) credential: Option<Credential>,
    /// What stands where there is no credential.
    pub(super) text: String,
}

impl Piece {
    fn behind(self, scheme: Redacted) -> Self {
        Self { scheme: Some(scheme), ..self }
    }

    pub(super) fn of(self, item: Redacted) -> Self {
        Self { item: Some(item), ..self }
    }

    pub(super) fn plain(item: Redacted) -> Self {
        Self { scheme: None, item: Some(item), credential: None, text: String::new() }
    }

    fn into_credential(self) -> Option<HeaderCredential> {
        Some(HeaderCredential { scheme: self.scheme, item: self.item, credential: self.credential? })
    }
}

fn join(pieces: &[Piece], separator: &str) -> String {
    let mut text = String::new();
    for (index, piece) in pieces.iter().enumerate() {
        if index > 0 {
            text.push_str(separator);
        }
        if let Some(scheme) = &piece.scheme {
            text.push_str(scheme.as_str());
            text.push(' ');
        }
        if let Some(item) = &piece.item {
            text.push_str(item.as_str());
            if piece.credential.is_some() || !piece.text.is_empty() {
                text.push('=');
            }
        }
        match &piece.credential {
            Some(credential) => text.push_str(&credential.to_string()),
            None => text.push_str(&piece.text),
        }
    }
    text
}

/// The scheme in front of a value, if it is a known one, and what follows it.
fn scheme(value: &[u8]) -> (Option<Redacted>, &[u8]) {
    let value = value.trim_ascii_start();
    let end = value.iter().position(u8::is_ascii_whitespace).unwrap_or(value.len());
    let (word, rest) = value.split_at(end);
    let known = SCHEMES.iter().find(|scheme| word.eq_ignore_ascii_case(scheme.as_bytes()));
    match known {
        Some(scheme) if scheme.as_bytes() == word => (Some(Redacted::literal(scheme)), tail(rest)),
        Some(_) => (Some(Redacted::vouched(&lossy(word))), tail(rest)),
        None => (None, value),
    }
}

/// Without the one separating space: more of them are the credential's own fault.
fn tail(rest: &[u8]) -> &[u8] {
    rest.split_first().map_or(rest, |(_, rest)| rest)
}

fn unquoted(value: &[u8]) -> &[u8] {
    value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value)
}

/// ASCII that a closed list has matched, as text.
pub(super) fn lossy(plain: &[u8]) -> String {
    String::from_utf8_lossy(plain).into_owned()
}
