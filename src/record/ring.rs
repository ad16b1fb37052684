//! Which records a flight recorder keeps, and where each lies in a file of fixed size: bookkeeping without any I/O.
//!
//! The file is written round and round. What is overwritten is lost, but for a quarter of the room, in which stays what
//! a verdict may need from long ago: exchanges with a token endpoint, the last success of each credential, and the
//! connections of both. They are written again in front of whatever overwrites them.

use crate::redact::Fingerprint;
use crate::trace::{Exchange, Record, Timestamp};
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

/// The part of the room for what is older than the rest.
const ELDERS: u64 = 4;

/// A line's place in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) at: u64,
    pub(super) len: u64,
}

/// Where a new line goes, and what has to be written again before it: all of it is read before any of it is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Placed {
    pub(super) again: Vec<(Extent, u64)>,
    pub(super) at: u64,
}

/// Lines that make up a trace, in the order in which they were recorded.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Selection {
    /// What was kept from before the gap.
    pub(super) elders: Vec<Extent>,
    /// Records between the two that are no longer there because newer ones took their room.
    pub(super) dropped: u64,
    /// The same, because they are in a trace that was written before.
    pub(super) told: u64,
    /// When the first record behind the gap was made.
    pub(super) from: Option<Timestamp>,
    /// Everything from there on.
    pub(super) recent: Vec<Extent>,
    pub(super) connections: u64,
    pub(super) exchanges: u64,
}

pub(super) struct Ring {
    room: u64,
    /// In the order in which they lie from `head` on, round the file.
    entries: VecDeque<Entry>,
    /// Number of the first of them, counted from the beginning.
    first: u64,
    /// Where the next line goes, in bytes from the beginning; in the file that modulo `room`.
    head: u64,
    serial: u64,
    /// Requests without an end, by number: their entry.
    in_flight: HashMap<u64, u64>,
    /// Kept exchanges of each connection.
    carried: HashMap<u64, u32>,
    /// The exchange in which each credential was accepted last.
    accepted: HashMap<Fingerprint, u64>,
    /// Entries that are written again, with their lengths, by age.
    elders: BTreeMap<u64, u64>,
    elder_bytes: u64,
    /// Whether an elder has lost that state for want of room since that was last looked at.
    crowded: bool,
    dropped: u64,
    told: u64,
}

struct Entry {
    serial: u64,
    /// In bytes from the beginning.
    at: u64,
    len: u64,
    time: Timestamp,
    is_elder: bool,
    what: What,
}

enum What {
    /// Overwritten in effect: nobody reads it any more.
    Gone,
    Request(u64),
    Exchange {
        connection: u64,
        /// Whether it asked a token endpoint.
        token: bool,
        /// The credentials that it showed to be good.
        accepted: Box<[Fingerprint]>,
    },
    Connection(u64),
    Other,
}

impl Ring {
    pub(super) fn new(room: u64) -> Self {
        Self {
            room,
            entries: VecDeque::new(),
            first: 0,
            head: 0,
            serial: 0,
            in_flight: HashMap::new(),
            carried: HashMap::new(),
            accepted: HashMap::new(),
            elders: BTreeMap::new(),
            elder_bytes: 0,
            crowded: false,
            dropped: 0,
            told: 0,
        }
    }

    /// Makes room for a line of `len` bytes. None: it is too long to be kept, and counted as dropped.
    pub(super) fn push(&mut self, record: &Record, len: u64) -> Option<Placed> {
        self.note_end_of_request(record);
        if len > self.room / ELDERS {
            self.dropped += 1;
            return None;
        }
        let mut again: Vec<(Extent, u64, Entry)> = Vec::new();
        let at = loop {
            let end = again.last().map_or(self.head, |(from, to, _)| to + from.len);
            let at = self.place(end, len);
            let first = again.first().map_or(at, |(_, to, _)| *to);
            let tail = self.entries.front().map_or(first, |front| front.at);
            if at + len <= tail + self.room {
                break at;
            }
            let Some(entry) = self.pop() else { break at };
            if self.is_elder(&entry) {
                again.push((self.extent(&entry), self.place(end, entry.len), entry));
            } else {
                self.drop_for_room(entry, &mut again);
            }
            self.lay_out(&mut again);
        };
        let mut placed = Placed { again: Vec::with_capacity(again.len()), at: at % self.room };
        for (from, to, entry) in again {
            placed.again.push((from, to % self.room));
            self.append(Entry { at: to, is_elder: true, ..entry });
        }
        self.head = at + len;
        self.add(record, at, len);
        Some(placed)
    }

