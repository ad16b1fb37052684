//! What of a difference is worse than it was. docs/comparing.md says the same to people.

use super::comparison::{Comparison, FindingChange, Seen, Standing};
use super::flow::host_of;
use super::identity::is_credential;
use super::outcome::Outcome;
use super::route::Route;
use crate::analyze::{Endpoint, Provider, Survey, Verdict, endpoint, matters, provider};
use crate::catalogue::Class;
use crate::redact::Kind;
use crate::trace::{Credential, Exchange};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Something that is worse than it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Regression {
    /// What kind.
    pub kind: RegressionKind,
    /// What is worse, in a sentence.
    pub message: String,
    /// The exchange of the second trace that shows it, by its number.
    pub exchange: Option<u64>,
}

/// The kinds of regressions, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RegressionKind {
    /// A credential went to a host that was sent none.
    Host,
    /// The verdict is a failure and was none, or what failed does not recover any more.
    Verdict,
    /// A failure is found that was not, or that recovered.
    Finding,
    /// More requests are refused for a reason of authentication.
    Refused,
    /// What succeeded in the end does not any more.
    Failed,
    /// What succeeded is not asked any more.
    Gone,
    /// The command ended with 0, and does not any more.
    ExitCode,
}

impl RegressionKind {
    /// The name for people and programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Verdict => "verdict",
            Self::Finding => "finding",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Gone => "gone",
            Self::ExitCode => "exit-code",
        }
    }
}

pub(super) fn all(comparison: &Comparison, before: Seen<'_>, after: Seen<'_>) -> Vec<Regression> {
    let mut found = hosts(before.survey, after.survey);
    found.extend(verdict(comparison, after));
    found.extend(findings(comparison, after));
    found.extend(routes(before.survey, after.survey));
    found.extend(beside(comparison));
    found.extend(exit_code(comparison.exit_codes));
    found.sort_by_key(|one| one.kind);
    found
}

/// Hosts that were sent no credential, or no refresh token, and now are. Hosts that are not shown cannot be told apart
/// between traces: of them the number counts.
fn hosts(before: &Survey, after: &Survey) -> Vec<Regression> {
    let known = receivers(before);
    let unnamed = |receivers: &[Receiver<'_>]| {
        receivers.iter().filter(|one| one.named.is_none()).map(|one| one.shown).collect::<HashSet<_>>().len()
    };
    let mut more_unnamed = unnamed(&receivers(after)).saturating_sub(unnamed(&known));
    let mut found: Vec<Regression> = Vec::new();
    let mut told: HashSet<&str> = HashSet::new();
    for now in receivers(after) {
        let was_sent =
            |refresh: bool| known.iter().any(|then| then.named == now.named && (then.is_refresh || !refresh));
        let is_new = match now.named {
            Some(_) => !was_sent(now.is_refresh),
            None => more_unnamed > 0,
        };
        if !is_new || !told.insert(now.shown) {
            continue;
        }
        more_unnamed -= usize::from(now.named.is_none());
        let label = after.credential_label(now.credential.credential.fp);
        let label = label.map_or_else(|| "a credential".to_owned(), |label| label.to_string());
        let what = match now.named.is_some() && was_sent(false) {
            true => "was sent no refresh token before",
            false => "was sent no credential before",
        };
        let message = format!("{label} ({}) goes to {}, which {what}", now.credential.credential.kind, now.shown);
        found.push(Regression { kind: RegressionKind::Host, message, exchange: Some(now.exchange) });
    }
    found
}

/// A host that was sent a credential.
struct Receiver<'a> {
    named: Option<&'a str>,
    shown: &'a str,
    is_refresh: bool,
    credential: &'a Credential,
    exchange: u64,
}

/// Each host once with a refresh token and once with another credential. That a login is renewed where it was made
/// is no news, however seldom it happens.
fn receivers(survey: &Survey) -> Vec<Receiver<'_>> {
    let mut seen: HashSet<(&str, bool)> = HashSet::new();
    let mut found = Vec::new();
    let is_renewed = |one: &Exchange| provider(one) == Provider::Anthropic && endpoint(one) == Endpoint::Token;
    for exchange in survey.exchanges().iter().filter(|one| !is_renewed(one)) {
        for credential in exchange.credentials.iter().filter(|sent| is_credential(sent)) {
            let shown = exchange.request.host.as_str();
            let is_refresh = credential.credential.kind == Kind::OauthRefresh;
            if seen.insert((shown, is_refresh)) {
                let named = host_of(exchange);
                found.push(Receiver { named, shown, is_refresh, credential, exchange: exchange.id });
            }
        }
    }
    found
}

/// How bad a verdict is: none, a failure that mended itself, a failure.
fn rank(verdict: &Verdict) -> u8 {
    match verdict.code.class() {
        Class::Failure if verdict.recovered => 1,
        Class::Failure => 2,
        Class::Label | Class::Observation => 0,
    }
}

fn verdict(comparison: &Comparison, after: Seen<'_>) -> Option<Regression> {
    let (then, now) = &comparison.verdicts;
    if rank(now) <= rank(then) {
        return None;
    }
    let was = match then.recovered {
        true => format!("it was {}, and recovered", then.code),
        false => format!("it was {}", then.code),
    };
    let message = format!("the verdict is {} ({was}): {}", now.code, now.summary);
    let of_verdict = after.diagnosis.findings.iter().find(|finding| finding.code == now.code);
    let exchange = of_verdict.and_then(|finding| finding.exchanges.last().copied());
    Some(Regression { kind: RegressionKind::Verdict, message, exchange })
}

