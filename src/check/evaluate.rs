//! What a trace does with each expectation.

use super::carried::Known;
use super::expectation::{Denied, Expectation, Expectations, Flow, Rule};
use super::fit::{grant, is_credential, path};
use super::flow::{end, follow};
use super::nearest::{Explained, time};
use super::observed;
use super::pattern::HostPattern;
use super::report::{Miss, MissKind, Outcome, Report};
use crate::analyze::{Confidence, CredentialOrigin, Diagnosis, Endpoint, Finding, Severity, Survey, endpoint};
use crate::catalogue::{Class, Code};
use crate::policy::Grant;
use crate::redact::{Fingerprint, Kind};
use crate::trace::Exchange;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// How many exchanges are shown before and behind the one that a miss is about.
const AROUND: usize = 3;

/// A credential, and what it was sent with: method, host, path.
type Retry<'a> = (Fingerprint, &'a str, &'a str, &'a str);

/// Holds a trace against expectations.
#[must_use]
pub fn evaluate(survey: &Survey, diagnosis: &Diagnosis, expectations: &Expectations) -> Report {
    let subject = Subject::new(survey, diagnosis);
    let mut outcomes = vec![of_every_trace("the trace is whole", observed::gap(&subject))];
    if !expectations.allow_empty {
        outcomes.push(of_every_trace("a credential was used", observed::nothing(&subject)));
    }
    outcomes.extend(expectations.expected.iter().filter_map(|one| subject.outcome(one, expectations)));
    Report { outcomes }
}

fn of_every_trace(expected: &str, miss: Option<Miss>) -> Outcome {
    Outcome { expected: expected.to_owned(), source: None, miss }
}

/// A trace with what was found out about it.
pub(super) struct Subject<'a> {
    pub(super) survey: &'a Survey,
    diagnosis: &'a Diagnosis,
    /// The place of each exchange among all, by its number.
    places: HashMap<u64, usize>,
}

impl<'a> Subject<'a> {
    pub(super) fn new(survey: &'a Survey, diagnosis: &'a Diagnosis) -> Self {
        let places = survey.exchanges().iter().enumerate().map(|(place, exchange)| (exchange.id, place)).collect();
        Self { survey, diagnosis, places }
    }

