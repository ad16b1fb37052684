//! What the client believed, beside what happened: its debug log joined to the trace.

mod attempts;
mod disagreements;
mod lines;
mod renewals;

use super::survey::Survey;
use crate::redact::Redacted;
use crate::trace::{ClientEventKind as Kind, ClientFailure, ClientLog, Exchange, ExtraFile, ExtraState, Timestamp};
use serde::Serialize;

pub use disagreements::{Disagreement, WhyNothing};

/// Two clocks and a client that writes its line a little before or after the fact.
const NEAR_MS: i64 = 2_000;
/// A token check that takes longer waits for something: a lock, or a renewal.
const LONG_CHECK_MS: i64 = 1_000;

/// A debug log beside the trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ClientView {
    /// What was read.
    pub log: LogFacts,
    /// How many requests of the log were found in the trace.
    pub join: Join,
    /// The log's clock minus the trace's, where both tell of the same request.
    pub clock: Option<LogClock>,
    /// Which certificates the client says that it trusts.
    pub trust: Option<Trust>,
    /// What the client said, in the order of time, and the exchanges that it spoke of.
    pub rows: Vec<ClientRow>,
    /// Where log and trace differ, or one explains the other.
    pub disagreements: Vec<Disagreement>,
}

/// How much of a log was understood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LogFacts {
    /// Lines read.
    pub lines: u64,
    /// Lines that were understood.
    pub understood: u64,
    /// Lines of level `ERROR` that were not.
    pub errors_not_understood: u64,
    /// Understood lines beyond the bound, which are not shown.
    pub left_out: u64,
    /// The first time in it.
    pub from: Option<Timestamp>,
    /// The last time in it.
    pub to: Option<Timestamp>,
    /// The sessions: as the log names it, or as the requests do that were found.
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub sessions: Vec<Redacted>,
}

/// How the requests of the log were found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Join {
    /// Requests that the log tells of.
    pub requests: u64,
    /// Found by the client's request id.
    pub by_id: u64,
    /// Found by path and time.
    pub by_time: u64,
    /// Not found.
    pub missing: u64,
}

/// How far the clocks are apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct LogClock {
    /// Log minus trace in milliseconds, the median.
    pub median_ms: i64,
    /// Requests that were compared.
    pub requests: u64,
}

/// Which certificates the client says that it trusts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Trust {
    /// The stores it was told to read.
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub stores: Vec<Redacted>,
    /// Roots loaded, by store.
    #[cfg_attr(test, schemars(with = "Vec<(String, u64)>"))]
    pub roots: Vec<(Redacted, u64)>,
    /// Whether it could not read the system's store.
    pub system_missing: bool,
    /// The file named by `NODE_EXTRA_CA_CERTS`.
    pub extra: ExtraFile,
    /// What became of it; absent: the log does not say.
    pub extra_state: Option<ExtraState>,
}

/// One line of what the client believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ClientRow {
    /// When, by the clock of the log; by that of the trace for what the log does not tell.
    pub at: Timestamp,
    /// The line of the log; absent for what the log does not tell.
    pub line: Option<u64>,
    /// What it says.
    #[serde(flatten)]
    pub said: Said,
    /// How often it says so, one after the other.
    pub times: u64,
    /// The exchanges that it speaks of.
    pub exchanges: Vec<u64>,
    /// The connections that it speaks of, which carried no exchange.
    pub connections: Vec<u64>,
}

/// What a row tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "said", rename_all = "snake_case")]
pub enum Said {
    /// A request, and how the client took its end.
    Sent {
        /// Its path.
        #[cfg_attr(test, schemars(with = "String"))]
        path: Redacted,
        /// What it was for.
        #[cfg_attr(test, schemars(with = "Option<String>"))]
        purpose: Option<Redacted>,
        /// Which attempt, and of how many at most; absent: the log reports no failure of it.
        attempt: Option<(u32, u32)>,
        /// Why it failed.
        failure: Option<ClientFailure>,
        /// How it was found in the trace.
        found: Option<Found>,
    },
    /// The client took so long to be sure of its token.
    LongTokenCheck {
        /// Milliseconds.
        took_ms: i64,
    },
    /// Anything else.
    Line {
        /// The line.
        #[serde(flatten)]
        kind: Kind,
    },
    /// A renewal that failed, and that the log does not mention.
    Nothing,
}

