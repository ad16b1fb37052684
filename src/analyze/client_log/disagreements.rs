//! Where the log and the trace differ, or one explains the other.

use super::{ClientRow, ClientView, Said, Window, attempts, renewals};
use crate::analyze::endpoint::{self, Endpoint};
use crate::analyze::failures::Failure;
use crate::analyze::labels::Label;
use crate::analyze::survey::Survey;
use crate::redact::{Fingerprint, Kind as CredentialKind};
use crate::trace::{
    ClientEventKind as Kind, ClientFailure, EndKind, Exchange, ExtraFile, ExtraState, FailureClass, KeptBecause,
    Outcome, Timestamp,
};
use serde::Serialize;
use std::collections::HashSet;

/// Clocks of one machine do not differ by more than this.
const SAME_CLOCK_MS: i64 = 1_500;

/// A difference that is worth a sentence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "what", rename_all = "snake_case")]
pub enum Disagreement {
    /// No request of the log is in the trace.
    NothingJoined {
        /// Why, as far as it can be told.
        why: WhyNothing,
    },
    /// What the client shows is the refusal of a message; the renewal of its login had failed before.
    RenewalHidden {
        /// The status that it shows.
        shown: u16,
        /// Whether the log mentions any of them.
        logged: bool,
        /// Renewals that were refused.
        exchanges: Vec<u64>,
        /// Connections for a renewal that came to nothing.
        connections: Vec<u64>,
    },
    /// Renewals failed, and the log says nothing of them.
    RenewalNotLogged {
        /// Renewals that were refused.
        exchanges: Vec<u64>,
        /// Connections for a renewal that came to nothing.
        connections: Vec<u64>,
    },
    /// The client sends a token again that was refused, and has not tried to renew it.
    TokenBelievedGood {
        /// The token.
        #[cfg_attr(test, schemars(with = "Option<String>"))]
        token: Option<Label>,
        /// The refused requests.
        exchanges: Vec<u64>,
    },
    /// The client says that it keeps a refused token.
    RefusedTokenKept {
        /// Why.
        because: KeptBecause,
    },
    /// Requests of the log are not in the trace.
    RequestsMissing {
        /// How many.
        count: u64,
        /// Connections that failed at that time: they may have been meant for these.
        connections: Vec<u64>,
    },
    /// Messages are in the trace, and the log does not tell of them.
    MessagesNotLogged {
        /// The exchanges.
        exchanges: Vec<u64>,
    },
    /// The client took an answer for something else than what passed.
    AnswerDiffers {
        /// The exchange.
        exchange: u64,
        /// The status that the client names; absent: it speaks of a failed connection.
        said: Option<u16>,
        /// The status that passed.
        passed: Option<u16>,
    },
    /// The client did not trust us, and the log says that it has not loaded our certificate.
    CaNotLoaded {
        /// The file that it was told to read.
        extra: ExtraFile,
        /// What became of it.
        state: Option<ExtraState>,
        /// Connections that it ended for want of trust.
        connections: Vec<u64>,
    },
    /// The clocks differ.
    ClockDiffers {
        /// Log minus trace, in milliseconds.
        ms: i64,
    },
}

/// Why no request of a log was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum WhyNothing {
    /// The log tells of no request.
    NoRequests,
    /// The trace has no exchange.
    EmptyTrace,
    /// They are of different times.
    OtherTime,
    /// Of the same time, but of other requests.
    OtherRequests,
}

pub(super) fn find(survey: &Survey, view: &ClientView, window: Option<Window>) -> Vec<Disagreement> {
    let mut found = Vec::new();
    let requests = view.join.by_id + view.join.by_time > 0;
    let joined = requests || view.rows.iter().any(|row| !row.exchanges.is_empty() || !row.connections.is_empty());
    let unconnected = survey.exchanges().is_empty() && !failed_connections(survey, window, |_| true).is_empty();
    if !(joined || unconnected && view.join.requests > 0) {
        found.push(Disagreement::NothingJoined { why: why_nothing(survey, view, window) });
    }
    found.extend(ca_not_loaded(survey, view, window));
    match (renewal_hidden(survey, view), renewal_not_logged(view)) {
        // One sentence is enough for both.
        (Some(Disagreement::RenewalHidden { shown, exchanges, connections, .. }), _) => {
            let logged = failed_renewals(view).any(|row| row.said != Said::Nothing);
            found.push(Disagreement::RenewalHidden { shown, logged, exchanges, connections });
        }
        (_, not_logged) => found.extend(not_logged),
    }
    found.extend(refused_token_kept(view));
    found.extend(token_believed_good(survey, view));
    found.extend(answers_that_differ(survey, view));
    if requests || unconnected {
        found.extend(requests_missing(survey, view, window));
        found.extend(messages_not_logged(survey, view, window));
    }
    let apart = view.clock.map(|clock| clock.median_ms).filter(|ms| ms.saturating_abs() >= SAME_CLOCK_MS);
    found.extend(apart.map(|ms| Disagreement::ClockDiffers { ms }));
    found
}

