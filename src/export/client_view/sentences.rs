//! What the log says, what the trace says, and how they differ, in sentences.

use crate::analyze::{ClientRow, ClientView, Disagreement, Said, Survey, Trust, WhyNothing};
use crate::export::cells;
use crate::export::style::{clean, counted, duration, thousands};
use crate::export::wording;
use crate::redact::Redacted;
use crate::trace::{
    ClientEventKind as Kind, ClientFailure, Connection, Exchange, ExtraFile, ExtraState, FailureClass, KeptBecause,
    LockTrouble, StartUp, Timestamp,
};

/// The most exchanges that a sentence names.
const NAMED: usize = 6;

pub(super) struct Sentences<'a> {
    survey: &'a Survey,
    view: &'a ClientView,
    /// How the form writes the number of an exchange.
    number: fn(u64) -> String,
}

/// A row as it is shown.
pub(super) struct Row {
    pub(super) clock: String,
    pub(super) said: String,
    pub(super) happened: String,
    /// Whether something failed.
    pub(super) bad: bool,
}

impl Row {
    pub(super) fn text(&self) -> String {
        if self.happened.is_empty() { self.said.clone() } else { format!("{} → {}", self.said, self.happened) }
    }
}

impl<'a> Sentences<'a> {
    pub(super) fn new(survey: &'a Survey, view: &'a ClientView, number: fn(u64) -> String) -> Self {
        Self { survey, view, number }
    }

    /// What was read and found, and which certificates the client trusts.
    pub(super) fn facts(&self) -> Vec<String> {
        let log = &self.view.log;
        let mut read = "debug log".to_owned();
        if let (Some(from), Some(to)) = (log.from, log.to) {
            read.push_str(&format!(", {} UTC", span(from, to)));
        }
        read.push_str(&format!(": {} of {} understood", number(log.understood), counted_u64(log.lines, "line")));
        if log.errors_not_understood > 0 {
            read.push_str(&format!(", {} not", counted_u64(log.errors_not_understood, "error line")));
        }
        if log.left_out > 0 {
            read.push_str(&format!(", {} left out", number(log.left_out)));
        }
        let join = self.view.join;
        let mut found = format!(
            "{} of {} found in the trace",
            number(join.by_id + join.by_time),
            counted_u64(join.requests, "request")
        );
        if join.by_time > 0 {
            found.push_str(&format!(", {} of them by path and time alone", number(join.by_time)));
        }
        let mut facts = vec![format!("{read}; {found}")];
        facts.extend(self.view.trust.as_ref().map(trust));
        facts
    }

    pub(super) fn row(&self, row: &ClientRow) -> Row {
        let (mut said, bad) = self.said(row);
        if row.times > 1 {
            said.push_str(&format!(" ({} times)", number(row.times)));
        }
        let mut happened: Vec<String> = row.exchanges.iter().filter_map(|id| self.exchange(*id)).collect();
        happened.extend(row.connections.iter().filter_map(|id| self.connection(*id)));
        if matches!(row.said, Said::Sent { found: None, .. }) {
            happened.push("not in the trace".to_owned());
        }
        Row { clock: row.at.clock(), said, happened: happened.join(", "), bad }
    }

    fn said(&self, row: &ClientRow) -> (String, bool) {
        match &row.said {
            Said::Sent { path, purpose, attempt, failure, .. } => {
                let purpose = purpose.as_ref().map(|word| format!(" ({})", clean(word.as_str()))).unwrap_or_default();
                let mut text = format!("asks {}{purpose}", clean(path.as_str()));
                if let Some((attempt, of)) = attempt {
                    text.push_str(&format!(", attempt {attempt} of {of}"));
                }
                // What it says beside the answer that passed needs no words if it is the same.
                if let Some(failure) = failure.as_ref().filter(|failure| !self.says_the_same(row, failure)) {
                    text.push_str(&format!(", and takes it for {}", why(failure)));
                }
                (text, failure.is_some())
            }
            Said::LongTokenCheck { took_ms } => {
                let us = u64::try_from(*took_ms).unwrap_or(0).saturating_mul(1_000);
                (format!("has waited {} for its token: for a renewal, or for another process's", duration(us)), false)
            }
            Said::Nothing => ("says nothing, while renewing its token failed".to_owned(), true),
            Said::Line { kind } => (line(kind), is_bad(kind)),
        }
    }

