//! GitHub Flavored Markdown, for the summary of a job or a comment: what it comes to, then what is not as expected.

use super::super::markdown::markup::{code, prose, sentence};
use super::super::style::{counted, duration, fit};
use super::plain::{failure_of, lines};
use super::suite::{Checked, Judged, State, Suite};
use std::io::{self, Write};

/// What GitHub takes as the summary of one step, in bytes.
pub const SUMMARY_OF_A_STEP: usize = 1024 * 1024;

/// What is kept free for the sentence that says what was left out.
const RESERVE: usize = 400;

/// Lines of what is told of a miss, and of what a command wrote.
const LINES: usize = 60;

/// The longest of them, in characters.
const WIDTH: usize = 240;

/// Writes the result as Markdown, in at most `room` bytes; says what was left out for want of room.
///
/// # Errors
/// When the writer fails.
pub fn write(suite: &Suite, room: usize, out: &mut impl Write) -> io::Result<()> {
    let mut sections = Vec::new();
    match suite.checked.as_slice() {
        [one] if one.name.is_none() => {
            sections.push(format!("### {}: {}\n\n", prose(&suite.name), result(one)));
            sections.extend(verdict(one));
            sections.extend(misses(one));
            sections.extend(held(one));
        }
        all => {
            sections.push(heading(suite));
            sections.push("| | case | time | verdict |\n|---|---|---:|---|\n".to_owned());
            sections.extend(all.iter().map(row));
            sections.push("\n".to_owned());
            for one in all.iter().filter(|one| !one.held()) {
                sections.push(format!("#### {} {}\n\n", mark(one), prose(one.name.as_deref().unwrap_or_default())));
                sections.extend(misses(one));
            }
        }
    }
    out.write_all(within(&sections, room).as_bytes())
}

/// As many sections as there is room for.
fn within(sections: &[String], room: usize) -> String {
    if sections.iter().map(String::len).sum::<usize>() <= room {
        return sections.concat();
    }
    let mut text = String::new();
    let fits = |text: &String, section: &String| text.len() + section.len() + RESERVE <= room;
    let shown = sections.iter().take_while(|section| {
        let fits = fits(&text, section);
        if fits {
            text.push_str(section);
        }
        fits
    });
    let left_out = sections.len() - shown.count();
    let rest =
        format!("\n… {} left out: there is no room for more here. The log has all of it.\n", counted(left_out, "part"));
    if rest.len() <= room.saturating_sub(text.len()) {
        text.push_str(&rest);
    }
    text
}

fn heading(suite: &Suite) -> String {
    let all = suite.checked.len();
    let result = match suite.failed() {
        0 => format!("✅ {} as expected", counted(all, "case")),
        failed => format!("❌ {failed} of {} not as expected", counted(all, "case")),
    };
    format!("### {}: {result} ({})\n\n", prose(&suite.name), duration(micros(suite.took)))
}

fn result(one: &Checked) -> String {
    let Some(judged) = &one.judged else { return format!("❌ {}", one.state().as_str()) };
    let (all, missed) = (judged.report.outcomes.len(), judged.report.missed());
    match one.state() {
        State::Held => format!("✅ all {} hold", counted(all, "expectation")),
        State::Missed => format!("❌ {missed} of {} missed", counted(all, "expectation")),
        State::TimedOut | State::Failed | State::NotRun => format!("❌ {}", one.state().as_str()),
    }
}

fn verdict(one: &Checked) -> Option<String> {
    let judged = one.judged.as_ref()?;
    Some(format!("Verdict: {}. {}\n\n", code(judged.verdict.as_str()), sentence(&judged.summary)))
}

fn row(one: &Checked) -> String {
    let name = prose(one.name.as_deref().unwrap_or_default());
    let verdict = one.judged.as_ref().map_or_else(String::new, |judged| code(judged.verdict.as_str()));
    format!("| {} {} | {name} | {} | {verdict} |\n", mark(one), one.state().as_str(), duration(micros(one.took)))
}

fn mark(one: &Checked) -> &'static str {
    if one.held() { "✅" } else { "❌" }
}

fn misses(one: &Checked) -> Vec<String> {
    let failure = failure_of(one).map(|failure| {
        let output = if one.output.is_empty() { String::new() } else { verbatim(&one.output) };
        format!("{}\n\n{output}", prose(&failure.message))
    });
    let missed = one.judged.iter().flat_map(Judged::outcomes).filter(|(outcome, _)| outcome.miss.is_some());
    failure.into_iter().chain(missed.map(|(_, told)| verbatim(&told.text))).collect()
}

/// What holds, folded.
fn held(one: &Checked) -> Option<String> {
    let held: Vec<String> = one
        .judged
        .iter()
        .flat_map(Judged::outcomes)
        .filter(|(outcome, _)| outcome.miss.is_none())
        .map(|(outcome, _)| format!("- {}\n", prose(&outcome.expected)))
        .collect();
    let title = format!("{} kept", counted(held.len(), "expectation"));
    (!held.is_empty()).then(|| format!("<details><summary>{title}</summary>\n\n{}\n</details>\n\n", held.concat()))
}

/// Text as it is, between fences that it cannot end.
fn verbatim(text: &str) -> String {
    let all = lines(text);
    let mut shown: Vec<String> = all.lines().take(LINES).map(|line| fit(line, WIDTH).into_owned()).collect();
    if all.lines().count() > LINES {
        shown.push("…".to_owned());
    }
    let shown = shown.join("\n");
    let longest = shown.split(|c| c != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(3.max(longest + 1));
    format!("{fence}text\n{shown}\n{fence}\n\n")
}

fn micros(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
