//! Which exchanges and connections failed. No cause, only that they did.

use crate::trace::{Connection, Exchange, Origin, Outcome, Timestamp};

/// Something that failed.
#[derive(Clone, Copy, Debug)]
pub enum Failure<'a> {
    /// An exchange that was refused for a reason of authentication or authorisation.
    Exchange(&'a Exchange),
    /// A connection that ended badly.
    Connection(&'a Connection),
}

impl<'a> Failure<'a> {
    /// When it began.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Exchange(exchange) => exchange.at,
            Self::Connection(connection) => connection.opened,
        }
    }

    /// The exchange, if it is one.
    #[must_use]
    pub fn exchange(&self) -> Option<&'a Exchange> {
        match self {
            Self::Exchange(exchange) => Some(exchange),
            Self::Connection(_) => None,
        }
    }

    /// The connection, if it is one.
    #[must_use]
    pub fn connection(&self) -> Option<&'a Connection> {
        match self {
            Self::Exchange(_) => None,
            Self::Connection(connection) => Some(connection),
        }
    }

    /// The exchange as a failure, if it was refused, by another than authtrace itself, and is not telemetry.
    #[must_use]
    pub fn of_exchange(exchange: &'a Exchange) -> Option<Self> {
        let refused = exchange.is_auth_failure() && exchange.origin != Origin::Authtrace && !is_telemetry(exchange);
        refused.then_some(Self::Exchange(exchange))
    }

    /// The connection as a failure, if it ended badly. A tunnel that was never used did not: programs open connections
    /// ahead of need.
    #[must_use]
    pub fn of_connection(connection: &'a Connection) -> Option<Self> {
        let outcome = connection.end.outcome;
        let well = matches!(outcome, Outcome::Ok | Outcome::UnusedTunnel | Outcome::ClientAbort | Outcome::Shutdown);
        (!well).then_some(Self::Connection(connection))
    }
}

pub(super) fn failures<'a>(exchanges: &'a [Exchange], connections: &'a [Connection]) -> Vec<Failure<'a>> {
    let exchanges = exchanges.iter().filter_map(Failure::of_exchange);
    let mut all: Vec<_> = exchanges.chain(connections.iter().filter_map(Failure::of_connection)).collect();
    all.sort_by_key(Failure::at);
    all
}

/// Whether the exchange carries telemetry, which Claude Code sends with or without a credential and whose refusal does
/// not touch the login.
pub(super) fn is_telemetry(exchange: &Exchange) -> bool {
    exchange.request.path.as_str().starts_with("/api/event_logging/")
}

/// Whether a credential was sent and the answer was a success without an error inside; authtrace's own is none.
pub(super) fn is_accepted(exchange: &Exchange) -> bool {
    let success = exchange.status().is_some_and(|status| (200..300).contains(&status));
    let by_server = exchange.origin != Origin::Authtrace;
    success && by_server && exchange.error.is_none() && !exchange.credentials.is_empty() && !is_telemetry(exchange)
}
