//! Header lines of earlier heads on the same connection, raw and redacted.

use crate::trace::{Credential, HeaderField};
use zeroize::Zeroizing;

/// Lines remembered, and bytes of one of them.
const LINES: usize = 64;
const LONGEST: usize = 1024;

/// What a header line became.
pub(super) struct Line {
    pub(super) field: HeaderField,
    pub(super) credentials: Vec<Credential>,
}

struct Slot {
    name: Box<[u8]>,
    value: Zeroizing<Box<[u8]>>,
    /// What the redactor said of its memory when it read the line.
    memory: u64,
    line: Line,
}

/// Remembers lines in the order of the last heads.
#[derive(Default)]
pub(super) struct Memo {
    slots: Vec<Slot>,
    next: usize,
    memory: u64,
}

impl Memo {
    /// A new head begins. Once the redactor, whose memory is bounded, may have forgotten something (`memory` tells),
    /// lines are redacted anew: what is in use is not forgotten.
    pub(super) fn rewind(&mut self, memory: u64) {
        self.next = 0;
        self.memory = memory;
    }

    /// Has `read` look at the line of `name` and `value`: remembered, or made by `redact`.
    pub(super) fn line(
        &mut self,
        name: &[u8],
        value: &[u8],
        redact: impl FnOnce(&[u8], &[u8]) -> Line,
        read: impl FnOnce(&Line),
    ) {
        let same = |slot: &Slot| **slot.value == *value && *slot.name == *name;
        let ahead = self.slots.get(self.next).is_some_and(same);
        let found = if ahead { Some(self.next) } else { self.slots.iter().position(same) };
        if let Some(at) = found
            && let Some(slot) = self.slots.get_mut(at)
        {
            self.next = at + 1;
            if slot.memory != self.memory {
                slot.memory = self.memory;
                slot.line = redact(name, value);
            }
            return read(&slot.line);
        }
        let line = redact(name, value);
        read(&line);
        if name.len() + value.len() <= LONGEST {
            self.remember(name, value, line);
        }
    }

    fn remember(&mut self, name: &[u8], value: &[u8], line: Line) {
        let slot = Slot { name: name.into(), value: Zeroizing::new(value.into()), memory: self.memory, line };
        let at = self.next.min(self.slots.len());
        self.next = at + 1;
        let full = self.slots.len() >= LINES;
        match self.slots.get_mut(at) {
            Some(old) if full || *old.name == *name => *old = slot,
            _ if full => self.next = 0,
            _ => self.slots.insert(at, slot),
        }
    }
}
