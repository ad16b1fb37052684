//! What was refused and what came to nothing, with the ids to quote.

use super::Page;
use crate::export::cells;
use crate::export::groups::{FailureGroups, program};
use crate::export::phrases::{capitalised, kebab, mention, origin, shortened};
use crate::export::selection::{Shown, select};
use crate::export::style::{Ink, clean, columns, counted, thousands, wrap};
use crate::export::wording;
use crate::redact::Redacted;
use crate::trace::{Connection, Exchange, Origin, RequestIds};
use std::io::{self, Write};

/// Groups of failures that are shown; `--full` shows all.
const GROUPS: usize = 12;

impl<W: Write> Page<'_, W> {
    pub(super) fn failures(&mut self, groups: &FailureGroups<'_>) -> io::Result<()> {
        let Some(refused) = groups.refused() else {
            return self.telemetry();
        };
        self.heading(&capitalised(&refused))?;
        let shown = if self.style.full { usize::MAX } else { GROUPS };
        for group in groups.exchanges.iter().take(shown) {
            self.failure(group)?;
            writeln!(self.out)?;
        }
        self.more(groups.exchanges.iter().skip(shown).map(Vec::len))?;
        let all = || groups.exchanges.iter().flatten();
        if let Some(good) = all().min_by_key(|e| (e.at, e.id)).and_then(|first| self.survey.accepted_before(first)) {
            self.value("last good", &format!("{} before the first failure", mention(good)))?;
        }
        let after = all().max_by_key(|e| (e.at, e.id)).and_then(|last| self.survey.accepted_after(last));
        let text = match after {
            Some(good) => format!("{} after the last failure", mention(good)),
            None => "nothing with a credential was accepted after the last failure".to_owned(),
        };
        self.value("next good", &text)?;
        self.telemetry()
    }

    fn failure(&mut self, group: &[&Exchange]) -> io::Result<()> {
        let (Some(first), Some(last)) = (group.first(), group.last()) else {
            return Ok(());
        };
        let title = format!("{} {}", cells::status(first), cells::error(first));
        let request = format!(
            "{} {}",
            clean(first.request.method.as_str()),
            cells::target(first.request.host.as_str(), first.request.path.as_str(), usize::MAX)
        );
        self.failed(title.trim_end(), &request)?;
        let seen = match group.len() {
            1 => format!("#{} at {}", first.id, first.at.clock()),
            2 => format!("#{} at {} and #{} at {}", first.id, first.at.clock(), last.id, last.at.clock()),
            n => format!(
                "{} times, #{} at {} to #{} at {}",
                thousands(n),
                first.id,
                first.at.clock(),
                last.id,
                last.at.clock()
            ),
        };
        self.value("seen", &seen)?;
        if let Some(message) = first.error.as_ref().and_then(|error| error.message.as_ref()) {
            self.value("message", &clean(message.as_str()))?;
        }
        if first.origin != Origin::Upstream {
            self.value("answered by", origin(first.origin))?;
        }
        if first.credentials.is_empty() {
            self.value("credential", "none was sent")?;
        }
        for sent in &first.credentials {
            let label =
                self.survey.credential_label(sent.credential.fp).map(|label| label.to_string()).unwrap_or_default();
            let flags: Vec<String> = sent.credential.flags.iter().map(kebab).collect();
            let flags = if flags.is_empty() { String::new() } else { format!("  ({})", flags.join(", ")) };
            self.value("credential", &format!("{label} {} in {}{flags}", sent.credential, clean(sent.place.as_str())))?;
        }
        self.ids("request-id", group, |ids| ids.header.as_ref())?;
        if group.iter().any(|e| e.request_ids.body.is_some() && e.request_ids.body != e.request_ids.header) {
            self.ids("in the body", group, |ids| ids.body.as_ref())?;
        }
        if group.iter().all(|exchange| exchange.request_ids.best().is_none()) {
            self.value("request-id", "none in the answer: it may not have reached the API")?;
        }
        self.ids("client's id", group, |ids| ids.client.as_ref())?;
        self.ids("cf-ray", group, |ids| ids.edge.as_ref())
    }

    /// What failed, and where; below each other where there is no room for both.
    fn failed(&mut self, what: &str, place: &str) -> io::Result<()> {
        let title = self.style.paint(Ink::Bad, &format!("✗ {what}"));
        if columns(what) + 4 + columns(place) <= self.style.width {
            return writeln!(self.out, "{title}  {place}");
        }
        writeln!(self.out, "{title}")?;
        for line in wrap(place, self.room(2)) {
            writeln!(self.out, "  {line}")?;
        }
        Ok(())
    }

    fn ids(
        &mut self,
        name: &str,
        group: &[&Exchange],
        id: impl Fn(&RequestIds) -> Option<&Redacted>,
    ) -> io::Result<()> {
        let all: Vec<String> = group
            .iter()
            .filter_map(|exchange| {
                let text = clean(id(&exchange.request_ids)?.as_str()).into_owned();
                Some(if group.len() > 1 { format!("{text} (#{})", exchange.id) } else { text })
            })
            .collect();
        if all.is_empty() {
            return Ok(());
        }
        let room = if self.style.full { usize::MAX } else { 3 };
        let shown: Vec<String> = select(&all, room, 1, |_| false)
            .into_iter()
            .map(|line| match line {
                Shown::Item(text) => text.clone(),
                Shown::LeftOut(count) => format!("{} more", thousands(count)),
            })
            .collect();
        self.value(name, &shown.join(", "))
    }

    fn telemetry(&mut self) -> io::Result<()> {
        let refusals: Vec<String> =
            self.survey.telemetry_refusals().map(|exchange| format!("#{}", exchange.id)).collect();
        if refusals.is_empty() {
            return Ok(());
        }
        let text = format!(
            "{} refused, which does not touch the login: {}",
            counted(refusals.len(), "telemetry call"),
            shortened(&refusals, 8)
        );
        writeln!(self.out)?;
        self.value("telemetry", &text)
    }

    pub(super) fn failed_connections(&mut self, groups: &FailureGroups<'_>) -> io::Result<()> {
        let Some(unconnected) = groups.unconnected() else {
            return Ok(());
        };
        self.heading(&capitalised(&unconnected))?;
        let shown = if self.style.full { usize::MAX } else { GROUPS };
        for (at, group) in groups.connections.iter().take(shown).enumerate() {
            if at > 0 {
                writeln!(self.out)?;
            }
            self.failed_connection(group)?;
        }
        self.more(groups.connections.iter().skip(shown).map(Vec::len))
    }

    /// How many groups are not shown, and how many failures are in them.
    fn more(&mut self, groups: impl Iterator<Item = usize>) -> io::Result<()> {
        let (kinds, failures) = groups.fold((0, 0), |(kinds, failures), group| (kinds + 1, failures + group));
        if kinds == 0 {
            return Ok(());
        }
        let text =
            format!("… {} of {}, shown with --full", counted(failures, "more failure"), counted(kinds, "other kind"));
        writeln!(self.out, "  {}\n", self.style.paint(Ink::Dim, &text))
    }

    fn failed_connection(&mut self, group: &[&Connection]) -> io::Result<()> {
        let (Some(first), Some(last)) = (group.first(), group.last()) else {
            return Ok(());
        };
        let outcome = first.end.outcome;
        let target = cells::host_and_port(first.target.as_ref());
        self.failed(outcome.as_str(), &format!("{target}: {}", wording::what(outcome)))?;
        let by = match (program(first), &first.peer) {
            (Some(program), Some(peer)) => format!(", by {program} (pid {})", peer.pid),
            _ => String::new(),
        };
        let seen = match group.len() {
            1 => format!("at {}{by}", first.opened.clock()),
            n => format!("{} times, {} to {}{by}", thousands(n), first.opened.clock(), last.opened.clock()),
        };
        self.value("seen", &seen)?;
        if let Some(status) = first.end.status {
            self.value("status", &status.to_string())?;
        }
        if let Some(detail) = &first.end.detail {
            self.value("detail", &clean(detail.as_str()))?;
        }
        match wording::next(outcome, program(first).as_deref(), first.end.status) {
            Some(next) => self.value("try", &next),
            None => Ok(()),
        }
    }
}
