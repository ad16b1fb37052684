//! What became of a credential, in words.

use super::phrases::kebab;
use super::style::{clean, duration, thousands};
use crate::analyze::{CredentialHistory, CredentialOrigin, Diagnosis, Process, Survey, Use};
use crate::redact::{Fingerprint, Redacted};
use std::collections::HashMap;

/// The credentials of a trace with all that is known about each.
pub(super) struct Histories<'a> {
    survey: &'a Survey,
    diagnosis: &'a Diagnosis,
    places: HashMap<Fingerprint, Vec<Redacted>>,
}

impl<'a> Histories<'a> {
    pub(super) fn of(survey: &'a Survey, diagnosis: &'a Diagnosis) -> Self {
        let rows = survey.credentials();
        let places = rows.into_iter().map(|row| (row.credential.fp, row.places)).collect();
        Self { survey, diagnosis, places }
    }

    pub(super) fn all(&self) -> &'a [CredentialHistory] {
        &self.diagnosis.lineage.credentials
    }

    /// Whether the verdict or another finding speaks of it.
    pub(super) fn is_in_a_finding(&self, history: &CredentialHistory) -> bool {
        self.diagnosis.findings.iter().any(|finding| finding.credentials.contains(&history.credential.fp))
    }

    /// `oat-A`.
    pub(super) fn name(&self, fp: Fingerprint) -> String {
        self.survey.credential_label(fp).map_or_else(|| format!("‹fp={fp}›"), |label| label.to_string())
    }

    /// Where it came from.
    pub(super) fn origin(&self, history: &CredentialHistory) -> String {
        match history.origin {
            CredentialOrigin::Brought => "there before".to_owned(),
            CredentialOrigin::Refresh { exchange, out_of: Some(spent) } => {
                format!("issued by the refresh #{exchange} out of {}", self.name(spent))
            }
            CredentialOrigin::Refresh { exchange, out_of: None } => format!("issued by the refresh #{exchange}"),
            CredentialOrigin::Login { exchange } => format!("issued by the login #{exchange}"),
            CredentialOrigin::KeyCreation { exchange } => format!("made as a key by #{exchange}"),
            CredentialOrigin::Other { exchange } => format!("given by #{exchange}"),
        }
    }

    /// For how long it was granted.
    pub(super) fn lifetime(&self, history: &CredentialHistory) -> Option<String> {
        Some(duration(history.lifetime_s?.saturating_mul(1_000_000)))
    }

    /// `3×`, and by which processes if there are several.
    pub(super) fn used(&self, history: &CredentialHistory) -> String {
        let uses = history.uses.len();
        if uses == 0 {
            return "never used".to_owned();
        }
        let users = self.users(history);
        let by = if users.is_empty() { String::new() } else { format!(" by {}", users.join(", ")) };
        format!("used {}×{by}", thousands(uses))
    }

    /// The processes that used it, where there is more than one in the trace.
    fn users(&self, history: &CredentialHistory) -> Vec<String> {
        let processes = &self.diagnosis.lineage.processes;
        if processes.len() < 2 {
            return Vec::new();
        }
        let mut places: Vec<usize> = Vec::new();
        for Use { process, .. } in &history.uses {
            if !places.contains(process) {
                places.push(*process);
            }
        }
        let more = places.len().saturating_sub(4);
        places.truncate(4);
        let mut names: Vec<String> =
            places.into_iter().filter_map(|place| Some(self.process(processes.get(place)?))).collect();
        if more > 0 {
            names.push(format!("{} more", thousands(more)));
        }
        names
    }

    /// The lane if there are several, the program and its process id if they are known.
    pub(super) fn process(&self, process: &Process) -> String {
        let several = self.diagnosis.lineage.processes.iter().any(|other| other.lane != process.lane);
        let lane = clean(process.lane.as_str());
        let Some(peer) = &process.peer else { return lane.into_owned() };
        let program = peer.program.as_ref().map_or_else(|| "pid".into(), |program| clean(program.as_str()));
        match several {
            true => format!("{lane} ({program} {})", peer.pid),
            false => format!("{program} {}", peer.pid),
        }
    }

    /// First and last acceptance.
    pub(super) fn accepted(&self, history: &CredentialHistory) -> Option<String> {
        let (first, last) = (history.first_accepted?, history.last_accepted?);
        Some(match history.accepted() {
            1 => format!("accepted in #{first}"),
            count => format!("accepted {}×, #{first} to #{last}", thousands(count)),
        })
    }

    /// First refusal, and how many.
    pub(super) fn refused(&self, history: &CredentialHistory) -> Option<String> {
        let first = history.first_refused.as_ref()?;
        let how = first.status.map(|status| format!(" ({status})")).unwrap_or_default();
        Some(match history.refused() {
            1 => format!("refused in #{}{how}", first.exchange),
            count => format!("refused {}×, first in #{}{how}", thousands(count), first.exchange),
        })
    }

    pub(super) fn replaced(&self, history: &CredentialHistory) -> Option<String> {
        let (by, exchange) = history.replaced_by?;
        Some(format!("replaced by {} in #{exchange}", self.name(by)))
    }

    pub(super) fn revoked(&self, history: &CredentialHistory) -> Option<String> {
        Some(format!("revoked according to #{}", history.revoked_by?))
    }

    /// The headers and body fields that held it.
    pub(super) fn places(&self, history: &CredentialHistory) -> Option<String> {
        let places = self.places.get(&history.credential.fp).filter(|places| !places.is_empty())?;
        Some(super::phrases::listed(places.iter()))
    }

    /// What is odd about its shape.
    pub(super) fn shape(&self, history: &CredentialHistory) -> Option<String> {
        let flags: Vec<String> = history.credential.flags.iter().map(kebab).collect();
        (!flags.is_empty()).then(|| flags.join(", "))
    }

    /// All of it in one line.
    pub(super) fn line(&self, history: &CredentialHistory) -> String {
        let parts = [
            Some(self.origin(history)),
            self.lifetime(history).map(|lifetime| format!("good for {lifetime}")),
            Some(self.used(history)),
            self.accepted(history),
            self.refused(history),
            self.replaced(history),
            self.revoked(history),
            self.places(history).map(|places| format!("in {places}")),
            self.shape(history).map(|shape| format!("looks {shape}")),
        ];
        parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
    }
}
