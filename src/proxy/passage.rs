//! What came in of a message and what went out, counted and digested on each side by itself.

use crate::redact::Redactor;
use crate::trace::{BodyPassage, HeadChange, HeadPassage, MessagePassage};
use std::hash::Hasher as _;
use twox_hash::XxHash3_64;

/// The seed of a trace's digests: from the system's randomness, kept in memory only.
pub(super) fn random_seed() -> u64 {
    let mut bytes = [0_u8; 8];
    match getrandom::getrandom(&mut bytes) {
        Ok(()) => u64::from_ne_bytes(bytes),
        // Without randomness the digests compare as well; what is shown of them is keyed besides.
        Err(_) => 0,
    }
}

/// Both sides of one message while it passes.
pub(super) struct Meter {
    seed: u64,
    read: Side,
    written: Side,
    /// The head that is to go out, if not the one that came in.
    intended: Option<Heads>,
    changes: Vec<HeadChange>,
    /// Whether the fields are compared (HTTP/2), and not the bytes.
    by_fields: bool,
}

#[derive(Default)]
struct Side {
    heads: Heads,
    body: Body,
}

/// Heads that follow each other: interim ones, then the final one.
#[derive(Clone, Default)]
struct Heads {
    bytes: u64,
    hash: u64,
    /// Of a head that goes out in several pieces.
    begun: Option<Box<XxHash3_64>>,
}

#[derive(Default)]
struct Body {
    bytes: u64,
    hasher: Option<XxHash3_64>,
}

/// What became of one message.
#[derive(Clone, Debug)]
pub(super) struct Passed {
    head: HeadPassage,
    changes: Vec<HeadChange>,
    whole: bool,
    read: Sum,
    written: Sum,
}

/// Length and digest of a body, equal for equal ones under one seed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    bytes: u64,
    hash: u64,
}

/// Which way a message goes; part of what its digests are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Up = 1,
    Down = 2,
}

impl Meter {
    /// For HTTP/1.x: heads are compared as bytes.
    pub(super) fn of_bytes(seed: u64) -> Self {
        Self {
            seed,
            read: Side::default(),
            written: Side::default(),
            intended: None,
            changes: Vec::new(),
            by_fields: false,
        }
    }

    /// For HTTP/2: heads are compared as lists of parts, each with its end marked.
    pub(super) fn of_fields(seed: u64) -> Self {
        Self { by_fields: true, ..Self::of_bytes(seed) }
    }

    pub(super) fn head_read(&mut self, head: &[u8]) {
        self.read.heads.push(self.seed, head, true);
    }

    /// Another head is to go out in the place of the one that was read last.
    pub(super) fn head_replaced(&mut self, by: &[u8], changes: Vec<HeadChange>) {
        let mut intended = Heads::default();
        intended.push(self.seed, by, true);
        self.intended = Some(intended);
        self.changes = changes;
    }

    /// As [`Self::head_replaced`], for a list of parts.
    pub(super) fn parts_replaced<'a>(&mut self, by: impl Iterator<Item = &'a [u8]>, changes: Vec<HeadChange>) {
        let mut intended = Heads::default();
        intended.push_parts(self.seed, by);
        self.intended = Some(intended);
        self.changes = changes;
    }

    /// A piece of a head went out; `last`: up to its end.
    pub(super) fn head_written(&mut self, piece: &[u8], last: bool) {
        self.written.heads.push(self.seed, piece, last);
    }

    pub(super) fn parts_read<'a>(&mut self, parts: impl Iterator<Item = &'a [u8]>) {
        self.read.heads.push_parts(self.seed, parts);
    }

    pub(super) fn parts_written<'a>(&mut self, parts: impl Iterator<Item = &'a [u8]>) {
        self.written.heads.push_parts(self.seed, parts);
    }

    pub(super) fn body_read(&mut self, data: &[u8]) {
        self.read.body.push(self.seed, data);
    }

    pub(super) fn body_written(&mut self, data: &[u8]) {
        self.written.body.push(self.seed, data);
    }

    /// What has become of the message up to now, and a fresh start for the next one.
    pub(super) fn take(&mut self, whole: bool) -> Passed {
        let fresh = Self { by_fields: self.by_fields, ..Self::of_bytes(self.seed) };
        std::mem::replace(self, fresh).finish(whole)
    }

    fn finish(self, whole: bool) -> Passed {
        let head = self.head(whole);
        Passed {
            head,
            changes: if head == HeadPassage::Rewritten { self.changes } else { Vec::new() },
            whole,
            read: self.read.body.sum(),
            written: self.written.body.sum(),
        }
    }

    fn head(&self, whole: bool) -> HeadPassage {
        let (read, written) = (&self.read.heads, &self.written.heads);
        let due = self.intended.as_ref().unwrap_or(read);
        if !whole && (written.begun.is_some() || written.bytes < due.bytes) {
            return HeadPassage::Partial;
        }
        match (written.is(read), written.is(due)) {
            (true, _) if self.by_fields => HeadPassage::SameFields,
            (true, _) => HeadPassage::Verbatim,
            (false, true) => HeadPassage::Rewritten,
            (false, false) => HeadPassage::Altered,
        }
    }
}

