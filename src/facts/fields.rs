//! The fields of token, revocation and registration bodies, in JSON and as a form.
//!
//! RFC 6749, 7009, 7521, 7591, 7636, 8628, and the camel-case spelling of some cloud providers.

use super::json::{self, Value};
use crate::redact::{Kind, Redacted};
use zeroize::Zeroizing;

/// A field whose value is a credential: how it is spelled without `_` and `-`, where it stood, what its name says.
struct SecretField {
    key: &'static str,
    place: Redacted,
    hint: Kind,
}

const fn secret(key: &'static str, place: &'static str, hint: Kind) -> SecretField {
    SecretField { key, place: Redacted::literal(place), hint }
}

static SECRETS: [SecretField; 23] = [
    secret("accesstoken", "body.access_token", Kind::Unknown),
    secret("refreshtoken", "body.refresh_token", Kind::Unknown),
    secret("idtoken", "body.id_token", Kind::Unknown),
    secret("token", "body.token", Kind::Unknown),
    secret("code", "body.code", Kind::OauthCode),
    secret("authorizationcode", "body.code", Kind::OauthCode),
    secret("codeverifier", "body.code_verifier", Kind::PkceVerifier),
    secret("state", "body.state", Kind::State),
    secret("clientsecret", "body.client_secret", Kind::Unknown),
    secret("clientassertion", "body.client_assertion", Kind::Unknown),
    secret("assertion", "body.assertion", Kind::Unknown),
    secret("subjecttoken", "body.subject_token", Kind::Unknown),
    secret("actortoken", "body.actor_token", Kind::Unknown),
    secret("identitytoken", "body.subject_token", Kind::Unknown),
    secret("devicecode", "body.device_code", Kind::Unknown),
    secret("usercode", "body.user_code", Kind::Unknown),
    secret("password", "body.password", Kind::Unknown),
    secret("rawkey", "body.raw_key", Kind::Unknown),
    secret("apikey", "body.api_key", Kind::Unknown),
    secret("registrationaccesstoken", "body.registration_access_token", Kind::Unknown),
    secret("sessiontoken", "body.token", Kind::Unknown),
    secret("secretaccesskey", "body.key", Kind::Unknown),
    secret("sessionkey", "body.key", Kind::Unknown),
];

/// What a field is.
pub(super) enum Field {
    /// A credential, with its place and what its name says.
    Secret(Redacted, Kind),
    GrantType,
    ClientId,
    Scope,
    ExpiresIn,
    TokenType,
    /// An address that carries a code and a state in its query.
    Redirect,
}

/// A field with its value.
pub(super) struct Found {
    pub(super) field: Field,
    pub(super) value: Zeroizing<String>,
    /// Whether the value was not cut off.
    pub(super) whole: bool,
}

/// Reads a body as JSON or as a form, whichever it is.
pub(super) fn read(body: &[u8], found: &mut dyn FnMut(Found)) {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
    if matches!(body, [b'{' | b'[', ..]) {
        json::scan(body, &mut |path, value| {
            let Some(field) = field(path.last()) else {
                return;
            };
            match value {
                Value::Text(text) => found(Found { field, value: text.unescape(), whole: text.whole }),
                // A number under the name of a secret is something else, such as an error's `code`.
                Value::Word(word) if !matches!(field, Field::Secret(..)) => {
                    let value = Zeroizing::new(String::from_utf8_lossy(word).into_owned());
                    found(Found { field, value, whole: true });
                }
                Value::Object | Value::Null | Value::Word(_) => {}
            }
        });
    } else if !body.starts_with(b"<") {
        for pair in body.split(|b| *b == b'&') {
            let at = memchr::memchr(b'=', pair).unwrap_or(pair.len());
            let key = decode(pair.get(..at).unwrap_or_default());
            if let Some(field) = field(key.as_bytes()) {
                found(Found { field, value: decode(pair.get(at + 1..).unwrap_or_default()), whole: true });
            }
        }
    }
}

/// The value of `name` in a query or form.
pub(super) fn parameter(query: &[u8], name: &str) -> Option<Zeroizing<String>> {
    query.split(|b| matches!(b, b'&' | b'#' | b'?')).find_map(|pair| {
        let at = memchr::memchr(b'=', pair)?;
        (pair.get(..at)? == name.as_bytes()).then(|| decode(pair.get(at + 1..).unwrap_or_default()))
    })
}

fn field(key: &[u8]) -> Option<Field> {
    let mut plain = [0_u8; 32];
    let mut len = 0;
    for byte in key.iter().filter(|b| !matches!(b, b'_' | b'-')) {
        *plain.get_mut(len)? = byte.to_ascii_lowercase();
        len += 1;
    }
    let plain = plain.get(..len)?;
    Some(match plain {
        b"granttype" => Field::GrantType,
        b"clientid" => Field::ClientId,
        b"scope" | b"scopes" => Field::Scope,
        b"expiresin" => Field::ExpiresIn,
        b"tokentype" | b"tokentypehint" => Field::TokenType,
        b"redirecturi" | b"redirecturl" | b"redirectto" => Field::Redirect,
        _ => {
            let known = SECRETS.iter().find(|known| known.key.as_bytes() == plain)?;
            Field::Secret(known.place.clone(), known.hint)
        }
    })
}

/// `application/x-www-form-urlencoded` (WHATWG URL §5.1).
fn decode(raw: &[u8]) -> Zeroizing<String> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(raw.len()));
    let mut rest = raw;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        let hex = |at: usize| behind.get(at).and_then(|b| char::from(*b).to_digit(16));
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => match (hex(0), hex(1)) {
                (Some(high), Some(low)) => {
                    bytes.push(u8::try_from(high * 16 + low).unwrap_or(b'?'));
                    rest = behind.get(2..).unwrap_or_default();
                }
                _ => bytes.push(byte),
            },
            _ => bytes.push(byte),
        }
    }
    Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::Redactor;

    #[test]
    fn places_are_words_that_a_reader_of_the_trace_knows() {
        for field in &SECRETS {
            assert_eq!(Redactor::plain().place(field.place.as_str()), field.place);
        }
    }

    #[test]
    fn forms_are_decoded() {
        let query = b"a=1&code=x%2Dy+z%&code=2#state=%zz";
        assert_eq!(parameter(query, "code").unwrap().as_str(), "x-y z%");
        assert_eq!(parameter(query, "state").unwrap().as_str(), "%zz");
        assert_eq!(parameter(query, "b"), None);
    }
}
