//! The requests of both traces that matter for the login, in pairs.

use super::align::{Pair, align};
use super::comparison::Seen;
use super::identity::{CredentialChange, Identities};
use super::outcome::Outcome;
use super::route::{Route, is_taken_out};
use crate::analyze::{Survey, matters};
use crate::redact::Redacted;
use crate::trace::Exchange;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::iter::once;
use std::time::Duration;

/// An answer that took more than twice as long is slower if it took at least so much longer.
const SLOWER_BY: Duration = Duration::from_millis(500);

/// What one client asked, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flow {
    /// The requests of both traces. There is at least one.
    pub rows: Vec<Row>,
}

/// A request in one trace, or in both. Places are those in [`Survey::exchanges`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// In the first trace.
    pub before: Option<usize>,
    /// In the second.
    pub after: Option<usize>,
    /// What is not as it was; empty: nothing.
    pub changes: Vec<Change>,
}

/// What is not as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// It is asked in the second trace alone.
    New,
    /// It is asked in the first trace alone.
    Gone,
    /// It is refused for a reason of authentication, and was not.
    Refused,
    /// It fails for another reason, and did not.
    Failed,
    /// It succeeds, and did not.
    Mended,
    /// The status is another one, and neither better nor worse.
    Status,
    /// The error is of another type.
    Error,
    /// It goes to another host.
    Host,
    /// It carries another credential.
    Credential(CredentialChange),
    /// The answer began after more than twice the time, and at least half a second later.
    Slower,
}

impl Change {
    /// The name for people and programs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Gone => "gone",
            Self::Refused => "refused",
            Self::Failed => "fails",
            Self::Mended => "mended",
            Self::Status => "other status",
            Self::Error => "other error",
            Self::Host => "other host",
            Self::Credential(CredentialChange::Added) => "with a credential",
            Self::Credential(CredentialChange::Dropped) => "without credential",
            Self::Credential(CredentialChange::Kind(..)) => "other kind",
            Self::Credential(CredentialChange::Other) => "other credential",
            Self::Slower => "slower",
        }
    }

    /// Whether it is a change of what is done, not of how long that takes.
    #[must_use]
    pub fn is_of_the_flow(self) -> bool {
        self != Self::Slower
    }
}

/// Everything that matters for the login, client by client.
pub(super) struct Flows {
    pub(super) flows: Vec<Flow>,
    pub(super) identities: Identities,
    /// Whether each was aligned in the best way.
    pub(super) is_best: bool,
}

impl Flows {
    pub(super) fn of(before: Seen<'_>, after: Seen<'_>) -> Self {
        let mut symbols = Symbols::default();
        let first = clients(before, &mut symbols);
        let second = clients(after, &mut symbols);
        let mut flows = Self { flows: Vec::new(), identities: Identities::default(), is_best: true };
        for (one, other) in matched(first, second) {
            flows.add(&one.requests, &other.requests, before.survey, after.survey);
        }
        flows
    }

    fn add(&mut self, first: &[Request], second: &[Request], before: &Survey, after: &Survey) {
        let pairs = self.side_by_side(first, second);
        let place = |requests: &[Request], at: usize| requests.get(at).map(|request| request.place);
        let rows = pairs.into_iter().map(|pair| match pair {
            Pair::First(at) => Row { before: place(first, at), after: None, changes: vec![Change::Gone] },
            Pair::Second(at) => Row { before: None, after: place(second, at), changes: vec![Change::New] },
            Pair::Both(one, other) => {
                let (one, other) = (place(first, one), place(second, other));
                let paired =
                    one.and_then(|at| before.exchanges().get(at)).zip(other.and_then(|at| after.exchanges().get(at)));
                let changes = paired.map(|(one, other)| self.changes(one, other)).unwrap_or_default();
                Row { before: one, after: other, changes }
            }
        });
        let rows = rows.collect();
        self.flows.push(Flow { rows });
    }