impl Heads {
    fn push(&mut self, seed: u64, piece: &[u8], last: bool) {
        self.bytes += piece.len() as u64;
        let hash = match (self.begun.take(), last) {
            (None, true) => XxHash3_64::oneshot_with_seed(seed, piece),
            (begun, last) => {
                let mut hasher = begun.unwrap_or_else(|| Box::new(XxHash3_64::with_seed(seed)));
                hasher.write(piece);
                if !last {
                    self.begun = Some(hasher);
                    return;
                }
                hasher.finish()
            }
        };
        self.hash = followed_by(self.hash, hash);
    }

    fn push_parts<'a>(&mut self, seed: u64, parts: impl Iterator<Item = &'a [u8]>) {
        let mut hasher = XxHash3_64::with_seed(seed);
        for part in parts {
            self.bytes += part.len() as u64;
            hasher.write(part);
            hasher.write(&part.len().to_le_bytes());
        }
        self.hash = followed_by(self.hash, hasher.finish());
    }

    fn is(&self, other: &Self) -> bool {
        self.begun.is_none() && (self.bytes, self.hash) == (other.bytes, other.hash)
    }
}

impl Body {
    fn push(&mut self, seed: u64, data: &[u8]) {
        if data.is_empty() {
            return;
        }
        self.bytes += data.len() as u64;
        self.hasher.get_or_insert_with(|| XxHash3_64::with_seed(seed)).write(data);
    }

    fn sum(&self) -> Sum {
        Sum { bytes: self.bytes, hash: self.hasher.as_ref().map_or(0, XxHash3_64::finish) }
    }
}

impl Passed {
    /// With what passed on after it, once the connection had become another protocol's.
    pub(super) fn and_then(mut self, more: &Self) -> Self {
        self.whole &= more.whole;
        self.read = self.read.and_then(more.read);
        self.written = self.written.and_then(more.written);
        self
    }

    /// Nothing was seen of it.
    pub(super) fn nothing() -> Self {
        Self {
            head: HeadPassage::Partial,
            changes: Vec::new(),
            whole: false,
            read: Sum::default(),
            written: Sum::default(),
        }
    }

    /// As the trace tells it.
    pub(super) fn tell(self, redactor: &Redactor, exchange: u64, way: Way) -> MessagePassage {
        let read = self.read.tell(redactor, exchange, way);
        let written = if self.written == self.read { read } else { self.written.tell(redactor, exchange, way) };
        MessagePassage { head: self.head, head_changes: self.changes, whole: self.whole, read, written }
    }
}

impl Sum {
    fn and_then(self, more: Self) -> Self {
        match (self.bytes, more.bytes) {
            (_, 0) => self,
            (0, _) => more,
            _ => Self { bytes: self.bytes + more.bytes, hash: followed_by(self.hash, more.hash) },
        }
    }

    /// The digest is shown under the trace's key, together with what it is of.
    fn tell(self, redactor: &Redactor, exchange: u64, way: Way) -> BodyPassage {
        let digest = (self.bytes > 0).then(|| {
            let mut of = [0_u8; 25];
            let (id, rest) = of.split_at_mut(8);
            id.copy_from_slice(&exchange.to_le_bytes());
            let (bytes, rest) = rest.split_at_mut(8);
            bytes.copy_from_slice(&self.bytes.to_le_bytes());
            let (hash, direction) = rest.split_at_mut(8);
            hash.copy_from_slice(&self.hash.to_le_bytes());
            direction.fill(way as u8);
            redactor.fingerprint(&of)
        });
        BodyPassage { bytes: self.bytes, digest }
    }
}

