//! What became of each credential.

use super::failures::{Failure, is_accepted};
use super::labels::{Label, Labels, issued_by};
use crate::redact::{self, Fingerprint, Redacted};
use crate::trace::{Credential, Exchange, Origin, Timestamp};
use serde::Serialize;
use std::collections::HashMap;

/// One credential of a trace. Exchanges are given by their numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct CredentialRow {
    /// Short name within this trace.
    pub label: Label,
    /// Kind, length, fingerprint, and every flag that was ever seen on it.
    #[serde(flatten)]
    pub credential: redact::Credential,
    /// The header or body fields that held it.
    pub places: Vec<Redacted>,
    /// When the exchange began in which it was first seen.
    pub first_seen: Timestamp,
    /// Exchanges that carried it.
    pub uses: u64,
    /// Those of them that were answered with 2xx and without an error.
    pub accepted: u64,
    /// The last of them.
    pub last_accepted: Option<u64>,
    /// Those that were refused for a reason of authentication or authorisation, by a server rather than by a proxy.
    pub refused: u64,
    /// The first of them.
    pub first_refused: Option<u64>,
    /// The exchange whose answer issued it; absent if it was there before.
    pub issued_by: Option<u64>,
}

pub(super) fn rows(exchanges: &[Exchange], labels: &Labels) -> Vec<CredentialRow> {
    let mut table = Table { rows: Vec::new(), index: HashMap::new(), labels };
    for exchange in exchanges {
        table.add_sent(exchange);
        for issued in issued_by(exchange) {
            if let Some(row) = table.row(exchange, issued) {
                row.issued_by.get_or_insert(exchange.id);
            }
        }
    }
    table.rows
}

struct Table<'a> {
    rows: Vec<CredentialRow>,
    index: HashMap<Fingerprint, usize>,
    labels: &'a Labels,
}

impl Table<'_> {
    fn add_sent(&mut self, exchange: &Exchange) {
        let mut counted: Vec<Fingerprint> = Vec::new();
        for sent in &exchange.credentials {
            let again = counted.contains(&sent.credential.fp);
            let Some(row) = self.row(exchange, sent) else { continue };
            if !row.places.contains(&sent.place) {
                row.places.push(sent.place.clone());
            }
            if again {
                continue;
            }
            counted.push(sent.credential.fp);
            row.uses += 1;
            if is_accepted(exchange) {
                row.accepted += 1;
                row.last_accepted = Some(exchange.id);
            } else if is_refused_by_server(exchange) {
                row.refused += 1;
                row.first_refused.get_or_insert(exchange.id);
            }
        }
    }

    fn row(&mut self, exchange: &Exchange, seen: &Credential) -> Option<&mut CredentialRow> {
        let Self { rows, index, labels } = self;
        let credential = &seen.credential;
        let label = labels.get(credential.fp)?;
        let at = *index.entry(credential.fp).or_insert_with(|| {
            rows.push(CredentialRow {
                label,
                credential: redact::Credential { flags: Vec::new(), ..credential.clone() },
                places: Vec::new(),
                first_seen: exchange.at,
                uses: 0,
                accepted: 0,
                last_accepted: None,
                refused: 0,
                first_refused: None,
                issued_by: None,
            });
            rows.len() - 1
        });
        let row = rows.get_mut(at)?;
        for flag in &credential.flags {
            if !row.credential.has(*flag) {
                row.credential.flags.push(*flag);
            }
        }
        Some(row)
    }
}

fn is_refused_by_server(exchange: &Exchange) -> bool {
    let by_server = exchange.origin == Origin::Upstream && exchange.status() != Some(407);
    by_server && Failure::of_exchange(exchange).is_some()
}
