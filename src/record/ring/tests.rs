use super::*;
use proptest::prelude::*;
use serde_json::{Value, json};

/// What a test puts into a ring; sizes are of the line, in bytes.
#[derive(Clone, Debug)]
enum Thing {
    Begins(u64),
    Exchange { id: u64, connection: u64, credential: u32, status: u16, token: bool },
    Closes(u64),
    Note,
}

const AT: &str = "2026-11-20T11:14:02.000Z";

fn record(thing: &Thing) -> Record {
    let text = match *thing {
        Thing::Begins(id) => json!({
            "record": "request", "id": id, "connection": 1, "at": AT, "method": "POST", "host": "api.anthropic.com",
            "path": "/v1/messages",
        }),
        Thing::Exchange { id, connection, credential, status, token } => {
            exchange(id, connection, credential, status, token)
        }
        Thing::Closes(id) => json!({
            "record": "connection", "id": id, "lane": "main", "opened": AT, "duration_us": 1, "mode": "intercepted",
            "bytes_up": 0, "bytes_down": 0, "requests": 1, "outcome": "ok",
        }),
        Thing::Note => json!({"record": "note", "at": AT, "kind": "other", "text": "something"}),
    };
    serde_json::from_value(text).unwrap()
}

fn exchange(id: u64, connection: u64, credential: u32, status: u16, token: bool) -> Value {
    let mut text = json!({
        "record": "exchange", "id": id, "connection": connection, "lane": "main", "at": AT,
        "request": {
            "method": "POST", "scheme": "https", "host": "api.anthropic.com", "port": 443, "path": "/v1/messages",
            "version": "HTTP/1.1", "body_bytes": 1, "headers": [],
        },
        "credentials": [{
            "place": "authorization", "kind": "oauth-access", "len": 108, "fp": format!("{credential:08x}"), "prefix": "oat01",
        }],
        "response": {"status": status, "version": "HTTP/1.1", "body_bytes": 1, "headers": []},
        "timing": {"send_us": 1, "total_us": 1, "added_us": 1}, "origin": "upstream", "end": {"outcome": "complete"},
    });
    if token {
        text["oauth"] = json!({"grant_type": "refresh_token"});
    }
    text
}

/// A ring with its file, in memory.
struct Disk {
    ring: Ring,
    bytes: Vec<u8>,
    /// Length of a line.
    serial: u64,
}

impl Disk {
    fn new(room: u64) -> Self {
        Self { ring: Ring::new(room), bytes: vec![0; usize::try_from(room).unwrap()], serial: 0 }
    }

    /// Puts a line of that length which begins with the record's number.
    fn put(&mut self, thing: &Thing, len: u64) -> Option<Placed> {
        self.serial += 1;
        let line = format!("{:<width$}", self.serial, width = usize::try_from(len).unwrap());
        let placed = self.ring.push(&record(thing), len)?;
        let again: Vec<(Vec<u8>, u64)> =
            placed.again.iter().map(|(from, to)| (self.bytes[range(*from)].to_vec(), *to)).collect();
        for (text, to) in again.iter().map(|(text, to)| (text.as_slice(), *to)).chain([(line.as_bytes(), placed.at)]) {
            self.bytes[range(Extent { at: to, len: text.len() as u64 })].copy_from_slice(text);
        }
        Some(placed)
    }

    /// A disk that refuses the line, and whatever was to be written again before it.
    fn fail(&mut self, thing: &Thing, len: u64) -> usize {
        self.serial += 1;
        let placed = self.ring.push(&record(thing), len).unwrap();
        for to in placed.again.iter().map(|(_, to)| *to).chain([placed.at]) {
            self.bytes[usize::try_from(to).unwrap()] = b'?';
        }
        self.ring.take_back(&placed);
        placed.again.len()
    }

    /// The numbers of the records that stand in these places.
    fn numbers(&self, extents: &[Extent]) -> Vec<usize> {
        let number = |extent: &Extent| String::from_utf8(self.bytes[range(*extent)].to_vec()).unwrap();
        extents.iter().map(|extent| number(extent).trim().parse().unwrap()).collect()
    }