    /// The last line could not be written, or what was to be written again before it: nobody knows what lies there now.
    pub(super) fn take_back(&mut self, placed: &Placed) {
        for again in (0..=placed.again.len()).rev() {
            let Some(mut entry) = self.entries.pop_back() else { return };
            let counts = !matches!(entry.what, What::Request(_) | What::Gone);
            self.dropped += u64::from(counts && again < placed.again.len());
            self.forget(&mut entry);
        }
    }

    /// The newest lines up to so many bytes, and of what is older that which a verdict may need, a quarter as many.
    /// A line that speaks of a connection never comes without the line of the connection itself, if that has ended.
    pub(super) fn select(&self, bytes: u64) -> Selection {
        let mut living: Vec<&Entry> = self.entries.iter().filter(|entry| !matches!(entry.what, What::Gone)).collect();
        living.sort_unstable_by_key(|entry| entry.serial);
        let split = split(&living, bytes);
        let (older, recent) = living.split_at(split);
        let elders = self.choose(older, recent, bytes / ELDERS);
        let is_cut = |entry: &&&Entry| !elders.contains(&entry.serial) && !matches!(entry.what, What::Request(_));
        let cut = older.iter().filter(is_cut).count() as u64;
        let older = older.iter().copied().filter(|entry| elders.contains(&entry.serial));
        let mut selection = Selection {
            dropped: self.dropped + cut,
            told: self.told,
            from: recent.first().map(|entry| entry.time),
            recent: recent.iter().map(|entry| self.extent(entry)).collect(),
            ..Selection::default()
        };
        for entry in older.clone().chain(recent.iter().copied()) {
            match entry.what {
                What::Exchange { .. } => selection.exchanges += 1,
                What::Connection(_) => selection.connections += 1,
                _ => {}
            }
        }
        selection.elders = older.map(|entry| self.extent(entry)).collect();
        selection
    }

    /// How many records have been taken so far.
    pub(super) fn taken(&self) -> u64 {
        self.serial
    }

    /// Gives up the first so many records: they are in a trace of their own. What a verdict may need stays.
    pub(super) fn told_until(&mut self, taken: u64) {
        let mut entries = std::mem::take(&mut self.entries);
        for entry in &mut entries {
            if entry.serial > taken || entry.is_elder || matches!(entry.what, What::Gone) {
                continue;
            }
            if self.is_elder(entry) {
                entry.is_elder = true;
                continue;
            }
            let counts = !matches!(entry.what, What::Request(_));
            self.forget(entry);
            self.told += u64::from(counts);
        }
        self.entries = entries;
    }

    /// A line is never cut in two: what does not fit before the end of the file goes to its beginning.
    fn place(&self, position: u64, len: u64) -> u64 {
        let left = self.room - position % self.room;
        if left < len { position + left } else { position }
    }

    /// Leaves out what has had to make room for a newer elder in the meantime.
    fn lay_out(&mut self, again: &mut Vec<(Extent, u64, Entry)>) {
        if !std::mem::take(&mut self.crowded) {
            return;
        }
        let (stay, go): (Vec<_>, Vec<_>) =
            std::mem::take(again).into_iter().partition(|(.., entry)| self.elders.contains_key(&entry.serial));
        *again = stay;
        for (_, _, entry) in go {
            self.drop_for_room(entry, again);
        }
        let mut end = self.head;
        for (from, to, _) in again {
            *to = self.place(end, from.len);
            end = *to + from.len;
        }
    }

    fn extent(&self, entry: &Entry) -> Extent {
        Extent { at: entry.at % self.room, len: entry.len }
    }

    fn pop(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front()?;
        self.first += 1;
        Some(entry)
    }

    fn append(&mut self, entry: Entry) {
        self.entries.push_back(entry);
    }

    fn add(&mut self, record: &Record, at: u64, len: u64) {
        self.serial += 1;
        let serial = self.serial;
        let (what, time) = match record {
            Record::Exchange(exchange) => {
                *self.carried.entry(exchange.connection).or_default() += 1;
                let accepted = accepted(exchange);
                for fp in &accepted {
                    self.accepted.insert(*fp, serial);
                }
                let token = exchange.oauth.is_some();
                (What::Exchange { connection: exchange.connection, token, accepted }, exchange.at)
            }
            Record::Connection(connection) => (What::Connection(connection.id), connection.opened),
            Record::Request(start) => {
                self.in_flight.insert(start.id, self.first + self.entries.len() as u64);
                (What::Request(start.id), start.at)
            }
            Record::Gap(gap) => (What::Other, gap.at),
            Record::Note(note) => (What::Other, note.at),
            Record::Trace(head) => (What::Other, head.started),
            Record::End(end) => (What::Other, end.at.unwrap_or(Timestamp::from_unix_ms(0))),
        };
        self.append(Entry { serial, at, len, time, is_elder: false, what });
    }

