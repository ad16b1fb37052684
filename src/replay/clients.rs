//! How many clients a trace shows at a time, whether they share a login, and what they did one after the other.

use crate::analyze::{CredentialOrigin, Endpoint, Lineage, Process, Survey, endpoint, matters};
use crate::catalogue::Code;
use crate::compare::Route;
use crate::fake::Task;
use crate::policy::Grant;
use crate::redact::Kind;
use crate::trace::{Exchange, Origin, Timestamp};
use std::collections::{HashMap, HashSet};

/// Clients that send the same refresh token are at work at the same time, if no more milliseconds lie between them.
const RACE_MS: i64 = 60_000;
/// So many clients, and so many tasks, are played at most: what a scenario takes.
const MOST: usize = 16;

/// What is known of the clients beside their login.
pub(super) struct Clients {
    /// So many at a time.
    pub(super) processes: u32,
    /// Whether they share one login.
    pub(super) shared: bool,
    /// What each does, one after the other.
    pub(super) tasks: Vec<Task>,
}

/// Reads it off a trace.
pub(super) fn count(survey: &Survey, lineage: &Lineage, verdict: Code) -> Clients {
    let asked = Asked::of(survey, lineage);
    let apart = if races(lineage) { RACE_MS } else { 0 };
    let together = asked.together(apart);
    let processes = u32::try_from(together.len().clamp(1, MOST)).unwrap_or(1);
    // Of such a login there is nothing but a page and silence.
    let lost = verdict == Code::LoginCallbackNeverArrives;
    let tasks = if lost { vec![Task::LostLogin] } else { asked.tasks(&together) };
    Clients { processes, shared: processes > 1 && shares(lineage, &together), tasks }
}

/// What matters, with the process that asked.
struct Asked<'a> {
    requests: Vec<(usize, &'a Exchange)>,
    /// The processes that are clients: where the system told who asked for some requests of a lane, the others of that lane
    /// are theirs as well.
    ones: HashSet<usize>,
}

impl<'a> Asked<'a> {
    fn of(survey: &'a Survey, lineage: &Lineage) -> Self {
        // A page of consent is asked for by the browser.
        let of_client = |one: &Exchange| !one.credentials.is_empty() && endpoint(one) != Endpoint::Authorize;
        let all = survey.exchanges().iter().enumerate().map(|(place, one)| (lineage.process_of(place), one));
        let requests: Vec<_> = all.filter(|(_, one)| matters(one) && of_client(one)).collect();
        let asking: HashSet<usize> = requests.iter().map(|(process, _)| *process).collect();
        let is_known = |process: &Process| process.peer.is_some();
        let is_one = |at: &usize| {
            let lane = |process: &Process| lineage.process(*at).is_some_and(|one| one.lane == process.lane);
            let others = asking.iter().filter_map(|other| lineage.process(*other)).filter(|other| lane(other));
            lineage.process(*at).is_some_and(is_known) || !others.into_iter().any(is_known)
        };
        Self { ones: asking.iter().copied().filter(is_one).collect(), requests }
    }

    /// The most processes that were at work at the same time, or no further apart than so many milliseconds.
    fn together(&self, apart: i64) -> Vec<usize> {
        let mut spans: HashMap<usize, (Timestamp, Timestamp)> = HashMap::new();
        for (process, one) in self.requests.iter().filter(|(process, _)| self.ones.contains(process)) {
            let (from, to) = spans.entry(*process).or_insert((one.at, one.at));
            let took = i64::try_from(one.timing.total_us / 1_000).unwrap_or(0);
            let end = Timestamp::from_unix_ms(one.at.unix_ms().saturating_add(took));
            (*from, *to) = ((*from).min(one.at), (*to).max(end));
        }
        let at_work = |at: Timestamp| {
            let open =
                |(from, to): &(Timestamp, Timestamp)| *from <= at && at.unix_ms() <= to.unix_ms().saturating_add(apart);
            let mut working: Vec<usize> =
                spans.iter().filter(|(_, span)| open(span)).map(|(process, _)| *process).collect();
            working.sort_unstable();
            working
        };
        let mut beginnings: Vec<Timestamp> = spans.values().map(|(from, _)| *from).collect();
        beginnings.sort_unstable();
        // Of equals the first.
        beginnings.into_iter().map(at_work).rev().max_by_key(Vec::len).unwrap_or_default()
    }

    /// Logins, and messages that were answered, or asked for in vain at the end. Of several clients those of the first.
    fn tasks(&self, together: &[usize]) -> Vec<Task> {
        let of_one = |process: &usize| together.len() < 2 || together.first() == Some(process);
        let mut tasks = Vec::new();
        let mut open = false;
        for (_, one) in self.requests.iter().filter(|(process, _)| of_one(process)) {
            if Route::of(one).grant == Some(Grant::AuthorizationCode) {
                tasks.push(Task::Login);
            } else if endpoint(one) == Endpoint::Messages && one.origin != Origin::UpstreamProxy {
                let good = one.status().is_some_and(|status| status < 300) && one.error.is_none();
                tasks.extend(good.then_some(Task::Message));
                open = !good;
            }
        }
        tasks.extend(open.then_some(Task::Message));
        if tasks.is_empty() {
            tasks.push(Task::Message);
        }
        tasks.truncate(MOST);
        tasks
    }
}

/// Whether several processes sent the same refresh token.
fn races(lineage: &Lineage) -> bool {
    let tokens = lineage.credentials.iter().filter(|one| one.credential.kind == Kind::OauthRefresh);
    let mut users = tokens.map(|one| one.uses.iter().map(|used| used.process).collect::<HashSet<_>>());
    users.any(|users| users.len() > 1)
}

/// Whether a token that one of them was given is used by another: only one home holds both.
fn shares(lineage: &Lineage, together: &[usize]) -> bool {
    let of_file = |kind: Kind| matches!(kind, Kind::OauthAccess | Kind::OauthRefresh);
    let issued = lineage
        .credentials
        .iter()
        .filter(|one| of_file(one.credential.kind) && matches!(one.origin, CredentialOrigin::Refresh { .. }));
    let mut users = issued.map(|one| one.uses.iter().map(|used| used.process).collect::<HashSet<_>>());
    users.any(|users| users.iter().filter(|process| together.contains(process)).count() > 1)
}
