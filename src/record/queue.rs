//! From the tasks of the traffic to the writer: a bounded batch that is handed over whole.

use super::BATCH_DELAY;
use crate::trace::Record;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Records that may wait for the writer. At 4 KiB a record this bounds the queue to some 130 MiB.
const CAPACITY: usize = 32_768;
/// From here on the writer is woken before its delay is over.
const HIGH_WATER: usize = 1_024;

#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    records: Vec<Record>,
    overflowed: u64,
    urgent: bool,
    nudged: bool,
    closed: bool,
    exit_code: Option<i32>,
}

/// What the writer takes at once.
pub(super) struct Batch {
    pub(super) records: Vec<Record>,
    /// Records that found the queue full.
    pub(super) overflowed: u64,
    /// Whether somebody has asked the writer to look up.
    pub(super) nudged: bool,
    /// Set when nothing follows.
    pub(super) closing: Option<Option<i32>>,
}

impl Batch {
    /// That a request has begun is told for those whose end is not: whoever reads on after a crash wants to know.
    fn leave_begun_out(&mut self) {
        let ended = self.records.iter().filter_map(|record| match record {
            Record::Exchange(exchange) => Some(exchange.id),
            _ => None,
        });
        let mut ended: Vec<u64> = ended.collect();
        ended.sort_unstable();
        self.records.retain(|record| match record {
            Record::Request(start) => ended.binary_search(&start.id).is_err(),
            _ => true,
        });
    }
}

impl Queue {
    pub(super) fn push(&self, record: Record) {
        let mut state = self.lock();
        if state.closed {
            return;
        }
        if state.records.len() >= CAPACITY {
            state.overflowed += u64::from(record.is_counted());
            return;
        }
        let first = state.records.is_empty();
        let urgent = record.is_urgent();
        state.urgent |= urgent || state.records.len() >= HIGH_WATER;
        state.records.push(record);
        let wake = first || urgent || state.records.len() == HIGH_WATER;
        drop(state);
        if wake {
            self.changed.notify_one();
        }
    }

    pub(super) fn close(&self, exit_code: Option<i32>) {
        let mut state = self.lock();
        if !state.closed {
            state.closed = true;
            state.exit_code = exit_code;
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Wakes the writer, whatever it waits for.
    pub(super) fn nudge(&self) {
        self.lock().nudged = true;
        self.changed.notify_one();
    }

    /// Waits for the first record, then for more until the delay is over or one is urgent.
    /// `room` is what the next batch is collected in. The batch is empty when nothing has come `until` then.
    pub(super) fn take(&self, room: Vec<Record>, until: Option<Instant>) -> Batch {
        let mut state = self.lock();
        while state.records.is_empty() && !state.closed && !state.nudged {
            state = match until.map(|until| until.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => break,
                Some(left) => self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
        let deadline = Instant::now() + BATCH_DELAY;
        while !state.records.is_empty() && !state.urgent && !state.closed && !state.nudged {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else { break };
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.urgent = false;
        let mut batch = Batch {
            records: std::mem::replace(&mut state.records, room),
            overflowed: std::mem::take(&mut state.overflowed),
            nudged: std::mem::take(&mut state.nudged),
            closing: state.closed.then_some(state.exit_code),
        };
        drop(state);
        batch.leave_begun_out();
        batch
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