    fn says_the_same(&self, row: &ClientRow, failure: &ClientFailure) -> bool {
        let exchange = row.exchanges.first().and_then(|id| self.find(*id));
        exchange.is_some_and(|exchange| {
            let kind = exchange.error.as_ref().and_then(|error| error.kind.as_ref());
            failure.status.is_some() && failure.status == exchange.status() && failure.kind.as_ref() == kind
        })
    }

    fn find(&self, id: u64) -> Option<&'a Exchange> {
        self.survey.exchanges().iter().find(|exchange| exchange.id == id)
    }

    /// `#4 401 authentication_error`
    fn exchange(&self, id: u64) -> Option<String> {
        Some(format!("{} {}", (self.number)(id), outcome(self.find(id)?)))
    }

    fn connection(&self, id: u64) -> Option<String> {
        let connection: &Connection = self.survey.connections().iter().find(|connection| connection.id == id)?;
        let target = cells::host_and_port(connection.target.as_ref());
        Some(format!("{target}: {}", wording::what(connection.end.outcome)))
    }

    /// One sentence each.
    pub(super) fn disagreements(&self) -> Vec<String> {
        self.view.disagreements.iter().map(|one| self.disagreement(one)).collect()
    }

    fn disagreement(&self, one: &Disagreement) -> String {
        match one {
            Disagreement::NothingJoined { why } => self.nothing(*why),
            Disagreement::RenewalHidden { shown, logged, exchanges, connections } => format!(
                "Claude Code shows a {shown}, but it began before that: renewing its token failed{}{}. Look there first.",
                match self.evidence(exchanges, connections) {
                    // Only the log knows of it.
                    none if none.is_empty() => String::new(),
                    some => format!(" ({some})"),
                },
                if *logged { "" } else { ", of which the log says nothing" }
            ),
            Disagreement::RenewalNotLogged { exchanges, connections } => format!(
                "The log says nothing of {} ({}).",
                counted(exchanges.len() + connections.len(), "failed renewal"),
                self.evidence(exchanges, connections)
            ),
            Disagreement::TokenBelievedGood { token, exchanges } => format!(
                "Claude Code took its token{} for valid: it was refused {} times ({}), and nothing was done to renew it \
                 in between.",
                token.map(|label| format!(" {label}")).unwrap_or_default(),
                thousands(exchanges.len()),
                self.named(exchanges)
            ),
            Disagreement::RefusedTokenKept { because } => kept(*because).to_owned(),
            Disagreement::RequestsMissing { count, connections } => self.missing(*count, connections),
            Disagreement::MessagesNotLogged { exchanges } => format!(
                "{} of this session {} not in the log ({}): another process of it, or a log that was cut.",
                counted(exchanges.len(), "message"),
                if exchanges.len() == 1 { "is" } else { "are" },
                self.named(exchanges)
            ),
            Disagreement::AnswerDiffers { exchange, said, passed } => {
                let said = said.map_or("a failed connection".to_owned(), |status| format!("status {status}"));
                let passed = passed.map_or("no answer".to_owned(), |status| format!("status {status}"));
                format!("{}: the client speaks of {said}, while {passed} passed.", (self.number)(*exchange))
            }
            Disagreement::CaNotLoaded { extra, state, connections } => format!(
                "The client could not trust authtrace: {}. It ended {} for that.",
                not_loaded(*extra, *state),
                counted(connections.len(), "connection")
            ),
            Disagreement::ClockDiffers { ms } => format!(
                "The clock of the log is {} {} that of the trace; its times are shown as they are.",
                duration(ms.unsigned_abs().saturating_mul(1_000)),
                if *ms > 0 { "ahead of" } else { "behind" }
            ),
        }
    }

    fn nothing(&self, why: WhyNothing) -> String {
        let log = &self.view.log;
        match why {
            WhyNothing::NoRequests => {
                "Nothing could be joined: the log tells of no request.".to_owned()
            }
            WhyNothing::EmptyTrace => {
                "Nothing could be joined: the trace has no exchange.".to_owned()
            }
            WhyNothing::OtherTime => format!(
                "Nothing could be joined: the log is of {} UTC, and the trace of another time. Is it the log of this run?",
                log.from.zip(log.to).map(|(from, to)| span(from, to)).unwrap_or_default()
            ),
            WhyNothing::OtherRequests => {
                "Nothing could be joined: no request of the log is in the trace. It is the log of another session, or its \
                 requests went past authtrace."
                    .to_owned()
            }
        }
    }

    fn missing(&self, count: u64, connections: &[u64]) -> String {
        let which = format!(
            "{} of {} in the log {} not in the trace",
            number(count),
            counted_u64(self.view.join.requests, "request"),
            if count == 1 { "is" } else { "are" }
        );
        if connections.is_empty() {
            return format!("{which}: past authtrace, or never sent.");
        }
        format!(
            "{which}; in that time {} ({}).",
            counted(connections.len(), "connection") + " failed",
            self.evidence(&[], connections)
        )
    }

    /// What they were, alike ones together: `400 invalid_grant: #2, #6`.
    fn evidence(&self, exchanges: &[u64], connections: &[u64]) -> String {
        let mut groups: Vec<(String, Vec<u64>)> = Vec::new();
        for exchange in exchanges.iter().filter_map(|id| self.find(*id)) {
            let outcome = outcome(exchange);
            match groups.iter_mut().find(|(known, _)| *known == outcome) {
                Some((_, ids)) => ids.push(exchange.id),
                None => groups.push((outcome, vec![exchange.id])),
            }
        }
        let mut named: Vec<String> =
            groups.iter().map(|(outcome, ids)| format!("{outcome}: {}", self.named(ids))).collect();
        for connection in connections.iter().filter_map(|id| self.connection(*id)) {
            if !named.contains(&connection) {
                named.push(connection);
            }
        }
        crate::export::phrases::shortened(&named, NAMED)
    }

    fn named(&self, exchanges: &[u64]) -> String {
        crate::export::phrases::shortened(&exchanges.iter().map(|id| (self.number)(*id)).collect::<Vec<_>>(), NAMED)
    }
}

