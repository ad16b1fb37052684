//! The words of a trace that are neither prose nor values: methods, places, names of variables.

use super::grammar::SCHEMES;
use super::headers::lookup;
use super::identifier::{CLIENT_IDS, ERROR_TYPES, EVENTS, GRANT_TYPES, JSON_KEYS, OAUTH_ERRORS, SCOPES, STOP_REASONS};
use super::redacted::Redacted;
use super::redactor::Redactor;
use super::syntax;

/// Methods: RFC 9110 §9, RFC 5789, and those of WebDAV that git uses.
const METHODS: &[&str] =
    &["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PROPFIND", "REPORT", "MKCOL"];

/// Where a credential can stand.
const PLACES: &[&str] = &[
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "api-key",
    "x-goog-api-key",
    "cookie",
    "set-cookie",
    "query",
    "path",
    "userinfo",
    "x-amz-security-token",
    "cf-aig-authorization",
    "helicone-auth",
    "cf-access-client-secret",
    "cf-access-client-id",
    "mcp-session-id",
    "sec-websocket-protocol",
    "x-auth-token",
    "x-access-token",
    "body.access_token",
    "body.refresh_token",
    "body.id_token",
    "body.token",
    "body.code",
    "body.code_verifier",
    "body.state",
    "body.client_secret",
    "body.client_assertion",
    "body.assertion",
    "body.device_code",
    "body.user_code",
    "body.raw_key",
    "body.api_key",
    "body.password",
    "body.subject_token",
    "body.actor_token",
    "body.registration_access_token",
    "body.key",
];

/// Other closed words: schemes, token types.
const WORDS: &[&str] =
    &["http", "https", "Bearer", "bearer", "Basic", "access_token", "refresh_token", "id_token", "mac", "N_A"];

/// Operating systems and architectures, as the standard library names them.
const SYSTEMS: &[&str] =
    &["linux", "macos", "ios", "freebsd", "netbsd", "openbsd", "dragonfly", "solaris", "illumos", "android", "windows"];
const MACHINES: &[&str] = &[
    "x86_64",
    "x86",
    "aarch64",
    "arm",
    "riscv64",
    "loongarch64",
    "powerpc64",
    "powerpc",
    "s390x",
    "mips",
    "mips64",
    "sparc64",
];

/// Programs that write HAR, as they name themselves there.
const CAPTURE_TOOLS: &[&str] = &[
    "WebInspector",
    "WebKit Web Inspector",
    "Firefox",
    "Firefox Developer Tools",
    "mitmproxy",
    "mitmproxy har_dump",
    "Charles Proxy",
    "Proxyman",
    "Insomnia REST Client",
    "Fiddler",
    "FiddlerCore",
    "HTTP Toolkit",
    "Playwright",
    "Puppeteer",
    "Postman",
    "Bruno",
    "BrowserMob Proxy",
    "Burp Suite",
    "Reqable",
    "Requestly",
    "WebPagetest",
    "chrome-har",
    "authtrace",
];

impl Redactor {
    /// The scheme in front of a credential (RFC 9110 §11.1), spelled as it was sent.
    #[must_use]
    pub fn auth_scheme(&self, name: &str) -> Redacted {
        self.verbatim_if(name, SCHEMES.iter().any(|scheme| scheme.eq_ignore_ascii_case(name)))
    }

    /// The name of a program that captures traffic.
    #[must_use]
    pub fn capture_tool(&self, name: &str) -> Redacted {
        self.identifier(name, CAPTURE_TOOLS)
    }

    /// The version of a program: numbers and points, and what a pre-release is called.
    #[must_use]
    pub fn version(&self, version: &str) -> Redacted {
        let plain = version.len() <= 16 && syntax::version(version.as_bytes());
        if plain { Redacted::vouched(version) } else { Redacted::vouched(&self.opaque(version.as_bytes())) }
    }

    /// An operating system and its architecture, such as `linux x86_64`.
    #[must_use]
    pub fn platform(&self, value: &str) -> Redacted {
        let known = value
            .split_once(' ')
            .is_some_and(|(system, machine)| SYSTEMS.contains(&system) && MACHINES.contains(&machine));
        if known { Redacted::vouched(value) } else { Redacted::vouched(&self.opaque(value.as_bytes())) }
    }

