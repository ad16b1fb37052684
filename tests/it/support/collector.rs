//! A sink that keeps records and wakes whoever waits for one.

use super::soon;
use authtrace::trace::{Connection, EventSink, Exchange, Outcome, Record};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

#[derive(Default)]
pub(crate) struct Collector {
    records: Mutex<Vec<Record>>,
    changed: Notify,
}

impl EventSink for Collector {
    fn emit(&self, record: Record) {
        self.records.lock().unwrap_or_else(PoisonError::into_inner).push(record);
        self.changed.notify_waiters();
    }
}

impl Collector {
    /// Everything so far.
    pub(crate) fn records(&self) -> Vec<Record> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The exchanges so far, in the order in which they were begun.
    pub(crate) fn exchanges(&self) -> Vec<Exchange> {
        let mut exchanges: Vec<Exchange> = self
            .records()
            .into_iter()
            .filter_map(|record| match record {
                Record::Exchange(exchange) => Some(Arc::unwrap_or_clone(exchange)),
                _ => None,
            })
            .collect();
        exchanges.sort_by_key(|exchange| exchange.id);
        exchanges
    }

    /// The first answer of `find` that is not `None`, now or after any later record.
    pub(crate) async fn await_record<T>(&self, what: &str, find: impl Fn(&[Record]) -> Option<T>) -> T {
        let waiting = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                // Before the look, so that no record falls between look and wait.
                changed.as_mut().enable();
                if let Some(found) = find(&self.records()) {
                    return found;
                }
                changed.await;
            }
        };
        match tokio::time::timeout(super::AT_MOST, waiting).await {
            Ok(found) => found,
            Err(_) => panic!("no such record: {what}; there are {:#?}", self.records()),
        }
    }

    pub(crate) async fn await_exchanges(&self, count: usize) -> Vec<Exchange> {
        self.await_record(&format!("{count} exchanges"), |records| {
            let exchanges = records.iter().filter(|record| matches!(record, Record::Exchange(_))).count();
            (exchanges >= count).then_some(())
        })
        .await;
        self.exchanges()
    }

    /// The only exchange there is.
    pub(crate) async fn await_exchange(&self) -> Exchange {
        let exchanges = self.await_exchanges(1).await;
        assert_eq!(exchanges.len(), 1, "{exchanges:#?}");
        exchanges.into_iter().next().unwrap()
    }

    pub(crate) async fn await_connections(&self, count: usize) -> Vec<Connection> {
        let what = format!("{count} connections");
        let found = self.await_record(&what, |records| {
            let connections: Vec<Connection> = records
                .iter()
                .filter_map(|record| match record {
                    Record::Connection(connection) => Some((**connection).clone()),
                    _ => None,
                })
                .collect();
            (connections.len() >= count).then_some(connections)
        });
        soon(&what, found).await
    }

    /// The only connection there is, once it has ended.
    pub(crate) async fn await_connection(&self) -> Connection {
        let connections = self.await_connections(1).await;
        assert_eq!(connections.len(), 1, "{connections:#?}");
        connections.into_iter().next().unwrap()
    }

    /// The only connection there is, once it has ended, with that outcome.
    pub(crate) async fn await_outcome(&self, outcome: Outcome) -> Connection {
        let connection = self.await_connection().await;
        assert_eq!(connection.end.outcome, outcome, "{connection:#?}");
        connection
    }
}
