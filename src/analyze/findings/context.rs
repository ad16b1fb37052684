//! A trace as the rules see it: each exchange with what it is for and what its answer says, and refusals in groups.

use crate::analyze::endpoint::{self, Endpoint, Provider};
use crate::analyze::lineage::{self, CredentialHistory, Lineage, Reaction};
use crate::analyze::says::{self, Says};
use crate::analyze::survey::Survey;
use crate::redact::{Fingerprint, Kind};
use crate::trace::{Credential, Exchange, Origin, Peer, Timestamp};
use std::collections::HashMap;

/// A 401 that is followed by a refresh and a success within this time is how things should be (FAILURE_MODES §1.13).
pub(super) const HEALING_MS: i64 = 60_000;

/// Where clients are that nobody gave a name to.
const SHARED_LANE: &str = "main";

/// So many exchanges are looked at around one.
const NEAR: usize = 2_000;

/// An exchange, read.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) exchange: &'a Exchange,
    pub(super) provider: Provider,
    pub(super) endpoint: Endpoint,
    pub(super) process: usize,
    pub(super) reaction: Reaction,
    /// What the answer says, if it refuses or fails.
    pub(super) says: Option<Says>,
    /// The credential in a header that decides: of two, the one that Claude Code names first.
    pub(super) credential: Option<&'a Credential>,
}

/// Exchanges that were refused in the same words, with the same credential, at the same kind of place.
pub(super) struct Group<'a> {
    pub(super) says: Says,
    pub(super) endpoint: Endpoint,
    pub(super) credential: Option<&'a Credential>,
    /// In the order of time; never empty.
    pub(super) refused: Vec<Seen<'a>>,
}

/// Everything that rules look at.
pub(super) struct Context<'a> {
    pub(super) survey: &'a Survey,
    pub(super) lineage: &'a Lineage,
    /// All exchanges in the order of time, without those that authtrace answered itself: they prove nothing.
    pub(super) seen: Vec<Seen<'a>>,
    /// Requests to Anthropic's token endpoint, as places in `seen`.
    pub(super) tokens: Vec<usize>,
    /// How many exchanges each process has, by its index.
    of_process: Vec<usize>,
    /// Exchanges by the credential that decides, as places in `seen`.
    uses: HashMap<Fingerprint, Vec<usize>>,
    places: HashMap<u64, usize>,
    /// When the last thing happened.
    pub(super) end: Timestamp,
}

impl<'a> Seen<'a> {
    pub(super) fn id(&self) -> u64 {
        self.exchange.id
    }

    pub(super) fn at(&self) -> Timestamp {
        self.exchange.at
    }

    pub(super) fn ms(&self) -> i64 {
        self.exchange.at.unix_ms()
    }

    pub(super) fn status(&self) -> u16 {
        self.exchange.status().unwrap_or(0)
    }

    pub(super) fn fp(&self) -> Option<Fingerprint> {
        self.credential.map(|sent| sent.credential.fp)
    }

    pub(super) fn is_accepted(&self) -> bool {
        self.reaction == Reaction::Accepted
    }

    /// Whether it is refused in words that concern the credential or the account.
    pub(super) fn is_refused(&self) -> bool {
        self.reaction == Reaction::Refused
    }

    pub(super) fn is_anthropic(&self) -> bool {
        self.provider == Provider::Anthropic
    }

    pub(super) fn is_message(&self) -> bool {
        self.endpoint == Endpoint::Messages
    }