    /// A request method.
    #[must_use]
    pub fn method(&self, method: &[u8]) -> Redacted {
        match METHODS.iter().find(|known| known.as_bytes() == method) {
            Some(known) => Redacted::literal(known),
            None => Redacted::vouched(&self.opaque(method)),
        }
    }

    /// Where a credential stood: a known header's name, or `body.` and the field's name.
    #[must_use]
    pub fn place(&self, place: &str) -> Redacted {
        match PLACES.iter().find(|known| **known == place) {
            Some(known) => Redacted::literal(known),
            None => self.verbatim_if(place, lookup(place.as_bytes()).is_some()),
        }
    }

    /// The type of a token, or a hint at it (RFC 6749 §7.1, RFC 7009 §2.1).
    #[must_use]
    pub fn token_type(&self, value: &str) -> Redacted {
        self.identifier(value, WORDS)
    }

    /// The name of an environment variable: words of capital letters.
    #[must_use]
    pub fn variable(&self, name: &str) -> Redacted {
        if is_variable(name) { Redacted::vouched(name) } else { Redacted::vouched(&self.opaque(name.as_bytes())) }
    }

    /// The name of a lane as the configuration allows it (letters, digits, hyphens), unless it looks like a value.
    #[must_use]
    pub fn lane(&self, name: &str) -> Redacted {
        let part = |part: &str| {
            !part.is_empty()
                && (part.bytes().all(|byte| byte.is_ascii_alphabetic()) && part.len() <= 16
                    || part.bytes().all(|byte| byte.is_ascii_digit()) && part.len() <= 4)
        };
        let plain = name.len() <= 24 && name.split('-').all(part);
        if plain { Redacted::vouched(name) } else { Redacted::vouched(&self.opaque(name.as_bytes())) }
    }

    /// A word of any closed list, for a reader that does not know which one it was taken from.
    #[must_use]
    pub fn word(&self, value: &str) -> Redacted {
        const LISTS: &[&[&str]] = &[
            METHODS,
            PLACES,
            WORDS,
            ERROR_TYPES,
            OAUTH_ERRORS,
            GRANT_TYPES,
            SCOPES,
            EVENTS,
            STOP_REASONS,
            CLIENT_IDS,
            JSON_KEYS,
        ];
        match LISTS.iter().flat_map(|list| list.iter()).find(|word| **word == value) {
            Some(word) => Redacted::literal(word),
            None => self.variable(value),
        }
    }
}

fn is_variable(name: &str) -> bool {
    let word = |word: &str| (1..=16).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_alphabetic());
    let one_case =
        !name.bytes().any(|byte| byte.is_ascii_lowercase()) || !name.bytes().any(|byte| byte.is_ascii_uppercase());
    name.len() <= 64 && one_case && name.contains('_') && name.split('_').all(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_lists_stand_and_others_do_not() {
        let redactor = Redactor::plain();
        for known in ["POST", "body.refresh_token", "invalid_grant", "ANTHROPIC_API_KEY", "https_proxy", "ping"] {
            assert_eq!(redactor.word(known).as_str(), known);
        }
        for known in ["linux x86_64", "macos aarch64"] {
            assert_eq!(redactor.platform(known).as_str(), known);
        }
        for unknown in ["linux FAKE", "FAKE x86_64", "linux  x86_64"] {
            let shown = redactor.platform(unknown);
            assert!(!shown.as_str().contains("linux") && !shown.as_str().contains("FAKE"), "{shown}");
            assert_eq!(redactor.platform(shown.as_str()), shown);
        }
        for unknown in ["FAKEsecret", "sk_FAKE_1234", "A_FAKESECRETFAKESECRETFAKE"] {
            let shown = redactor.word(unknown);
            assert!(!shown.as_str().contains("FAKE"), "{shown}");
            assert_eq!(redactor.word(shown.as_str()), shown);
        }
    }
}
