//! Error messages: plain prose stays, everything else becomes a fingerprint.

use std::ops::Range;

use super::headers::lookup;
use super::identifier::{self, ERROR_TYPES, EVENTS, GRANT_TYPES, JSON_KEYS, OAUTH_ERRORS, SCOPES, STOP_REASONS};
use super::marker;
use super::redacted::Redacted;
use super::redactor::Redactor;
use super::routes::QUERY_KEYS;
use super::syntax;
use super::words;

/// The longest message that is written down, in characters.
const LONGEST: usize = 2000;

/// No more than this of a message is read, in bytes.
const READ: usize = 16 * 1024;

/// Messages that are known by heart: shown as they are.
pub(super) const TEMPLATES: &[&str] = &[
    "OAuth token has expired. Please obtain a new token or refresh your existing token.",
    "OAuth access token has expired. Re-authenticate to continue.",
    "Invalid authentication credentials",
    "Invalid bearer token",
    "OAuth access token is invalid.",
    "Invalid OAuth token. The provided token was not found or is malformed.",
    "OAuth access token has been revoked.",
    "OAuth token has been revoked. Please obtain a new token.",
    "invalid x-api-key",
    "x-api-key header is required",
    "OAuth authentication is currently not supported.",
    "OAuth authentication is currently not allowed for this organization.",
    "OAuth token does not meet scope requirement user:profile",
    "OAuth token does not meet scope requirement user:inference",
    "Session is not fresh enough to grant elevated access. Sign in again to continue.",
    "Request not allowed",
    "This organization has been disabled.",
    "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.",
    "This credential is only authorized for use with Claude Code and cannot be used for other API requests.",
    "Refresh token not found or invalid",
    "Rate limited. Please try again later.",
    "Authentication failed",
    "This request would exceed your account's rate limit. Please try again later.",
    "Extra usage is required for long context requests.",
    "Overloaded",
    "Internal server error",
    "invalid api key",
    "Error",
    "reauth related error (invalid_rapt)",
];

/// What servers say besides, of the words that made-up keys are made of (`my-anthropic-api-key`).
pub(super) const PHRASES: &[&str] = &[
    "Use an Anthropic API key instead",
    "Claude subscription access for Claude Code",
    "Please carry the API secret key in the Authorization field of the request header",
    "Please check your API key and try again. You can find your API key in the Anthropic Console",
    "Please run /login with your Anthropic account",
    "ANTHROPIC_API_KEY ANTHROPIC_AUTH_TOKEN CLAUDE_CODE_OAUTH_TOKEN",
];

impl Redactor {
    /// An error message: known ones as they are; of any other one the plain words, ordinary punctuation, numbers of up
    /// to six digits and known identifiers. Learned secrets never survive, nor do control characters. At most 2,000
    /// characters.
    #[must_use]
    pub fn message(&self, text: &str) -> Redacted {
        if let Some(known) = TEMPLATES.iter().find(|known| **known == text) {
            return Redacted::literal(known);
        }
        let mut end = text.len().min(READ);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let read = text.get(..end).unwrap_or_default();
        let learned = self.taint().learned();
        let mut shown = self.prose(read, end < text.len());
        // What it taught, as a link with a secret in it does, holds for the rest of it as well.
        if self.taint().learned() != learned {
            shown = self.prose(read, end < text.len());
        }
        Redacted::vouched(&shown)
    }
}

