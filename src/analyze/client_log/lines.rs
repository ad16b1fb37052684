//! Lines of the log that stand for themselves.

use super::{ClientRow, NEAR_MS, Said, apart, end_ms};
use crate::analyze::endpoint;
use crate::analyze::survey::Survey;
use crate::trace::{ClientEvent, ClientEventKind as Kind, ClientLog, Exchange, StartUp};

/// A row for each of them, with the exchange that it speaks of.
pub(super) fn rows(survey: &Survey, log: &ClientLog, offset: i64) -> Vec<ClientRow> {
    let mut rows: Vec<ClientRow> = Vec::new();
    for event in &log.events {
        if let Kind::GaveUpOn { client_id } = &event.kind {
            let exchange =
                survey.exchanges().iter().find(|exchange| exchange.request_ids.client.as_ref() == Some(client_id));
            if let Some(exchange) = exchange {
                name(&mut rows, exchange);
            }
        } else if tells(&event.kind) {
            let mut row = ClientRow::of(event.at, event.line, Said::Line { kind: event.kind.clone() });
            row.exchanges.extend(spoken_of(survey, event, offset).map(|exchange| exchange.id));
            rows.push(row);
        }
    }
    rows
}

/// The lines of giving up come together; the first says why, a later one on which request.
fn name(rows: &mut [ClientRow], exchange: &Exchange) {
    let gave_up = rows.iter_mut().rev().take(3).find_map(|row| match &row.said {
        Said::Line { kind: Kind::GaveUp { failure } } if row.exchanges.is_empty() => {
            Some((failure.status, &mut row.exchanges))
        }
        _ => None,
    });
    if let Some((status, exchanges)) = gave_up
        && status == exchange.status()
    {
        exchanges.push(exchange.id);
    }
}

/// The exchange on the path of such a line that ended nearest to it.
fn spoken_of<'a>(survey: &'a Survey, event: &ClientEvent, offset: i64) -> Option<&'a Exchange> {
    let path = match &event.kind {
        Kind::ProfileFailed { .. } => "/api/oauth/profile",
        Kind::StartUpFailed { what: StartUp::RemoteSettings, .. } => "/api/claude_code/settings",
        Kind::StartUpFailed { what: StartUp::PolicyLimits, .. } => "/api/claude_code/policy_limits",
        _ => return None,
    };
    let at = event.at.unix_ms().saturating_sub(offset);
    let same = survey.exchanges().iter().filter(|exchange| endpoint::path(exchange) == path);
    let near = same.map(|exchange| (apart(end_ms(exchange), at), exchange)).filter(|(apart, _)| *apart <= NEAR_MS);
    near.min_by_key(|(apart, exchange)| (*apart, exchange.id)).map(|(_, exchange)| exchange)
}

/// Whether it stands for itself; the others are part of a request, of a renewal, of the trust, or say nothing alone.
fn tells(kind: &Kind) -> bool {
    !matches!(
        kind,
        Kind::Request { .. }
            | Kind::AttemptFailed { .. }
            | Kind::RenewalFailed { .. }
            | Kind::TokenCheckBegun
            | Kind::TokenCheckEnded
            | Kind::CertificateStores { .. }
            | Kind::RootsLoaded { .. }
            | Kind::SystemStoreMissing
            | Kind::ExtraCertificates { .. }
    )
}

/// The same said again, of nothing in the trace, becomes one row.
pub(super) fn collapse(rows: Vec<ClientRow>) -> Vec<ClientRow> {
    let mut kept: Vec<ClientRow> = Vec::with_capacity(rows.len());
    for row in rows {
        let alone = row.exchanges.is_empty() && row.connections.is_empty() && matches!(row.said, Said::Line { .. });
        match kept.last_mut() {
            Some(last)
                if alone && last.said == row.said && last.exchanges.is_empty() && last.connections.is_empty() =>
            {
                last.times += 1;
            }
            _ => kept.push(row),
        }
    }
    kept
}
