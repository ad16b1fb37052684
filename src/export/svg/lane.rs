//! Which rows the picture has, and what stands in them.

use super::mark::Mark;
use crate::analyze::{CredentialHistory, CredentialOrigin, Diagnosis, Failure, Reaction, Survey};
use crate::export::style::{counted, thousands};
use crate::redact::{Fingerprint, Kind};
use crate::trace::Exchange;
use std::collections::{HashMap, HashSet};

/// Credentials beyond so many are folded into one lane.
const MOST_LANES: usize = 14;
/// Processes beyond so many share a row.
pub(super) const MOST_PROCESSES: usize = 6;

/// The rows of a credential, or of requests that have none in common.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    pub(super) title: String,
    /// What it is, where from, how it ended: a line each.
    pub(super) facts: Vec<String>,
    pub(super) tint: Tint,
    pub(super) life: Option<Life>,
    /// The exchange that issued it.
    pub(super) issued_by: Option<u64>,
    /// The credential.
    pub(super) fp: Option<Fingerprint>,
    /// The refresh token that was exchanged for it.
    pub(super) out_of: Option<Fingerprint>,
    pub(super) rows: Vec<Row>,
}

/// The colour family of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tint {
    Access,
    Refresh,
    Key,
    Other,
    None,
}

impl Tint {
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Refresh => "refresh",
            Self::Key => "key",
            Self::Other => "other",
            Self::None => "none",
        }
    }

    fn of(kind: Kind) -> Self {
        match kind {
            Kind::OauthAccess => Self::Access,
            Kind::OauthRefresh => Self::Refresh,
            Kind::ApiKey | Kind::AdminKey => Self::Key,
            _ => Self::Other,
        }
    }
}

/// From when to when a credential was good, and until when it was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) born: i64,
    /// When it ended, and how; absent: it went on.
    pub(super) ended: Option<(i64, Ending)>,
    /// When it was last sent.
    pub(super) last: i64,
    /// When it runs out by its lifetime.
    pub(super) expires: Option<i64>,
}

/// How a credential ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Refused,
    Replaced,
    Revoked,
}

/// The requests of one process in a lane.
#[derive(Clone, Debug)]
pub(super) struct Row {
    /// Index into the processes of the lineage; absent: of all.
    pub(super) process: Option<usize>,
    pub(super) marks: Vec<Mark>,
}

/// Everything that the picture shows, without places.
pub(super) struct Lanes {
    pub(super) lanes: Vec<Lane>,
    /// Processes that have rows of their own, as indices into the lineage's; empty if there is only one.
    pub(super) processes: Vec<usize>,
}

impl Lanes {
    pub(super) fn of(survey: &Survey, diagnosis: &Diagnosis) -> Self {
        let facts = Facts::of(survey, diagnosis);
        let mut lanes = Vec::new();
        lanes.extend(facts.connections());
        let (shown, folded) = facts.chosen();
        lanes.extend(facts.without_token());
        lanes.extend(shown.into_iter().map(|history| facts.credential(history)));
        lanes.extend(facts.folded(&folded));
        Self { lanes, processes: facts.processes }
    }
}

struct Facts<'a> {
    survey: &'a Survey,
    diagnosis: &'a Diagnosis,
    /// The exchanges by number, each with its place in the order of time.
    exchanges: HashMap<u64, (usize, &'a Exchange)>,
    evidence: HashSet<u64>,
    processes: Vec<usize>,
}

impl<'a> Facts<'a> {
    fn of(survey: &'a Survey, diagnosis: &'a Diagnosis) -> Self {
        let exchanges: HashMap<_, _> =
            survey.exchanges().iter().enumerate().map(|(place, exchange)| (exchange.id, (place, exchange))).collect();
        let evidence: HashSet<u64> =
            diagnosis.findings.first().map(|top| top.exchanges.iter().copied().collect()).unwrap_or_default();
        let all = diagnosis.lineage.processes.len();
        let processes = if all > 1 { (0..all).collect() } else { Vec::new() };
        Self { survey, diagnosis, exchanges, evidence, processes }
    }

