//! The steps of a flow, from exchanges: what matters for the login, in the order of each process.

use super::{named_host, string};
use crate::analyze::{Diagnosis, Lineage, Survey, matters};
use crate::check::expectation::Rule;
use crate::check::fit::{grant, is_credential, path};
use crate::check::flow::follow;
use crate::policy::Grant;
use crate::redact::Fingerprint;
use crate::trace::Exchange;
use std::collections::BTreeMap;

/// So many steps are written of one process; what goes on for longer is a loop, which the limits bound.
const MOST: usize = 30;

/// What begins a part of a path that was taken out.
const TAKEN_OUT: char = '‹';

/// One flow for each client that asked for something that matters, since the order among them is chance. Only those that
/// the trace follows.
pub(super) fn flows(survey: &Survey, diagnosis: &Diagnosis) -> Vec<String> {
    let mut flows: Vec<Vec<String>> = Vec::new();
    for asked in clients(survey, &diagnosis.lineage) {
        let drafts = [true, false].map(|credentials| Draft::new(credentials).steps(&asked));
        let kept = drafts.into_iter().find(|steps| is_followed(&text("draft", steps), survey));
        flows.extend(kept.filter(|steps| !flows.contains(steps)));
    }
    let count = flows.len();
    let name =
        |at: usize| if count == 1 { "as observed".to_owned() } else { format!("as observed, client {}", at + 1) };
    flows.iter().enumerate().map(|(at, steps)| text(&name(at), steps)).collect()
}

/// What matters, by the client that asked. Which process asked is not always known: in a lane with one known process that
/// is the one, and with several of them what nobody is known to have asked is left out.
fn clients<'a>(survey: &'a Survey, lineage: &Lineage) -> Vec<Vec<&'a Exchange>> {
    let process_of = |place: usize| lineage.process(lineage.process_of(place));
    let all = survey.exchanges().iter().enumerate().filter(|(_, exchange)| matters(exchange));
    let mut lanes: BTreeMap<&str, BTreeMap<Option<u32>, Vec<usize>>> = BTreeMap::new();
    for (place, exchange) in all {
        let pid = process_of(place).and_then(|process| process.peer.as_ref()).map(|peer| peer.pid);
        lanes.entry(exchange.lane.as_str()).or_default().entry(pid).or_default().push(place);
    }
    let mut clients: Vec<Vec<usize>> = Vec::new();
    for processes in lanes.into_values() {
        let known = processes.keys().flatten().count();
        if known > 1 {
            clients.extend(processes.into_iter().filter(|(pid, _)| pid.is_some()).map(|(_, places)| places));
        } else {
            let mut places: Vec<usize> = processes.into_values().flatten().collect();
            places.sort_unstable();
            clients.push(places);
        }
    }
    // Numbers of processes and names of lanes may be chance.
    clients.sort_by_key(|places| places.first().copied());
    let asked = |places: Vec<usize>| places.into_iter().filter_map(|place| survey.exchanges().get(place)).collect();
    clients.into_iter().map(asked).collect()
}

fn text(name: &str, steps: &[String]) -> String {
    format!("[[flow]]\nname = {}\nstep = [\n{}]\n", string(name), steps.concat())
}

fn is_followed(flow: &str, survey: &Survey) -> bool {
    let file = format!("format = 1\nexit_code = \"any\"\n{flow}");
    let Ok(expectations) = crate::check::read("draft", &file) else { return false };
    expectations.expected.iter().all(|one| match &one.rule {
        Rule::Flow(flow) => follow(flow, survey.exchanges()).is_ok(),
        _ => true,
    })
}

/// A step in the words of a file.
struct Step {
    /// What is asked and answered. Two steps that agree in this are one.
    asks: String,
    /// What is said of a credential at its first use.
    binds: Vec<String>,
}

impl Step {
    fn text(&self) -> String {
        let binds: String = self.binds.iter().map(|bind| format!(", {bind}")).collect();
        format!("{{ {}{binds} }}", self.asks)
    }
}

/// Steps that are being written.
struct Draft {
    /// Whether credentials are told apart.
    credentials: bool,
    /// Credentials in the order in which they appear.
    variables: Vec<Fingerprint>,
    /// What the steps before the current ones issued, with the names of the steps.
    issued: Vec<(Fingerprint, String)>,
    /// Names that were given.
    names: Vec<String>,
}

impl Draft {
    fn new(credentials: bool) -> Self {
        Self { credentials, variables: Vec::new(), issued: Vec::new(), names: Vec::new() }
    }

