//! What became of the credentials, and whether authtrace had a part in it.

use super::Page;
use crate::analyze::{CredentialHistory, Diagnosis};
use crate::export::histories::Histories;
use crate::export::receipt;
use crate::export::selection::{Shown, select};
use crate::export::style::{Ink, columns, counted, left, wrap};
use std::io::{self, Write};

/// Credentials that are shown at the beginning and at the end, and of those that findings name.
const ENDS: usize = 8;

impl<W: Write> Page<'_, W> {
    pub(super) fn credentials(&mut self, diagnosis: &Diagnosis) -> io::Result<()> {
        let histories = Histories::of(self.survey, diagnosis);
        let all = histories.all();
        if all.is_empty() {
            return Ok(());
        }
        self.heading("Credentials")?;
        let widest = |cell: &dyn Fn(&CredentialHistory) -> String| {
            all.iter().map(|history| columns(&cell(history))).max().unwrap_or_default()
        };
        let width = widest(&|history| history.label.to_string());
        let marker = widest(&|history| history.credential.to_string()).min(40);
        let shown = match self.style.full {
            true => select(all, usize::MAX, 0, |_| false),
            false => {
                let named = || all.iter().filter(|history| histories.is_in_a_finding(history));
                let ends = named().take(ENDS).chain(named().rev().take(ENDS));
                let telling: Vec<_> = ends.map(|history| history.credential.fp).collect();
                select(all, ENDS, ENDS, |history| telling.contains(&history.credential.fp))
            }
        };
        for line in shown {
            match line {
                Shown::Item(history) => self.credential(&histories, history, width, marker)?,
                Shown::LeftOut(count) => {
                    writeln!(self.out, "  … {}, shown with --full", counted(count, "more credential"))?;
                }
            }
        }
        Ok(())
    }

    fn credential(
        &mut self,
        histories: &Histories<'_>,
        history: &CredentialHistory,
        width: usize,
        marker: usize,
    ) -> io::Result<()> {
        let ink = if history.first_refused.is_some() { Ink::Bad } else { Ink::Plain };
        let label = self.style.paint(ink, &left(&history.label.to_string(), width));
        let start = format!("  {label}  {}  ", left(&history.credential.to_string(), marker));
        let text = histories.line(history);
        // Below each other where little room is left beside the marker.
        let beside = width + marker + 6;
        let indent = if beside + 40 > self.style.width { width + 4 } else { beside };
        let mut start = if indent == beside {
            start
        } else {
            writeln!(self.out, "{}", start.trim_end())?;
            " ".repeat(indent)
        };
        for line in wrap(&text, self.room(indent)) {
            writeln!(self.out, "{start}{line}")?;
            start = " ".repeat(indent);
        }
        Ok(())
    }

    pub(super) fn receipt(&mut self) -> io::Result<()> {
        let Some(account) = receipt::account(self.survey) else {
            return Ok(());
        };
        self.heading("Did authtrace cause it?")?;
        let ink = if account.suspicious { Ink::Warning } else { Ink::Plain };
        for line in wrap(&account.answer, self.room(2)) {
            writeln!(self.out, "  {}", self.style.paint(ink, &line))?;
        }
        for (name, text) in &account.facts {
            self.value(name, text)?;
        }
        Ok(())
    }
}