fn why_nothing(survey: &Survey, view: &ClientView, window: Option<Window>) -> WhyNothing {
    let inside = |at: Timestamp| window.is_some_and(|window| window.holds(at));
    let at_that_time = survey.exchanges().iter().any(|exchange| inside(exchange.at))
        || survey.connections().iter().any(|connection| inside(connection.opened));
    if survey.exchanges().is_empty() && survey.connections().is_empty() {
        WhyNothing::EmptyTrace
    } else if !at_that_time {
        WhyNothing::OtherTime
    } else if view.join.requests == 0 {
        WhyNothing::NoRequests
    } else if survey.exchanges().is_empty() {
        WhyNothing::EmptyTrace
    } else {
        WhyNothing::OtherRequests
    }
}

/// Renewals among the rows that failed.
fn failed_renewals(view: &ClientView) -> impl Iterator<Item = &ClientRow> {
    view.rows.iter().filter(|row| matches!(row.said, Said::Nothing | Said::Line { kind: Kind::RenewalFailed { .. } }))
}

fn renewal_hidden(survey: &Survey, view: &ClientView) -> Option<Disagreement> {
    let (shown_at, failure) = view.rows.iter().rev().find_map(|row| match &row.said {
        Said::Line { kind: Kind::GaveUp { failure } } => Some((row.at, failure)),
        _ => None,
    })?;
    let shown = failure.status.filter(|status| matches!(status, 401 | 403))?;
    let before: Vec<&ClientRow> = failed_renewals(view).filter(|row| row.at <= shown_at).collect();
    let last = before.last()?.at;
    // A renewal that worked afterwards makes the refusal one of the new token.
    if renewals::succeeded_at(survey).any(|at| at > last && at <= shown_at) {
        return None;
    }
    let (exchanges, connections) = numbers(before.into_iter());
    Some(Disagreement::RenewalHidden { shown, logged: true, exchanges, connections })
}

fn renewal_not_logged(view: &ClientView) -> Option<Disagreement> {
    let (exchanges, connections) = numbers(view.rows.iter().filter(|row| row.said == Said::Nothing));
    let some = !exchanges.is_empty() || !connections.is_empty();
    some.then_some(Disagreement::RenewalNotLogged { exchanges, connections })
}

fn numbers<'a>(rows: impl Iterator<Item = &'a ClientRow>) -> (Vec<u64>, Vec<u64>) {
    let (mut exchanges, mut connections) = (Vec::new(), Vec::new());
    for row in rows {
        exchanges.extend(&row.exchanges);
        connections.extend(&row.connections);
    }
    // A line that the log holds twice is one event.
    for ids in [&mut exchanges, &mut connections] {
        let mut known = HashSet::new();
        ids.retain(|id| known.insert(*id));
    }
    (exchanges, connections)
}

fn refused_token_kept(view: &ClientView) -> Option<Disagreement> {
    let mut kept = view.rows.iter().filter_map(|row| match &row.said {
        Said::Line { kind: Kind::RefusedTokenKept { because } } => Some(*because),
        _ => None,
    });
    let because = kept.next()?;
    Some(Disagreement::RefusedTokenKept { because })
}

/// Refused with 401, and sent again, while nothing was done to renew it and the log gives no reason.
fn token_believed_good(survey: &Survey, view: &ClientView) -> Option<Disagreement> {
    if view.rows.iter().any(|row| matches!(row.said, Said::Line { kind: Kind::RefusedTokenKept { .. } })) {
        return None;
    }
    let tried: Vec<Timestamp> =
        renewals::failed(survey).into_iter().map(renewals::Renewal::at).chain(renewals::succeeded_at(survey)).collect();
    let mut refused: Vec<&Exchange> =
        sent(survey, view).map(|(exchange, _)| exchange).filter(|exchange| exchange.status() == Some(401)).collect();
    refused.sort_by_key(|exchange| (exchange.at, exchange.id));
    refused.dedup_by_key(|exchange| exchange.id);
    let token = refused.first().and_then(|exchange| access_token(exchange))?;
    let again: Vec<&&Exchange> = refused.iter().filter(|exchange| access_token(exchange) == Some(token)).collect();
    let (first, last) = (again.first()?.at, again.last()?.at);
    let untried = again.len() > 1 && !tried.iter().any(|at| (first..=last).contains(at));
    untried.then(|| Disagreement::TokenBelievedGood {
        token: survey.credential_label(token),
        exchanges: again.iter().map(|exchange| exchange.id).collect(),
    })
}