    fn kept(&self, bytes: u64) -> Vec<usize> {
        let selection = self.ring.select(bytes);
        let mut numbers = self.numbers(&selection.elders);
        numbers.extend(self.numbers(&selection.recent));
        numbers
    }
}

fn range(extent: Extent) -> std::ops::Range<usize> {
    let at = usize::try_from(extent.at).unwrap();
    at..at + usize::try_from(extent.len).unwrap()
}

/// Connections that carry one to five exchanges each, with others in between; most of them end.
fn traffic() -> impl Strategy<Value = Vec<(Thing, u64)>> {
    let one =
        (1_u64..6, 0_u32..4, prop::sample::select(vec![200_u16, 200, 200, 401]), prop::bool::weighted(0.1), 20_u64..60);
    prop::collection::vec((one, prop::bool::weighted(0.9), any::<bool>()), 1..60).prop_map(|connections| {
        let mut things = Vec::new();
        let mut id = 0;
        for (number, ((requests, credential, status, token, len), closes, note)) in connections.into_iter().enumerate()
        {
            let connection = number as u64 + 1;
            for _ in 0..requests {
                id += 1;
                things.push((Thing::Begins(id), 10));
                things.push((Thing::Exchange { id, connection, credential, status, token }, len));
            }
            if note {
                things.push((Thing::Note, 15));
            }
            if closes {
                things.push((Thing::Closes(connection), 12));
            }
        }
        things
    })
}

proptest! {
    /// After every record: within the room, nothing lies on anything else, every line is whole, what was kept is in the
    /// order of its making, no exchange stands there without its connection's line, and every record is accounted for.
    #[test]
    fn it_stays_within_its_room_and_loses_nothing_unnoticed(
        things in traffic(), room in 300_u64..3_000, wanted in prop::option::of(100_u64..2_000), told in any::<prop::sample::Index>(),
    ) {
        let mut disk = Disk::new(room);
        let tell_at = told.index(things.len());
        for (at, (thing, len)) in things.iter().enumerate() {
            disk.put(thing, *len);
            if at == tell_at {
                let until = disk.ring.taken() / 2;
                disk.ring.told_until(until);
            }
            let selection = disk.ring.select(wanted.unwrap_or(u64::MAX));
            let mut places: Vec<Extent> = selection.elders.iter().chain(&selection.recent).copied().collect();
            prop_assert!(places.iter().map(|place| place.len).sum::<u64>() <= room);
            if let Some(wanted) = wanted {
                prop_assert!(selection.recent.iter().map(|place| place.len).sum::<u64>() <= wanted);
            }
            places.sort_by_key(|place| place.at);
            prop_assert!(places.iter().all(|place| place.at + place.len <= room));
            prop_assert!(places.windows(2).all(|two| two[0].at + two[0].len <= two[1].at), "{:?}", places);

            let kept = disk.kept(wanted.unwrap_or(u64::MAX));
            prop_assert!(kept.is_sorted() && kept.iter().all(|number| (1..=at + 1).contains(number)), "{:?}", kept);
            let seen = &things[..=at];
            for number in &kept {
                if let Thing::Exchange { connection, .. } = things[number - 1].0 {
                    let line = seen.iter().position(|(thing, _)| matches!(thing, Thing::Closes(id) if *id == connection));
                    prop_assert!(line.is_none_or(|line| kept.contains(&(line + 1))), "{} of {:?}", number, kept);
                }
            }
            if wanted.is_none() {
                let requests = |numbers: &[usize]| numbers.iter().filter(|one| matches!(things[**one - 1].0, Thing::Begins(_))).count();
                let all = seen.iter().filter(|(thing, _)| !matches!(thing, Thing::Begins(_))).count() as u64;
                let counted = (kept.len() - requests(&kept)) as u64 + selection.dropped + selection.told;
                prop_assert_eq!(counted, all);
                prop_assert!(requests(&kept) <= 1, "a request that has ended needs no line of its own");
            }
        }
    }
}