    pub(super) fn grant(&self) -> Option<&'a str> {
        let oauth = self.exchange.oauth.as_ref()?;
        oauth.grant_type.as_ref().map(crate::redact::Redacted::as_str)
    }

    pub(super) fn is_refresh(&self) -> bool {
        self.endpoint == Endpoint::Token && self.grant() == Some("refresh_token")
    }

    /// Whether the grant itself is refused. 401 is what some servers say for it; a 400 in unknown words is about the
    /// request.
    pub(super) fn is_refused_grant(&self) -> bool {
        self.is_refresh()
            && match (self.says, self.status()) {
                (Some(Says::InvalidGrant), _) => true,
                (Some(Says::OtherAuth), status) => status == 401,
                (Some(says), 400 | 401) => says.is_about_token(),
                _ => false,
            }
    }

    /// Whether it issued tokens.
    pub(super) fn issued(&self) -> bool {
        self.endpoint == Endpoint::Token && (200..300).contains(&self.status()) && self.says.is_none()
    }
}

impl<'a> Group<'a> {
    pub(super) fn fp(&self) -> Option<Fingerprint> {
        self.credential.map(|sent| sent.credential.fp)
    }

    pub(super) fn kind(&self) -> Option<Kind> {
        self.credential.map(|sent| sent.credential.kind)
    }

    pub(super) fn place(&self) -> &'a str {
        self.credential.map_or("", |sent| sent.place.as_str())
    }

    pub(super) fn first(&self) -> Option<&Seen<'a>> {
        self.refused.first()
    }

    pub(super) fn last(&self) -> Option<&Seen<'a>> {
        self.refused.last()
    }

    pub(super) fn first_ms(&self) -> i64 {
        self.first().map_or(0, Seen::ms)
    }

    pub(super) fn last_ms(&self) -> i64 {
        self.last().map_or(0, Seen::ms)
    }

    pub(super) fn is_message(&self) -> bool {
        self.endpoint == Endpoint::Messages
    }
}

impl<'a> Context<'a> {
    pub(super) fn new(survey: &'a Survey, lineage: &'a Lineage) -> Self {
        let mut context = Self {
            survey,
            lineage,
            seen: Vec::with_capacity(survey.exchanges().len()),
            tokens: Vec::new(),
            of_process: vec![0; lineage.processes.len()],
            uses: HashMap::new(),
            places: HashMap::new(),
            end: end_of(survey),
        };
        for (place, exchange) in survey.exchanges().iter().enumerate() {
            if exchange.origin == Origin::Authtrace {
                continue;
            }
            let at = context.seen.len();
            let seen = read(exchange, lineage.process_of(place));
            context.places.insert(exchange.id, at);
            if let Some(count) = context.of_process.get_mut(seen.process) {
                *count += 1;
            }
            if let Some(fp) = seen.fp() {
                context.uses.entry(fp).or_default().push(at);
            }
            if seen.is_anthropic() && seen.endpoint == Endpoint::Token {
                context.tokens.push(at);
            }
            context.seen.push(seen);
        }
        context
    }