fn access_token(exchange: &Exchange) -> Option<Fingerprint> {
    let sent = exchange.credentials.iter().find(|sent| sent.credential.kind == CredentialKind::OauthAccess)?;
    Some(sent.credential.fp)
}

/// Requests that were found, with what the client said of their end.
fn sent<'a>(
    survey: &'a Survey,
    view: &'a ClientView,
) -> impl Iterator<Item = (&'a Exchange, Option<&'a ClientFailure>)> {
    view.rows.iter().filter_map(|row| {
        let Said::Sent { failure, .. } = &row.said else { return None };
        let id = row.exchanges.first()?;
        Some((survey.exchanges().iter().find(|exchange| exchange.id == *id)?, failure.as_ref()))
    })
}

fn answers_that_differ(survey: &Survey, view: &ClientView) -> Vec<Disagreement> {
    sent(survey, view)
        .filter_map(|(exchange, failure)| {
            let (said, passed) = (failure?.status, exchange.status());
            let whole = exchange.end.outcome == EndKind::Complete && passed.is_some();
            // An error inside a stream comes with status 200.
            let error_in_stream = exchange.error.is_some() && passed.is_some_and(|status| status < 300);
            let class = failure?.class;
            let differs = match (class, said) {
                (FailureClass::Answered, Some(_)) => said != passed && !error_in_stream,
                (FailureClass::Connection | FailureClass::Untrusted, _) => whole,
                _ => false,
            };
            differs.then_some(Disagreement::AnswerDiffers { exchange: exchange.id, said, passed })
        })
        .collect()
}

fn requests_missing(survey: &Survey, view: &ClientView, window: Option<Window>) -> Option<Disagreement> {
    // What was under way when the trace broke off is in it as a beginning only.
    let under_way = survey.unfinished().filter(|start| start.path.as_str().contains("/v1/messages")).count() as u64;
    let count = view.join.missing.saturating_sub(under_way);
    (count > 0)
        .then(|| Disagreement::RequestsMissing { count, connections: failed_connections(survey, window, |_| true) })
}

fn failed_connections(survey: &Survey, window: Option<Window>, wanted: impl Fn(Outcome) -> bool) -> Vec<u64> {
    let inside = |at: Timestamp| window.is_some_and(|window| window.holds(at));
    let failed = survey.connections().iter().filter(|connection| {
        Failure::of_connection(connection).is_some() && inside(connection.opened) && wanted(connection.end.outcome)
    });
    failed.map(|connection| connection.id).collect()
}

fn messages_not_logged(survey: &Survey, view: &ClientView, window: Option<Window>) -> Option<Disagreement> {
    let told: HashSet<u64> = view.rows.iter().flat_map(|row| row.exchanges.iter().copied()).collect();
    let exchanges: Vec<u64> = survey
        .exchanges()
        .iter()
        .filter(|exchange| {
            endpoint::endpoint(exchange) == Endpoint::Messages
                && window.is_some_and(|window| window.holds(exchange.at))
                && attempts::is_of(&view.log.sessions, exchange)
                && !told.contains(&exchange.id)
        })
        .map(|exchange| exchange.id)
        .collect();
    (!exchanges.is_empty()).then_some(Disagreement::MessagesNotLogged { exchanges })
}

fn ca_not_loaded(survey: &Survey, view: &ClientView, window: Option<Window>) -> Option<Disagreement> {
    let trust = view.trust.as_ref()?;
    let connections = failed_connections(survey, window, |outcome| outcome == Outcome::ClientDistrustsCa);
    let loaded = trust.extra_state == Some(ExtraState::Loaded) && trust.extra == ExtraFile::Authtrace;
    (!loaded && !connections.is_empty()).then_some(Disagreement::CaNotLoaded {
        extra: trust.extra,
        state: trust.extra_state,
        connections,
    })
}
