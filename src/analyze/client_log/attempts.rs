//! The requests of the log, each with its exchange and with what the client said of its end.

use super::{ClientRow, Found, LONG_CHECK_MS, LogClock, NEAR_MS, Said, apart, end_ms};
use crate::analyze::endpoint;
use crate::analyze::survey::Survey;
use crate::redact::Redacted;
use crate::trace::{ClientEvent, ClientEventKind as Kind, ClientFailure, ClientLog, Exchange, FailureClass, Timestamp};
use std::collections::{HashMap, HashSet};

/// How far the log's clock is from the trace's, by the requests whose id both know.
pub(super) fn clock(survey: &Survey, log: &ClientLog) -> Option<LogClock> {
    let by_id = by_id(survey);
    let mut differences: Vec<i64> = requests(log)
        .filter_map(|(event, _, id)| {
            let exchange = by_id.get(id?)?;
            Some(event.at.unix_ms().saturating_sub(exchange.at.unix_ms()))
        })
        .collect();
    differences.sort_unstable();
    let median_ms = *differences.get(differences.len() / 2)?;
    Some(LogClock { median_ms, requests: differences.len() as u64 })
}

/// The sessions that the log belongs to: its own word, else those of the requests whose id both know.
pub(super) fn sessions(survey: &Survey, log: &ClientLog) -> Vec<Redacted> {
    if let Some(session) = &log.session {
        return vec![session.clone()];
    }
    let by_id = by_id(survey);
    let mut sessions = Vec::new();
    for exchange in requests(log).filter_map(|(_, _, id)| by_id.get(id?)) {
        if let Some(session) = session(exchange)
            && !sessions.contains(session)
        {
            sessions.push(session.clone());
        }
    }
    sessions
}

/// The session that a request names.
pub(super) fn session(exchange: &Exchange) -> Option<&Redacted> {
    let mut fields = exchange.request.headers.iter();
    fields.find(|field| field.name.as_str().eq_ignore_ascii_case("x-claude-code-session-id")).map(|field| &field.value)
}

/// Whether the exchange may be one that the log tells of.
pub(super) fn is_of(sessions: &[Redacted], exchange: &Exchange) -> bool {
    sessions.is_empty() || session(exchange).is_none_or(|session| sessions.contains(session))
}

/// A row for each request, for each attempt that failed before one, and for each token check that took long.
pub(super) fn rows(survey: &Survey, log: &ClientLog, offset: i64, sessions: &[Redacted]) -> Vec<ClientRow> {
    let exchanges = survey.exchanges().iter().map(|exchange| (exchange.id, exchange)).collect();
    let mut rows = Rows { survey, exchanges, offset, rows: Vec::new(), open: Vec::new(), checks: Vec::new() };
    rows.find_requests(log, sessions);
    let mut sent = 0;
    for event in &log.events {
        match &event.kind {
            Kind::Request { .. } => {
                // Most succeed, and the log does not say so: the oldest are over.
                if rows.open.len() >= UNDER_WAY {
                    rows.open.remove(0);
                }
                rows.open.push(sent);
                sent += 1;
            }
            Kind::AttemptFailed { attempt, of, failure } => rows.failed(event, (*attempt, *of), failure),
            Kind::TokenCheckBegun => rows.checks.push(event.at),
            Kind::TokenCheckEnded => rows.checked(event),
            _ => {}
        }
    }
    rows.rows
}

/// Requests of one client that may be under way at the same time.
const UNDER_WAY: usize = 32;

struct Rows<'a> {
    survey: &'a Survey,
    exchanges: HashMap<u64, &'a Exchange>,
    offset: i64,
    /// Those of the requests come first, in the order of the log.
    rows: Vec<ClientRow>,
    /// Requests whose end the log has not told, by row.
    open: Vec<usize>,
    /// Token checks that have begun.
    checks: Vec<Timestamp>,
}