impl Redactor {
    fn prose(&self, read: &str, cut: bool) -> String {
        let tainted = self.taint().find(read.as_bytes());
        if self.spells_a_secret(read, &tainted) {
            return "‹masked›".to_owned();
        }
        let mut prose =
            Prose { redactor: self, tainted, shown: String::with_capacity(read.len()), numbers: 0, singles: 0 };
        let mut start = 0;
        let mut at = 0;
        while at < read.len() {
            let rest = read.get(at..).unwrap_or_default();
            if let Some((_, len)) = marker::at_start(rest) {
                prose.chunk(read, start..at);
                prose.shown.push_str(rest.get(..len).unwrap_or_default());
                (prose.numbers, prose.singles) = (0, 0);
                at += len;
                start = at;
                continue;
            }
            let Some(c) = rest.chars().next() else { break };
            let next = at + c.len_utf8();
            if c.is_whitespace() || is_invisible(c) {
                prose.chunk(read, start..at);
                prose.space();
                start = next;
            }
            at = next;
        }
        prose.chunk(read, start..read.len());
        bounded(prose.shown.trim_end(), cut)
    }

    /// Whether a secret of this run stands in the text with something between its characters (`sk -a nt -`).
    fn spells_a_secret(&self, text: &str, tainted: &[Range<usize>]) -> bool {
        let rest = text.bytes().enumerate().filter(|(at, _)| tainted.iter().all(|hit| !hit.contains(at)));
        let squeezed = squeezed(rest.map(|(_, byte)| byte));
        !self.taint().find(&squeezed).is_empty() || !self.taint().find(&squeezed.to_ascii_lowercase()).is_empty()
    }
}

/// Whether a message that is known by heart has this word.
pub(super) fn is_known_word(word: &[u8]) -> bool {
    TEMPLATES.iter().flat_map(|known| known.split(' ')).any(|known| {
        known.trim_start_matches(is_opening).trim_end_matches(is_closing).as_bytes().eq_ignore_ascii_case(word)
    })
}

/// Whether a secret is made of words and numbers, as a pass phrase is: no letter beside a digit.
pub(super) fn is_phrase(core: &[u8]) -> bool {
    core.iter().any(u8::is_ascii_alphabetic)
        && !core.windows(2).any(|pair| pair.iter().any(u8::is_ascii_alphabetic) && pair.iter().any(u8::is_ascii_digit))
}

/// Letters and digits alone.
pub(super) fn squeezed(bytes: impl Iterator<Item = u8>) -> Vec<u8> {
    bytes.filter(u8::is_ascii_alphanumeric).collect()
}

/// What has been let through so far.
struct Prose<'a> {
    redactor: &'a Redactor,
    tainted: Vec<Range<usize>>,
    shown: String,
    /// How many of the chunks before were numbers, how many single characters or pairs: a secret may be spelled out.
    numbers: usize,
    singles: usize,
}

impl Prose<'_> {
    fn space(&mut self) {
        if !self.shown.is_empty() && !self.shown.ends_with(' ') {
            self.shown.push(' ');
        }
    }

    /// One run without white space: what surrounds the core is punctuation, the core is judged.
    fn chunk(&mut self, text: &str, range: Range<usize>) {
        let chunk = text.get(range.clone()).unwrap_or_default();
        if chunk.is_empty() {
            return;
        }
        let tainted = self.tainted.iter().any(|hit| hit.start < range.end && range.start < hit.end);
        let trimmed = chunk.trim_start_matches(is_opening);
        let lead = chunk.len() - trimmed.len();
        let core = trimmed.trim_end_matches(is_closing);
        let tail = trimmed.len() - core.len();
        if lead > 9 || tail > 9 {
            self.shown.push_str(&self.redactor.opaque(chunk.as_bytes()));
            return;
        }
        let spelled = self.spelled(core);
        let passes = core.is_empty()
            || (!tainted && !spelled && self.passes(core) && !self.redactor.taint().is_edge(core.as_bytes()));
        if passes {
            self.shown.push_str(chunk);
        } else {
            self.shown.push_str(chunk.get(..lead).unwrap_or_default());
            self.shown.push_str(&self.redactor.opaque(core.as_bytes()));
            self.shown.push_str(chunk.get(lead + core.len()..).unwrap_or_default());
            // What is spelled out goes on until a word comes.
            if !spelled {
                self.numbers = 0;
            }
        }
    }

    fn spelled(&mut self, core: &str) -> bool {
        if core.is_empty() {
            return false;
        }
        let number = core.bytes().any(|b| b.is_ascii_digit()) && core.bytes().all(|b| !b.is_ascii_alphabetic());
        let single = core.chars().count() == 1 || words::is_pair(core);
        self.numbers = if number { self.numbers + 1 } else { 0 };
        self.singles = if single { self.singles + 1 } else { 0 };
        self.numbers > 2 || self.singles > 2
    }

    fn passes(&self, core: &str) -> bool {
        is_simple(core) || self.is_address(core) || is_compound(core)
    }

    /// A URL, host or path that the rules let through as it is.
    fn is_address(&self, core: &str) -> bool {
        let as_is = |text: &str| self.redactor.link(text.as_bytes()).as_str() == text;
        if core.starts_with('/') && core.len() > 1 && !core.starts_with("//")
            || core.starts_with("https://")
            || core.starts_with("http://")
        {
            return core.is_ascii() && !core.ends_with("//") && as_is(core);
        }
        let (host, rest) = core.split_at(core.find('/').unwrap_or(core.len()));
        (host.contains('.') || host.starts_with("localhost"))
            && core.is_ascii()
            && self.redactor.host(host).as_str() == host
            && as_is(rest)
    }
}

