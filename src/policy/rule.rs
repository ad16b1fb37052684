//! Rules: which requests they are for, and what happens to these.

use super::answer::{ApiError, HtmlPage, RawAnswer};
use super::coding::Coding;
use crate::redact::Kind;
use std::time::Duration;

/// Rules in order. The first that matches a request and is not used up decides; with none, the server answers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Script {
    /// The rules.
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Which requests.
    pub when: When,
    /// How many of them pass by first.
    pub skip: u32,
    /// How many it applies to then; none: all.
    pub times: Option<u32>,
    /// How long it takes before anything happens.
    pub delay: Duration,
    /// What happens to them.
    pub then: Then,
    /// The state that begins with each request it applies to; none: the state stays.
    pub enters: Option<String>,
}

impl Rule {
    /// A rule for every matching request.
    #[must_use]
    pub fn always(when: When, then: Then) -> Self {
        Self { when, skip: 0, times: None, delay: Duration::ZERO, then, enters: None }
    }

    /// A rule for the first matching request that no earlier rule takes.
    #[must_use]
    pub fn once(when: When, then: Then) -> Self {
        Self { times: Some(1), ..Self::always(when, then) }
    }

    /// The same after some time.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }
}

/// Which requests a rule is for; what is none does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct When {
    /// The method.
    pub method: Option<String>,
    /// The host, exactly.
    pub host: Option<String>,
    /// The path, without the query.
    pub path: Option<PathPattern>,
    /// The kind of the credential in the header fields (in `x-api-key` first), known or claimed by its prefix.
    pub credential: Option<Kind>,
    /// What a token request asks for.
    pub grant: Option<Grant>,
    /// How many times this credential has come to this method and path, from 1.
    pub attempt: Option<Span<u32>>,
    /// How long after the beginning.
    pub elapsed: Option<Span<Duration>>,
    /// The state that a rule before it began; [`super::START`] is that of the beginning.
    pub state: Option<String>,
}

impl When {
    /// Requests whose path begins with this.
    #[must_use]
    pub fn path(prefix: &str) -> Self {
        Self { path: Some(PathPattern::Prefix(prefix.to_owned())), ..Self::default() }
    }

    /// Token requests of this grant.
    #[must_use]
    pub fn grant(grant: Grant) -> Self {
        Self { grant: Some(grant), ..Self::default() }
    }
}

/// Which paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathPattern {
    /// This one.
    Exact(String),
    /// Those that begin so.
    Prefix(String),
}

impl PathPattern {
    /// Reads `/a/b`, or `/a/*` for all that begin with `/a/`. A star elsewhere stands for itself.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text.strip_suffix('*') {
            Some(prefix) => Self::Prefix(prefix.to_owned()),
            None => Self::Exact(text.to_owned()),
        }
    }

    /// Whether a path is one of them.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(wanted) => path == wanted,
            Self::Prefix(prefix) => path.starts_with(prefix.as_str()),
        }
    }
}

/// From the first to the last, which is included; none: without end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span<T> {
    /// The first.
    pub from: T,
    /// The last.
    pub to: Option<T>,
}

impl<T: PartialOrd + Copy> Span<T> {
    /// Just this one.
    #[must_use]
    pub fn just(one: T) -> Self {
        Self { from: one, to: Some(one) }
    }

    /// This and all after it.
    #[must_use]
    pub fn since(from: T) -> Self {
        Self { from, to: None }
    }

    /// Whether it holds a value.
    #[must_use]
    pub fn holds(&self, value: T) -> bool {
        value >= self.from && self.to.is_none_or(|to| value <= to)
    }
}

/// What a token request asks for (RFC 6749 §4.1.3, §6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Grant {
    /// A login's code for tokens.
    AuthorizationCode,
    /// A refresh token for new tokens.
    RefreshToken,
}

/// What happens to a matching request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    /// The server answers. For letting some requests by before a later, wider rule, or for a delay alone.
    Pass,
    /// The server serves the request as if its credential were good, whatever it brings: it is let in, a token request
    /// is granted, an outage does not concern it. What the server does not know stays unknown. The fake alone does this.
    Accept,
    /// An error of the API or the token endpoint; the server does not see the request.
    Error(ApiError),
    /// An HTML page, as an edge in front of the API sends; the server does not see the request.
    Html(HtmlPage),
    /// Any other answer; the server does not see the request.
    Raw(RawAnswer),
    /// No answer: the connection ends. The server does not see the request.
    Cut(Cut),
    /// The server's event stream breaks off after so many events; an answer that is no stream comes whole.
    Truncate {
        /// Events sent.
        events: usize,
        /// How the connection ends.
        cut: Cut,
    },
    /// The server's event stream ends in `event: error` after so many events; an answer that is no stream comes whole.
    StreamError {
        /// Events sent before the error.
        events: usize,
        /// Its type and message.
        error: ApiError,
    },
    /// The server's event stream with this pause before each event.
    Slow(Duration),
    /// The server's answer; a body sent at once is compressed. The fake alone does this.
    Coded(Coding),
    /// A token request is granted, or not, in a special way. The fake alone does this.
    Token(TokenOutcome),
}

/// How a connection is ended in the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// TCP FIN, with no TLS `close_notify` before it.
    Close,
    /// TCP RST.
    Reset,
}

/// A special outcome of a token request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenOutcome {
    /// Granted on these terms, whatever was brought.
    Granted(TokenTerms),
    /// Granted and rotated, but the answer is lost: the connection ends instead.
    Lost(Cut),
    /// 400 `invalid_grant`, whatever was brought.
    InvalidGrant,
}

/// Lifetime of an access token in seconds, the one reported most (FAILURE_MODES §4).
const LIFETIME: u32 = 28_800;

/// What a token endpoint gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenTerms {
    /// `expires_in` and the real lifetime, in seconds.
    pub lifetime: u32,
    /// Whether a refresh gives a new refresh token; if not, the answer has none and the old one stays good.
    pub rotates: bool,
    /// The access tokens given are refused wherever they are used.
    pub refused: bool,
}

impl Default for TokenTerms {
    fn default() -> Self {
        Self { lifetime: LIFETIME, rotates: true, refused: false }
    }
}
