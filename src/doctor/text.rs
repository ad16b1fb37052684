//! The checks on a screen: one line of what was found, and below it, where it is not good, what to do.

use super::check::{Check, Examination, Status};
use crate::export::{Ink, Style, clean, wrap};
use std::io::{self, Write};

/// Columns of a status with the blanks around it.
const MARGIN: usize = 11;
/// No line is longer, however wide the screen is: long lines are hard to read.
const WIDEST: usize = 110;

/// Writes the checks, topic by topic, and a line that sums them up.
///
/// # Errors
/// When the writer fails.
pub fn write(examination: &Examination, out: &mut impl Write, style: Style) -> io::Result<()> {
    let mut topic = None;
    for check in &examination.checks {
        if topic != Some(check.topic) {
            if topic.is_some() {
                writeln!(out)?;
            }
            writeln!(out, "{}", style.paint(Ink::Heading, check.topic.title()))?;
            topic = Some(check.topic);
        }
        write_check(check, out, style)?;
    }
    writeln!(out)?;
    for line in wrap(&summary(examination), width(style, 0)) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

fn write_check(check: &Check, out: &mut impl Write, style: Style) -> io::Result<()> {
    let status = style.paint(ink(check.status), &format!("{:<8}", check.status.as_str()));
    let mut begin = format!("  {status} ");
    let room = width(style, MARGIN);
    for line in wrap(&clean(&check.found), room) {
        writeln!(out, "{begin}{line}")?;
        begin = " ".repeat(MARGIN);
    }
    if let Some(advice) = &check.advice {
        let mut begin = format!("{}→ ", " ".repeat(MARGIN));
        for line in wrap(&clean(advice), room.saturating_sub(2)) {
            writeln!(out, "{}", style.paint(Ink::Plain, &format!("{begin}{line}")))?;
            begin = " ".repeat(MARGIN + 2);
        }
    }
    Ok(())
}

fn width(style: Style, margin: usize) -> usize {
    style.width.min(WIDEST).saturating_sub(margin).max(30)
}

fn ink(status: Status) -> Ink {
    match status {
        Status::Ok => Ink::Good,
        Status::Note | Status::Unknown => Ink::Dim,
        Status::Warning => Ink::Warning,
        Status::Problem => Ink::Bad,
    }
}

fn summary(examination: &Examination) -> String {
    let count = |status: Status, one: &str, many: &str| match examination.count(status) {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{count} {many}")),
    };
    let parts: Vec<String> = [
        count(Status::Problem, "problem", "problems"),
        count(Status::Warning, "warning", "warnings"),
        count(Status::Unknown, "check could not be made", "checks could not be made"),
    ]
    .into_iter()
    .flatten()
    .collect();
    if parts.is_empty() {
        return "Everything is in place. To see what happens: authtrace run -- claude".to_owned();
    }
    let next = if examination.has_problem() { "Begin with the first problem." } else { "Nothing here has to fail." };
    format!("{}. {next}", parts.join(", "))
}
