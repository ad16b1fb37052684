//! TAP 14 (<https://testanything.org/tap-version-14-specification.html>). A case of `test` is a subtest.

use super::folders::{is_file, place};
use super::json::millis;
use super::plain::{failure_of, lines, one_line};
use super::suite::{Checked, Judged, Suite, Told};
use crate::check::{Miss, Outcome, Source};
use serde_json::json;
use std::io::{self, Write};

/// What a subtest stands in by.
const INDENT: &str = "    ";

/// Writes the result as TAP.
///
/// # Errors
/// When the writer fails.
pub fn write(suite: &Suite, out: &mut impl Write) -> io::Result<()> {
    let mut tap = Tap { out, indent: "" };
    writeln!(tap.out, "TAP version 14")?;
    match suite.checked.as_slice() {
        [one] if one.name.is_none() => tap.single(one),
        all => {
            writeln!(tap.out, "1..{}", all.len())?;
            all.iter().zip(1..).try_for_each(|(one, number)| tap.case(number, one))
        }
    }
}

struct Tap<'a, W> {
    out: &'a mut W,
    indent: &'static str,
}

impl<W: Write> Tap<'_, W> {
    /// One trace: its expectations, and what went wrong beside them.
    fn single(&mut self, one: &Checked) -> io::Result<()> {
        let count = one.judged.iter().flat_map(Judged::outcomes).count();
        let failure = failure_of(one);
        writeln!(self.out, "1..{}", count + usize::from(failure.is_some()))?;
        self.outcomes(one)?;
        if failure.is_some() {
            self.point(count + 1, false, "the command is run")?;
            self.diagnostics(&of_case(one))?;
        }
        Ok(())
    }

    fn case(&mut self, number: usize, one: &Checked) -> io::Result<()> {
        let name = one.name.as_deref().unwrap_or("the trace");
        if let Some(judged) = &one.judged {
            writeln!(self.out, "# Subtest: {}", escaped(name))?;
            let mut inner = Tap { out: &mut *self.out, indent: INDENT };
            writeln!(inner.out, "{INDENT}1..{}", judged.outcomes().count())?;
            inner.outcomes(one)?;
        }
        self.point(number, one.held(), name)?;
        self.diagnostics(&of_case(one))
    }

    fn outcomes(&mut self, one: &Checked) -> io::Result<()> {
        for ((outcome, told), number) in one.judged.iter().flat_map(Judged::outcomes).zip(1..) {
            self.point(number, outcome.miss.is_none(), &outcome.expected)?;
            if let Some(miss) = &outcome.miss {
                self.diagnostics(&of_miss(outcome, miss, told))?;
            }
        }
        Ok(())
    }

    fn point(&mut self, number: usize, held: bool, name: &str) -> io::Result<()> {
        let result = if held { "ok" } else { "not ok" };
        writeln!(self.out, "{}{result} {number} - {}", self.indent, escaped(name))
    }

    /// A block of YAML. Texts of one line are quoted as JSON quotes them, which YAML 1.2 reads; longer ones are literal.
    fn diagnostics(&mut self, rows: &[(&str, serde_json::Value)]) -> io::Result<()> {
        let indent = self.indent;
        writeln!(self.out, "{indent}  ---")?;
        for (key, value) in rows {
            match value.as_str().filter(|text| text.contains('\n')) {
                Some(text) => {
                    writeln!(self.out, "{indent}  {key}: |2-")?;
                    text.lines().try_for_each(|line| writeln!(self.out, "{indent}    {line}"))?;
                }
                None => writeln!(self.out, "{indent}  {key}: {value}")?,
            }
        }
        writeln!(self.out, "{indent}  ...")
    }
}

fn of_case(one: &Checked) -> Vec<(&'static str, serde_json::Value)> {
    let mut rows = vec![("state", json!(one.state().as_str())), ("duration_ms", json!(millis(one.took)))];
    if let Some(failure) = failure_of(one) {
        rows.push(("message", json!(lines(&failure.message))));
        rows.extend(failure.source.as_ref().map(at));
    }
    rows.extend(one.judged.as_ref().map(|judged| ("verdict", json!(judged.verdict.as_str()))));
    rows.extend(one.trace.as_ref().map(|trace| ("trace", json!(one_line(trace)))));
    if !one.output.is_empty() {
        rows.push(("output", json!(lines(&one.output))));
    }
    rows
}

fn of_miss(outcome: &Outcome, miss: &Miss, told: &Told) -> Vec<(&'static str, serde_json::Value)> {
    let mut rows = vec![
        ("message", json!(one_line(&miss.message))),
        ("severity", json!("fail")),
        ("kind", json!(miss.kind.as_str())),
    ];
    rows.extend(place(outcome).map(at));
    rows.extend(miss.exchange.map(|exchange| ("exchange", json!(exchange))));
    rows.extend(told.request_id.as_ref().map(|id| ("request_id", json!(one_line(id)))));
    if let Some(difference) = &miss.difference {
        rows.push(("field", json!(difference.field.as_str())));
        rows.push(("expected", json!(one_line(&difference.expected))));
        rows.push(("found", json!(one_line(&difference.found))));
    }
    rows.push(("explained", json!(lines(&told.text))));
    rows
}

fn at(source: &Source) -> (&'static str, serde_json::Value) {
    let key = if is_file(source) { "file" } else { "option" };
    ("at", json!({ key: one_line(&source.name), "line": source.place.line, "column": source.place.column }))
}

/// A description: what would begin a directive is escaped.
fn escaped(text: &str) -> String {
    one_line(text).replace('\\', "\\\\").replace('#', "\\#")
}
