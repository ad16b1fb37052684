//! The same as Markdown, to paste into an issue or a summary of a CI job.

use super::lines::{Line, Shown, lines, shown, statuses};
use super::{CONTEXT, Sides, beside, client, code as exit_code, finding, same, sentence as of_regression};
use crate::compare::Comparison;
use crate::export::markdown::markup::{Document, code, prose, sentence};
use crate::export::style::counted;
use std::io::{self, Write};

/// Characters that the tables of all flows may take, and the lists behind them.
const TABLES: usize = 30_000;
const LIST: usize = 6_000;
/// Lines that differ: more than these are counted.
const CHANGED: usize = 400;

/// Writes how two traces differ. If they do not, that is one line.
///
/// # Errors
/// When the writer fails.
pub fn report(sides: Sides<'_>, comparison: &Comparison, out: &mut impl Write) -> io::Result<()> {
    let mut page = Document::default();
    if comparison.is_same() {
        page.paragraph(&prose(&same(comparison)));
    } else {
        head(&mut page, sides, comparison);
        flows(&mut page, sides, comparison);
        changes(&mut page, comparison);
        regressions(&mut page, comparison);
    }
    for limit in &comparison.limits {
        page.paragraph(&format!("Note: {}", prose(&limit.to_string())));
    }
    out.write_all(page.text().as_bytes())
}

fn head(page: &mut Document, sides: Sides<'_>, comparison: &Comparison) {
    page.heading("Two auth flows compared");
    let verdicts = [&comparison.verdicts.0, &comparison.verdicts.1];
    let rows = ["A", "B"].into_iter().zip([sides.before, sides.after]).zip(verdicts);
    let rows = rows.map(|((name, side), verdict)| {
        let client = client(side.survey).unwrap_or_default();
        vec![name.to_owned(), code(side.name), code(&client), code(verdict.code.as_str())]
    });
    page.table(LIST, &["", "trace", "client", "verdict"], rows);
}

fn flows(page: &mut Document, sides: Sides<'_>, comparison: &Comparison) {
    let room = TABLES / comparison.flows.len().max(1);
    for (at, flow) in comparison.flows.iter().enumerate() {
        if comparison.flows.len() > 1 {
            page.subheading(&format!("Client {}", at + 1));
        }
        let lines = lines(sides, flow);
        let rows = shown(&lines, CONTEXT, CHANGED).into_iter().map(|shown| match shown {
            Shown::Line(line) => row(line),
            Shown::Same(count) => rest(&format!("{} the same", counted(count, "request"))),
            Shown::LeftOut(count) => rest(&format!("{} that differ", counted(count, "more request"))),
        });
        page.table(room, &["", "request", "A", "B", "what differs"], rows.collect::<Vec<_>>().into_iter());
    }
}

fn row(line: &Line) -> Vec<String> {
    let cell = |text: &str| if text.is_empty() { String::new() } else { code(text) };
    let words = [line.words(), line.details.join("; ")].join("; ");
    let words = words.trim_end_matches("; ");
    vec![cell(line.mark.as_str().trim()), code(&line.request), cell(&line.before), cell(&line.after), prose(words)]
}

fn rest(text: &str) -> Vec<String> {
    vec![String::new(), format!("… {}", prose(text)), String::new(), String::new(), String::new()]
}

fn changes(page: &mut Document, comparison: &Comparison) {
    let mut lines = vec![prose(&format!("beside the flow: {}", beside(comparison)))];
    for row in comparison.beside.rows.iter().filter(|row| row.is_newly_refused() || row.is_mended()) {
        let change = format!("{} → {}", statuses(&row.before), statuses(&row.after));
        lines.push(format!("{}: {}", code(&row.route.to_string()), prose(&change)));
    }
    lines.extend(comparison.findings.iter().map(|change| format!("finding {}", code(&finding(change)))));
    let (before, after) = comparison.exit_codes;
    if before != after {
        lines.push(prose(&format!("exit code: {} → {}", exit_code(before), exit_code(after))));
    }
    let renamed = comparison.renamed.iter().map(|(one, other)| format!("{} in A is {} in B", code(one), code(other)));
    lines.extend(renamed);
    page.list(LIST, lines);
}

fn regressions(page: &mut Document, comparison: &Comparison) {
    page.subheading(&match comparison.regressions.len() {
        0 => "No regression".to_owned(),
        count => counted(count, "regression"),
    });
    if comparison.regressions.is_empty() {
        return page.paragraph("What differs is no worse than it was.");
    }
    page.list(LIST, comparison.regressions.iter().map(|one| sentence(&of_regression(one))));
}