/// Bidirectional and zero-width controls, besides the ASCII and C1 ones.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{ad}' | '\u{61c}')
}

fn is_opening(c: char) -> bool {
    matches!(
        c,
        '(' | '[' | '{' | '<' | '"' | '\'' | '`' | '“' | '‘' | '·' | '-' | '–' | '—' | '*' | '&' | '•' | '…' | '→'
    )
}

fn is_closing(c: char) -> bool {
    matches!(
        c,
        '.' | ',' | ';' | ':' | '!' | '?' | ')' | ']' | '}' | '>' | '"' | '\'' | '`' | '”' | '’' | '…' | '%' | '*'
    )
}

/// A word, a name, a small number, a date, a public identifier.
fn is_simple(core: &str) -> bool {
    let bytes = core.as_bytes();
    words::is_plain(core)
        || words::is_name(core)
        || is_number(core)
        || is_listed(core)
        || lookup(bytes).is_some()
        || syntax::date(bytes)
        || syntax::timestamp(bytes)
        || syntax::beta(bytes)
        || (core.starts_with("req_") && syntax::request_id(bytes))
        || (core.len() <= 12 && syntax::version(bytes))
        || identifier::is_model(core)
        || is_snake_case(core)
}

fn is_listed(core: &str) -> bool {
    [ERROR_TYPES, OAUTH_ERRORS, GRANT_TYPES, SCOPES, EVENTS, STOP_REASONS, JSON_KEYS, QUERY_KEYS]
        .iter()
        .any(|list| list.contains(&core))
}

/// Up to six digits, thousands separators and one point apart.
fn is_number(core: &str) -> bool {
    let core = core.strip_prefix('$').unwrap_or(core);
    let digits = core.bytes().filter(u8::is_ascii_digit).count();
    let rest = core.bytes().all(|b| b.is_ascii_digit() || matches!(b, b',' | b'.'));
    let edges = core.bytes().next().is_some_and(|b| b.is_ascii_digit())
        && core.bytes().last().is_some_and(|b| b.is_ascii_digit());
    rest && edges && digits <= 6 && core.len() - digits <= 2
}

/// `some_new_error`, `messages.0.content.1.thinking`.
fn is_snake_case(core: &str) -> bool {
    let word = |part: &str| part.len() >= 2 && part.bytes().all(|b| b.is_ascii_lowercase()) && words::is_plain(part);
    let index = |part: &str| !part.is_empty() && part.len() <= 3 && part.bytes().all(|b| b.is_ascii_digit());
    core.contains(['_', '.'])
        && core.split(['_', '.']).count() <= 7
        && core.split('.').skip(1).filter(|part| index(part)).count() <= 3
        && core.split('.').enumerate().all(|(at, part)| (at > 0 && index(part)) || part.split('_').all(word))
}

