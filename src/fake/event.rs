//! What happens to the server in the course of a play, whoever asks.

use super::circumstances::{Organization, Outage};
use super::model::Model;
use crate::policy::PathPattern;
use crate::trace::Timestamp;
use std::time::Duration;

/// One change, and when it comes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// When.
    pub at: Moment,
    /// What.
    pub change: Change,
}

/// When something happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moment {
    /// So long after the first request, before the next request is looked at.
    Elapsed(Duration),
    /// When so many requests to these paths have been decided on.
    Requests {
        /// Which paths.
        path: PathPattern,
        /// How many, from 1.
        count: u32,
    },
}

/// A change of the server's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Every access token is revoked.
    Revoke,
    /// Every access token is refused as invalid.
    Refuse,
    /// The lifetime of every access token is over.
    Expire,
    /// Every login has ended, with its access and its refresh token.
    LogOut,
    /// Somebody else renews every login, and keeps what is new.
    RenewElsewhere,
    /// What the organisation may do.
    Organization(Organization),
    /// Every endpoint answers with an outage, or no longer.
    Outage(Option<Outage>),
}

/// What files and requests call the changes.
const NAMED: &[(&str, Change)] = &[
    ("revoke", Change::Revoke),
    ("refuse", Change::Refuse),
    ("expire", Change::Expire),
    ("log-out", Change::LogOut),
    ("renew-elsewhere", Change::RenewElsewhere),
    ("outage-begins", Change::Outage(Some(Outage { status: 503 }))),
    ("outage-ends", Change::Outage(None)),
    ("disable-organization", Change::Organization(Organization::Disabled)),
];

impl Change {
    /// The one of a name, as scenarios have it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        NAMED.iter().find(|(known, _)| *known == name).map(|(_, change)| change.clone())
    }

    /// Its name; none: no file can ask for it.
    #[must_use]
    pub fn name(&self) -> Option<&'static str> {
        NAMED.iter().find(|(_, known)| known == self).map(|(name, _)| *name)
    }

    /// All names.
    pub fn names() -> impl Iterator<Item = &'static str> {
        NAMED.iter().map(|(name, _)| *name)
    }

    pub(super) fn apply(&self, model: &mut Model, now: Timestamp) {
        match self {
            Self::Revoke => model.revoke_all(),
            Self::Refuse => model.refuse_all(),
            Self::Expire => model.expire_all(now),
            Self::LogOut => model.log_out_everywhere(),
            Self::RenewElsewhere => model.renew_elsewhere(now),
            Self::Organization(organization) => model.set_organization(*organization),
            Self::Outage(outage) => model.set_outage(outage.clone()),
        }
    }
}

/// Events that have not come yet.
#[derive(Debug, Default)]
pub(super) struct Agenda(Vec<(Event, u32)>);

impl Agenda {
    pub(super) fn new(events: Vec<Event>) -> Self {
        Self(events.into_iter().map(|event| (event, 0)).collect())
    }

    /// Those whose time has come, in their order.
    pub(super) fn at(&mut self, elapsed: Duration) -> Vec<Change> {
        self.take(|event, _| matches!(event.at, Moment::Elapsed(at) if at <= elapsed))
    }

    /// Those for which this was the last request that they waited for.
    pub(super) fn behind(&mut self, path: &str) -> Vec<Change> {
        self.take(|event, met| match &event.at {
            Moment::Requests { path: pattern, count } if pattern.matches(path) => {
                *met = met.saturating_add(1);
                *met >= *count
            }
            _ => false,
        })
    }

    fn take(&mut self, mut is_due: impl FnMut(&Event, &mut u32) -> bool) -> Vec<Change> {
        let mut due = Vec::new();
        self.0.retain_mut(|(event, met)| {
            let now = is_due(event, met);
            if now {
                due.push(event.change.clone());
            }
            !now
        });
        due
    }
}