/// Failures that are new, but for that of the verdict if that is told already.
fn findings(comparison: &Comparison, after: Seen<'_>) -> Vec<Regression> {
    let (then, now) = &comparison.verdicts;
    let told = (rank(now) > rank(then)).then_some(now.code);
    let grave = |standing: Option<Standing>| match standing {
        Some(Standing { is_failure: true, recovered, .. }) => {
            if recovered {
                1
            } else {
                2
            }
        }
        _ => 0,
    };
    let worse = |change: &&FindingChange| grave(change.after) > grave(change.before) && Some(change.code) != told;
    let found = comparison.findings.iter().filter(worse).filter_map(|change| {
        let finding = after.diagnosis.findings.iter().find(|finding| finding.code == change.code)?;
        let how =
            if change.before.is_some_and(|then| then.is_failure) { "does not recover any more" } else { "is found" };
        let message = format!("{} {how}: {}", change.code, finding.summary);
        Some(Regression { kind: RegressionKind::Finding, message, exchange: finding.exchanges.last().copied() })
    });
    found.collect()
}

/// What came of one route of the flow, in one trace.
#[derive(Default)]
struct Tally<'a> {
    asked: usize,
    is_token: bool,
    refused: Vec<&'a Exchange>,
    succeeded: bool,
    /// The last of which something came.
    last: Option<(&'a Exchange, Outcome)>,
}

fn tallies(survey: &Survey) -> BTreeMap<String, Tally<'_>> {
    let mut names: HashMap<Route, String> = HashMap::new();
    let mut tallies: BTreeMap<String, Tally<'_>> = BTreeMap::new();
    for exchange in survey.exchanges().iter().filter(|exchange| matters(exchange)) {
        let route = Route::of(exchange);
        let name = names.entry(route.clone()).or_insert_with(|| route.to_string());
        if !tallies.contains_key(name) {
            tallies.insert(name.clone(), Tally::default());
        }
        let Some(tally) = tallies.get_mut(name) else { continue };
        let outcome = Outcome::of(exchange);
        tally.asked += 1;
        tally.is_token = endpoint(exchange) == Endpoint::Token;
        tally.succeeded |= outcome == Outcome::Accepted;
        if outcome == Outcome::Refused {
            tally.refused.push(exchange);
        }
        if outcome != Outcome::LeftOff {
            tally.last = Some((exchange, outcome));
        }
    }
    tallies
}

fn routes(before: &Survey, after: &Survey) -> Vec<Regression> {
    let (then, mut now) = (tallies(before), tallies(after));
    let mut found = Vec::new();
    for (name, then) in &then {
        match now.remove(name) {
            Some(now) => found.extend(refused(name, then, &now).or_else(|| failed(name, then, &now))),
            // A token request is worth what is done with the token.
            None if then.succeeded && !then.is_token => found.push(Regression {
                kind: RegressionKind::Gone,
                message: format!("{name} succeeded, and is not asked any more"),
                exchange: None,
            }),
            None => {}
        }
    }
    found.extend(now.iter().filter_map(|(name, now)| refused(name, &Tally::default(), now)));
    found
}

fn refused(name: &str, then: &Tally<'_>, now: &Tally<'_>) -> Option<Regression> {
    let times = |count: usize| if count == 1 { "once".to_owned() } else { format!("{count} times") };
    let first = now.refused.get(then.refused.len())?;
    let status = first.status().map(|status| format!(" with {status}")).unwrap_or_default();
    let was = match then.refused.len() {
        0 if then.asked == 0 => "was not asked".to_owned(),
        0 => "was not refused".to_owned(),
        count => format!("was refused {}", times(count)),
    };
    let message = format!("{name} is refused {}{status}, and {was}", times(now.refused.len()));
    Some(Regression { kind: RegressionKind::Refused, message, exchange: Some(first.id) })
}

fn failed(name: &str, then: &Tally<'_>, now: &Tally<'_>) -> Option<Regression> {
    let (Some((_, Outcome::Accepted)), Some((last, outcome))) = (then.last, now.last) else { return None };
    if outcome == Outcome::Accepted {
        return None;
    }
    let how = last.status().map_or_else(|| "without an answer".to_owned(), |status| format!("with {status}"));
    let message = format!("{name} succeeded in the end, and now ends {how}");
    Some(Regression { kind: RegressionKind::Failed, message, exchange: Some(last.id) })
}

/// What is asked beside the flow comes in no fixed number: it counts that it is refused at all.
fn beside(comparison: &Comparison) -> Vec<Regression> {
    let newly = comparison.beside.rows.iter().filter(|row| row.is_newly_refused());
    let found = newly.map(|row| {
        let was = if row.before.is_empty() { "was not asked" } else { "was not refused" };
        let message = format!("{} is refused, and {was}", row.route);
        Regression { kind: RegressionKind::Refused, message, exchange: row.first_refused }
    });
    found.collect()
}

fn exit_code((then, now): (Option<i32>, Option<i32>)) -> Option<Regression> {
    let now = now.filter(|now| then == Some(0) && *now != 0)?;
    let message = format!("the command ended with 0, and now ends with {now}");
    Some(Regression { kind: RegressionKind::ExitCode, message, exchange: None })
}
