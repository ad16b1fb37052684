//! A model under a script: what the fake does instead of, or on top of, what its model would answer.

use super::access;
use super::answer::{Body, Reply, Request, Response, StreamEnd};
use super::conversation::error_event;
use super::credential::{CredentialKind, Label};
use super::event::{Agenda, Event};
use super::model::Model;
use super::oauth;
use crate::policy::{Answer, ApiError, Asked, Cut, Decider, Grant, Script, Then, TokenOutcome};
use crate::redact::Kind;
use crate::trace::Timestamp;
use std::time::Duration;

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
    decider: Decider,
    agenda: Agenda,
    begun: Option<Timestamp>,
}

impl Play {
    /// The beginning of the play: no rule has been used. Its time begins with the first request.
    #[must_use]
    pub fn new(model: Model, script: Script) -> Self {
        Self { model, decider: Decider::new(script), agenda: Agenda::default(), begun: None }
    }

    /// The same with events.
    #[must_use]
    pub fn with_events(self, events: Vec<Event>) -> Self {
        Self { agenda: Agenda::new(events), ..self }
    }

    /// The model.
    pub fn model(&mut self) -> &mut Model {
        &mut self.model
    }

    /// What to do with a request, how long to wait before, and what to remember of it.
    pub fn reply(&mut self, request: &Request<'_>) -> (Reply, Duration, Seen) {
        let begun = *self.begun.get_or_insert(request.now);
        let elapsed = Duration::from_millis(u64::try_from(request.now.unix_ms() - begun.unix_ms()).unwrap_or(0));
        for change in self.agenda.at(elapsed) {
            change.apply(&mut self.model, request.now);
        }
        let credential = access::label(&self.model, request);
        let body_credential = oauth::label(&self.model, request);
        let grant = oauth::grant(request);
        let decision = self.decider.decide(&Asked {
            method: request.method,
            host: request.host,
            path: request.path,
            credential: credential.and_then(Label::kind).map(kind),
            identity: oauth::identity(request).or_else(|| access::identity(request)),
            grant,
            elapsed,
        });
        let reply = self.act(request, decision.then);
        for change in self.agenda.behind(request.path) {
            change.apply(&mut self.model, request.now);
        }
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
            rule: decision.rule,
        };
        (reply, decision.delay, seen)
    }

    fn act(&mut self, request: &Request<'_>, then: Then) -> Reply {
        let response = match then {
            Then::Pass => self.model.answer(request),
            Then::Accept => self.model.accept(request),
            Then::Error(error) => self.error(request, &error),
            Then::Html(page) => self.of_edge(request, page.answer()),
            Then::Raw(raw) => self.of_edge(request, raw.answer()),
            Then::Cut(cut) => return Reply::Cut(cut),
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
                    response.headers.push(("content-encoding".into(), name.to_owned()));
                }
                response
            }
            Then::Token(outcome) => match self.token(request, outcome) {
                Ok(response) => response,
                Err(cut) => return Reply::Cut(cut),
            },
        };
        Reply::Response(response)
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
                let response = self.model.accept(request);
                self.model.set_token_terms(before);
                Ok(response)
            }
        }
    }

    /// An answer that does not depend on the state.
    pub(super) fn error(&mut self, request: &Request<'_>, error: &ApiError) -> Response {
        let id = self.model.next_request_id();
        let mut response = Response::from(error.answer(&id));
        self.model.dress(request, &mut response, &id);
        response
    }

    /// With the header fields of the edge, but no request id: the API has not seen the request.
    fn of_edge(&mut self, request: &Request<'_>, answer: Answer) -> Response {
        let id = self.model.next_request_id();
        let own = answer.headers.len();
        let mut response = Response::from(answer);
        self.model.dress(request, &mut response, &id);
        let mut index = 0;
        response.headers.retain(|(name, _)| {
            index += 1;
            index <= own || *name != "request-id" && *name != "anthropic-organization-id"
        });
        response
    }
}

/// The kind by which a rule knows it.
fn kind(kind: CredentialKind) -> Kind {
    match kind {
        CredentialKind::AccessToken => Kind::OauthAccess,
        CredentialKind::RefreshToken => Kind::OauthRefresh,
        CredentialKind::ApiKey => Kind::ApiKey,
        CredentialKind::Code => Kind::OauthCode,
    }
}