    /// The lines of the steps. What was asked while something else was not answered yet came in no certain order.
    fn steps(mut self, asked: &[&Exchange]) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        let mut before: Vec<String> = Vec::new();
        for group in overlapping(asked) {
            if lines.len() >= MOST {
                lines.push("  # The run goes on.\n".to_owned());
                break;
            }
            let mut members: Vec<Step> = Vec::new();
            let mut issued = Vec::new();
            for exchange in group {
                let member = self.step(exchange, &mut issued);
                if members.iter().all(|other| other.asks != member.asks) {
                    members.push(member);
                }
            }
            self.issued.append(&mut issued);
            let asks: Vec<String> = members.iter().map(|member| member.asks.clone()).collect();
            // The same once more says nothing new: a step may be taken more than once.
            if asks == before {
                continue;
            }
            before = asks;
            lines.push(match members.as_slice() {
                [one] => format!("  {},\n", one.text()),
                several => {
                    let inner: String = several.iter().map(|one| format!("    {},\n", one.text())).collect();
                    format!("  {{ any_order = [\n{inner}  ] }},\n")
                }
            });
        }
        lines
    }

    fn step(&mut self, exchange: &Exchange, issued: &mut Vec<(Fingerprint, String)>) -> Step {
        let mut asks: Vec<String> = Vec::new();
        if let Some(name) = self.name(exchange) {
            let tokens = exchange.oauth.iter().flat_map(|oauth| &oauth.issued);
            issued.extend(tokens.map(|token| (token.credential.fp, name.clone())));
            asks.push(format!("name = {}", string(&name)));
        }
        asks.extend(grant(exchange).map(|grant| {
            let name = match grant {
                Grant::RefreshToken => "refresh-token",
                Grant::AuthorizationCode => "authorization-code",
            };
            format!("grant = {}", string(name))
        }));
        asks.push(format!("method = {}", string(exchange.request.method.as_str())));
        asks.extend(named_host(exchange.request.host.as_str()).map(|host| format!("host = {}", string(&host))));
        asks.extend(pattern(path(exchange)).map(|path| format!("path = {}", string(&path))));
        let mut binds = Vec::new();
        if self.credentials {
            let (credential, more) = self.credential(exchange);
            asks.push(credential);
            binds = more;
        }
        asks.push(match exchange.status() {
            Some(status) => format!("status = {status}"),
            None => "status = \"none\"".to_owned(),
        });
        let error = exchange.error.as_ref().and_then(|error| error.kind.as_ref().or(error.code.as_ref()));
        asks.extend(error.map(|name| format!("error = {}", string(name.as_str()))));
        Step { asks: asks.join(", "), binds }
    }

    /// Steps that issue tokens have a name, so that others can say where a token comes from.
    fn name(&mut self, exchange: &Exchange) -> Option<String> {
        let issues = exchange.oauth.as_ref().is_some_and(|oauth| !oauth.issued.is_empty());
        let plain = match grant(exchange) {
            Some(Grant::RefreshToken) => "refresh",
            Some(Grant::AuthorizationCode) => "login",
            None => "issue",
        };
        issues.then(|| {
            let mut candidates = std::iter::once(plain.to_owned()).chain((2_u32..).map(|at| format!("{plain}-{at}")));
            let name = candidates.find(|name| !self.names.contains(name)).unwrap_or_default();
            self.names.push(name.clone());
            name
        })
    }

    /// Which credential it was; and at its first use of which kind, and where it comes from.
    fn credential(&mut self, exchange: &Exchange) -> (String, Vec<String>) {
        let Some(sent) = exchange.credentials.iter().find(|sent| is_credential(sent)) else {
            return ("credential = \"none\"".to_owned(), Vec::new());
        };
        let fp = sent.credential.fp;
        let holding = |at: usize| format!("credential = \"${}\"", variable(at));
        if let Some(at) = self.variables.iter().position(|known| *known == fp) {
            return (holding(at), Vec::new());
        }
        self.variables.push(fp);
        let mut binds = vec![format!("kind = {}", string(sent.credential.kind.as_str()))];
        let issuer = self.issued.iter().find(|(issued, _)| *issued == fp);
        binds.extend(issuer.map(|(_, name)| format!("issued_by = {}", string(name))));
        (holding(self.variables.len() - 1), binds)
    }
}

/// `a` … `z`, `a2` …
fn variable(at: usize) -> String {
    let letter = char::from(b'a'.saturating_add(u8::try_from(at % 26).unwrap_or_default()));
    match at / 26 {
        0 => letter.to_string(),
        round => format!("{letter}{}", round + 1),
    }
}

/// The path; what was taken out of it stands for any rest.
fn pattern(path: &str) -> Option<String> {
    let path = match path.find(TAKEN_OUT) {
        Some(at) => format!("{}*", path.get(..at).unwrap_or_default()),
        None => path.to_owned(),
    };
    (path.starts_with(['/', '*']) && !path.contains(['?', '#'])).then_some(path)
}

/// The exchanges in their order, those together of which one was asked before another began to be answered: none of them
/// can be the answer's consequence.
fn overlapping<'a>(asked: &[&'a Exchange]) -> Vec<Vec<&'a Exchange>> {
    let mut groups: Vec<Vec<&Exchange>> = Vec::new();
    let mut until = i64::MIN;
    for exchange in asked {
        match groups.last_mut() {
            Some(group) if exchange.at.unix_ms() < until => group.push(exchange),
            _ => groups.push(vec![exchange]),
        }
        until = until.max(answered(exchange));
    }
    groups
}

/// When the answer began, in milliseconds of the clock, or else the exchange ended. The end of an answer would not do: a
/// client may go on before we see that.
fn answered(exchange: &Exchange) -> i64 {
    let timing = &exchange.timing;
    let took = timing.wait_us.map_or(timing.total_us, |wait| timing.send_us.saturating_add(wait));
    exchange.at.unix_ms().saturating_add(i64::try_from(took / 1_000).unwrap_or(i64::MAX))
}
