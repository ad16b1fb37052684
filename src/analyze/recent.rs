//! The last records of a proxy that runs for days.

use super::labels::{Labels, credentials_of};
use super::survey::Survey;
use crate::redact::Fingerprint;
use crate::trace::Record;
use std::collections::{HashSet, VecDeque};

/// Remembers a bounded number of records, shared with whoever has them as well.
///
/// Exchanges that issued or renewed tokens stay longer than others, since they tell where credentials come from. Once many
/// more credentials have been seen than are still in use, the labels of the forgotten ones are forgotten, too; if one
/// comes back, it gets a new label.
pub struct Recent {
    /// How many records stay.
    count: usize,
    /// How many have come since the labels were looked at.
    unlooked: usize,
    head: Option<Record>,
    /// Older than all others.
    issuing: VecDeque<Record>,
    records: VecDeque<Record>,
    labels: Labels,
}

impl Recent {
    /// Remembers the last `count` records, and up to a quarter as many older ones that issued tokens.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self {
            count,
            unlooked: 0,
            head: None,
            issuing: VecDeque::new(),
            records: VecDeque::new(),
            labels: Labels::default(),
        }
    }

    /// Takes one record.
    pub fn take(&mut self, record: &Record) {
        self.labels.take(record);
        if matches!(record, Record::Trace(_)) {
            self.head = Some(record.clone());
            return;
        }
        self.records.push_back(record.clone());
        self.forget_records();
        self.unlooked += 1;
        if self.unlooked > self.count / 2 {
            self.unlooked = 0;
            self.forget_labels();
        }
    }

    /// The labels of all credentials.
    #[must_use]
    pub fn labels(&self) -> &Labels {
        &self.labels
    }

    /// How many records are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.issuing.len() + self.records.len()
    }

    /// Whether nothing has happened yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is remembered, in the order of time.
    #[must_use]
    pub fn survey(&self) -> Survey {
        let records = self.head.iter().chain(&self.issuing).chain(&self.records).cloned();
        Survey::labelled(self.labels.clone(), records)
    }

    /// One goes for each that comes: memory that is freed in bulk is given out again for something else, in pieces.
    fn forget_records(&mut self) {
        while self.records.len() > self.count {
            self.issuing.extend(self.records.pop_front().filter(has_issued));
        }
        while self.issuing.len() > self.count / 4 {
            self.issuing.pop_front();
        }
    }

    fn forget_labels(&mut self) {
        if self.labels.count() > self.count.saturating_mul(8) {
            let exchanges = self.issuing.iter().chain(&self.records).filter_map(Record::exchange);
            let in_use: HashSet<Fingerprint> =
                exchanges.flat_map(credentials_of).map(|seen| seen.credential.fp).collect();
            self.labels.keep(|fp| in_use.contains(&fp));
        }
    }
}

fn has_issued(record: &Record) -> bool {
    record.exchange().is_some_and(|exchange| exchange.oauth.is_some())
}

#[cfg(test)]
mod tests {
    use super::super::fixture;
    use super::*;

    fn remembered(lines: &str, count: usize) -> Vec<u64> {
        let mut recent = Recent::new(count);
        for record in fixture::records(lines) {
            recent.take(&record);
            assert!(recent.records.len() <= count);
        }
        recent.survey().exchanges().iter().map(|exchange| exchange.id).collect()
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_last() {
        let ids = remembered(&fixture::long(3_000, 3), 100);
        assert!((98..=125).contains(&ids.len()), "{}", ids.len());
        assert_eq!(ids.last(), Some(&3_000));
    }

    #[test]
    fn what_issued_tokens_is_remembered_longer() {
        let token = fixture::access("3f9c21ab");
        let mut login = fixture::message(1, "00.000", &token, 200, 9);
        login["oauth"] = serde_json::json!({"grant_type": "authorization_code", "issued": [token.clone()]});
        let later = (2..60).map(|id| fixture::message(id, &format!("{:02}.000", id - 1), &token, 200, 9));
        let story = fixture::join([login].into_iter().chain(later));
        assert_eq!(remembered(&story, 8).first(), Some(&1));
        assert_ne!(remembered(&story, 2).first(), Some(&1), "a quarter of two is none");
    }
}