/// Simple parts with punctuation between them: `status:401`, `key=value`, `"type":"error"`, `and/or`.
fn is_compound(core: &str) -> bool {
    const BETWEEN: &[char] =
        &['/', ':', '=', ',', ';', '|', '(', ')', '[', ']', '{', '}', '"', '\'', '<', '>', '&', '…', '—', '–', '·'];
    let parts: Vec<&str> =
        core.split(BETWEEN).filter(|part| !part.is_empty()).map(|part| part.trim_matches(['.', '-'])).collect();
    let digits = core.bytes().filter(u8::is_ascii_digit).count();
    // Separators of base64 alone join nothing but long words.
    let prose = |part: &&str| {
        is_simple(part) && (part.len() > 2 || part.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase()))
    };
    (2..=12).contains(&parts.len()) && digits <= 6 && core.is_ascii() && parts.iter().all(prose)
}

/// Cut where a run ends, with an ellipsis.
fn bounded(shown: &str, cut: bool) -> String {
    let Some((limit, _)) = shown.char_indices().nth(LONGEST - 2).filter(|_| cut || shown.chars().count() > LONGEST)
    else {
        return if cut { format!("{} …", shown.trim_end_matches(" …")) } else { shown.to_owned() };
    };
    let mut end = 0;
    let mut at = 0;
    while at < limit {
        let rest = &shown[at..];
        if let Some((_, len)) = marker::at_start(rest) {
            at += len;
            continue;
        }
        if rest.starts_with(' ') {
            end = at;
        }
        at += rest.chars().next().map_or(1, char::len_utf8);
    }
    format!("{} …", shown[..end].trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose_survives() {
        let r = Redactor::plain();
        for text in TEMPLATES.iter().copied().chain([
            "Account role 'owner' does not meet requirements for scope 'org:create_api_key'. One of these roles is required: developer, admin",
            "login fail: Please carry the API secret key in the 'Authorization' field of the request header",
            "Your organization has disabled Claude subscription access for Claude Code · Use an Anthropic API key instead",
            "Unexpected value(s) for the `anthropic-beta` header: oauth-2025-04-20.",
            "The access token expired at 2026-09-01T08:00:00Z (status 401), see https://platform.claude.com/docs/en/api/errors.",
            "model: claude-opus-4-1-20250805 is not available for POST /v1/messages",
            "messages.0.content.1.thinking: field required",
            "the first line is not that of an HTTP/1.x message",
            "prompt is too long: 208310 tokens > 200000 maximum",
            "API Error: 529 {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}",
        ]) {
            assert_eq!(r.message(text), text);
        }
    }

    #[test]
    fn what_a_link_teaches_holds_for_the_words_behind_it() {
        let r = Redactor::plain();
        let shown = r.message("see /t#&-x#pz-rmission_denieuser:prisR or sion_denieuser:proofile");
        assert!(!shown.as_str().contains("denieuser"), "{shown}");
        assert_eq!(r.message(shown.as_str()), shown);
    }

    #[test]
    fn a_message_says_the_same_each_time() {
        for text in [
            "no \"GET https://claude.ai/oauth/authorize:['#i.anthropic.com/v1/messages",
            "see https://gate.FAKE.invalid/#FAKE0 and then FA KE 0",
            "see https://gate.FAKE.invalid/?code=FAKE-aB3x.Kq9z_Lm2w of FAKE-aB3x.Kq9z_Lm2w",
        ] {
            let r = Redactor::plain();
            let first = r.message(text);
            assert_eq!(r.message(text), first, "{text}");
        }
    }

    #[test]
    fn the_anchor_of_a_link_teaches_nothing() {
        let r = Redactor::plain();
        for (link, words) in [
            ("https://docs.claude.com/en/api/errors#oauth-authentication-errors", "OAuth authentication errors"),
            ("https://docs.anthropic.com/en/api/messages#post-messages", "the messages of a post"),
            ("https://docs.FAKE.invalid/keys#revoked_keys", "these are revoked keys"),
        ] {
            let shown = r.message(&format!("see {link} for more"));
            assert!(!shown.as_str().contains('#') && shown.as_str().ends_with("› for more"), "{shown}");
            assert_eq!(r.message(words), words);
        }
        // What is no row of words is somebody's.
        let shown = r.message("see https://docs.FAKE.invalid/#7-correct-horse-FAKE and correct-horse-FAKE");
        assert!(!shown.as_str().contains("horse"), "{shown}");
    }

    #[test]
    fn data_does_not() {
        let r = Redactor::plain();
        for (text, start, end) in [
            ("Invalid key: sk-ant-api03-FAKE was refused", "Invalid key: ‹len≤32 fp=", "› was refused"),
            ("user someone.FAKE@example.com unknown", "user ‹len≤32 fp=", "› unknown"),
            ("token (hunter2FAKE)", "token (‹len≤16 fp=", "›)"),
            ("id 123456789012FAKE", "id ‹len≤16 fp=", "›"),
            ("see https://FAKE.invalid/FAKE", "see ‹len≤32 fp=", "›"),
            ("key qhvmzpxkwtrbFAKE!", "key ‹len≤16 fp=", "›!"),
            ("pin 1234 5678 9012FAKE", "pin 1234 5678 ‹len≤8 fp=", "›"),
            ("\u{1b}[31mred FAKE1\u{7}", "[‹len≤8 fp=", "›"),
            ("key FA KE D6 zM sn gs 3i sj MT Qs", "key FA KE ‹len≤8 fp=", "›"),
            ("key h\0u\0n\0t\0e\0r\u{0}2\0F\0A\0K\0E", "key h u ‹len≤8 fp=", "›"),
        ] {
            let shown = r.message(text);
            assert!(shown.as_str().starts_with(start) && shown.as_str().ends_with(end), "{text} {shown}");
            assert!(!shown.as_str().contains("FAKE") && !shown.as_str().contains(" sn"), "{shown}");
            assert_eq!(r.message(shown.as_str()), shown);
        }
    }

    #[test]
    fn short_secrets_and_the_ends_of_long_ones_are_no_words() {
        let r = Redactor::plain();
        r.learn(b"hunter");
        r.learn(b"token");
        r.learn(b"sk-ant-api03-banana-FAKE0123456789-FAKE-orange");
        for text in [
            "the key hunter is unknown",
            "the key ending in orange",
            "a key banana…",
            "ends with ange",
            "HUNTER is no key",
        ] {
            assert!(r.message(text).as_str().contains("fp="), "{text} {}", r.message(text));
        }
        let plain = "the token of the hunters is one of many oranges";
        assert_eq!(r.message(plain), plain);
    }

    #[test]
    fn learned_secrets_do_not_survive_as_prose() {
        let r = Redactor::plain();
        r.learn(b"correct horse battery staple FAKE");
        let shown = r.message("password correct horse battery staple was wrong");
        assert!(!shown.as_str().contains("horse") && shown.as_str().ends_with("was wrong"), "{shown}");
    }

    #[test]
    fn length_is_bounded_and_stable() {
        let r = Redactor::plain();
        for text in ["word ".repeat(5000), "x1y2FAKE ".repeat(500), "a".repeat(50_000), "é ".repeat(9000)] {
            let shown = r.message(&text);
            assert!(shown.as_str().chars().count() <= LONGEST, "{}", shown.as_str().chars().count());
            assert_eq!(r.message(shown.as_str()), shown);
        }
    }
}