    fn exchange(&self, id: u64) -> Option<&'a Exchange> {
        self.exchanges.get(&id).map(|(_, exchange)| *exchange)
    }

    fn connections(&self) -> Option<Lane> {
        let evidence = self.diagnosis.findings.first().map(|top| top.connections.as_slice()).unwrap_or_default();
        let failed = self.survey.connections().iter().filter(|one| Failure::of_connection(one).is_some());
        let marks: Vec<Mark> = failed.map(|one| Mark::of_connection(one, evidence.contains(&one.id))).collect();
        (!marks.is_empty()).then(|| Lane {
            title: "connections".to_owned(),
            facts: vec!["that came to nothing".to_owned()],
            tint: Tint::None,
            life: None,
            issued_by: None,
            fp: None,
            out_of: None,
            rows: vec![Row { process: None, marks }],
        })
    }

    /// Requests without a credential, and those with one that is for one use only: logins.
    fn without_token(&self) -> Option<Lane> {
        let without = self
            .survey
            .exchanges()
            .iter()
            .filter(|exchange| !exchange.credentials.iter().any(|sent| lasts(sent.credential.kind)));
        let ids: Vec<u64> = without.map(|exchange| exchange.id).collect();
        (!ids.is_empty()).then(|| {
            let rows = self.rows(ids.into_iter());
            Lane {
                title: "no token sent".to_owned(),
                facts: vec!["logins, requests without a credential".to_owned()],
                tint: Tint::None,
                life: None,
                issued_by: None,
                fp: None,
                out_of: None,
                rows,
            }
        })
    }

    /// The credentials that have a lane, by the time of their first appearance, and those that have to share one.
    fn chosen(&self) -> (Vec<&'a CredentialHistory>, Vec<&'a CredentialHistory>) {
        let mut all: Vec<(usize, &CredentialHistory)> = self
            .diagnosis
            .lineage
            .credentials
            .iter()
            .filter(|history| lasts(history.credential.kind))
            .enumerate()
            .collect();
        all.sort_by_cached_key(|(place, history)| (self.rank(history), std::cmp::Reverse(*place)));
        // A lane for one that is left over would take as much room as the one itself.
        let room = if all.len() == MOST_LANES + 1 { all.len() } else { MOST_LANES };
        let mut folded = all.split_off(room.min(all.len()));
        all.sort_by_key(|(place, _)| *place);
        folded.sort_by_key(|(place, _)| *place);
        let histories =
            |list: Vec<(usize, &'a CredentialHistory)>| list.into_iter().map(|(_, history)| history).collect();
        (histories(all), histories(folded))
    }

    /// 0: the top finding rests on its use; 1: it is about it; 2: it was refused; 3: any other.
    fn rank(&self, history: &CredentialHistory) -> u8 {
        let used_in_evidence = || history.uses.iter().any(|one| self.evidence.contains(&one.exchange));
        let issued_in_evidence = || history.origin.exchange().is_some_and(|id| self.evidence.contains(&id));
        if used_in_evidence() || issued_in_evidence() {
            0
        } else if self.is_of_top(history) {
            1
        } else if history.first_refused.is_some() {
            2
        } else {
            3
        }
    }

    fn is_of_top(&self, history: &CredentialHistory) -> bool {
        self.diagnosis.findings.first().is_some_and(|top| top.credentials.contains(&history.credential.fp))
    }

    fn credential(&self, history: &CredentialHistory) -> Lane {
        let life = self.life(history);
        let mut facts = vec![format!("{}, {}", kind(history.credential.kind), from(history.origin))];
        facts.extend(self.fate(history, &life));
        Lane {
            title: history.label.to_string(),
            facts,
            tint: Tint::of(history.credential.kind),
            life: Some(life),
            issued_by: history.origin.exchange(),
            fp: Some(history.credential.fp),
            out_of: if let CredentialOrigin::Refresh { out_of, .. } = history.origin { out_of } else { None },
            rows: self.rows(history.uses.iter().map(|one| one.exchange)),
        }
    }

    fn life(&self, history: &CredentialHistory) -> Life {
        let first_use = history.uses.first().map(|one| one.at.unix_ms());
        let last = history.uses.last().map_or(history.first_seen.unix_ms(), |one| one.at.unix_ms());
        let born = match history.origin.exchange().and_then(|id| self.exchange(id)) {
            Some(issuing) => first_use.map_or(ended(issuing), |first| first.min(ended(issuing))),
            None => history.first_seen.unix_ms(),
        };
        let revoked =
            history.revoked_by.and_then(|id| self.exchange(id)).map(|one| (one.at.unix_ms(), Ending::Revoked));
        let replaced =
            history.replaced_by.and_then(|(_, id)| self.exchange(id)).map(|one| (ended(one), Ending::Replaced));
        let ends = [revoked, refused_for_good(history).map(|at| (at, Ending::Refused)), replaced];
        let ended = ends.into_iter().flatten().min_by_key(|(at, _)| *at);
        Life { born, ended, last: last.max(born), expires: history.expires().map(crate::trace::Timestamp::unix_ms) }
    }

    /// How it went on, in a few words.
    fn fate(&self, history: &CredentialHistory, life: &Life) -> Option<String> {
        let label = |fp| self.diagnosis.lineage.get(fp).map(|other| other.label.to_string()).unwrap_or_default();
        let replaced = history.replaced_by.map(|(fp, id)| format!("replaced by {} in #{id}", label(fp)));
        let refused = refused_for_good(history).and_then(|at| {
            let first = history.uses.iter().find(|one| one.at.unix_ms() == at && one.reaction == Reaction::Refused)?;
            Some(format!("refused from #{} on", first.exchange))
        });
        let revoked = history.revoked_by.map(|id| format!("revoked, #{id}"));
        match life.ended {
            Some((_, Ending::Revoked)) => revoked,
            Some((_, Ending::Refused)) => refused,
            Some((_, Ending::Replaced)) => replaced,
            None if history.uses.is_empty() => Some("never used".to_owned()),
            None if history.accepted() == history.uses.len() => Some("still accepted at the end".to_owned()),
            None => None,
        }
    }

    fn folded(&self, histories: &[&CredentialHistory]) -> Option<Lane> {
        if histories.is_empty() {
            return None;
        }
        let mut ids: Vec<(usize, u64)> = histories
            .iter()
            .flat_map(|history| &history.uses)
            .filter_map(|one| Some((self.exchanges.get(&one.exchange)?.0, one.exchange)))
            .collect();
        ids.sort_unstable();
        ids.dedup();
        let refused = histories.iter().filter(|history| history.first_refused.is_some()).count();
        let fact = if refused == 0 {
            "none of them refused".to_owned()
        } else {
            format!("{} of them refused", thousands(refused))
        };
        let rows = self.rows(ids.into_iter().map(|(_, id)| id));
        Some(Lane {
            title: format!("and {}", counted(histories.len(), "more credential")),
            facts: vec![fact],
            tint: Tint::None,
            life: None,
            issued_by: None,
            fp: None,
            out_of: None,
            rows,
        })
    }

    /// One row per process; a lane without requests has one that is empty.
    fn rows(&self, ids: impl Iterator<Item = u64>) -> Vec<Row> {
        let several = !self.processes.is_empty();
        let mut rows: Vec<Row> = Vec::new();
        for (place, exchange) in ids.filter_map(|id| self.exchanges.get(&id)) {
            let process = several.then(|| self.diagnosis.lineage.process_of(*place).min(MOST_PROCESSES));
            let mark = Mark::of_exchange(exchange, self.survey, self.evidence.contains(&exchange.id));
            match rows.iter_mut().find(|row| row.process == process) {
                Some(row) => row.marks.push(mark),
                None => rows.push(Row { process, marks: vec![mark] }),
            }
        }
        if rows.is_empty() {
            rows.push(Row { process: None, marks: Vec::new() });
        }
        rows.sort_by_key(|row| row.process);
        rows
    }
}

