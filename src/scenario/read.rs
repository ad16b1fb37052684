//! From the file as it is written to values, with everything checked that a type cannot say.

use super::FORMAT;
use super::client::Client;
use super::error::ScenarioError;
use super::format::{
    Against, AnswerTable, CredentialName, CutName, EventTable, File, GrantName, GrantedTable, NewTokens,
    OrganizationName, RequestIdName, ReuseName, Rotation, RuleTable, ServerTable, ShapeName, TokenName, What,
    WhenTable, WordingName,
};
use crate::catalogue::Code;
use crate::fake::{Change, Circumstances, Event, Moment, Organization, Outage, Reuse, Wording};
use crate::place::{Place, in_words, nearest};
use crate::policy::span;
use crate::policy::{
    ApiError, Cut, Envelope, Grant, HtmlPage, PathPattern, RawAnswer, RequestIdShape, Rule, START, Script, Then,
    TokenOutcome, TokenTerms, When,
};
use crate::redact::Kind;
use http::{HeaderName, HeaderValue, Method};
use std::ops::Range;
use std::str::FromStr;
use toml::Spanned;

/// A failure to play.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// The verdict that it leads to.
    pub code: Option<Code>,
    /// What is played, in a few words.
    pub title: String,
    /// What is played, in a few sentences.
    pub about: Option<String>,
    /// Against what.
    pub against: Against,
    /// What the client is given.
    pub client: Client,
    /// What the server is like.
    pub server: Server,
    /// What becomes of the server.
    pub events: Vec<Event>,
    /// What is done to requests.
    pub script: Script,
    /// What is probably not meant, with its place.
    pub warnings: Vec<ScenarioError>,
}

/// What a server is like at the beginning.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Server {
    /// Its wording, its organisation, what reuse does.
    pub circumstances: Circumstances,
    /// What its token endpoint gives.
    pub terms: TokenTerms,
    /// What the login is good for, separated by spaces; none: everything.
    pub scopes: Option<String>,
    /// Seconds that its clock is ahead of this machine's.
    pub clock: i64,
}

/// Where tokens are given, and where events are streamed.
const TOKEN: &str = "/v1/oauth/token";
const MESSAGES: &str = "/v1/messages";

/// Reads a scenario.
///
/// # Errors
/// The first mistake, with its place.
pub fn read(text: &str) -> Result<Scenario, ScenarioError> {
    let file: File = toml::from_str(text).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        ScenarioError::at(text, span, in_words(error.message()))
    })?;
    let reader = Reader { text };
    reader.scenario(file)
}

/// Turns what is written into values, and knows where it stands.
pub(super) struct Reader<'a> {
    text: &'a str,
}

