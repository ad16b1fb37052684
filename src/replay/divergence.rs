//! Where a client left the recorded path.

use crate::analyze::{Survey, diagnose, matters};
use crate::compare::{Pair, Route, align};
use crate::redact::Fingerprint;
use crate::trace::{Exchange, Origin, Peer};
use std::collections::HashMap;
use std::fmt;

/// One way in which a played trace differs from the recorded one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Divergence {
    /// The client asked something else.
    Other {
        /// The recorded exchange before; none: at the beginning.
        after: Option<u64>,
        /// What the trace has next.
        expected: Step,
        /// What the client sent.
        sent: Step,
    },
    /// The client did not ask.
    Missing {
        /// The recorded exchange before; none: at the beginning.
        after: Option<u64>,
        /// What the trace has next.
        expected: Step,
        /// How often in a row.
        times: usize,
        /// What the client sent next.
        instead: Next,
    },
    /// The client asked, and the trace has nothing there.
    Extra {
        /// The recorded exchange before; none: at the beginning.
        after: Option<u64>,
        /// What the client sent.
        sent: Step,
        /// How often in a row.
        times: usize,
        /// What the trace has next.
        next: Next,
    },
    /// The client never asked for something that the verdict of the trace rests on. It comes in no order that clients keep.
    Unasked {
        /// As recorded, for the first time.
        recorded: Step,
    },
    /// The same request was answered with another status.
    Status {
        /// As recorded.
        recorded: Step,
        /// As played; its number is that of the played trace.
        played: Step,
    },
    /// The same request came with a credential that has another history.
    Credential {
        /// As recorded.
        recorded: Step,
        /// Whether the trace has the credential of an earlier request there, and the client sent another; else the trace
        /// has another one than before, and the client sent one that it had sent.
        same_recorded: bool,
    },
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// This.
    Step(Step),
    /// Nothing more.
    Nothing,
    /// Nobody can say: several clients ask at a time.
    Unordered,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its number in its trace.
    pub exchange: u64,
    /// What was asked.
    pub route: Route,
    /// The status answered; none: no answer.
    pub status: Option<u16>,
    /// Its credential, compared with that of the request before.
    pub credential: Held,
}

/// A credential, compared with that of the request before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// There is none.
    None,
    /// The first one.
    First,
    /// The same one.
    Same,
    /// Another one.
    Other,
}

/// How the second trace differs from the first in what matters for the login, in order. Requests for comfort and
/// telemetry, and what authtrace answered itself, are left out. With several clients at a time, each route is compared
/// on its own, without credentials, since the order among clients is chance.
#[must_use]
pub fn compare(recorded: &Survey, played: &Survey) -> Vec<Divergence> {
    let several = clients(recorded) > 1 || clients(played) > 1;
    let (mut first, mut second) = (steps(recorded), steps(played));
    if several {
        let order: Vec<Route> = first.iter().chain(&second).map(|one| one.step.route.clone()).collect();
        let place = |one: &Asked| order.iter().position(|route| *route == one.step.route);
        first.sort_by_key(place);
        second.sort_by_key(place);
    }
    let routes = |asked: &[Asked]| asked.iter().map(|one| one.step.route.clone()).collect::<Vec<_>>();
    let pairs = align(&routes(&first), &routes(&second)).pairs;
    let mut found = Vec::new();
    let mut credentials = Credentials::default();
    let mut after = None;
    let mut blocks = pairs.chunk_by(|one, other| !is_both(one) && !is_both(other)).peekable();
    while let Some(block) = blocks.next() {
        if let [Pair::Both(one, other)] = block {
            let (Some(one), Some(other)) = (first.get(*one), second.get(*other)) else { continue };
            after = Some(one.step.exchange);
            if one.step.status != other.step.status {
                found.push(Divergence::Status { recorded: one.step.clone(), played: other.step.clone() });
            }
            let same_recorded = if several { None } else { credentials.differ(one.credential, other.credential) };
            found.extend(
                same_recorded.map(|same_recorded| Divergence::Credential { recorded: one.step.clone(), same_recorded }),
            );
        } else {
            let behind = match blocks.peek() {
                Some([Pair::Both(one, other)]) => (first.get(*one), second.get(*other)),
                _ => (None, None),
            };
            let next = |asked: Option<&Asked>| match asked {
                _ if several => Next::Unordered,
                Some(asked) => Next::Step(asked.step.clone()),
                None => Next::Nothing,
            };
            let behind = (next(behind.0), next(behind.1));
            found.extend(differing(block, (&first, &second), behind, &mut after));
        }
    }
    found.extend(unasked(recorded, played));
    found
}

