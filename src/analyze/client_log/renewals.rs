//! Renewals of the access token that failed: as the log tells them, and as they happened.

use super::{ClientRow, NEAR_MS, Said, Window, apart, end_ms};
use crate::analyze::endpoint::{self, Endpoint, Provider};
use crate::analyze::failures::Failure;
use crate::analyze::survey::Survey;
use crate::trace::{ClientEventKind as Kind, ClientLog, Connection, EndKind, Exchange, Timestamp};

/// A request for a new token that brought none.
#[derive(Clone, Copy, Debug)]
pub(super) enum Renewal<'a> {
    Refused(&'a Exchange),
    /// The connection to the login's host came to nothing.
    Unconnected(&'a Connection),
}

impl Renewal<'_> {
    fn end_ms(self) -> i64 {
        match self {
            Self::Refused(exchange) => end_ms(exchange),
            Self::Unconnected(connection) => {
                let took = i64::try_from(connection.duration_us / 1_000).unwrap_or(i64::MAX);
                connection.opened.unix_ms().saturating_add(took)
            }
        }
    }

    pub(super) fn at(self) -> Timestamp {
        match self {
            Self::Refused(exchange) => exchange.at,
            Self::Unconnected(connection) => connection.opened,
        }
    }
}

/// Renewals that failed, by time.
pub(super) fn failed(survey: &Survey) -> Vec<Renewal<'_>> {
    let refused = survey.exchanges().iter().filter(|exchange| is_renewal(exchange) && !succeeded(exchange));
    // An exchange that broke off tells of its connection as well.
    let unconnected = survey.connections().iter().filter(|connection| {
        let of_login = connection.target.as_ref().is_some_and(|target| is_login_host(target.host.as_str()));
        connection.requests == 0 && of_login && Failure::of_connection(connection).is_some()
    });
    let mut all: Vec<_> = refused.map(Renewal::Refused).chain(unconnected.map(Renewal::Unconnected)).collect();
    all.sort_by_key(|renewal| renewal.at());
    all
}

/// Renewals that brought a token, by time.
pub(super) fn succeeded_at(survey: &Survey) -> impl Iterator<Item = Timestamp> {
    survey.exchanges().iter().filter(|exchange| is_renewal(exchange) && succeeded(exchange)).map(|exchange| exchange.at)
}

fn is_renewal(exchange: &Exchange) -> bool {
    let grant = exchange.oauth.as_ref().and_then(|oauth| oauth.grant_type.as_ref());
    endpoint::endpoint(exchange) == Endpoint::Token
        && endpoint::provider(exchange) == Provider::Anthropic
        && grant.is_none_or(|grant| *grant == "refresh_token")
}

fn succeeded(exchange: &Exchange) -> bool {
    exchange.end.outcome == EndKind::Complete
        && exchange.error.is_none()
        && exchange.status().is_some_and(|status| (200..300).contains(&status))
}

/// The hosts that issue tokens, and nothing that Claude Code asks as often.
fn is_login_host(host: &str) -> bool {
    matches!(host, "platform.claude.com" | "console.anthropic.com")
}

/// A row for each renewal that failed: what the log says of it, and what it was.
pub(super) fn attach(survey: &Survey, rows: &mut Vec<ClientRow>, log: &ClientLog, offset: i64, window: Option<Window>) {
    let mut left: Vec<Renewal<'_>> = failed(survey);
    for event in log.events.iter().filter(|event| matches!(event.kind, Kind::RenewalFailed { .. })) {
        let mut row = ClientRow::of(event.at, event.line, Said::Line { kind: event.kind.clone() });
        let at = event.at.unix_ms().saturating_sub(offset);
        let near = left.iter().enumerate().map(|(index, renewal)| (apart(renewal.end_ms(), at), index));
        if let Some((_, index)) = near.filter(|(apart, _)| *apart <= NEAR_MS).min() {
            refer(&mut row, left.remove(index));
        }
        rows.push(row);
    }
    for renewal in left {
        if window.is_some_and(|window| window.holds(renewal.at())) {
            let mut row = ClientRow {
                at: renewal.at(),
                line: None,
                said: Said::Nothing,
                times: 1,
                exchanges: Vec::new(),
                connections: Vec::new(),
            };
            refer(&mut row, renewal);
            rows.push(row);
        }
    }
}

fn refer(row: &mut ClientRow, renewal: Renewal<'_>) {
    match renewal {
        Renewal::Refused(exchange) => row.exchanges.push(exchange.id),
        Renewal::Unconnected(connection) => row.connections.push(connection.id),
    }
}