#[test]
fn the_last_success_of_a_credential_and_the_token_endpoint_outlive_their_place() {
    let mut disk = Disk::new(4_000);
    let of = |id, connection, credential, status, token| Thing::Exchange { id, connection, credential, status, token };
    disk.put(&of(1, 1, 7, 200, true), 40);
    disk.put(&of(2, 1, 8, 200, false), 40);
    disk.put(&of(3, 1, 8, 200, false), 40);
    disk.put(&Thing::Closes(1), 20);
    disk.put(&of(4, 2, 9, 401, false), 40);
    for id in 5..500 {
        disk.put(&of(id, 2, 10, 200, false), 40);
    }
    let kept = disk.kept(u64::MAX);
    assert_eq!(kept[..3], [1, 3, 4], "the renewal, the last success of 8, their connection; not the refusal of 9");
    assert!(kept[3..].iter().all(|number| *number > 400), "{kept:?}");
    let selection = disk.ring.select(u64::MAX);
    assert_eq!((selection.elders.len(), selection.dropped), (3, 499 - kept.len() as u64 + 1));
    assert_eq!(disk.kept(400)[..3], [1, 3, 4], "also in front of a small selection");
}

#[test]
fn what_outlives_its_place_has_a_bound_of_its_own() {
    let mut disk = Disk::new(4_000);
    for id in 1..2_000 {
        disk.put(&Thing::Exchange { id, connection: id, credential: 1, status: 429, token: true }, 50);
    }
    let selection = disk.ring.select(u64::MAX);
    let bytes = |extents: &[Extent]| extents.iter().map(|extent| extent.len).sum::<u64>();
    assert!(bytes(&selection.elders) + bytes(&selection.recent) <= 4_000);
    // Nothing but such in the ring: those that had to give way lie about until they are overwritten.
    assert!(bytes(&selection.recent) >= 1_000, "{}", bytes(&selection.recent));
    assert_eq!(disk.kept(u64::MAX).last(), Some(&1_999));
}

#[test]
fn a_line_that_is_too_long_is_counted_and_a_failed_one_taken_back() {
    let mut disk = Disk::new(1_000);
    disk.put(&Thing::Note, 900);
    disk.put(&Thing::Note, 100);
    disk.fail(&Thing::Exchange { id: 1, connection: 1, credential: 1, status: 200, token: false }, 100);
    disk.put(&Thing::Closes(1), 100);
    let selection = disk.ring.select(u64::MAX);
    assert_eq!((selection.dropped, selection.exchanges, disk.kept(u64::MAX)), (1, 0, vec![2, 4]));
}

#[test]
fn what_could_not_be_written_again_is_lost_and_counted() {
    let mut disk = Disk::new(1_000);
    disk.put(&Thing::Exchange { id: 1, connection: 1, credential: 1, status: 200, token: true }, 100);
    for _ in 0..9 {
        disk.put(&Thing::Note, 100);
    }
    assert_eq!(disk.fail(&Thing::Note, 100), 1);
    let selection = disk.ring.select(u64::MAX);
    assert_eq!((selection.exchanges, selection.elders.len()), (0, 0));
    assert!(selection.dropped >= 1);
    disk.put(&Thing::Note, 100);
    assert_eq!(disk.kept(u64::MAX).last(), Some(&12));
}

#[test]
fn what_was_told_is_given_up_but_for_what_a_verdict_needs() {
    let mut disk = Disk::new(4_000);
    let of = |id, status, token| Thing::Exchange { id, connection: 1, credential: 7, status, token };
    for (id, status, token) in [(1, 200, false), (2, 200, false), (3, 401, false), (4, 400, true)] {
        disk.put(&of(id, status, token), 40);
    }
    let told = disk.ring.taken();
    disk.put(&of(5, 401, false), 40);
    disk.ring.told_until(told);
    disk.ring.told_until(told);
    let selection = disk.ring.select(u64::MAX);
    assert_eq!(disk.numbers(&selection.elders), [2, 4]);
    assert_eq!((disk.numbers(&selection.recent), selection.told, selection.dropped), (vec![5], 2, 0));
}