/// By what a request was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Found {
    /// The client's request id.
    ById,
    /// Path and time.
    ByTime,
}

/// Joins a debug log to the trace.
#[must_use]
pub(super) fn join(survey: &Survey, log: &ClientLog) -> ClientView {
    let clock = attempts::clock(survey, log);
    let offset = clock.map_or(0, |clock| clock.median_ms);
    let sessions = attempts::sessions(survey, log);
    let mut rows = attempts::rows(survey, log, offset, &sessions);
    let join = counts(&rows);
    let window = window(log, offset);
    renewals::attach(survey, &mut rows, log, offset, window);
    rows.extend(lines::rows(survey, log, offset));
    rows.sort_by_key(|row| (row.at.unix_ms(), row.line));
    let rows = lines::collapse(rows);
    let trust = trust(log);
    let mut view = ClientView {
        log: LogFacts {
            lines: log.lines,
            understood: log.understood,
            errors_not_understood: log.errors_not_understood,
            left_out: log.left_out,
            from: log.from,
            to: log.to,
            sessions,
        },
        join,
        clock,
        trust,
        rows,
        disagreements: Vec::new(),
    };
    view.disagreements = disagreements::find(survey, &view, window);
    view
}

impl ClientRow {
    fn of(at: Timestamp, line: u64, said: Said) -> Self {
        Self { at, line: Some(line), said, times: 1, exchanges: Vec::new(), connections: Vec::new() }
    }
}

/// The times of the log, by the clock of the trace.
#[derive(Clone, Copy, Debug)]
struct Window {
    from: i64,
    to: i64,
}

impl Window {
    fn holds(self, at: Timestamp) -> bool {
        (self.from..=self.to).contains(&at.unix_ms())
    }
}

fn window(log: &ClientLog, offset: i64) -> Option<Window> {
    let moved = |at: Timestamp| at.unix_ms().saturating_sub(offset);
    let (from, to) = (log.from.map(moved)?, log.to.map(moved)?);
    Some(Window { from: from.min(to).saturating_sub(NEAR_MS), to: to.max(from).saturating_add(NEAR_MS) })
}

fn counts(rows: &[ClientRow]) -> Join {
    let mut join = Join::default();
    for row in rows {
        let Said::Sent { found, .. } = &row.said else { continue };
        join.requests += 1;
        match found {
            Some(Found::ById) => join.by_id += 1,
            Some(Found::ByTime) => join.by_time += 1,
            None => join.missing += 1,
        }
    }
    join
}

/// The stores are read anew several times in a run; what was read last counts.
fn trust(log: &ClientLog) -> Option<Trust> {
    let mut trust: Option<Trust> = None;
    for event in &log.events {
        match (&event.kind, &mut trust) {
            (Kind::CertificateStores { stores, extra }, _) => {
                trust = Some(Trust {
                    stores: stores.clone(),
                    roots: Vec::new(),
                    system_missing: false,
                    extra: *extra,
                    extra_state: None,
                });
            }
            (Kind::RootsLoaded { store, count }, Some(trust)) => trust.roots.push((store.clone(), *count)),
            (Kind::SystemStoreMissing, Some(trust)) => trust.system_missing = true,
            (Kind::ExtraCertificates { state }, Some(trust)) => trust.extra_state = Some(*state),
            _ => {}
        }
    }
    trust
}

/// When it had ended.
fn end_ms(exchange: &Exchange) -> i64 {
    let took = i64::try_from(exchange.timing.total_us / 1_000).unwrap_or(i64::MAX);
    exchange.at.unix_ms().saturating_add(took)
}

/// How far apart two instants are.
fn apart(a: i64, b: i64) -> i64 {
    a.saturating_sub(b).saturating_abs()
}