    pub(super) fn exchanges(&self) -> &'a [Exchange] {
        self.survey.exchanges()
    }

    /// The place of an exchange among all.
    pub(super) fn place_of(&self, id: u64) -> Option<usize> {
        self.places.get(&id).copied()
    }

    /// The numbers of the exchanges around a place.
    pub(super) fn around(&self, place: usize) -> Vec<u64> {
        let shown = self.exchanges().iter().skip(place.saturating_sub(AROUND));
        let count = place.min(AROUND) + 1 + AROUND;
        shown.take(count).map(|exchange| exchange.id).collect()
    }

    /// The numbers of the last exchanges.
    pub(super) fn last(&self, count: usize) -> Vec<u64> {
        let from = self.exchanges().len().saturating_sub(count);
        self.exchanges().iter().skip(from).map(|exchange| exchange.id).collect()
    }

    pub(super) fn label(&self, fp: Fingerprint) -> String {
        self.survey.credential_label(fp).map_or_else(|| format!("fp={fp}"), |label| label.to_string())
    }

    /// Where a credential came from, in a few words.
    pub(super) fn origin_of(&self, fp: Fingerprint) -> String {
        let origin = self.diagnosis.lineage.get(fp).map(|history| history.origin);
        match origin.and_then(CredentialOrigin::exchange) {
            Some(exchange) => format!("issued by #{exchange}"),
            None => "brought along".to_owned(),
        }
    }

    /// None if the expectation is one that this trace cannot be asked for.
    fn outcome(&self, one: &Expectation, all: &Expectations) -> Option<Outcome> {
        if let Rule::ExitCode { asked: false, .. } = one.rule
            && self.exit_code().is_none()
        {
            return None;
        }
        let miss = self.miss(&one.rule).or_else(|| observed::unread(self.survey, &one.rule, &all.unread_hosts));
        let unsaid = matches!(one.rule, Rule::ExitCode { asked: false, .. });
        let source = (!unsaid).then(|| one.source.clone());
        Some(Outcome { expected: one.rule.to_string(), source, miss })
    }

    fn miss(&self, rule: &Rule) -> Option<Miss> {
        match rule {
            Rule::AuthFailures(most) => self.too_many(*most, "auth failure", |one| self.is_counted_failure(one)),
            Rule::Refreshes(most) => self.too_many(*most, "refresh", |one| grant(one) == Some(Grant::RefreshToken)),
            Rule::Requests(most) => self.too_many(*most, "request", |_| true),
            Rule::RetriesPerCredential(most) => self.retried(*most),
            Rule::Time(most) => self.too_long(*most),
            Rule::Unanswered(most) => self.unanswered(*most),
            Rule::ExitCode { code, asked } => self.other_exit_code(*code, *asked),
            Rule::Deny(denied) => self.denied(denied),
            Rule::Allow { codes, confidence } => self.not_allowed(codes, *confidence),
            Rule::Require { code, confidence } => self.not_found(*code, *confidence),
            Rule::Hosts { kind, others, hosts } => self.stray(*kind, others, hosts),
            Rule::Flow(flow) => self.left(flow),
        }
    }

    fn too_many(&self, most: u64, what: &str, counts: impl Fn(&Exchange) -> bool) -> Option<Miss> {
        let mut found = self.exchanges().iter().enumerate().filter(|(_, exchange)| counts(exchange));
        let skipped = usize::try_from(most).unwrap_or(usize::MAX);
        let (place, exchange) = found.nth(skipped)?;
        let all = most.saturating_add(1).saturating_add(found.count() as u64);
        let are = if all == 1 { "is" } else { "are" };
        let message = format!("there {are} {}; #{} is the first too many", counted(all, what), exchange.id);
        Some(self.about(MissKind::Limit, place, message))
    }

    /// Whether it counts as a failure of authentication.
    pub(super) fn is_counted_failure(&self, exchange: &Exchange) -> bool {
        exchange.is_auth_failure() && !is_telemetry(exchange)
    }

    /// The least limit of retries for each credential that is kept.
    pub(super) fn retries(&self) -> u64 {
        let (mut least, mut most) = (0, self.exchanges().len() as u64);
        while least < most {
            let middle = least.midpoint(most);
            match self.retried(middle) {
                Some(_) => least = middle + 1,
                None => most = middle,
            }
        }
        least
    }

    /// The same request with the same credential, begun after an answer had refused it.
    fn retried(&self, most: u64) -> Option<Miss> {
        // When the first answer that refused it had come, and how often it was sent from then on.
        let mut refused: HashMap<Retry<'_>, (i64, u64)> = HashMap::new();
        for (place, exchange) in self.exchanges().iter().enumerate().filter(|(_, one)| !is_telemetry(one)) {
            let sent: HashSet<Fingerprint> =
                exchange.credentials.iter().filter(|sent| is_credential(sent)).map(|sent| sent.credential.fp).collect();
            for fp in sent {
                let request = &exchange.request;
                let retry = (fp, request.method.as_str(), request.host.as_str(), path(exchange));
                if let Some((since, count)) = refused.get_mut(&retry)
                    && exchange.at.unix_ms() >= *since
                {
                    *count += 1;
                    if *count > most {
                        let message = format!(
                            "{} was refused, and #{} asks the same with it {}",
                            self.label(fp),
                            exchange.id,
                            again(*count)
                        );
                        return Some(self.about(MissKind::Limit, place, message));
                    }
                }
                if exchange.is_auth_failure() {
                    let until = end(exchange);
                    let entry = refused.entry(retry).or_insert((until, 0));
                    entry.0 = entry.0.min(until);
                }
            }
        }
        None
    }

    fn too_long(&self, most: Duration) -> Option<Miss> {
        let began = self.exchanges().first()?.at.unix_ms();
        let (place, last) = self.exchanges().iter().enumerate().max_by_key(|(_, exchange)| end(exchange))?;
        let took = u64::try_from(end(last).saturating_sub(began)).map(Duration::from_millis).unwrap_or_default();
        let message = format!("it took {}; #{} ended last", time(took), last.id);
        (took > most).then(|| self.about(MissKind::Limit, place, message))
    }

    fn unanswered(&self, most: u64) -> Option<Miss> {
        let in_flight = self.survey.unfinished().count() as u64;
        let silent = |exchange: &&Exchange| exchange.response.is_none();
        let ended = self.exchanges().iter().filter(silent).count() as u64;
        let all = ended.saturating_add(in_flight);
        if all <= most {
            return None;
        }
        let message = format!("{} got no answer", counted(all, "request"));
        match self.exchanges().iter().rposition(|exchange| exchange.response.is_none()) {
            Some(place) => Some(self.about(MissKind::Limit, place, message)),
            None => Some(Miss { around: self.last(AROUND), ..plain(MissKind::Limit, message) }),
        }
    }

    fn exit_code(&self) -> Option<i32> {
        self.survey.end().and_then(|end| end.exit_code)
    }

    fn other_exit_code(&self, code: i32, asked: bool) -> Option<Miss> {
        let message = match self.exit_code() {
            Some(found) if found == code => return None,
            Some(found) if !asked => {
                format!("the command ended with {found}; for another code, or `any`, a file says `exit_code`")
            }
            Some(found) => format!("the command ended with {found}"),
            None => "the trace does not say how a command ended; it is no trace of `run`".to_owned(),
        };
        Some(Miss { around: self.last(AROUND), ..plain(MissKind::ExitCode, message) })
    }

    fn denied(&self, denied: &Denied) -> Option<Miss> {
        let meant = |finding: &&Finding| match denied.code {
            Some(code) => finding.code == code,
            None => is_failure(finding),
        };
        let sure = |finding: &&Finding| finding.confidence >= denied.confidence;
        if let Some(finding) = self.diagnosis.findings.iter().filter(sure).find(meant) {
            return Some(self.found(finding, "it was found"));
        }
        let verdict = &self.diagnosis.verdict;
        let is_verdict = denied.code == Some(verdict.code) && verdict.confidence >= denied.confidence;
        is_verdict.then(|| plain(MissKind::Finding, format!("that is the verdict: {}", verdict.summary)))
    }

    fn not_allowed(&self, codes: &[Code], confidence: Confidence) -> Option<Miss> {
        let barred = |finding: &&Finding| {
            is_failure(finding) && finding.confidence >= confidence && !codes.contains(&finding.code)
        };
        let finding = self.diagnosis.findings.iter().find(barred)?;
        Some(self.found(finding, &format!("{} was found", finding.code)))
    }

    fn not_found(&self, code: Code, confidence: Confidence) -> Option<Miss> {
        let sure = |found: Code, how: Confidence| found == code && how >= confidence;
        let verdict = &self.diagnosis.verdict;
        let found = self.diagnosis.findings.iter().any(|finding| sure(finding.code, finding.confidence))
            || sure(verdict.code, verdict.confidence);
        if found {
            return None;
        }
        let message = match self.diagnosis.findings.iter().find(|finding| finding.code == code) {
            Some(finding) => return Some(self.found(finding, "it was found, and is not sure enough")),
            None => format!("it was not found; the verdict is {}: {}", verdict.code, verdict.summary),
        };
        let first = self.diagnosis.findings.first().and_then(|finding| finding.exchanges.first());
        match first.and_then(|id| self.places.get(id)) {
            Some(place) => Some(self.about(MissKind::Finding, *place, message)),
            None => Some(Miss { around: self.last(AROUND), ..plain(MissKind::Finding, message) }),
        }
    }

    fn found(&self, finding: &Finding, how: &str) -> Miss {
        let message = format!("{how} ({}): {}", sureness(finding.confidence), finding.summary);
        match finding.exchanges.last().and_then(|id| self.places.get(id)) {
            Some(place) => self.about(MissKind::Finding, *place, message),
            None => plain(MissKind::Finding, message),
        }
    }

    fn stray(&self, kind: Option<Kind>, others: &[Kind], hosts: &[HostPattern]) -> Option<Miss> {
        let concerned = |one: Kind| match kind {
            Some(kind) => one == kind,
            None => !others.contains(&one),
        };
        let known = Known::new(self.exchanges());
        let mut strays = self.exchanges().iter().enumerate().filter_map(|(place, exchange)| {
            let host = exchange.request.host.as_str();
            if hosts.iter().any(|pattern| pattern.matches(host)) {
                return None;
            }
            let stray = known.carried(exchange).into_iter().find(|carried| concerned(carried.kind))?;
            Some((place, exchange, stray))
        });
        let (place, exchange, stray) = strays.next()?;
        let (label, kind, host) = (self.label(stray.fp), stray.kind, &exchange.request.host);
        let aside = stray.aside.map(|aside| format!(", {aside}")).unwrap_or_default();
        let more = match strays.count() {
            0 => String::new(),
            more => format!(", and {} more went astray", counted(more as u64, "request")),
        };
        Some(self.about(MissKind::Host, place, format!("{label} ({kind}) was sent to {host}{aside}{more}")))
    }

    fn left(&self, flow: &Flow) -> Option<Miss> {
        let left = follow(flow, self.exchanges()).err()?;
        Some(Explained { subject: self, flow, left: &left }.miss())
    }

    fn about(&self, kind: MissKind, place: usize, message: String) -> Miss {
        let exchange = self.exchanges().get(place).map(|exchange| exchange.id);
        Miss { exchange, around: self.around(place), ..plain(kind, message) }
    }
}

pub(super) fn is_failure(finding: &Finding) -> bool {
    finding.code.class() == Class::Failure && finding.severity == Severity::Failure
}

fn is_telemetry(exchange: &Exchange) -> bool {
    endpoint(exchange) == Endpoint::Telemetry
}

pub(super) fn sureness(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::Low => "low",
        Confidence::Medium => "medium",
        Confidence::High => "high",
    }
}

pub(super) fn counted(count: u64, what: &str) -> String {
    match (count, what.strip_suffix('h')) {
        (1, _) => format!("1 {what}"),
        (_, Some(_)) => format!("{count} {what}es"),
        _ => format!("{count} {what}s"),
    }
}

fn again(count: u64) -> String {
    if count == 1 { "again".to_owned() } else { format!("again, {count} times by then") }
}

fn plain(kind: MissKind, message: String) -> Miss {
    Miss { kind, message, source: None, exchange: None, difference: None, around: Vec::new() }
}