    /// First what was asked and answered alike, then between those what was asked alike, then what went elsewhere.
    fn side_by_side(&mut self, first: &[Request], second: &[Request]) -> Vec<Pair> {
        let levels: [fn(&Request) -> u32; 3] = [|one| one.answered, |one| one.asked, |one| one.anywhere];
        let firsts = (0..first.len()).map(Pair::First);
        let mut pairs: Vec<Pair> = firsts.chain((0..second.len()).map(Pair::Second)).collect();
        for level in levels {
            let mut finer = Vec::with_capacity(pairs.len());
            for block in pairs.chunk_by(|one, other| !one.is_both() && !other.is_both()) {
                finer.extend(self.within(block, first, second, level));
            }
            pairs = finer;
        }
        pairs
    }

    fn within(
        &mut self,
        block: &[Pair],
        first: &[Request],
        second: &[Request],
        level: fn(&Request) -> u32,
    ) -> Vec<Pair> {
        let ones: Vec<usize> =
            block.iter().filter_map(|pair| if let Pair::First(at) = pair { Some(*at) } else { None }).collect();
        let others: Vec<usize> =
            block.iter().filter_map(|pair| if let Pair::Second(at) = pair { Some(*at) } else { None }).collect();
        if ones.is_empty() || others.is_empty() {
            return block.to_vec();
        }
        let symbols = |places: &[usize], all: &[Request]| -> Vec<u32> {
            places.iter().filter_map(|at| all.get(*at)).map(level).collect()
        };
        let (firsts, seconds) = (symbols(&ones, first), symbols(&others, second));
        let (kept, kept_of_second) = (common(&firsts, &seconds), common(&seconds, &firsts));
        let of = |kept: &[(usize, u32)]| kept.iter().map(|(_, symbol)| *symbol).collect::<Vec<_>>();
        let aligned = align(&of(&kept), &of(&kept_of_second));
        self.is_best &= aligned.is_best;
        let (mut pairs, mut told) = (Vec::with_capacity(block.len()), (0, 0));
        let alone = |from: (usize, usize), to: (usize, usize)| {
            let first = ones.get(from.0..to.0).unwrap_or_default().iter().map(|at| Pair::First(*at));
            first
                .chain(others.get(from.1..to.1).unwrap_or_default().iter().map(|at| Pair::Second(*at)))
                .collect::<Vec<_>>()
        };
        for pair in aligned.pairs {
            let Pair::Both(one, other) = pair else { continue };
            let (Some((one, _)), Some((other, _))) = (kept.get(one), kept_of_second.get(other)) else { continue };
            pairs.extend(alone(told, (*one, *other)));
            pairs.extend(ones.get(*one).zip(others.get(*other)).map(|(one, other)| Pair::Both(*one, *other)));
            told = (one + 1, other + 1);
        }
        pairs.extend(alone(told, (ones.len(), others.len())));
        pairs
    }

    fn changes(&mut self, before: &Exchange, after: &Exchange) -> Vec<Change> {
        let credential = self.identities.meet(before, after).map(Change::Credential);
        let host = (host_of(before) != host_of(after)).then_some(Change::Host);
        [answer(before, after), host, credential, slower(before, after)].into_iter().flatten().collect()
    }
}

/// What of the first occurs in the second, too, with its places: nothing else can stand in a pair.
fn common(first: &[u32], second: &[u32]) -> Vec<(usize, u32)> {
    let known: HashSet<u32> = second.iter().copied().collect();
    first.iter().copied().enumerate().filter(|(_, symbol)| known.contains(symbol)).collect()
}

/// What is not as it was in the answer.
fn answer(before: &Exchange, after: &Exchange) -> Option<Change> {
    match (Outcome::of(before), Outcome::of(after)) {
        (one, Outcome::Refused) if one != Outcome::Refused => Some(Change::Refused),
        (Outcome::Accepted | Outcome::LeftOff, Outcome::Failed) => Some(Change::Failed),
        (Outcome::Refused | Outcome::Failed, Outcome::Accepted) => Some(Change::Mended),
        _ if before.status() != after.status() => Some(Change::Status),
        _ => (error_of(before) != error_of(after)).then_some(Change::Error),
    }
}

/// The type of the error, if it is a word that the trace shows.
fn error_of(exchange: &Exchange) -> Option<&str> {
    let error = exchange.error.as_ref()?;
    let name = error.kind.as_ref().or(error.code.as_ref()).map(Redacted::as_str)?;
    (!is_taken_out(name)).then_some(name)
}

