//! Scripted misbehaviour: what the fake does instead of, or on top of, what its model would answer.

use super::access::{self, ApiError, RequestIdShape};
use super::answer::{Body, Cut, Reply, Request, Response, StreamEnd};
use super::coding::Coding;
use super::conversation::error_event;
use super::credential::{CredentialKind, Label};
use super::model::Model;
use super::oauth::{self, Grant, TokenTerms};
use crate::trace::Timestamp;
use std::time::Duration;

/// Rules in order. The first that matches a request and is not used up decides; with none, the model answers.
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
    /// What happens to them.
    pub then: Then,
}

impl Rule {
    /// A rule for every matching request.
    #[must_use]
    pub fn always(when: When, then: Then) -> Self {
        Self { when, skip: 0, times: None, then }
    }

    /// A rule for the first matching request that no earlier rule takes.
    #[must_use]
    pub fn once(when: When, then: Then) -> Self {
        Self { when, skip: 0, times: Some(1), then }
    }
}

/// Which requests a rule is for; what is none does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct When {
    /// The method.
    pub method: Option<String>,
    /// The host, exactly.
    pub host: Option<String>,
    /// What the path begins with.
    pub path_prefix: Option<String>,
    /// The kind of the credential in the header fields (in `x-api-key` first), known or claimed by its prefix.
    pub credential: Option<CredentialKind>,
    /// What a token request asks for.
    pub grant: Option<Grant>,
}

impl When {
    /// Requests whose path begins with this.
    #[must_use]
    pub fn path(prefix: &str) -> Self {
        Self { path_prefix: Some(prefix.to_owned()), ..Self::default() }
    }

    /// Token requests of this grant.
    #[must_use]
    pub fn grant(grant: Grant) -> Self {
        Self { grant: Some(grant), ..Self::default() }
    }

    fn matches(&self, request: &Request<'_>, brought: Option<Label>, grant: Option<Grant>) -> bool {
        let is = |wanted: &Option<String>, is: &str| wanted.as_ref().is_none_or(|wanted| wanted == is);
        is(&self.method, request.method)
            && is(&self.host, request.host)
            && self.path_prefix.as_ref().is_none_or(|prefix| request.path.starts_with(prefix.as_str()))
            && self.credential.is_none_or(|kind| brought.and_then(Label::kind) == Some(kind))
            && self.grant.is_none_or(|wanted| grant == Some(wanted))
    }
}

/// What happens to a matching request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    /// The model answers. For letting some requests by before a later, wider rule.
    Model,
    /// An error of the API or the token endpoint; the model's state does not change.
    Error(ApiError),
    /// An HTML page, as an edge in front of the API sends; the state does not change.
    Html(HtmlPage),
    /// Any other answer; the state does not change.
    Raw(RawAnswer),
    /// No answer: the connection ends. The state does not change.
    Cut(Cut),
    /// The model answers after this time.
    Delay(Duration),
    /// The model's event stream breaks off after so many events; an answer that is no stream comes whole.
    Truncate {
        /// Events sent.
        events: usize,
        /// How the connection ends.
        cut: Cut,
    },
    /// The model's event stream ends in `event: error` after so many events; an answer that is no stream comes whole.
    StreamError {
        /// Events sent before the error.
        events: usize,
        /// Its type and message.
        error: ApiError,
    },
    /// The model's event stream with this pause before each event.
    Slow(Duration),
    /// The model answers; a body sent at once is compressed.
    Coded(Coding),
    /// A token request is granted, or not, in a special way.
    Token(TokenOutcome),
}

/// A special outcome of a token request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenOutcome {
    /// Granted on these terms.
    Granted(TokenTerms),
    /// Granted and rotated, but the answer is lost: the connection ends instead.
    Lost(Cut),
    /// 400 `invalid_grant`, whatever was brought.
    InvalidGrant,
}

/// An HTML answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HtmlPage {
    /// The status code.
    pub status: u16,
    /// The title, also the heading.
    pub title: String,
    /// Whether `cf-mitigated: challenge` is sent.
    pub challenge: bool,
}

/// An answer given word for word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawAnswer {
    /// The status code.
    pub status: u16,
    /// The value of `content-type`.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
    /// How it is compressed.
    pub coding: Coding,
}

/// What the fake saw and did, without any value of a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The server's clock.
    pub at: Timestamp,
    /// The method.
    pub method: String,
    /// The host, without a port.
    pub host: String,
    /// The path, without the query.
    pub path: String,
    /// The credential in the header fields, `x-api-key` first.
    pub credential: Option<Label>,
    /// The credential in the body of a token or revocation request.
    pub body_credential: Option<Label>,
    /// What a token request asked for.
    pub grant: Option<Grant>,
    /// The status answered; none if the connection was cut instead.
    pub status: Option<u16>,
    /// The index of the script's rule that decided, if one did.
    pub rule: Option<usize>,
}

/// A model under a script.
pub struct Play {
    model: Model,
    script: Script,
    met: Vec<u32>,
}

impl Play {
    /// The beginning of the play: no rule has been used.
    #[must_use]
    pub fn new(model: Model, script: Script) -> Self {
        let met = vec![0; script.rules.len()];
        Self { model, script, met }
    }

    /// The model.
    pub fn model(&mut self) -> &mut Model {
        &mut self.model
    }

