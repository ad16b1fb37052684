//! What is said of findings while the proxy runs: each when it becomes certain, once, and when it is over.

use crate::analyze::{Confidence, Diagnosis, Failure, Finding, Reaction, Severity, Survey, Use, diagnose};
use crate::catalogue::Code;
use crate::export::cells;
use crate::export::style::{Ink, Style, clean, thousands, wrap};
use crate::redact::Fingerprint;
use crate::trace::{Exchange, Record};
use std::collections::{HashMap, HashSet};

/// Columns in front of such a line: those of the time.
const INDENT: usize = 14;
/// From so many repetitions on they are told, then at twice as many, and so on.
const REPEATED: usize = 4;
/// Repeated credentials that are counted on when nothing of them is remembered.
const MANY: usize = 64;

#[derive(Default)]
pub(super) struct Findings {
    /// Findings that were said and are not over.
    open: Vec<Open>,
    /// Credentials that are sent again although they were refused.
    repeated: HashMap<Fingerprint, Repetition>,
    /// How often a refresh failed in one way, since the last that went well.
    refreshes: HashMap<String, usize>,
}

struct Open {
    code: Code,
    /// What it rested on when it was seen last.
    exchanges: Vec<u64>,
    connections: Vec<u64>,
}

impl Findings {
    /// Whether a record can begin or end a finding.
    pub(super) fn may_change(&self, record: &Record) -> bool {
        match record {
            Record::Exchange(exchange) => {
                let bad = exchange.is_auth_failure() || exchange.status().is_none_or(|status| status >= 400);
                bad || exchange.oauth.is_some() || !self.open.is_empty() && !exchange.credentials.is_empty()
            }
            Record::Connection(connection) => Failure::of_connection(connection).is_some(),
            _ => false,
        }
    }

    /// Lines about what has changed by these records, the last of the survey.
    pub(super) fn news(&mut self, survey: &Survey, records: &[Record], style: Style) -> Vec<String> {
        let diagnosis = diagnose(survey);
        let mut lines = Vec::new();
        let mut told: Vec<u64> = Vec::new();
        for finding in &diagnosis.findings {
            if is_certain(finding) && !self.open.iter().any(|open| open.code == finding.code) {
                self.open.push(Open::of(finding));
                told.extend(&finding.exchanges);
                let text = format!("{}: {}", finding.code, finding.summary);
                say(&text, style.paint(Ink::Bad, "✗"), style, &mut lines);
            }
        }
        for record in records {
            if let Record::Exchange(exchange) = record {
                self.refresh(exchange, &told, style, &mut lines);
            }
        }
        self.repetitions(&diagnosis, survey, style, &mut lines);
        self.close(&diagnosis, survey, style, &mut lines);
        lines
    }

    /// A refresh that failed: the client shows another error, or none.
    fn refresh(&mut self, exchange: &Exchange, told: &[u64], style: Style, lines: &mut Vec<String>) {
        let grant = exchange.oauth.as_ref().and_then(|oauth| oauth.grant_type.as_ref());
        if grant.is_none_or(|grant| grant.as_str() != "refresh_token") {
            return;
        }
        let how = match exchange.status() {
            Some(200..300) => return self.refreshes.clear(),
            Some(status) => format!("refused: {status} {}", cells::error(exchange)),
            None => format!("not answered: {}", cells::error(exchange)),
        };
        let count = self.refreshes.entry(how.clone()).or_default();
        *count += 1;
        let count = *count;
        let worth_it = count == 1 || count >= REPEATED && count.is_power_of_two();
        if worth_it && !told.contains(&exchange.id) {
            let times = if count > 1 { format!(", {} times", thousands(count)) } else { String::new() };
            say(&format!("refresh {}{times}", how.trim_end()), style.paint(Ink::Warning, "!"), style, lines);
        }
    }