/// Whether a credential is used more than once: what a login is made of has no lane.
fn lasts(kind: Kind) -> bool {
    !matches!(kind, Kind::OauthCode | Kind::PkceVerifier | Kind::State)
}

/// When the answer of an exchange had come to its end.
pub(super) fn ended(exchange: &Exchange) -> i64 {
    let took = i64::try_from(exchange.timing.total_us / 1_000).unwrap_or(i64::MAX);
    exchange.at.unix_ms().saturating_add(took)
}

/// The first refusal after which it was never accepted again.
fn refused_for_good(history: &CredentialHistory) -> Option<i64> {
    let after = history.uses.iter().rposition(|one| one.reaction == Reaction::Accepted).map_or(0, |last| last + 1);
    let rest = history.uses.get(after..).unwrap_or_default();
    rest.iter().find(|one| one.reaction == Reaction::Refused).map(|one| one.at.unix_ms())
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::OauthAccess => "access token",
        Kind::OauthRefresh => "refresh token",
        Kind::ApiKey => "API key",
        Kind::AdminKey => "admin key",
        Kind::SessionCookie => "session cookie",
        Kind::Jwt => "JWT",
        Kind::AwsSigv4 => "AWS signature",
        Kind::AwsAccessKey => "AWS access key",
        Kind::GithubToken => "GitHub token",
        Kind::GoogleKey => "Google key",
        Kind::BedrockKey => "Bedrock key",
        Kind::OauthCode => "login code",
        Kind::PkceVerifier => "PKCE verifier",
        Kind::State => "login state",
        Kind::Basic => "user and password",
        Kind::Unknown => "unknown kind",
    }
}

fn from(origin: CredentialOrigin) -> String {
    match origin {
        CredentialOrigin::Brought => "there before".to_owned(),
        CredentialOrigin::Refresh { exchange, .. } => format!("by refresh #{exchange}"),
        CredentialOrigin::Login { exchange } => format!("by login #{exchange}"),
        CredentialOrigin::KeyCreation { exchange } => format!("made in #{exchange}"),
        CredentialOrigin::Other { exchange } => format!("from #{exchange}"),
    }
}