impl Rows<'_> {
    fn find_requests(&mut self, log: &ClientLog, sessions: &[Redacted]) {
        let by_id = by_id(self.survey);
        let mut taken: HashSet<u64> =
            requests(log).filter_map(|(_, _, id)| by_id.get(id?).map(|exchange| exchange.id)).collect();
        let ids_known = !by_id.is_empty();
        for (event, path, id) in requests(log) {
            let found = match id.and_then(|id| by_id.get(id)) {
                Some(exchange) => Some((*exchange, Found::ById)),
                // An id that the trace does not know is another request's.
                None if id.is_some() && ids_known => None,
                None => self.near(event.at, path, &taken, sessions).map(|exchange| (exchange, Found::ByTime)),
            };
            taken.extend(found.map(|(exchange, _)| exchange.id));
            let purpose = match &event.kind {
                Kind::Request { purpose, .. } => purpose.clone(),
                _ => None,
            };
            let said = Said::Sent {
                path: path.clone(),
                purpose,
                attempt: None,
                failure: None,
                found: found.map(|(_, found)| found),
            };
            let mut row = ClientRow::of(event.at, event.line, said);
            row.exchanges.extend(found.map(|(exchange, _)| exchange.id));
            self.rows.push(row);
        }
    }

    /// The exchange on this path that began nearest to this time.
    fn near(&self, at: Timestamp, path: &Redacted, taken: &HashSet<u64>, sessions: &[Redacted]) -> Option<&Exchange> {
        let at = at.unix_ms().saturating_sub(self.offset);
        let all = self.survey.exchanges();
        let first = all.partition_point(|exchange| exchange.at.unix_ms() < at.saturating_sub(NEAR_MS));
        let same = all.get(first..).unwrap_or_default().iter().filter(|exchange| {
            endpoint::path(exchange) == without_query(path)
                && !taken.contains(&exchange.id)
                && is_of(sessions, exchange)
        });
        same.map(|exchange| (apart(exchange.at.unix_ms(), at), exchange))
            .take_while(|(apart, exchange)| *apart <= NEAR_MS || exchange.at.unix_ms() < at)
            .min_by_key(|(apart, exchange)| (*apart, exchange.id))
            .map(|(_, exchange)| exchange)
    }

    /// Gives a failed attempt to its request. Several may be under way: the id in the answer decides, then the request
    /// whose exchange ended so and nearest to this time, then the one that was sent last.
    fn failed(&mut self, event: &ClientEvent, count: (u32, u32), failure: &ClientFailure) {
        let row = if matches!(failure.class, FailureClass::LoginGone | FailureClass::NoCredential) {
            None
        } else {
            self.request_of(event.at, failure)
        };
        let Some(row) = row else {
            self.rows.push(ClientRow::of(event.at, event.line, Said::Line { kind: event.kind.clone() }));
            return;
        };
        self.open.retain(|open| *open != row);
        if let Some(Said::Sent { attempt, failure: of_it, .. }) = self.rows.get_mut(row).map(|row| &mut row.said) {
            *attempt = Some(count);
            *of_it = Some(failure.clone());
        }
    }

    fn request_of(&self, at: Timestamp, failure: &ClientFailure) -> Option<usize> {
        let with_exchange = || self.open.iter().filter_map(|row| Some((*row, self.exchange_of(*row)?)));
        if let Some(id) = &failure.request_id {
            let named = |exchange: &Exchange| {
                [&exchange.request_ids.header, &exchange.request_ids.body].into_iter().flatten().any(|one| one == id)
            };
            if let Some((row, _)) = with_exchange().find(|(_, exchange)| named(exchange)) {
                return Some(row);
            }
        }
        let at = at.unix_ms().saturating_sub(self.offset);
        let alike = with_exchange()
            .filter(|(_, exchange)| exchange.status() == failure.status)
            .map(|(row, exchange)| (apart(end_ms(exchange), at), row))
            .filter(|(apart, _)| *apart <= NEAR_MS);
        alike.min().map(|(_, row)| row).or_else(|| self.open.last().copied())
    }

    fn exchange_of(&self, row: usize) -> Option<&Exchange> {
        self.exchanges.get(self.rows.get(row)?.exchanges.first()?).copied()
    }

    fn checked(&mut self, event: &ClientEvent) {
        // Checks overlap; the oldest is the one that waits longest.
        if self.checks.is_empty() {
            return;
        }
        let begun = self.checks.remove(0);
        let took_ms = event.at.unix_ms().saturating_sub(begun.unix_ms());
        if took_ms >= LONG_CHECK_MS {
            self.rows.push(ClientRow::of(event.at, event.line, Said::LongTokenCheck { took_ms }));
        }
    }
}

fn by_id(survey: &Survey) -> HashMap<&Redacted, &Exchange> {
    let known =
        survey.exchanges().iter().filter_map(|exchange| Some((exchange.request_ids.client.as_ref()?, exchange)));
    known.collect()
}

fn requests(log: &ClientLog) -> impl Iterator<Item = (&ClientEvent, &Redacted, Option<&Redacted>)> {
    log.events.iter().filter_map(|event| match &event.kind {
        Kind::Request { path, client_id, .. } => Some((event, path, client_id.as_ref())),
        _ => None,
    })
}

fn without_query(path: &Redacted) -> &str {
    path.as_str().split('?').next().unwrap_or_default()
}
