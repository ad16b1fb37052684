//! Header lines of earlier heads on the same connection, raw and redacted.

use crate::trace::{Credential, HeaderField};
use zeroize::Zeroizing;

/// Lines remembered, and bytes of one of them.
const LINES: usize = 64;
const LONGEST: usize = 1024;

/// A line with a credential is redacted anew after this many repetitions, so that the redactor, whose memory is
/// bounded, does not forget a value that is in use.
const TRUST: u32 = 64;

/// What a header line became.
pub(super) struct Line {
    pub(super) field: HeaderField,
    pub(super) credentials: Vec<Credential>,
}

struct Slot {
    name: Box<[u8]>,
    value: Zeroizing<Box<[u8]>>,
    uses: u32,
    line: Line,
}

/// Remembers lines in the order of the last heads.
#[derive(Default)]
pub(super) struct Memo {
    slots: Vec<Slot>,
    next: usize,
}

impl Memo {
    /// A new head begins.
    pub(super) fn rewind(&mut self) {
        self.next = 0;
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
            slot.uses += 1;
            if slot.uses > TRUST && !slot.line.credentials.is_empty() {
                slot.uses = 0;
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
        let slot = Slot { name: name.into(), value: Zeroizing::new(value.into()), uses: 0, line };
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