/// What the verdict rests on is told even if it does not matter for a login otherwise.
fn unasked(recorded: &Survey, played: &Survey) -> Vec<Divergence> {
    let proof = diagnose(recorded).findings.into_iter().next().map(|finding| finding.exchanges).unwrap_or_default();
    let asked: Vec<Route> = played.exchanges().iter().map(Route::of).collect();
    let mut told: Vec<Route> = Vec::new();
    let mut found = Vec::new();
    for exchange in recorded.exchanges().iter().filter(|exchange| proof.contains(&exchange.id)) {
        let route = Route::of(exchange);
        if exchange.origin != Origin::Upstream || matters(exchange) || asked.contains(&route) || told.contains(&route) {
            continue;
        }
        told.push(route.clone());
        let step = Step { exchange: exchange.id, route, status: exchange.status(), credential: Held::None };
        found.push(Divergence::Unasked { recorded: step });
    }
    found
}

fn is_both(pair: &Pair) -> bool {
    matches!(pair, Pair::Both(..))
}

/// What differs between two pairs: the first of each is where the client left the path. `behind` is the second pair.
fn differing(
    block: &[Pair],
    (first, second): (&[Asked], &[Asked]),
    behind: (Next, Next),
    after: &mut Option<u64>,
) -> Vec<Divergence> {
    let expected: Vec<&Step> = block
        .iter()
        .filter_map(|pair| if let Pair::First(at) = pair { first.get(*at) } else { None })
        .map(|one| &one.step)
        .collect();
    let sent: Vec<&Step> = block
        .iter()
        .filter_map(|pair| if let Pair::Second(at) = pair { second.get(*at) } else { None })
        .map(|one| &one.step)
        .collect();
    let mut found = Vec::new();
    let (mut expected, mut sent) = (expected.as_slice(), sent.as_slice());
    let ordered = behind.0 != Next::Unordered;
    if let ([next, more_expected @ ..], [instead, more_sent @ ..], true) = (expected, sent, ordered) {
        found.push(Divergence::Other { after: *after, expected: (*next).clone(), sent: (*instead).clone() });
        *after = Some(next.exchange);
        (expected, sent) = (more_expected, more_sent);
    }
    for run in expected.chunk_by(|one, other| alike(one, other)) {
        if let ([one, ..], Some(last)) = (run, run.last()) {
            let instead = behind.1.clone();
            found.push(Divergence::Missing { after: *after, expected: (*one).clone(), times: run.len(), instead });
            *after = Some(last.exchange);
        }
    }
    for run in sent.chunk_by(|one, other| alike(one, other)) {
        if let [one, ..] = run {
            let next = behind.0.clone();
            found.push(Divergence::Extra { after: *after, sent: (*one).clone(), times: run.len(), next });
        }
    }
    found
}

fn alike(one: &Step, other: &Step) -> bool {
    one.route == other.route && (one.status, other.credential) == (other.status, Held::Same)
}

/// A request with its credential.
struct Asked {
    step: Step,
    credential: Option<Fingerprint>,
}

fn steps(survey: &Survey) -> Vec<Asked> {
    let mut before: Option<Fingerprint> = None;
    let mut asked = Vec::new();
    for exchange in survey.exchanges() {
        if exchange.origin == Origin::Authtrace || !matters(exchange) {
            continue;
        }
        let credential = credential(exchange);
        // A refresh token is no other choice of the client's than the access token beside it.
        let in_head = exchange.oauth.is_none();
        let held = match (credential, before) {
            (None, _) => Held::None,
            (Some(_), None) => Held::First,
            (Some(now), Some(then)) if now == then || !in_head => Held::Same,
            (Some(_), Some(_)) => Held::Other,
        };
        before = if in_head { credential.or(before) } else { before };
        let step = Step {
            exchange: exchange.id,
            route: Route::of(exchange),
            status: exchange.status(),
            credential: if in_head { held } else { Held::None },
        };
        asked.push(Asked { step, credential });
    }
    asked
}