    /// An exchange is complete in itself: the line of its request is not needed any more.
    fn note_end_of_request(&mut self, record: &Record) {
        let Record::Exchange(exchange) = record else { return };
        let Some(number) = self.in_flight.remove(&exchange.id) else { return };
        let at = number.checked_sub(self.first).and_then(|at| usize::try_from(at).ok());
        if let Some(entry) = at.and_then(|at| self.entries.get_mut(at)) {
            entry.what = What::Gone;
        }
    }

    /// Whether the entry is to outlive its place, as far as there is room for such.
    fn is_elder(&mut self, entry: &Entry) -> bool {
        if !self.is_needed(entry) {
            return false;
        }
        if !entry.is_elder {
            self.elders.insert(entry.serial, entry.len);
            self.elder_bytes += entry.len;
        }
        while self.elder_bytes > self.room / ELDERS {
            let Some((_, len)) = self.elders.pop_first() else { break };
            self.elder_bytes -= len;
            self.crowded = true;
        }
        self.elders.contains_key(&entry.serial)
    }

    fn is_needed(&self, entry: &Entry) -> bool {
        match &entry.what {
            What::Exchange { token, accepted, .. } => {
                *token || accepted.iter().any(|fp| self.accepted.get(fp) == Some(&entry.serial))
            }
            What::Connection(id) => self.carried.contains_key(id),
            What::Gone | What::Request(_) | What::Other => false,
        }
    }

    fn drop_for_room(&mut self, mut entry: Entry, again: &mut [(Extent, u64, Entry)]) {
        if !matches!(entry.what, What::Gone | What::Request(_)) {
            self.dropped += 1;
        }
        let connection = if let What::Connection(id) = entry.what { Some(id) } else { None };
        self.forget(&mut entry);
        // Its own exchanges lie before it, so there is hardly ever one left.
        if let Some(id) = connection.filter(|id| self.carried.contains_key(id)) {
            let mut entries = std::mem::take(&mut self.entries);
            let moved = again.iter_mut().map(|(_, _, entry)| entry);
            for entry in entries.iter_mut().chain(moved).filter(|entry| connection_of(entry) == Some(id)) {
                self.forget(entry);
                self.dropped += 1;
            }
            self.entries = entries;
        }
    }

    /// Takes an entry out of the books.
    fn forget(&mut self, entry: &mut Entry) {
        if let Some(len) = self.elders.remove(&entry.serial) {
            self.elder_bytes -= len;
        }
        match std::mem::replace(&mut entry.what, What::Gone) {
            What::Exchange { connection, accepted, .. } => {
                for fp in &accepted {
                    if self.accepted.get(fp) == Some(&entry.serial) {
                        self.accepted.remove(fp);
                    }
                }
                if let Some(count) = self.carried.get_mut(&connection) {
                    *count -= 1;
                    if *count == 0 {
                        self.carried.remove(&connection);
                    }
                }
            }
            What::Request(id) => drop(self.in_flight.remove(&id)),
            What::Gone | What::Connection(_) | What::Other => {}
        }
    }

    /// Of these the newest that a verdict may need, and the connections of all that is chosen.
    fn choose(&self, older: &[&Entry], recent: &[&Entry], bytes: u64) -> HashSet<u64> {
        let mut connections: HashSet<u64> = recent.iter().filter_map(|entry| connection_of(entry)).collect();
        let mut chosen = HashSet::new();
        let mut left = bytes;
        for entry in older.iter().rev().filter(|entry| matches!(entry.what, What::Exchange { .. })) {
            if !(entry.is_elder || self.is_needed(entry)) {
                continue;
            }
            let Some(rest) = left.checked_sub(entry.len) else { break };
            left = rest;
            chosen.insert(entry.serial);
            connections.extend(connection_of(entry));
        }
        let of_chosen = |entry: &&&Entry| matches!(entry.what, What::Connection(id) if connections.contains(&id));
        chosen.extend(older.iter().filter(of_chosen).map(|entry| entry.serial));
        chosen
    }
}

/// Where the newest entries begin that have so many bytes together. Elders are never among them.
fn split(living: &[&Entry], bytes: u64) -> usize {
    let mut left = bytes;
    for (at, entry) in living.iter().enumerate().rev() {
        match left.checked_sub(entry.len) {
            Some(rest) if !entry.is_elder => left = rest,
            _ => return at + 1,
        }
    }
    0
}

fn connection_of(entry: &Entry) -> Option<u64> {
    match entry.what {
        What::Exchange { connection, .. } => Some(connection),
        _ => None,
    }
}

/// The credentials that the server has taken, if it has.
fn accepted(exchange: &Exchange) -> Box<[Fingerprint]> {
    let well = exchange.error.is_none() && exchange.status().is_some_and(|status| (200..300).contains(&status));
    exchange.credentials.iter().filter(|_| well).map(|sent| sent.credential.fp).collect()
}

#[cfg(test)]
mod tests;
