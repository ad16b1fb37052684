//! A trace becomes a scenario: what was answered on each route, in its order.

use super::answer::{self, Left, Played, Wait};
use super::login;
use crate::analyze::{Diagnosis, Survey, diagnose};
use crate::catalogue::{Code, entry};
use crate::compare::Route;
use crate::policy::{Cut, Rule, Script, Then, TokenTerms, When};
use crate::redact::Kind;
use crate::scenario::{Against, Scenario, Server};
use crate::trace::{Exchange, Outcome, Timestamp};
use std::collections::HashMap;
use std::time::Duration;

/// Shorter waits are left out: a client does not notice them.
const NOTICED: Duration = Duration::from_millis(50);
/// Waits up to this are taken for equal.
const SHORT: Duration = Duration::from_secs(1);
/// A clock that is off by less is taken for right, in milliseconds.
const CLOCK_OFF_MS: i64 = 60_000;
/// So many lines that could not be read are told one by one.
const TOLD: usize = 3;
/// So many records are replayed at most: more make no scenario that anyone could use.
const MOST_EXCHANGES: usize = 20_000;

/// How fast a recorded trace is played.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Speed {
    /// So many times as fast; more than 0.
    Times(f64),
    /// Without the recorded waits.
    Unwaited,
}

impl Speed {
    fn scaled(self, wait: Duration) -> Duration {
        match self {
            Self::Times(factor) if factor.is_finite() && factor > 0.0 => {
                Duration::try_from_secs_f64(wait.as_secs_f64() / factor).unwrap_or(wait)
            }
            Self::Times(_) => wait,
            Self::Unwaited => Duration::ZERO,
        }
    }
}

/// A trace as a scenario.
#[derive(Debug, Clone, PartialEq)]
pub struct Replayed {
    /// The scenario.
    pub scenario: Scenario,
    /// From what it was made and what was assumed, one line each.
    pub made_from: Vec<String>,
    /// What of the trace is not played, or is missing in it, one line each.
    pub warnings: Vec<String>,
}

/// Why a trace cannot be played.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// No request is in it, and the client had no reason to make none.
    #[error("the trace holds no exchange, and nothing that says why: there is nothing to play")]
    Empty,
    /// All answers were given by authtrace or a proxy on the way.
    #[error(
        "no answer in the trace came from a server ({own} were authtrace's own, {proxy} a proxy's): there is nothing to play"
    )]
    NothingOfAServer {
        /// Answers of authtrace itself.
        own: usize,
        /// Answers of a proxy on the way.
        proxy: usize,
    },
    /// More than a scenario can hold.
    #[error("the trace holds {exchanges} exchanges; a scenario is made of {MOST_EXCHANGES} at most")]
    TooLong {
        /// How many.
        exchanges: usize,
    },
}

/// Makes a scenario of a trace. The same trace gives the same scenario.
///
/// # Errors
/// [`ReplayError`] if nothing in it can be played.
pub fn convert(survey: &Survey, speed: Speed) -> Result<Replayed, ReplayError> {
    let exchanges = survey.exchanges();
    if exchanges.len() > MOST_EXCHANGES {
        return Err(ReplayError::TooLong { exchanges: exchanges.len() });
    }
    let diagnosis = diagnose(survey);
    let terms = exchanges.iter().find_map(answer::terms).unwrap_or_default();
    let mut score = Score::of(survey, terms);
    score.add_failed_connections(survey);
    score.check(&diagnosis)?;
    let assumed = login::assume(survey, &diagnosis);
    let clock = survey.clock_difference().map_or(0, |difference| difference.median_ms);
    let code = diagnosis.verdict.code;
    let scenario = Scenario {
        code: Some(code),
        title: format!("Replay: {}", entry(code).title),
        about: Some(about(survey)),
        against: Against::Fake,
        client: assumed.client,
        server: Server {
            terms,
            scopes: assumed.scopes,
            clock: if clock.abs() >= CLOCK_OFF_MS { clock / 1_000 } else { 0 },
            ..Server::default()
        },
        events: Vec::new(),
        script: Script { rules: score.rules(speed) },
        warnings: Vec::new(),
    };
    let mut made_from = vec![origin(survey, &diagnosis)];
    made_from.extend(assumed.why.into_iter().map(|why| format!("assumed: {why}")));
    Ok(Replayed { scenario, made_from, warnings: score.warnings(survey) })
}

fn about(survey: &Survey) -> String {
    let hosts: Vec<String> = survey.hosts().into_iter().map(|row| row.host.to_string()).collect();
    let hosts: Vec<String> = hosts.into_iter().filter(|host| !host.contains('‹')).collect();
    let count = survey.exchanges().len();
    let named = if hosts.is_empty() { String::new() } else { format!(" with {}", hosts.join(", ")) };
    format!("What a trace of {count} exchange{}{named} recorded, in its order on each route.", plural(count))
}