    /// Refusals by Anthropic's API that nothing mended, in groups: first those of messages, then by time.
    pub(super) fn refusals(&self) -> Vec<Group<'a>> {
        let mut groups: Vec<Group<'a>> = Vec::new();
        let mut index = HashMap::new();
        for seen in self.seen.iter().filter(|seen| self.is_open_refusal(seen)) {
            let says = seen.says.unwrap_or(Says::OtherAuth);
            let key = (seen.fp(), says, seen.endpoint);
            let at = *index.entry(key).or_insert_with(|| {
                groups.push(Group { says, endpoint: seen.endpoint, credential: seen.credential, refused: Vec::new() });
                groups.len() - 1
            });
            if let Some(group) = groups.get_mut(at) {
                group.refused.push(*seen);
            }
        }
        groups.sort_by_key(|group| (!group.is_message(), group.first_ms()));
        groups
    }

    fn is_open_refusal(&self, seen: &Seen<'a>) -> bool {
        let elsewhere = matches!(seen.endpoint, Endpoint::Token | Endpoint::Revoke | Endpoint::Telemetry);
        if !seen.is_anthropic() || elsewhere {
            return false;
        }
        let misplaced =
            seen.credential.is_some_and(|sent| sent.credential.has(crate::redact::Flag::WrongKindForHeader));
        let refused = seen.is_refused() || misplaced && (400..429).contains(&seen.status());
        let about_auth = !matches!(
            seen.says,
            None | Some(Says::RateLimited | Says::Overloaded | Says::ServerError | Says::UsageExhausted)
        );
        refused && about_auth && !self.is_of_gateway(seen) && !is_of_browser(seen) && !self.is_healed(seen)
    }

    /// Whether it carries the key of a gateway to Anthropic: with a custom base URL, only messages go there, and what is
    /// asked at the side still comes here with that key (WIRE §6).
    pub(super) fn is_of_gateway(&self, seen: &Seen<'a>) -> bool {
        let optional = matches!(seen.endpoint, Endpoint::Side | Endpoint::Profile | Endpoint::Other);
        let serves = |other: &Seen<'a>| other.provider == Provider::Gateway && other.is_message();
        seen.is_anthropic() && optional && seen.fp().is_some_and(|fp| self.uses(fp).any(serves))
    }

    /// Whether the file comes from a tool that leaves credentials out: none is in it, and the answers show that there was
    /// one.
    pub(super) fn lacks_credentials(&self) -> bool {
        let shows = |seen: &Seen<'a>| match seen.says {
            None => seen.is_message() && (200..300).contains(&seen.status()),
            Some(says) => says.knows_a_credential(),
        };
        self.survey.is_imported()
            && self.seen.iter().all(|seen| !seen.is_anthropic() || seen.credential.is_none())
            && self.seen.iter().any(|seen| seen.is_anthropic() && shows(seen))
    }

    /// Whether a refresh (which needs no hand of the user) and a success followed within a minute. Where the trace ends
    /// with the refresh, it was on its way to being mended.
    fn is_healed(&self, refused: &Seen<'a>) -> bool {
        self.refreshes_near(refused).any(|refresh| self.heals(refresh, refused)) || self.is_caught_up(refused)
    }

    /// Whether a sibling had refreshed within the minute before, and this client went on with the new token by itself.
    fn is_caught_up(&self, refused: &Seen<'a>) -> bool {
        let limit = refused.ms().saturating_add(HEALING_MS);
        let mut after = self.after(refused.ms()).take(NEAR).take_while(|seen| seen.ms() <= limit).filter(|seen| {
            seen.endpoint == refused.endpoint && seen.id() != refused.id() && self.same_client(seen, refused)
        });
        let next = after.find(|seen| seen.is_accepted() || seen.is_refused() && seen.fp() != refused.fp());
        let Some(fp) = next.filter(|seen| seen.is_accepted()).and_then(Seen::fp) else { return false };
        let recent = |seen: &&Seen<'a>| {
            (refused.ms().saturating_sub(HEALING_MS)..=refused.ms()).contains(&seen.ms())
                && seen.is_refresh()
                && seen.issued()
        };
        self.token_requests().filter(recent).any(|refresh| issued_by(refresh.exchange).contains(&fp))
    }

    /// Refreshes that gave tokens within the minute after `failed`.
    fn refreshes_near(&self, failed: &Seen<'a>) -> impl Iterator<Item = &Seen<'a>> {
        let (from, until) = (failed.ms(), failed.ms().saturating_add(HEALING_MS));
        let first = self.tokens.partition_point(|at| self.seen.get(*at).is_some_and(|seen| seen.ms() < from));
        let near = self.tokens.get(first..).unwrap_or_default().iter().filter_map(|at| self.seen.get(*at));
        near.take_while(move |seen| seen.ms() <= until).take(NEAR).filter(|seen| seen.is_refresh() && seen.issued())
    }

    /// The refresh may be a sibling's, if its token is what this client goes on with: processes that share one login
    /// lock it, and one of them refreshes for all.
    fn heals(&self, refresh: &Seen<'a>, refused: &Seen<'a>) -> bool {
        let own = self.same_script(refresh, refused);
        let mut after = self.after(refresh.ms()).take(NEAR).filter(|seen| {
            seen.endpoint == refused.endpoint && seen.fp() != refused.fp() && self.same_script(seen, refused)
        });
        match after.find(|seen| seen.is_accepted() || seen.is_refused()) {
            Some(next) => {
                let in_time = next.ms() <= refused.ms().saturating_add(HEALING_MS);
                let with_its_token = || next.fp().is_some_and(|fp| issued_by(refresh.exchange).contains(&fp));
                next.is_accepted() && in_time && (own || with_its_token())
            }
            None => {
                let mut after = self.after(refresh.ms()).take(NEAR);
                own && after.all(|seen| !seen.is_refused() || seen.fp() != refused.fp())
            }
        }
    }

    /// Whether the client itself got over failed requests for tokens: a refresh worked within a minute of the first.
    pub(super) fn got_over(&self, first: &Seen<'a>, last: &Seen<'a>) -> bool {
        first.is_refresh()
            && self.refreshes_near(first).any(|seen| seen.ms() > last.ms() && self.same_client(seen, last))
    }

    /// The exchange of this number.
    pub(super) fn by_id(&self, id: u64) -> Option<&Seen<'a>> {
        self.seen.get(*self.places.get(&id)?)
    }

    /// Exchanges that began at `ms` or later.
    pub(super) fn after(&self, ms: i64) -> impl Iterator<Item = &Seen<'a>> {
        let from = self.seen.partition_point(|seen| seen.ms() < ms);
        self.seen.get(from..).unwrap_or_default().iter()
    }

    /// Whether two exchanges come from one process, as far as that is known.
    pub(super) fn same_client(&self, one: &Seen<'a>, other: &Seen<'a>) -> bool {
        one.process == other.process
            || one.exchange.lane == other.exchange.lane
                && (self.is_unknown(one.process) || self.is_unknown(other.process))
    }

    /// The same, or both from processes of one program that ask once each: a script starts them one after the other.
    fn same_script(&self, one: &Seen<'a>, other: &Seen<'a>) -> bool {
        let program = |seen: &Seen<'a>| match self.of_process.get(seen.process) {
            Some(1) => self.lineage.process(seen.process)?.peer.as_ref()?.program.as_ref(),
            _ => None,
        };
        let script = || program(one).is_some_and(|own| program(other) == Some(own));
        self.same_client(one, other) || one.exchange.lane == other.exchange.lane && script()
    }

    /// Whether two exchanges certainly come from different processes.
    pub(super) fn different_clients(&self, one: &Seen<'a>, other: &Seen<'a>) -> bool {
        !self.same_client(one, other)
    }

    /// What two clients are called, in names that tell them apart: program and process id, or else their lanes.
    pub(super) fn names_apart(&self, one: &Seen<'a>, other: &Seen<'a>) -> Option<(String, String)> {
        let (one, other) = (self.lineage.process(one.process)?, self.lineage.process(other.process)?);
        let by_peer = |peer: &Peer| match &peer.program {
            Some(program) => format!("{program} {}", peer.pid),
            None => format!("pid {}", peer.pid),
        };
        match (&one.peer, &other.peer) {
            (Some(one), Some(other)) if one != other => Some((by_peer(one), by_peer(other))),
            _ if one.lane != other.lane => Some((format!("lane {}", one.lane), format!("lane {}", other.lane))),
            _ => None,
        }
    }

    fn is_unknown(&self, process: usize) -> bool {
        self.lineage.process(process).is_none_or(|process| process.peer.is_none())
    }

    /// Whether the process of an exchange is told apart from others: by the operating system, or by a lane of its own.
    pub(super) fn is_told_apart(&self, seen: &Seen<'a>) -> bool {
        let process = self.lineage.process(seen.process);
        process.is_some_and(|process| process.peer.is_some() || process.lane.as_str() != SHARED_LANE)
    }

    /// Whether there are certainly several clients: lanes, or processes that the system told apart. One that it did not
    /// tell may be any of the others.
    pub(super) fn has_several_clients(&self) -> bool {
        let told = self.lineage.processes.iter().filter(|process| process.peer.is_some()).count();
        told > 1 || self.survey.lanes().len() > 1
    }

    /// Exchanges in which the credential decided.
    pub(super) fn uses(&self, fp: Fingerprint) -> impl DoubleEndedIterator<Item = &Seen<'a>> {
        let places = self.uses.get(&fp).map(Vec::as_slice).unwrap_or_default();
        places.iter().filter_map(|at| self.seen.get(*at))
    }

    pub(super) fn history(&self, fp: Option<Fingerprint>) -> Option<&'a CredentialHistory> {
        self.lineage.get(fp?)
    }

    /// Whether a client got tokens after a token request that failed.
    pub(super) fn answered_later(&self, failed: &Seen<'_>) -> bool {
        let later = |seen: &&Seen<'_>| seen.ms() > failed.ms();
        self.token_requests().rev().take_while(later).any(Seen::issued)
    }

    /// Requests to Anthropic's token endpoint.
    pub(super) fn token_requests(&self) -> impl DoubleEndedIterator<Item = &Seen<'a>> {
        self.tokens.iter().filter_map(|at| self.seen.get(*at))
    }

    /// Answers to messages, as the user got them.
    pub(super) fn messages(&self) -> impl DoubleEndedIterator<Item = &Seen<'a>> {
        self.seen.iter().filter(|seen| seen.is_anthropic() && seen.is_message())
    }

    /// Whether messages work: some were accepted, and the last of them was.
    pub(super) fn messages_work(&self) -> bool {
        let mut judged = self.messages().rev().filter(|seen| seen.is_accepted() || seen.is_refused());
        judged.next().is_some_and(Seen::is_accepted)
    }

    /// The short name of a credential.
    pub(super) fn name(&self, fp: Option<Fingerprint>) -> String {
        fp.and_then(|fp| self.survey.credential_label(fp)).map_or_else(|| "no credential".to_owned(), |l| l.to_string())
    }
}

