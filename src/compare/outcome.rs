//! What came of a request, as far as a comparison cares.

use crate::trace::{EndKind, Exchange};

/// What came of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// An answer below 400 without an error inside.
    Accepted,
    /// Refused for a reason of authentication or authorisation.
    Refused,
    /// Another error, or no answer.
    Failed,
    /// The client broke off, or authtrace was stopped: nothing came of it, and nobody failed.
    LeftOff,
}

impl Outcome {
    /// What came of this one.
    #[must_use]
    pub fn of(exchange: &Exchange) -> Self {
        let left_off = matches!(exchange.end.outcome, EndKind::ClientAbort | EndKind::Shutdown | EndKind::NotSent);
        match exchange.status() {
            _ if exchange.is_auth_failure() => Self::Refused,
            Some(status) if status < 400 && exchange.error.is_none() => Self::Accepted,
            None if left_off => Self::LeftOff,
            _ => Self::Failed,
        }
    }
}