fn followed_by(first: u64, second: u64) -> u64 {
    first.rotate_left(29).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ second
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn passed(feed: impl FnOnce(&mut Meter)) -> MessagePassage {
        let mut meter = Meter::of_bytes(7);
        feed(&mut meter);
        meter.take(true).tell(&Redactor::plain(), 1, Way::Up)
    }

    #[test]
    fn a_head_is_verbatim_rewritten_or_altered() {
        let heads = [
            ("GET / ", None, "GET / ", HeadPassage::Verbatim),
            ("GET / ", None, "GET /x", HeadPassage::Altered),
            ("GET http://h/ ", Some("GET / "), "GET / ", HeadPassage::Rewritten),
            ("GET http://h/ ", Some("GET / "), "GET /x", HeadPassage::Altered),
            ("GET / ", Some("GET / "), "GET / ", HeadPassage::Verbatim),
        ];
        for (read, intended, written, expected) in heads {
            let passage = passed(|meter| {
                meter.head_read(read.as_bytes());
                if let Some(intended) = intended {
                    meter.head_replaced(intended.as_bytes(), vec![HeadChange::AbsoluteForm]);
                }
                meter.head_written(written.as_bytes(), true);
            });
            assert_eq!(passage.head, expected);
            assert_eq!(passage.head_changes.is_empty(), expected != HeadPassage::Rewritten);
            assert_eq!(passage.is_altered(), expected == HeadPassage::Altered);
        }
    }

    #[test]
    fn a_head_that_did_not_get_out_is_partial_unless_the_message_claims_to_be_whole() {
        for (written, last) in [(b"GET".as_slice(), false), (b"", false)] {
            for whole in [false, true] {
                let mut meter = Meter::of_bytes(7);
                meter.head_read(b"GET / ");
                if !written.is_empty() {
                    meter.head_written(written, last);
                }
                let expected = if whole { HeadPassage::Altered } else { HeadPassage::Partial };
                assert_eq!(meter.take(whole).head, expected);
            }
        }
    }

    #[test]
    fn fields_that_lost_their_borders_are_not_the_same() {
        let mut meter = Meter::of_fields(7);
        meter.parts_read([b"ab".as_slice(), b"c"].into_iter());
        meter.parts_written([b"a".as_slice(), b"bc"].into_iter());
        assert_eq!(meter.take(true).head, HeadPassage::Altered);
        meter.parts_read([b"ab".as_slice(), b"c"].into_iter());
        meter.parts_written([b"ab".as_slice(), b"c"].into_iter());
        assert_eq!(meter.take(true).head, HeadPassage::SameFields);
    }

    #[test]
    fn the_same_body_has_another_digest_in_each_exchange_and_direction_and_under_each_key() {
        let sum = Sum { bytes: 3, hash: 5 };
        let (redactor, other) = (Redactor::plain(), Redactor::plain());
        let first = sum.tell(&redactor, 1, Way::Up);
        assert_eq!(first, sum.tell(&redactor, 1, Way::Up));
        for different in
            [sum.tell(&redactor, 2, Way::Up), sum.tell(&redactor, 1, Way::Down), sum.tell(&other, 1, Way::Up)]
        {
            assert_ne!(first.digest, different.digest);
        }
        assert_eq!(Sum::default().tell(&redactor, 1, Way::Up).digest, None);
    }

    fn cut(bytes: &[u8], cuts: &[usize]) -> Vec<Vec<u8>> {
        let mut pieces = vec![bytes.to_vec()];
        for cut in cuts {
            let last = pieces.pop().unwrap();
            let (first, rest) = last.split_at(cut % (last.len() + 1));
            pieces.extend([first.to_vec(), rest.to_vec()]);
        }
        pieces
    }

    proptest! {
        #[test]
        fn it_does_not_matter_in_which_pieces_bytes_go_in_and_out(
            head in prop::collection::vec(any::<u8>(), 1..600),
            body in prop::collection::vec(any::<u8>(), 0..3_000),
            cuts in prop::collection::vec(any::<usize>(), 0..6),
            other in prop::collection::vec(any::<usize>(), 0..6),
        ) {
            let passage = passed(|meter| {
                meter.head_read(&head);
                let pieces = cut(&head, &cuts);
                for (at, piece) in pieces.iter().enumerate() {
                    meter.head_written(piece, at + 1 == pieces.len());
                }
                cut(&body, &cuts).iter().for_each(|piece| meter.body_read(piece));
                cut(&body, &other).iter().for_each(|piece| meter.body_written(piece));
            });
            prop_assert_eq!(passage.head, HeadPassage::Verbatim);
            prop_assert_eq!(passage.read, passage.written);
            prop_assert_eq!(passage.read.bytes, body.len() as u64);
        }

        #[test]
        fn a_byte_that_differs_shows(
            body in prop::collection::vec(any::<u8>(), 1..3_000), at in any::<usize>(), flip in 1_u8..,
        ) {
            let mut other = body.clone();
            let at = at % body.len();
            other[at] ^= flip;
            let passage = passed(|meter| {
                meter.body_read(&body);
                meter.body_written(&other);
            });
            prop_assert!(passage.is_altered());
        }
    }
}
