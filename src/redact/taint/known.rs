//! What is remembered of secrets, and what makes room for it.
//!
//! Memory is bounded, so that older secrets are forgotten. What servers send must not be able to bring that about for
//! what clients hold: each [`Origin`] has room of its own, and forgets among its own alone.

use std::collections::{HashMap, HashSet};

use super::filter::Filter;
use super::{PROBES, PlainState};

/// Secrets in one generation; two generations are kept.
pub(super) const SECRETS: usize = 2048;

/// Hashes in one generation.
pub(super) const GRAMS: usize = 1 << 18;

/// Where a secret was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::redact) enum Origin {
    /// In what a client sent or the user set, but for cookies.
    Client,
    /// In a cookie that a client sent: a server may choose a new one for each request.
    Cookie,
    /// In an answer.
    Server,
}

impl Origin {
    const ALL: [Self; 3] = [Self::Client, Self::Cookie, Self::Server];

    /// That of the cookies in what comes from here.
    pub(in crate::redact) fn of_cookie(self) -> Self {
        if self == Self::Client { Self::Cookie } else { self }
    }

    /// Those whose memory a server cannot fill, if this is one that it can.
    fn safer(self) -> &'static [Self] {
        match self {
            Self::Client => &[],
            Self::Cookie => &[Self::Client],
            Self::Server => &[Self::Client, Self::Cookie],
        }
    }
}

/// A run to keep: its hash, and those of the pieces in it that a line may be looked at.
pub(super) struct Gram {
    pub(super) hash: u64,
    pub(super) probes: [u64; PROBES],
}

#[derive(Default)]
pub(super) struct Known {
    rooms: [Room; Origin::ALL.len()],
    filters: Vec<Kept>,
    forgets: u64,
}

/// The memory for one origin.
#[derive(Default)]
struct Room {
    current: Generation,
    previous: Generation,
    /// How many generations have begun.
    turn: u64,
}

#[derive(Default)]
pub(super) struct Generation {
    identities: HashSet<u64, PlainState>,
    grams: HashSet<u64, PlainState>,
    /// Words that are a secret of less than the shortest length, or the first or last ones of a longer secret.
    edges: HashSet<u64, PlainState>,
    /// Short secrets: by the hash of their first eight bytes, length and hash of the whole.
    pub(super) shorts: HashMap<u64, Vec<(usize, u64)>, PlainState>,
}

/// A filter of one generation; each is larger than the one before, and the last one of a generation not full.
struct Kept {
    origin: Origin,
    turn: u64,
    filter: Filter,
}

/// What is to be kept of one secret.
pub(super) struct Lesson<'a> {
    pub(super) identity: u64,
    pub(super) grams: &'a [Gram],
    pub(super) edges: Vec<u64>,
    /// The hash of its head, its length and hash, if it is short.
    pub(super) short: Option<(u64, (usize, u64))>,
}

impl Known {
    /// Whether a secret of this origin need not be learned: it was since its room was last made.
    pub(super) fn is_fresh(&self, origin: Origin, identity: u64) -> bool {
        let known = |origin: Origin| self.rooms[origin as usize].current.identities.contains(&identity);
        known(origin) || origin.safer().iter().any(|safer| known(*safer))
    }

    /// How often something may have been forgotten.
    pub(super) fn forgets(&self) -> u64 {
        self.forgets
    }

    pub(super) fn keep(&mut self, origin: Origin, lesson: Lesson<'_>) {
        let current = &self.rooms[origin as usize].current;
        if current.identities.len() >= SECRETS || current.grams.len() + lesson.grams.len() > GRAMS {
            self.turn(origin);
        }
        let room = &mut self.rooms[origin as usize];
        room.current.identities.insert(lesson.identity);
        room.current.edges.extend(lesson.edges);
        if let Some((head, whole)) = lesson.short {
            room.current.shorts.entry(head).or_default().push(whole);
        }
        for gram in lesson.grams {
            if room.current.grams.insert(gram.hash) {
                sift(&mut self.filters, origin, room.turn, gram);
            }
        }
    }

    /// A new generation begins, and the oldest is forgotten.
    fn turn(&mut self, origin: Origin) {
        let room = &mut self.rooms[origin as usize];
        room.previous = std::mem::take(&mut room.current);
        let kept = room.turn;
        room.turn += 1;
        self.forgets += 1;
        self.filters.retain(|filter| filter.origin != origin || filter.turn == kept);
    }

    pub(super) fn holds(&self, hash: u64) -> bool {
        self.generations().any(|generation| generation.grams.contains(&hash))
    }

    /// Whether there is anything to look for behind escapes.
    pub(super) fn holds_any(&self) -> bool {
        !self.filters.is_empty()
    }

    /// Whether a word is a short secret, or one end of a longer one.
    pub(super) fn has_edge(&self, hash: u64) -> bool {
        self.generations().any(|generation| generation.edges.contains(&hash))
    }

    /// Whether a run with this piece in it may be known.
    pub(super) fn may_hold(&self, probe: u64) -> bool {
        self.filters.iter().any(|kept| kept.filter.may_hold(probe))
    }

    pub(super) fn generations(&self) -> impl Iterator<Item = &Generation> {
        self.rooms.iter().flat_map(|room| [&room.current, &room.previous])
    }

    #[cfg(test)]
    pub(super) fn sizes(&self) -> Vec<(usize, usize)> {
        self.rooms
            .iter()
            .map(|Room { current, previous, .. }| {
                (current.identities.len() + previous.identities.len(), current.grams.len() + previous.grams.len())
            })
            .collect()
    }
}

fn sift(filters: &mut Vec<Kept>, origin: Origin, turn: u64, gram: &Gram) {
    let last = filters.iter().rposition(|kept| kept.origin == origin && kept.turn == turn);
    let at = match last {
        Some(at) if !filters[at].filter.is_full() => at,
        _ => {
            let filter = last.map_or_else(Filter::first, |at| filters[at].filter.following());
            filters.push(Kept { origin, turn, filter });
            filters.len() - 1
        }
    };
    gram.probes.iter().for_each(|probe| filters[at].filter.insert(*probe));
}
