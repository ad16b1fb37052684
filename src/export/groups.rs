//! Failures that are alike: a client that tries eleven times should not fill the screen eleven times.

use super::style::{clean, counted};
use crate::analyze::{Failure, Survey};
use crate::redact::Fingerprint;
use crate::trace::{Connection, Exchange};
use std::collections::HashMap;
use std::hash::Hash;

/// Failures of one kind, split by what failed, each group in the order of time.
pub(super) struct FailureGroups<'a> {
    /// Refused exchanges: same request, same answer, same credentials.
    pub(super) exchanges: Vec<Vec<&'a Exchange>>,
    /// Failed connections: same target, same end, same program.
    pub(super) connections: Vec<Vec<&'a Connection>>,
}

impl<'a> FailureGroups<'a> {
    pub(super) fn of(survey: &'a Survey) -> Self {
        let failures = survey.failures();
        Self {
            exchanges: group(failures.iter().filter_map(Failure::exchange), |exchange| {
                let error = exchange.error.as_ref();
                (
                    (&exchange.lane, &exchange.request.method, &exchange.request.host, &exchange.request.path),
                    exchange.status(),
                    error.map(|error| (error.shape, &error.kind, &error.code, &error.message)),
                    fingerprints(exchange),
                    exchange.end.outcome,
                )
            }),
            connections: group(failures.iter().filter_map(Failure::connection), |connection| {
                let target = connection.target.as_ref().map(|target| (&target.host, target.port));
                let end = &connection.end;
                (&connection.lane, target, end.outcome, end.status, &end.detail, program(connection))
            }),
        }
    }

    /// `3 auth failures`, `1 auth failure`, or nothing.
    pub(super) fn refused(&self) -> Option<String> {
        let count = self.exchanges.iter().map(Vec::len).sum();
        (count > 0).then(|| counted(count, "auth failure"))
    }

    /// `3 failed connections`, or nothing.
    pub(super) fn unconnected(&self) -> Option<String> {
        let count = self.connections.iter().map(Vec::len).sum();
        (count > 0).then(|| counted(count, "failed connection"))
    }
}

/// The name of the program at the other end.
pub(super) fn program(connection: &Connection) -> Option<String> {
    let program = connection.peer.as_ref()?.program.as_ref()?;
    Some(clean(program.as_str()).into_owned())
}

fn fingerprints(exchange: &Exchange) -> Vec<Fingerprint> {
    exchange.credentials.iter().map(|seen| seen.credential.fp).collect()
}

fn group<'a, T, K: Hash + Eq>(items: impl Iterator<Item = &'a T>, key: impl Fn(&'a T) -> K) -> Vec<Vec<&'a T>> {
    let mut groups: Vec<Vec<&'a T>> = Vec::new();
    let mut index = HashMap::new();
    for item in items {
        let at = *index.entry(key(item)).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        if let Some(group) = groups.get_mut(at) {
            group.push(item);
        }
    }
    groups
}
