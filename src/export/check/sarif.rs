//! SARIF 2.1.0 (<https://docs.oasis-open.org/sarif/sarif/v2.1.0/>), as code scanning reads it: each miss is a result at the line
//! of the expectation. What holds is left out.

use super::folders::{Folders, is_file, place_in_file};
use super::plain::{explained, failure_of, one_line};
use super::suite::{Checked, FailureKind, Judged, Suite, Told};
use crate::check::{Miss, MissKind, Outcome, Source};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::io::{self, Write};

/// Where the schema is published that this keeps to.
const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";

/// What is escaped in a segment of a path (RFC 3986 §3.3); a colon, too, since it would end a scheme.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// The rules: kinds of misses with what they mean, and what else can go wrong.
const RULES: [(&str, &str, &str); 11] = [
    (
        MissKind::Limit.as_str(),
        "More than a limit",
        "Something was counted more often than [limits] or `unanswered` allows.",
    ),
    (
        MissKind::Finding.as_str(),
        "A finding",
        "A finding is there that is denied or not allowed, or a required one is missing. `authtrace explain CODE` says what it means.",
    ),
    (
        MissKind::Host.as_str(),
        "A credential went astray",
        "A credential was sent to a host that [hosts] does not list for its kind.",
    ),
    (
        MissKind::Flow.as_str(),
        "Another flow",
        "No exchange took a step of a [[flow]], or one came that must not. The nearest exchange and the field that differs are named.",
    ),
    (
        MissKind::ExitCode.as_str(),
        "Another exit code",
        "The command ended otherwise than `exit_code` says; 0 if it says nothing.",
    ),
    (
        MissKind::Gap.as_str(),
        "The trace is not whole",
        "Records are missing, so that nothing can be held against the trace.",
    ),
    (
        MissKind::NothingObserved.as_str(),
        "Nothing was observed",
        "No request with a credential was answered, so that nothing was tested. `allow_empty = true` gives leave.",
    ),
    (
        MissKind::Unobserved.as_str(),
        "It may have passed unread",
        "What should be absent may have gone to a host whose traffic was not read. `unread_hosts` lists hosts for which that is as it should be.",
    ),
    (
        MissKind::Held.as_str(),
        "It holds",
        "An expectation holds that the case lists under `misses`. If that is meant to last, take it out there.",
    ),
    ("timeout", "It took too long", "The command was ended at its timeout."),
    (
        "error",
        "It could not be run",
        "The case is wrong, its command could not be run, or its trace could not be read.",
    ),
];

/// Writes the result as SARIF.
///
/// # Errors
/// When the writer fails.
pub fn write(suite: &Suite, folders: &Folders, out: &mut impl Write) -> io::Result<()> {
    let mut results = Results { folders, fingerprints: HashMap::new(), rows: Vec::new() };
    suite.checked.iter().for_each(|one| results.add(one));
    let not_run: Vec<Value> = suite.checked.iter().filter_map(not_run).collect();
    let failed = |one: &Checked| failure_of(one).is_some();
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": driver() },
            "automationDetails": { "id": format!("{}/", one_line(&suite.name).replace(' ', "/")) },
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": !suite.checked.iter().any(failed),
                "toolExecutionNotifications": not_run,
            }],
            "results": results.rows,
        }],
    });
    serde_json::to_writer_pretty(&mut *out, &log)?;
    writeln!(out)
}

fn driver() -> Value {
    let rule = |(id, title, help): &(&str, &str, &str)| {
        json!({
            "id": id,
            "shortDescription": { "text": title },
            "fullDescription": { "text": help },
            "help": { "text": help },
            "defaultConfiguration": { "level": "error" },
        })
    };
    json!({
        "name": "authtrace",
        "semanticVersion": env!("CARGO_PKG_VERSION"),
        "rules": RULES.iter().map(rule).collect::<Vec<_>>(),
    })
}

/// What was not run is no result: nothing is known about it.
fn not_run(one: &Checked) -> Option<Value> {
    let failure = failure_of(one).filter(|failure| failure.kind == FailureKind::NotRun)?;
    let name = one.name.as_deref().map(|name| format!("{name}: ")).unwrap_or_default();
    Some(json!({ "level": "error", "message": { "text": one_line(&format!("{name}{}", failure.message)) } }))
}