/// `401 authentication_error`, `200`, `upstream_reset`
fn outcome(exchange: &Exchange) -> String {
    let error = cells::error(exchange);
    match (exchange.status(), error.is_empty()) {
        (_, true) => cells::status(exchange),
        (None, false) => error,
        (Some(_), false) => format!("{} {error}", cells::status(exchange)),
    }
}

/// Why something failed, as the second half of a sentence.
fn why(failure: &ClientFailure) -> String {
    let kind = failure.kind.as_ref().map(|kind| clean(kind.as_str()).into_owned());
    let code = failure.code.as_ref().map(|code| format!(" ({})", clean(code.as_str()))).unwrap_or_default();
    match (failure.class, failure.status) {
        (FailureClass::Answered, Some(status)) => match kind {
            Some(kind) => format!("{status} {kind}"),
            None => format!("status {status}"),
        },
        (FailureClass::Answered, None) => kind.unwrap_or_else(|| "an error".to_owned()),
        (FailureClass::Connection, _) => format!("a failed connection{code}"),
        (FailureClass::Untrusted, _) => format!("a certificate that it does not trust{code}"),
        (FailureClass::LoginGone, _) => "a login that is no longer usable".to_owned(),
        (FailureClass::NoCredential, _) => "no credential to send".to_owned(),
        (FailureClass::Other, _) => format!("an error of another kind{code}"),
    }
}

fn line(kind: &Kind) -> String {
    match kind {
        Kind::Request { path, .. } => format!("asks {}", clean(path.as_str())),
        Kind::AttemptFailed { attempt, of, failure } => {
            format!("attempt {attempt} of {of} ends before anything is sent: {}", why(failure))
        }
        Kind::GaveUp { failure } => format!("gives up, and shows {}", why(failure)),
        Kind::GaveUpOn { .. } => "gives up".to_owned(),
        Kind::ConnectionFailed { failure } => format!("says of the connection: {}", why(failure)),
        Kind::StreamFailed { failure } => {
            format!("takes the stream for broken ({}), asks again without one", why(failure))
        }
        Kind::TokenCheckBegun => "looks at its token".to_owned(),
        Kind::TokenCheckEnded => "has a token".to_owned(),
        Kind::RenewalFailed { failure } => format!("cannot renew its token: {}", why(failure)),
        Kind::RenewalLock { trouble } => format!("has trouble with the lock of the renewal: {}", lock(*trouble)),
        Kind::LoginNotWiped => "could not wipe a dead login from its store".to_owned(),
        Kind::RefusedTokenKept { because } => match because {
            KeptBecause::Environment => "keeps the refused token of CLAUDE_CODE_OAUTH_TOKEN".to_owned(),
            KeptBecause::OtherAccount => {
                "keeps the refused token: the stored login may be another account's".to_owned()
            }
            KeptBecause::Other => "keeps the refused token".to_owned(),
        },
        Kind::AwaitsToken => "waits for its host to hand it a new token".to_owned(),
        Kind::ProfileFailed { failure } => format!("cannot read the profile of the account: {}", why(failure)),
        Kind::StartUpFailed { what, failure } => {
            let what = match what {
                StartUp::RemoteSettings => "the settings of the organisation",
                StartUp::PolicyLimits => "the limits of the organisation",
            };
            format!("cannot read {what}: {}", why(failure))
        }
        Kind::ApiKeyHelperFailed => "the command of apiKeyHelper failed".to_owned(),
        Kind::CertificateStores { .. } | Kind::RootsLoaded { .. } => "reads its certificate stores".to_owned(),
        Kind::SystemStoreMissing => "cannot read the certificates of the system".to_owned(),
        Kind::ExtraCertificates { .. } => "reads NODE_EXTRA_CA_CERTS".to_owned(),
        Kind::ProxyTrouble { status: Some(status) } => format!("its proxy answered {status}"),
        Kind::ProxyTrouble { status: None } => "has trouble with its proxy".to_owned(),
    }
}