    /// A refused credential that is sent again and again.
    fn repetitions(&mut self, diagnosis: &Diagnosis, survey: &Survey, style: Style, lines: &mut Vec<String>) {
        let known = |fp: &Fingerprint| diagnosis.lineage.get(*fp);
        self.repeated.retain(|fp, _| known(fp).is_none_or(|history| history.refused() > 0));
        if self.repeated.len() > MANY {
            self.repeated.retain(|fp, _| known(fp).is_some());
        }
        let repeated = diagnosis.findings.iter().filter(|finding| finding.code == Code::RefusedCredentialRepeated);
        for fp in repeated.flat_map(|finding| &finding.credentials) {
            let repetition = self.repeated.entry(*fp).or_default();
            let count = repetition.count(known(fp).map_or(&[], |history| &history.uses));
            let step = if count == 0 { 0 } else { 1 << count.ilog2() };
            if step < repetition.said {
                repetition.said = 0;
            }
            if step >= REPEATED && step > repetition.said {
                repetition.said = step;
                let name = survey.credential_label(*fp).map(|label| label.to_string()).unwrap_or_default();
                let text = format!("same refused credential {name} sent {} times", thousands(count));
                say(&text, style.paint(Ink::Warning, "!"), style, lines);
            }
        }
    }

    /// What is over may be said again if it comes back; so may what is not seen any more because it was forgotten, which
    /// is no sign that anything works.
    fn close(&mut self, diagnosis: &Diagnosis, survey: &Survey, style: Style, lines: &mut Vec<String>) {
        self.open.retain_mut(|open| {
            let seen = diagnosis.findings.iter().find(|finding| finding.code == open.code);
            if let Some(goes_on) = seen.filter(|finding| !finding.recovered) {
                *open = Open::of(goes_on);
                return true;
            }
            if seen.is_some() || open.is_remembered(survey) {
                say(&format!("{}: it works again", open.code), style.paint(Ink::Good, "✓"), style, lines);
            }
            false
        });
    }
}

impl Open {
    fn of(finding: &Finding) -> Self {
        Self { code: finding.code, exchanges: finding.exchanges.clone(), connections: finding.connections.clone() }
    }

    fn is_remembered(&self, survey: &Survey) -> bool {
        self.exchanges.iter().all(|id| survey.exchanges().iter().any(|exchange| exchange.id == *id))
            && self.connections.iter().all(|id| survey.connections().iter().any(|connection| connection.id == *id))
    }
}

fn is_certain(finding: &Finding) -> bool {
    finding.severity == Severity::Failure && finding.confidence == Confidence::High && !finding.recovered
}

/// How often a credential was refused since it was last accepted, beyond what is remembered.
#[derive(Default)]
struct Repetition {
    /// The count when it was last said, as a power of two.
    said: usize,
    /// The refusals that were remembered at the last look, and how many had been forgotten by then.
    seen: Vec<u64>,
    forgotten: usize,
}

impl Repetition {
    fn count(&mut self, uses: &[Use]) -> usize {
        let since = uses.rsplit(|one| one.reaction == Reaction::Accepted).next().unwrap_or_default();
        let refused = since.iter().filter(|one| one.reaction == Reaction::Refused).map(|one| one.exchange);
        let refused: Vec<u64> = refused.collect();
        if since.len() < uses.len() {
            self.forgotten = 0;
        } else {
            let remembered: HashSet<u64> = refused.iter().copied().collect();
            self.forgotten += self.seen.iter().filter(|id| !remembered.contains(id)).count();
        }
        self.seen = refused;
        self.forgotten + self.seen.len()
    }
}

fn say(text: &str, sign: String, style: Style, lines: &mut Vec<String>) {
    for (at, line) in wrap(&clean(text), style.width.saturating_sub(INDENT + 2).max(30)).iter().enumerate() {
        let sign = if at == 0 { sign.as_str() } else { " " };
        lines.push(format!("{}{sign} {line}", " ".repeat(INDENT)));
    }
}