struct Results<'a> {
    folders: &'a Folders,
    /// How often each fingerprint was given.
    fingerprints: HashMap<String, u32>,
    rows: Vec<Value>,
}

impl Results<'_> {
    fn add(&mut self, one: &Checked) {
        if let Some(failure) = failure_of(one).filter(|failure| failure.kind != FailureKind::NotRun) {
            let place = failure.source.as_ref().filter(|source| is_file(source));
            let location = self.location(place, one);
            self.result(failure.kind.as_str(), &failure.message, location, one, &[], json!({}));
        }
        for (outcome, told) in one.judged.iter().flat_map(Judged::outcomes) {
            if let Some(miss) = &outcome.miss {
                self.missed(one, outcome, miss, told);
            }
        }
    }

    fn missed(&mut self, one: &Checked, outcome: &Outcome, miss: &Miss, told: &Told) {
        let mut location = self.location(place_in_file(outcome), one);
        if let (Some(exchange), Some(location)) = (miss.exchange, location.as_object_mut()) {
            let name = format!("#{exchange}");
            location.insert("logicalLocations".to_owned(), json!([{ "name": name, "kind": "exchange" }]));
        }
        let message = format!("{}: {}", one_line(&outcome.expected), explained(miss, told));
        let properties = json!({ "exchange": miss.exchange, "requestId": told.request_id, "around": miss.around });
        let group = outcome.source.as_ref().map_or("", |source| source.name.as_str());
        self.result(miss.kind.as_str(), &message, location, one, &[group, &outcome.expected], properties);
    }

    fn result(
        &mut self,
        rule: &str,
        message: &str,
        location: Value,
        one: &Checked,
        identity: &[&str],
        mut properties: Value,
    ) {
        let name = one.name.as_deref().unwrap_or_default();
        let print = self.fingerprint([rule, name].iter().chain(identity));
        let case = if name.is_empty() { String::new() } else { format!("{}: ", one_line(name)) };
        let verdict = one.judged.as_ref().map(|judged| judged.verdict.as_str());
        for (key, value) in [("case", one.name.as_deref()), ("trace", one.trace.as_deref()), ("verdict", verdict)] {
            if let (Some(value), Some(properties)) = (value, properties.as_object_mut()) {
                properties.insert(key.to_owned(), json!(one_line(value)));
            }
        }
        self.rows.push(json!({
            "ruleId": rule,
            "ruleIndex": RULES.iter().position(|(id, ..)| *id == rule),
            "level": "error",
            "message": { "text": format!("{case}{}", super::plain::lines(message)) },
            "locations": [location],
            "partialFingerprints": { "authtrace/v1": print },
            "properties": properties,
        }));
    }

    /// Code scanning takes no result without a place in a file. What has none is shown at the beginning of the file that
    /// has most to do with it.
    fn location(&self, source: Option<&Source>, one: &Checked) -> Value {
        let (file, region) = match source {
            Some(Source { name, place }) => {
                let end = place.column.saturating_add(place.width);
                let region = json!({
                    "startLine": place.line, "startColumn": place.column, "endColumn": end,
                    "snippet": { "text": place.text.chars().skip(place.column.saturating_sub(1)).take(place.width).collect::<String>() },
                });
                (name.as_str(), region)
            }
            None => (nearest_file(one), json!({ "startLine": 1 })),
        };
        let file = self.folders.within(file);
        let uri = utf8_percent_encode(&file, SEGMENT).to_string();
        json!({ "physicalLocation": { "artifactLocation": { "uri": uri }, "region": region } })
    }

    /// The same for the same expectation, wherever in its file it stands.
    fn fingerprint<'a>(&mut self, parts: impl Iterator<Item = &'a &'a str>) -> String {
        let mut hash = Sha256::new();
        for part in parts {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        let print: String = hash.finalize().iter().take(12).map(|byte| format!("{byte:02x}")).collect();
        let count = self.fingerprints.entry(print.clone()).or_default();
        *count += 1;
        format!("{print}:{count}")
    }
}

/// The case, else a file of expectations, else the trace.
fn nearest_file(one: &Checked) -> &str {
    let outcomes = || one.judged.iter().flat_map(Judged::outcomes);
    let expectations = || outcomes().find_map(|(outcome, _)| place_in_file(outcome)).map(|source| source.name.as_str());
    one.file.as_deref().or_else(expectations).or(one.trace.as_deref()).unwrap_or("authtrace")
}