    /// What to do with a request, how long to wait before, and what to remember of it.
    pub fn reply(&mut self, request: &Request<'_>) -> (Reply, Duration, Seen) {
        let credential = access::label(&self.model, request);
        let body_credential = oauth::label(&self.model, request);
        let grant = oauth::grant(request);
        let rule = self.rule(request, credential, grant);
        let then = rule.and_then(|index| self.script.rules.get(index)).map_or(Then::Model, |rule| rule.then.clone());
        let (reply, delay) = self.act(request, then);
        let status = match &reply {
            Reply::Response(response) => Some(response.status),
            Reply::Cut(_) => None,
        };
        let seen = Seen {
            at: request.now,
            method: request.method.to_owned(),
            host: request.host.to_owned(),
            path: request.path.to_owned(),
            credential,
            body_credential,
            grant,
            status,
            rule,
        };
        (reply, delay, seen)
    }

    /// The rule that takes the request; every rule that it reaches counts it.
    fn rule(&mut self, request: &Request<'_>, brought: Option<Label>, grant: Option<Grant>) -> Option<usize> {
        for (index, (rule, met)) in self.script.rules.iter().zip(&mut self.met).enumerate() {
            if !rule.when.matches(request, brought, grant) {
                continue;
            }
            let nth = *met;
            *met = met.saturating_add(1);
            let last = rule.times.map(|times| rule.skip.saturating_add(times));
            if nth >= rule.skip && last.is_none_or(|last| nth < last) {
                return Some(index);
            }
        }
        None
    }

    fn act(&mut self, request: &Request<'_>, then: Then) -> (Reply, Duration) {
        let mut delay = Duration::ZERO;
        let response = match then {
            Then::Model => self.model.answer(request),
            Then::Delay(time) => {
                delay = time;
                self.model.answer(request)
            }
            Then::Error(error) => self.error(request, &error),
            Then::Html(page) => self.html(request, &page),
            Then::Raw(raw) => {
                let mut response = Response::text(raw.status, &raw.content_type, raw.coding.encode(&raw.body));
                response.headers.extend(raw.coding.name().map(|name| ("content-encoding", name.to_owned())));
                self.dressed(request, response)
            }
            Then::Cut(cut) => return (Reply::Cut(cut), delay),
            Then::Truncate { events, cut } => {
                let mut response = self.model.answer(request);
                if let Body::Streamed(streamed) = &mut response.body {
                    streamed.pieces.truncate(events);
                    streamed.end = StreamEnd::Cut(cut);
                }
                response
            }
            Then::StreamError { events, error } => {
                let mut response = self.model.answer(request);
                if let Body::Streamed(streamed) = &mut response.body {
                    streamed.pieces.truncate(events);
                    streamed.pieces.push(error_event(&error));
                }
                response
            }
            Then::Slow(gap) => {
                let mut response = self.model.answer(request);
                if let Body::Streamed(streamed) = &mut response.body {
                    streamed.gap = Some(gap);
                }
                response
            }
            Then::Coded(coding) => {
                let mut response = self.model.answer(request);
                if let (Body::Full(bytes), Some(name)) = (&mut response.body, coding.name()) {
                    *bytes = coding.encode(bytes).into();
                    response.headers.push(("content-encoding", name.to_owned()));
                }
                response
            }
            Then::Token(outcome) => match self.token(request, outcome) {
                Ok(response) => response,
                Err(cut) => return (Reply::Cut(cut), delay),
            },
        };
        (Reply::Response(response), delay)
    }

    fn token(&mut self, request: &Request<'_>, outcome: TokenOutcome) -> Result<Response, Cut> {
        match outcome {
            TokenOutcome::InvalidGrant => Ok(self.error(request, &ApiError::invalid_grant())),
            TokenOutcome::Lost(cut) => {
                self.model.answer(request);
                Err(cut)
            }
            TokenOutcome::Granted(terms) => {
                let before = self.model.terms;
                self.model.set_token_terms(terms);
                let response = self.model.answer(request);
                self.model.set_token_terms(before);
                Ok(response)
            }
        }
    }

    fn error(&mut self, request: &Request<'_>, error: &ApiError) -> Response {
        let id = self.model.next_request_id();
        let mut response = error.response(&id);
        self.model.dress(request, &mut response, &id);
        response
    }

    fn html(&mut self, request: &Request<'_>, page: &HtmlPage) -> Response {
        let body = format!(
            "<!DOCTYPE html><html lang=\"en-US\"><head><title>{0}</title></head><body><h1>{0}</h1></body></html>\n",
            page.title
        );
        let mut response = Response::text(page.status, "text/html; charset=UTF-8", body);
        if page.challenge {
            response.headers.push(("cf-mitigated", "challenge".to_owned()));
        }
        self.dressed(request, response)
    }

    /// With the header fields of the edge, but no request id: the API has not seen the request.
    fn dressed(&mut self, request: &Request<'_>, mut response: Response) -> Response {
        let id = self.model.next_request_id();
        self.model.dress(request, &mut response, &id);
        response.headers.retain(|(name, _)| *name != "request-id" && *name != "anthropic-organization-id");
        response
    }
}

/// Every message is refused with 401 `Invalid authentication credentials`, while the profile is 200 and each refresh
/// gives a new token, which is refused as well.
#[must_use]
pub fn motivating_bug() -> Script {
    let refused = ApiError::unauthorized("Invalid authentication credentials").with_request_id(RequestIdShape::Present);
    Script { rules: vec![Rule::always(When::path("/v1/messages"), Then::Error(refused))] }
}