/// The credential in a header field, or else the one in the body of a token request.
fn credential(exchange: &Exchange) -> Option<Fingerprint> {
    let at = |place: &str| exchange.credentials.iter().find(|sent| sent.place == *place);
    let places = ["x-api-key", "authorization", "body.refresh_token"];
    places.iter().find_map(|place| at(place)).map(|sent| sent.credential.fp)
}

/// How many processes asked something that matters.
fn clients(survey: &Survey) -> usize {
    let mut peers: Vec<(&str, Option<&Peer>)> = Vec::new();
    for exchange in survey.exchanges().iter().filter(|exchange| matters(exchange)) {
        let one = (exchange.lane.as_str(), survey.peer_of(exchange));
        if !peers.contains(&one) {
            peers.push(one);
        }
    }
    // Where the system told who asked for some requests of a lane, the others of that lane are theirs as well.
    let is_known = |lane: &str| peers.iter().any(|(other, peer)| *other == lane && peer.is_some());
    peers.iter().filter(|(lane, peer)| peer.is_some() || !is_known(lane)).count()
}

/// Which credential of one trace is which of the other.
#[derive(Default)]
struct Credentials {
    there: HashMap<Fingerprint, Fingerprint>,
    here: HashMap<Fingerprint, Fingerprint>,
}

impl Credentials {
    /// Whether a pair does not fit to the pairs before, and how; from then on it does.
    fn differ(&mut self, recorded: Option<Fingerprint>, played: Option<Fingerprint>) -> Option<bool> {
        let (recorded, played) = (recorded?, played?);
        let known = self.there.insert(recorded, played);
        let back = self.here.insert(played, recorded);
        match (known, back) {
            (Some(known), _) if known != played => Some(true),
            (_, Some(back)) if back != recorded => Some(false),
            _ => None,
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.route)?;
        match self.credential {
            Held::None if self.route.grant.is_some() => Ok(()),
            Held::None => f.write_str(" without a credential"),
            Held::First => Ok(()),
            Held::Same => f.write_str(" with the same credential"),
            Held::Other => f.write_str(" with another credential"),
        }
    }
}

impl fmt::Display for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step(step) => write!(f, "{step}"),
            Self::Nothing | Self::Unordered => f.write_str("nothing more"),
        }
    }
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = |after: &Option<u64>| match after {
            Some(exchange) => format!("after exchange {exchange}"),
            None => "at the beginning".to_owned(),
        };
        let often = |times: usize| if times > 1 { format!(", {times} times in a row") } else { String::new() };
        match self {
            Self::Other { after, expected, sent } => {
                write!(f, "{}: the trace has {expected} next; the client sent {sent}", place(after))
            }
            Self::Missing { expected, times, instead: Next::Unordered, .. } => {
                write!(f, "the trace has {times} × {} more than the clients sent", expected.route)
            }
            Self::Missing { after, expected, times, instead } => {
                write!(f, "{}: the trace has {expected} next{}; the client sent {instead}", place(after), often(*times))
            }
            Self::Extra { sent, times, next: Next::Unordered, .. } => {
                write!(f, "the clients sent {times} × {} more than the trace has", sent.route)
            }
            Self::Extra { after, sent, times, next } => {
                write!(f, "{}: the client sent {sent}{}; the trace has {next}", place(after), often(*times))?;
                if matches!(next, Next::Step(_)) { f.write_str(" next") } else { Ok(()) }
            }
            Self::Unasked { recorded } => {
                let status = recorded.status.map_or("no answer".to_owned(), |status| status.to_string());
                write!(
                    f,
                    "exchange {}, {}: {status} in the trace; the client never asked",
                    recorded.exchange, recorded.route
                )
            }
            Self::Status { recorded, played } => {
                let status = |status: Option<u16>| status.map_or("no answer".to_owned(), |status| status.to_string());
                write!(
                    f,
                    "exchange {}, {}: {} in the trace, {} here",
                    recorded.exchange,
                    recorded.route,
                    status(recorded.status),
                    status(played.status)
                )
            }
            Self::Credential { recorded, same_recorded } => {
                let how = if *same_recorded {
                    "the trace has a credential that was sent before; the client sent another"
                } else {
                    "the trace has another credential than before; the client sent one that it had sent before"
                };
                write!(f, "exchange {}, {}: {how}", recorded.exchange, recorded.route)
            }
        }
    }
}