/// The host, if it is the same in each trace that goes there.
pub(super) fn host_of(exchange: &Exchange) -> Option<&str> {
    let host = exchange.request.host.as_str();
    (!is_taken_out(host)).then_some(host)
}

/// The time until the answer began: the rest depends on what was asked of the model.
fn slower(before: &Exchange, after: &Exchange) -> Option<Change> {
    let answered = |exchange: &Exchange| exchange.response.as_ref().and(exchange.timing.wait_us);
    let (before, after) = (answered(before)?, answered(after)?);
    let by = Duration::from_micros(after.saturating_sub(before));
    (after > before.saturating_mul(2) && by >= SLOWER_BY).then_some(Change::Slower)
}

/// A client's requests in one trace.
#[derive(Default)]
struct Client {
    lane: String,
    requests: Vec<Request>,
}

impl Client {
    fn is_like(&self, other: &Self) -> bool {
        let keys = |client: &Self| client.requests.iter().map(|one| one.answered).collect::<Vec<_>>();
        keys(self) == keys(other)
    }
}

/// A request, as its route says what it is; equal numbers are equal routes.
struct Request {
    place: usize,
    /// By route and answer.
    answered: u32,
    /// By route.
    asked: u32,
    /// By route, to whichever host.
    anywhere: u32,
}

/// Numbers for what is equal.
#[derive(Default)]
struct Symbols {
    answered: HashMap<(u32, Option<u16>, Outcome), u32>,
    asked: HashMap<Route, u32>,
    anywhere: HashMap<Route, u32>,
}

impl Symbols {
    fn request(&mut self, exchange: &Exchange, place: usize) -> Request {
        let route = Route::of(exchange);
        let anywhere = number(&mut self.anywhere, Route { host: String::new(), ..route.clone() });
        let asked = number(&mut self.asked, route);
        let answered = number(&mut self.answered, (asked, exchange.status(), Outcome::of(exchange)));
        Request { place, answered, asked, anywhere }
    }
}

fn number<K: Eq + Hash>(known: &mut HashMap<K, u32>, key: K) -> u32 {
    let next = u32::try_from(known.len()).unwrap_or(u32::MAX);
    *known.entry(key).or_insert(next)
}

/// The clients of a trace, by their first request that matters. Where the system told who asked for some requests of a
/// lane, the others of that lane are the first one's.
fn clients(seen: Seen<'_>, symbols: &mut Symbols) -> Vec<Client> {
    let lineage = &seen.diagnosis.lineage;
    let mut own: HashMap<usize, usize> = HashMap::new();
    let mut clients: Vec<Client> = Vec::new();
    let known_in =
        |lane: &Redacted| lineage.processes.iter().position(|process| process.lane == *lane && process.peer.is_some());
    for (place, exchange) in seen.survey.exchanges().iter().enumerate().filter(|(_, one)| matters(one)) {
        let process = lineage.process_of(place);
        let is_unknown = lineage.process(process).is_some_and(|process| process.peer.is_none());
        let process = if is_unknown { known_in(&exchange.lane).unwrap_or(process) } else { process };
        let at = *own.entry(process).or_insert_with(|| {
            clients.push(Client { lane: exchange.lane.as_str().to_owned(), requests: Vec::new() });
            clients.len() - 1
        });
        if let Some(client) = clients.get_mut(at) {
            client.requests.push(symbols.request(exchange, place));
        }
    }
    clients
}

/// Which client is which: those that did the same, then those of one lane, then the others in their order.
fn matched(first: Vec<Client>, mut second: Vec<Client>) -> Vec<(Client, Client)> {
    let same: [fn(&Client, &Client) -> bool; 3] =
        [|one, other| one.lane == other.lane && one.is_like(other), |one, other| one.lane == other.lane, |_, _| true];
    let mut of_first: Vec<Option<Client>> = first.iter().map(|_| None).collect();
    for fits in same {
        for (one, found) in first.iter().zip(&mut of_first).filter(|(_, found)| found.is_none()) {
            *found = second.iter().position(|other| fits(one, other)).map(|at| second.remove(at));
        }
    }
    let found = first.into_iter().zip(of_first).map(|(one, other)| (one, other.unwrap_or_default()));
    found.chain(second.into_iter().flat_map(|other| once((Client::default(), other)))).collect()
}