/// Whether a page of the web site asked for it: its cookies are not in the capture, and are no login of a program.
pub(super) fn is_of_browser(seen: &Seen<'_>) -> bool {
    let told = matches!(seen.says, Some(Says::Challenge | Says::EdgeForbidden | Says::StaleSession));
    seen.exchange.request.host.as_str() == "claude.ai"
        && seen.credential.is_none()
        && !matches!(seen.endpoint, Endpoint::Authorize | Endpoint::Token)
        && !told
}

fn read(exchange: &Exchange, process: usize) -> Seen<'_> {
    Seen {
        exchange,
        provider: endpoint::provider(exchange),
        endpoint: endpoint::endpoint(exchange),
        process,
        reaction: lineage::reaction(exchange),
        says: says::says(exchange),
        credential: deciding(exchange),
    }
}

/// The credential that a server looks at: `x-api-key` before `authorization`, as the API documents it.
fn deciding(exchange: &Exchange) -> Option<&Credential> {
    let stands = |place: &str| exchange.credentials.iter().find(|sent| sent.place.as_str() == place);
    stands("x-api-key")
        .or_else(|| stands("authorization"))
        .or_else(|| exchange.credentials.iter().find(|sent| !sent.place.as_str().starts_with("body.")))
}

pub(super) fn issued_by(exchange: &Exchange) -> Vec<Fingerprint> {
    let issued = exchange.oauth.iter().flat_map(|oauth| &oauth.issued);
    issued.map(|one| one.credential.fp).collect()
}

fn end_of(survey: &Survey) -> Timestamp {
    let last = survey.exchanges().iter().map(|exchange| {
        let took = i64::try_from(exchange.timing.total_us / 1_000).unwrap_or(0);
        exchange.at.unix_ms().saturating_add(took)
    });
    let closed = survey.end().and_then(|end| end.at).map(Timestamp::unix_ms);
    Timestamp::from_unix_ms(last.chain(closed).max().unwrap_or(0))
}