fn is_bad(kind: &Kind) -> bool {
    !matches!(kind, Kind::Request { .. } | Kind::TokenCheckBegun | Kind::TokenCheckEnded | Kind::AwaitsToken)
}

fn lock(trouble: LockTrouble) -> &'static str {
    match trouble {
        LockTrouble::Compromised => "another process took it over",
        LockTrouble::NotAcquired => "it could not be had",
        LockTrouble::NotReleased => "it could not be given back",
        LockTrouble::Other => "of a kind not known here",
    }
}

fn kept(because: KeptBecause) -> &'static str {
    match because {
        KeptBecause::Environment => {
            "Claude Code keeps a refused token because it comes from CLAUDE_CODE_OAUTH_TOKEN, which it never renews. Make \
             a new one with `claude setup-token`, or unset the variable and use /login."
        }
        KeptBecause::OtherAccount => {
            "Claude Code keeps a refused token because the login stored on this machine may be another account's. Log in \
             again where the session was started, or use /login."
        }
        KeptBecause::Other => "Claude Code says that it keeps a refused token.",
    }
}

fn not_loaded(extra: ExtraFile, state: Option<ExtraState>) -> &'static str {
    match (extra, state) {
        (_, Some(ExtraState::Unreadable)) => "it could not read the file that NODE_EXTRA_CA_CERTS names",
        (_, Some(ExtraState::Skipped)) => "it passed over the file that NODE_EXTRA_CA_CERTS names",
        (ExtraFile::None, _) => "it saw no NODE_EXTRA_CA_CERTS",
        (ExtraFile::Other, _) => "its NODE_EXTRA_CA_CERTS names another file than authtrace's",
        (ExtraFile::Authtrace, _) => "it does not say that it loaded authtrace's certificate",
    }
}

/// `trusts the bundled (118) and the system's (142) roots, and authtrace's certificate`
fn trust(trust: &Trust) -> String {
    let count = |store: &Redacted| {
        let loaded = trust.roots.iter().find(|(name, _)| name == store).map(|(_, count)| number(*count));
        let missing = trust.system_missing && *store == "system";
        match loaded {
            _ if missing => " (not available)".to_owned(),
            Some(count) => format!(" ({count})"),
            None => String::new(),
        }
    };
    let stores: Vec<String> =
        trust.stores.iter().map(|store| format!("{}{}", clean(store.as_str()), count(store))).collect();
    let extra = match (trust.extra, trust.extra_state) {
        (ExtraFile::None, _) => "no further file",
        (_, Some(ExtraState::Unreadable)) => "a further file that could not be read",
        (_, Some(ExtraState::Skipped)) => "a further file that was passed over",
        (ExtraFile::Authtrace, _) => "authtrace's certificate",
        (ExtraFile::Other, _) => "a further file",
    };
    format!("trusted roots, as the log says: {}; besides these, {extra}", stores.join(", "))
}

/// `2026-11-20 11:14:02 to 11:14:09`
fn span(from: Timestamp, to: Timestamp) -> String {
    let [from, to] = [from, to].map(|at| at.to_string().replace('T', " ").chars().take(19).collect::<String>());
    match (from.get(..10) == to.get(..10), to.get(11..)) {
        (true, Some(clock)) => format!("{from} to {clock}"),
        _ => format!("{from} to {to}"),
    }
}

fn number(count: u64) -> String {
    thousands(usize::try_from(count).unwrap_or(usize::MAX))
}

fn counted_u64(count: u64, noun: &str) -> String {
    counted(usize::try_from(count).unwrap_or(usize::MAX), noun)
}