impl Reader<'_> {
    fn scenario(&self, file: File) -> Result<Scenario, ScenarioError> {
        if *file.format.get_ref() != FORMAT {
            let message = format!("this authtrace reads format {FORMAT}; a newer one may read this file");
            return Err(self.at(file.format.span(), message));
        }
        let code = file.code.map(|code| self.code(&code)).transpose()?;
        if file.against == Against::Live {
            self.only_rules(file.client.as_ref().map(Spanned::span), "[client]")?;
            self.only_rules(file.server.as_ref().map(Spanned::span), "[server]")?;
            self.only_rules(file.events.first().map(Spanned::span), "[[event]]")?;
        }
        let places: Vec<Range<usize>> = file.rules.iter().map(Spanned::span).collect();
        let mut warnings = self.states(&file.rules);
        let rules = file.rules.into_iter().map(|rule| self.rule(rule)).collect::<Result<Vec<_>, _>>()?;
        let script = Script { rules };
        if file.against == Against::Live {
            self.playable_live(&script, &places)?;
            if script.rules.is_empty() {
                let message = "against live traffic there are rules alone, and this file has none: nothing is played";
                warnings.push(self.at(file.format.span(), message));
            }
        }
        warnings.extend(self.unreachable(&script, &places));
        warnings.extend(self.pointless(&script, &places));
        let client = file.client.map(|client| self.client(client.into_inner())).transpose()?.unwrap_or_default();
        let server = file.server.map(|server| self.server(server.into_inner())).transpose()?.unwrap_or_default();
        let events = file.events.into_iter().map(|event| self.event(event)).collect::<Result<_, _>>()?;
        Ok(Scenario {
            code,
            title: file.title,
            about: file.about,
            against: file.against,
            client,
            server,
            events,
            script,
            warnings,
        })
    }

    fn code(&self, code: &Spanned<String>) -> Result<Code, ScenarioError> {
        Code::from_str(code.get_ref()).map_err(|_| {
            let near = nearest(code.get_ref(), Code::ALL.iter().map(|code| code.as_str()));
            let hint = near.map(|near| format!("; is {near:?} meant?")).unwrap_or_default();
            self.at(code.span(), format!("no verdict has this name{hint} (authtrace explain lists them)"))
        })
    }

    fn only_rules(&self, span: Option<Range<usize>>, what: &str) -> Result<(), ScenarioError> {
        match span {
            Some(span) => {
                Err(self.at(span, format!("{what} is for the fake; against live traffic there are rules alone")))
            }
            None => Ok(()),
        }
    }

    fn playable_live(&self, script: &Script, places: &[Range<usize>]) -> Result<(), ScenarioError> {
        match script.not_live().into_iter().next() {
            Some(refused) => {
                let place = places.get(refused.rule).cloned().unwrap_or_default();
                Err(self.at(place, format!("not against live traffic: {}", refused.why)))
            }
            None => Ok(()),
        }
    }

    fn server(&self, table: ServerTable) -> Result<Server, ScenarioError> {
        let terms = self.terms(table.token_lifetime.as_ref(), table.rotation, table.new_tokens)?;
        Ok(Server {
            circumstances: Circumstances {
                wording: match table.wording {
                    WordingName::Year2025 => Wording::Year2025,
                    WordingName::Spring2026 => Wording::Spring2026,
                    WordingName::Summer2026 => Wording::Summer2026,
                },
                organization: match table.organization {
                    OrganizationName::Active => Organization::Active,
                    OrganizationName::Disabled => Organization::Disabled,
                    OrganizationName::OauthNotAllowed => Organization::OauthNotAllowed,
                    OrganizationName::NoCredit => Organization::NoCredit,
                },
                reuse: match table.reuse {
                    ReuseName::Refused => Reuse::Refused,
                    ReuseName::RevokesFamily => Reuse::RevokesFamily,
                },
            },
            terms,
            scopes: table.scopes.map(|scopes| scopes.join(" ")),
            clock: self.parsed(table.clock.as_ref(), span::signed_seconds)?.unwrap_or(0),
        })
    }

    fn terms(
        &self,
        lifetime: Option<&Spanned<String>>,
        rotation: Rotation,
        new_tokens: NewTokens,
    ) -> Result<TokenTerms, ScenarioError> {
        let lifetime = self.parsed(lifetime, span::duration)?;
        let seconds = |lifetime: std::time::Duration| u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX);
        Ok(TokenTerms {
            lifetime: lifetime.map_or(TokenTerms::default().lifetime, seconds),
            rotates: rotation == Rotation::SingleUse,
            refused: new_tokens == NewTokens::Refused,
        })
    }

    fn granted(&self, table: GrantedTable) -> Result<Then, ScenarioError> {
        let terms = self.terms(table.lifetime.as_ref(), table.rotation, table.new_tokens)?;
        Ok(Then::Token(TokenOutcome::Granted(terms)))
    }

    fn event(&self, table: Spanned<EventTable>) -> Result<Event, ScenarioError> {
        let span = table.span();
        let table = table.into_inner();
        let at = match (self.parsed(table.at.as_ref(), span::duration)?, table.after) {
            (Some(elapsed), None) => Moment::Elapsed(elapsed),
            (None, Some(after)) => {
                let count = after.times.as_ref().map_or(1, |times| *times.get_ref());
                if let Some(times) = after.times.filter(|_| count == 0) {
                    return Err(self.at(times.span(), "times = 0: this event comes behind no request"));
                }
                Moment::Requests { path: self.path(&after.path)?, count }
            }
            _ => return Err(self.at(span, "an event has a time: either `at = \"30s\"` or `after = { path = \"…\" }`")),
        };
        let change = match table.what {
            What::Revoke => Change::Revoke,
            What::Refuse => Change::Refuse,
            What::Expire => Change::Expire,
            What::LogOut => Change::LogOut,
            What::RenewElsewhere => Change::RenewElsewhere,
            What::OutageBegins => Change::Outage(Some(Outage { status: 503 })),
            What::OutageEnds => Change::Outage(None),
            What::DisableOrganization => Change::Organization(Organization::Disabled),
        };
        Ok(Event { at, change })
    }

    fn rule(&self, table: Spanned<RuleTable>) -> Result<Rule, ScenarioError> {
        let span = table.span();
        let table = table.into_inner();
        if table.times == Some(0) {
            return Err(self.at(span, "times = 0: this rule never does anything"));
        }
        let delay = self.parsed(table.delay.as_ref(), span::duration)?;
        let when = self.when(&table.when)?;
        let (skip, times, enters) = (table.skip, table.times, table.enters.clone());
        let then = self.then(table, span, delay.is_some())?;
        Ok(Rule { when, skip, times, delay: delay.unwrap_or_default(), then, enters })
    }

    fn when(&self, table: &WhenTable) -> Result<When, ScenarioError> {
        Ok(When {
            method: table.method.as_ref().map(|method| self.method(method)).transpose()?,
            host: table.host.as_ref().map(|host| self.host(host)).transpose()?,
            path: table.path.as_ref().map(|path| self.path(path)).transpose()?,
            credential: table.credential.map(|kind| match kind {
                CredentialName::OauthAccess => Kind::OauthAccess,
                CredentialName::ApiKey => Kind::ApiKey,
            }),
            grant: table.grant.map(|grant| match grant {
                GrantName::RefreshToken => Grant::RefreshToken,
                GrantName::AuthorizationCode => Grant::AuthorizationCode,
            }),
            attempt: self.parsed(table.attempt.as_ref(), span::numbers)?,
            elapsed: self.parsed(table.elapsed.as_ref(), span::times)?,
            state: table.state.as_ref().map(|state| state.get_ref().clone()),
        })
    }

    fn method(&self, method: &Spanned<String>) -> Result<String, ScenarioError> {
        let name = method.get_ref().to_ascii_uppercase();
        match name.parse::<Method>() {
            Ok(_) => Ok(name),
            Err(_) => Err(self.at(method.span(), "a method such as \"POST\" is expected")),
        }
    }

    fn host(&self, host: &Spanned<String>) -> Result<String, ScenarioError> {
        let name = host.get_ref().to_ascii_lowercase();
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
        if name.is_empty() || !name.chars().all(plain) {
            return Err(self.at(host.span(), "a host is a name alone, such as \"api.anthropic.com\""));
        }
        Ok(name)
    }

    fn path(&self, path: &Spanned<String>) -> Result<PathPattern, ScenarioError> {
        let text = path.get_ref();
        if text != "*" && !text.starts_with('/') {
            return Err(self.at(path.span(), "a path begins with a slash; no request has this one"));
        }
        if text.find('*').is_some_and(|at| at + 1 < text.len()) {
            return Err(self.at(path.span(), "a star stands for any rest, and only at the end"));
        }
        if text.contains(['?', '#']) {
            return Err(self.at(path.span(), "a path is compared without its query"));
        }
        Ok(PathPattern::parse(text))
    }

    fn then(&self, table: RuleTable, span: Range<usize>, delayed: bool) -> Result<Then, ScenarioError> {
        let slow = self.parsed(table.slow.as_ref(), span::duration)?;
        let granted = table.granted.map(|terms| self.granted(terms.into_inner())).transpose()?;
        let answer = table.answer.map(|answer| self.answer(answer)).transpose()?;
        let page = table.page.map(|page| {
            let status = self.status(&page.status)?;
            Ok(Then::Html(HtmlPage { status, title: page.title, challenge: page.challenge }))
        });
        let choices = [
            answer,
            page.transpose()?,
            table.cut.map(|cut| Then::Cut(cut_of(cut))),
            table.truncate.map(|truncate| Then::Truncate { events: truncate.events, cut: cut_of(truncate.cut) }),
            table.stream_error.map(|error| Then::StreamError {
                events: error.events,
                error: ApiError::new(200, &error.kind, &error.message),
            }),
            slow.map(Then::Slow),
            table.token.map(|token| match token {
                TokenName::InvalidGrant => Then::Token(TokenOutcome::InvalidGrant),
                TokenName::Lost => Then::Token(TokenOutcome::Lost(Cut::Reset)),
            }),
            granted,
            table.accept.filter(|accept| *accept).map(|_| Then::Accept),
            table.pass.filter(|pass| *pass).map(|_| Then::Pass),
        ];
        let mut chosen = choices.into_iter().flatten();
        match (chosen.next(), chosen.next()) {
            (Some(then), None) => Ok(then),
            (None, _) if delayed || table.enters.is_some() => Ok(Then::Pass),
            (None, _) => Err(self.at(
                span,
                "a rule does one thing: answer, page, cut, truncate, stream_error, slow, token, granted, accept, pass, or a delay alone",
            )),
            (Some(_), Some(_)) => Err(self.at(span, "a rule does one thing, and here are two")),
        }
    }

    fn answer(&self, table: Spanned<AnswerTable>) -> Result<Then, ScenarioError> {
        let span = table.span();
        let table = table.into_inner();
        let status = self.status(&table.status)?;
        let headers: Vec<(String, String)> = table.headers.into_iter().collect();
        let sendable = |(name, value): &&(String, String)| {
            name.parse::<HeaderName>().is_ok() && HeaderValue::from_str(value).is_ok()
        };
        if let Some((name, _)) = headers.iter().find(|field| !sendable(field)) {
            return Err(self.at(span, format!("{name:?} with this value is no header field")));
        }
        match (table.kind, table.message, table.body) {
            (Some(kind), Some(message), None) => Ok(Then::Error(ApiError {
                headers,
                ..ApiError::new(status, &kind, &message)
                    .with_envelope(match table.shape {
                        ShapeName::Api => Envelope::Typed,
                        ShapeName::Bare => Envelope::Untyped,
                        ShapeName::Oauth => Envelope::OAuth,
                    })
                    .with_request_id(match table.request_id {
                        RequestIdName::Present => RequestIdShape::Present,
                        RequestIdName::Null => RequestIdShape::Null,
                        RequestIdName::Missing => RequestIdShape::Missing,
                    })
            })),
            (None, None, body) => {
                let content_type = table.content_type.unwrap_or_else(|| "application/json".to_owned());
                let raw = RawAnswer::new(status, &content_type, body.unwrap_or_default().as_bytes());
                Ok(Then::Raw(RawAnswer { headers, ..raw }))
            }
            _ => Err(self.at(span, "an answer is an error (`type` and `message`) or a `body`")),
        }
    }

    fn status(&self, status: &Spanned<u16>) -> Result<u16, ScenarioError> {
        match *status.get_ref() {
            good @ 200..=599 => Ok(good),
            _ => Err(self.at(status.span(), "a status from 200 to 599 is expected")),
        }
    }

    /// States that are waited for and never entered.
    fn states(&self, rules: &[Spanned<RuleTable>]) -> Vec<ScenarioError> {
        let mut entered = vec![START];
        loop {
            let known = entered.len();
            for rule in rules.iter().map(Spanned::get_ref) {
                let waits_for = rule.when.state.as_ref().map(|state| state.get_ref().as_str());
                let begins = rule.enters.as_deref().filter(|_| waits_for.is_none_or(|state| entered.contains(&state)));
                entered.extend(begins.filter(|state| !entered.contains(state)));
            }
            if entered.len() == known {
                break;
            }
        }
        let waited = rules.iter().filter_map(|rule| rule.get_ref().when.state.as_ref());
        waited
            .filter(|state| !entered.contains(&state.get_ref().as_str()))
            .map(|state| self.at(state.span(), "no rule enters this state, so this one never does anything"))
            .collect()
    }

    /// Rules behind one that takes everything they could.
    fn unreachable(&self, script: &Script, places: &[Range<usize>]) -> Vec<ScenarioError> {
        let all = |rule: &Rule| rule.skip == 0 && rule.times.is_none();
        let covers = |one: &Rule, other: &Rule| all(one) && (one.when == When::default() || one.when == other.when);
        let mut warnings = Vec::new();
        for (at, rule) in script.rules.iter().enumerate() {
            let before = script.rules.iter().take(at).position(|one| covers(one, rule));
            if let (Some(before), Some(place)) = (before, places.get(at)) {
                let line = places.get(before).map_or(0, |place| Place::of(self.text, place.clone()).line);
                warnings.push(self.at(place.clone(), format!("the rule of line {line} takes all that this one could")));
            }
        }
        warnings
    }

    /// Rules for what never comes to the path that they name.
    fn pointless(&self, script: &Script, places: &[Range<usize>]) -> Vec<ScenarioError> {
        let of_tokens = |rule: &Rule| rule.when.grant.is_some() || matches!(rule.then, Then::Token(_));
        let of_streams =
            |rule: &Rule| matches!(rule.then, Then::Truncate { .. } | Then::StreamError { .. } | Then::Slow(_));
        let misses = |rule: &Rule, path| rule.when.path.as_ref().is_some_and(|pattern| !pattern.matches(path));
        let mut warnings = Vec::new();
        for (rule, place) in script.rules.iter().zip(places) {
            if of_tokens(rule) && misses(rule, TOKEN) {
                let message = format!("grants are asked for at {TOKEN} alone, so this one never does anything");
                warnings.push(self.at(place.clone(), message));
            } else if of_streams(rule) && misses(rule, MESSAGES) {
                let message = format!("events are streamed from {MESSAGES} alone, so this one changes nothing");
                warnings.push(self.at(place.clone(), message));
            }
        }
        warnings
    }

    pub(super) fn parsed<T>(
        &self,
        value: Option<&Spanned<String>>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ScenarioError> {
        value.map(|value| parse(value.get_ref()).map_err(|why| self.at(value.span(), why))).transpose()
    }

    pub(super) fn at(&self, span: Range<usize>, message: impl Into<String>) -> ScenarioError {
        ScenarioError::at(self.text, span, message)
    }
}

fn cut_of(cut: CutName) -> Cut {
    match cut {
        CutName::Close => Cut::Close,
        CutName::Reset => Cut::Reset,
    }
}