fn origin(survey: &Survey, diagnosis: &Diagnosis) -> String {
    let count = survey.exchanges().len();
    let head = survey.head().map(|head| format!(" of {} by {}", head.started, head.tool)).unwrap_or_default();
    format!("made from a trace of {count} exchange{}{head}; its verdict is {}", plural(count), diagnosis.verdict.code)
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// One answer, and the kind of credential that it was given to.
type Answered = (Option<Kind>, Played);

/// What is to be played, by route in the order of their first requests.
struct Score {
    routes: Vec<(Route, Vec<Answered>)>,
    /// Hosts that could not be reached before anything else was asked of them: how often, and whether ever after.
    hosts_down: Vec<(String, u32, bool)>,
    own: usize,
    proxy: usize,
    lost_connections: usize,
}

impl Score {
    fn of(survey: &Survey, terms: TokenTerms) -> Self {
        let mut score = Self { routes: Vec::new(), hosts_down: Vec::new(), own: 0, proxy: 0, lost_connections: 0 };
        for exchange in survey.exchanges() {
            let route = Route::of(exchange);
            match answer::played(exchange, &route, terms) {
                Ok(played) => score.add(route, exchange, played),
                Err(Left::Own) => score.own += 1,
                Err(Left::Proxy) => score.proxy += 1,
                Err(Left::Nothing) => {}
            }
        }
        score
    }

    /// Whether there is anything to play. A client without a login makes no request, nor does one that does not trust
    /// authtrace: both can be played.
    fn check(&self, diagnosis: &Diagnosis) -> Result<(), ReplayError> {
        let silent = matches!(diagnosis.verdict.code, Code::NoAuthenticatedRequest | Code::TlsInterceptionUntrusted);
        match (self.routes.is_empty() && self.hosts_down.is_empty(), self.own + self.proxy) {
            (true, 0) if !silent => Err(ReplayError::Empty),
            (true, 1..) => Err(ReplayError::NothingOfAServer { own: self.own, proxy: self.proxy }),
            _ => Ok(()),
        }
    }

    fn add(&mut self, route: Route, exchange: &Exchange, played: Played) {
        let one = (header_kind(exchange), played);
        match self.routes.iter_mut().find(|(known, _)| *known == route) {
            Some((_, list)) => list.push(one),
            None => self.routes.push((route, vec![one])),
        }
    }

    /// Connections on which nothing could be asked, since the host was not reached. They have a host, and no route.
    fn add_failed_connections(&mut self, survey: &Survey) {
        let mut first: HashMap<&str, Timestamp> = HashMap::new();
        for exchange in survey.exchanges() {
            first.entry(exchange.request.host.as_str()).or_insert(exchange.at);
        }
        for connection in survey.connections() {
            let unreached = matches!(
                connection.end.outcome,
                Outcome::UpstreamDns | Outcome::UpstreamConnect | Outcome::UpstreamTls | Outcome::UpstreamReset
            );
            let Some(target) = connection.target.as_ref().filter(|_| unreached && connection.requests == 0) else {
                continue;
            };
            let (host, first) = (target.host.as_str(), first.get(target.host.as_str()));
            if host.contains('‹') || first.is_some_and(|first| *first < connection.opened) {
                self.lost_connections += 1;
                continue;
            }
            match self.hosts_down.iter_mut().find(|(known, ..)| *known == host) {
                Some((_, count, _)) => *count = count.saturating_add(1),
                None => self.hosts_down.push((host.to_owned(), 1, first.is_none())),
            }
        }
    }

    fn rules(&self, speed: Speed) -> Vec<Rule> {
        let down = self.hosts_down.iter().map(|(host, count, for_good)| Rule {
            times: (!for_good).then_some(*count),
            ..Rule::always(When { host: Some(host.clone()), ..When::default() }, Then::Cut(Cut::Reset))
        });
        let mut rules: Vec<Rule> = down.collect();
        let (wide, narrow): (Vec<_>, Vec<_>) = self.routes.iter().partition(|(route, _)| route.is_wide());
        for (route, list) in narrow.into_iter().chain(wide) {
            for (kind, list) in by_kind(list) {
                rules.extend(sequence(&When { credential: kind, ..route.when() }, &list, speed));
            }
        }
        // Whatever the trace does not show refused is served, whatever the model thinks of the credential.
        rules.push(Rule::always(When::default(), Then::Accept));
        rules
    }

    fn warnings(&self, survey: &Survey) -> Vec<String> {
        let counted = |count: usize, one: &str, several: &str| match count {
            0 => None,
            1 => Some(one.to_owned()),
            count => Some(format!("{count} {several}")),
        };
        let lost: u64 = survey.gaps().iter().map(|gap| gap.lost).sum();
        let mut warnings: Vec<String> = [
            counted(
                self.own,
                "1 answer was authtrace's own and is not played: it is no evidence",
                "answers were authtrace's own and are not played: they are no evidence",
            ),
            counted(
                self.proxy,
                "1 answer came from a proxy on the way and is not played",
                "answers came from a proxy on the way and are not played",
            ),
            counted(
                self.lost_connections,
                "1 connection failed between others that did not, and is not played",
                "connections failed between others that did not, and are not played",
            ),
            counted(
                survey.unfinished().count(),
                "1 request has no recorded end, and is not played",
                "requests have no recorded end, and are not played",
            ),
        ]
        .into_iter()
        .flatten()
        .collect();
        if survey.end().is_none() && !survey.is_imported() {
            warnings.push("the trace has no end: its writer was stopped, or still writes".to_owned());
        }
        if !survey.gaps().is_empty() {
            warnings.push(format!(
                "the trace has gaps: {lost} records are missing, and what they held is not played; the order may be wrong there"
            ));
        }
        for unread in survey.unread().iter().take(TOLD) {
            warnings
                .push(format!("line {} of the trace was not read ({}), and is not played", unread.line, unread.why));
        }
        let more = survey.unread().len().saturating_sub(TOLD);
        warnings.extend(counted(more, "1 more line was not read", "more lines were not read"));
        warnings
    }
}

/// One list, or one for each kind of credential if several were used.
fn by_kind(list: &[Answered]) -> Vec<(Option<Kind>, Vec<Played>)> {
    let mut kinds: Vec<Option<Kind>> = Vec::new();
    for (kind, _) in list {
        if !kinds.contains(kind) {
            kinds.push(*kind);
        }
    }
    if kinds.len() < 2 {
        return vec![(None, list.iter().map(|(_, played)| played.clone()).collect())];
    }
    // Whatever else is used has no kind that a rule can name, and comes behind the others.
    kinds.sort_by_key(Option::is_none);
    let of =
        |wanted: Option<Kind>| list.iter().filter(move |(kind, _)| *kind == wanted).map(|(_, played)| played.clone());
    kinds.iter().map(|kind| (*kind, of(*kind).collect())).collect()
}

/// Rules for one list of answers: equal ones in a row are one rule, and the last goes on for ever.
fn sequence(when: &When, list: &[Played], speed: Speed) -> Vec<Rule> {
    let mut runs: Vec<(&Played, Vec<Duration>)> = Vec::new();
    for played in list {
        let wait = scaled(played, speed);
        match runs.last_mut() {
            Some((last, waits))
                if last.then == played.then && waits.first().is_none_or(|other| alike(*other, wait)) =>
            {
                waits.push(wait);
            }
            _ => runs.push((played, vec![wait])),
        }
    }
    let count = runs.len();
    let mut rules = Vec::new();
    for (index, (played, waits)) in runs.into_iter().enumerate() {
        let last = index + 1 == count;
        let delay = median(&waits);
        // The rule for everything, which stands last, does the same.
        if last && played.then == Then::Accept && delay.is_zero() {
            continue;
        }
        let times = (!last).then(|| u32::try_from(waits.len()).unwrap_or(u32::MAX));
        rules.push(Rule { times, ..Rule::always(when.clone(), played.then.clone()).after(delay) });
    }
    rules
}

fn scaled(played: &Played, speed: Speed) -> Duration {
    let wait = match played.wait {
        Wait::Answered(wait) => speed.scaled(wait),
        Wait::GivenUp(wait) => wait,
    };
    if wait < NOTICED { Duration::ZERO } else { Duration::from_millis(u64::try_from(wait.as_millis()).unwrap_or(0)) }
}

fn alike(one: Duration, other: Duration) -> bool {
    let (less, more) = (one.min(other), one.max(other));
    more <= SHORT || more <= less.saturating_mul(2)
}

fn median(waits: &[Duration]) -> Duration {
    let mut waits = waits.to_vec();
    waits.sort_unstable();
    waits.get(waits.len() / 2).copied().unwrap_or_default()
}

/// The kind of the credential in the header fields, as a rule can ask for it.
fn header_kind(exchange: &Exchange) -> Option<Kind> {
    let in_head = |place: &str| exchange.credentials.iter().find(|one| one.place == *place);
    let kind = in_head("x-api-key").or_else(|| in_head("authorization"))?.credential.kind;
    matches!(kind, Kind::OauthAccess | Kind::ApiKey).then_some(kind)
}
