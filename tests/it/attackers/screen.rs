//! What a server, or the sender of a file, could write on the user's screen and into what is pasted elsewhere.

use crate::faults::{Bench, GET};
use crate::support::HOST;
use crate::support::program::{Ended, Home, PATIENCE, run};
use authtrace::trace::Record;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// Escape sequences in 7 and 8 bits (clipboard, links, title), what hides text, and markup of the places where reports go.
const EVIL: &str = "Evil\u{1b}[2J\u{1b}]52;c;RkFLRQ==\u{7}\u{1b}]8;;http://evil.example\u{1b}\\link\u{9b}31m\u{90}q\u{9c}\r\u{8}\u{202e}\u{2066}\u{200b}\
    <script>alert(1)</script><img src=x onerror=alert(1)>[x](javascript:alert(1))![x](http://evil.example/p)@everyone`a|b`\n::error::x\n##[command]y";

/// No character steers a terminal or hides another one. Colours are ours, and only on a terminal.
fn is_harmless(what: &str, text: &str) {
    let bad = |c: char| {
        (c.is_control() && c != '\n' && c != '\t')
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    if let Some(at) = text.char_indices().find_map(|(at, c)| bad(c).then_some(at)) {
        let from = (0..=at).rev().filter(|at| text.is_char_boundary(*at)).nth(120).unwrap_or(0);
        panic!("{what} steers the terminal: {:?}", text[from..].chars().take(200).collect::<String>());
    }
}

/// Nor does markup of somebody else work in a page.
fn is_inert(what: &str, text: &str) {
    for sign in ["<script>alert", "<img src=x", "](javascript:", "](http://evil.example"] {
        if let Some(at) = text.find(sign) {
            let from = (0..=at).rev().filter(|at| text.is_char_boundary(*at)).nth(120).unwrap_or(0);
            panic!("{what} holds {sign}: {:?}", text[from..].chars().take(300).collect::<String>());
        }
    }
}

/// Everything that shows a file of records, and what it shows.
fn shown(home: &Home, file: &Path, other: &Path) -> Vec<(String, Ended)> {
    let mut all: Vec<(String, Command)> = Vec::new();
    let mut add = |words: &[&str], files: &[&Path]| {
        let mut command = home.authtrace();
        command.args(words).args(files);
        all.push((words.join(" "), command));
    };
    for format in ["text", "md", "html", "svg", "json", "har"] {
        add(&["report", "--full", "--format", format], &[file]);
    }
    for format in ["human", "junit", "sarif", "github", "tap", "json", "md"] {
        add(&["check", "--max-auth-failures", "0", "--deny", "auth-failure", "--format", format], &[file]);
        add(&["check", "--expect", "POST /evil 200", "--format", format], &[file]);
    }
    for format in ["human", "json", "md"] {
        add(&["diff", "--format", format], &[other, file]);
    }
    all.into_iter().map(|(name, mut command)| (name, run(&mut command, PATIENCE))).collect()
}

fn all_is_harmless(home: &Home, file: &Path, other: &Path) {
    for (name, ended) in shown(home, file, other) {
        assert!(matches!(ended.code, Some(0 | 1)), "{name}: {:?} {}", ended.code, ended.stderr);
        is_harmless(&name, &ended.stderr);
        if ["json", "sarif", "har"].iter().any(|format| name.ends_with(format)) {
            // For programs: the name of the file is what it is, in the escapes of JSON.
            let steers = ended.stdout.chars().find(|c| c.is_control() && *c != '\n');
            assert_eq!(steers, None, "{name} steers the terminal");
        } else {
            is_harmless(&name, &ended.stdout);
        }
        if name.ends_with("html") || name.ends_with("svg") {
            is_inert(&name, &ended.stdout);
        }
        if name.ends_with("md") {
            // Inside of code everything is text.
            let outside: String = ended.stdout.split('`').step_by(2).collect();
            is_inert(&name, &outside);
            assert!(!outside.contains("@everyone"), "{name} mentions people");
        }
        if name.ends_with("github") {
            assert!(!ended.stdout.contains("\n::error::x"), "{name} gives a command of somebody else's");
        }
    }
}

/// What a server can say: a reason, fields, an error in JSON and in HTML, names of events.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_cannot_write_on_the_screen() {
    let bench = Bench::start().await;
    let flat: String = EVIL.chars().filter(|c| !matches!(c, '\r' | '\n' | '\0')).collect();
    // In a head, what is no token and no visible character is refused as a whole; what is left may come.
    let visible: String = flat.chars().filter(|c| !c.is_control()).collect();
    let message = json!({ "type": "error", "request_id": EVIL,
        "error": { "type": EVIL, "message": format!("Invalid bearer token {EVIL}"), EVIL: EVIL } });
    let stream = format!("event: {flat}\r\ndata: {message}\r\n\r\nevent: error\r\ndata: {message}\r\n\r\n");
    let page = format!("<html><title>{EVIL}</title><body>{EVIL}</body></html>");
    for (kind, reason, fields, body) in [
        ("application/json", flat.as_str(), "", message.to_string()),
        ("application/json", "Unauthorized", visible.as_str(), message.to_string()),
        ("text/event-stream", "OK", visible.as_str(), stream),
        ("text/html", "Unauthorized", visible.as_str(), page),
    ] {
        let status = if kind == "text/event-stream" { 200 } else { 401 };
        let (mut client, mut upstream) = bench.intercepted().await;
        client.send(GET).await;
        upstream.expect(GET).await;
        let fields = if fields.is_empty() {
            String::new()
        } else {
            format!(
                "WWW-Authenticate: Bearer realm=\"{fields}\", error=\"{fields}\"\r\nrequest-id: {fields}\r\nServer: {fields}\r\n"
            )
        };
        let answer = format!(
            "HTTP/1.1 {status} {reason}\r\nContent-Type: {kind}\r\n{fields}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        upstream.send(&answer).await;
        upstream.close().await;
        let (passed, _) = client.receive_end().await;
        assert!(answer.as_bytes().starts_with(&passed));
        client.close().await;
        drop((client, upstream));
        bench.is_well().await;
    }
    // A client can name a host and a path.
    bench.say(format!("CONNECT {visible}.example.test:443 HTTP/1.1\r\n\r\n")).await;
    bench.say(format!("GET http://{HOST}:1/{visible} HTTP/1.1\r\nHost: {HOST}:1\r\n\r\n")).await;
    let exchanges = bench.exchanges().into_iter().filter(|one| one.request.host.as_str() == HOST).count();
    assert!(exchanges >= 4, "{exchanges}");
    let (file, live) = bench.stop().await;
    // The live lines, and our own log at its loudest.
    is_harmless("proxy", &live.stderr);
    all_is_harmless(&Home::new(), file.path(), file.path());
}

/// Puts the text into every string of a record, but for what it is recognised by.
fn spoil(value: &mut Value, key: &str) {
    match value {
        Value::String(text) if !["record", "at", "opened", "format", "version"].contains(&key) => {
            *text = EVIL.to_owned()
        }
        Value::Array(items) => items.iter_mut().for_each(|item| spoil(item, key)),
        Value::Object(fields) => fields.iter_mut().for_each(|(key, value)| spoil(value, key)),
        _ => {}
    }
}

/// A trace that somebody has sent, with something else in each of its strings.
#[test]
fn a_trace_of_somebody_cannot_write_on_the_screen() {
    let home = Home::new();
    let good = home.path("work/good.jsonl");
    let demo = run(home.authtrace().args(["demo", "--out"]).arg(&good), PATIENCE);
    assert_eq!(demo.code, Some(0), "{}", demo.stderr);
    let text = std::fs::read_to_string(&good).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let evil = home.path("work/\u{1b}]0;x\u{7}\u{202e}<script>alert(1)<b>`@everyone`[x](javascript:alert).jsonl");
    // All strings of a record at once, where it can still be read, and each string by itself.
    let mut spoilt = Vec::new();
    for line in &lines {
        let mut fields = Vec::new();
        strings(line, String::new(), &mut fields);
        let one_by_one = fields.iter().map(|pointer| {
            let mut record = line.clone();
            *record.pointer_mut(pointer).unwrap() = EVIL.into();
            record
        });
        let mut all = line.clone();
        spoil(&mut all, "");
        spoilt.push(line.clone());
        spoilt
            .extend(one_by_one.chain([all]).filter(|record| serde_json::from_value::<Record>(record.clone()).is_ok()));
    }
    assert!(spoilt.len() > 3 * lines.len(), "{} of {}", spoilt.len(), lines.len());
    let text: String = spoilt.iter().skip(1).map(|record| format!("{record}\n")).collect();
    std::fs::write(&evil, format!("{}\n{text}", lines[0])).unwrap();
    all_is_harmless(&home, &evil, &good);
}

/// Where the strings of a value are.
fn strings(value: &Value, at: String, found: &mut Vec<String>) {
    match value {
        Value::String(_) if !at.ends_with("/record") => found.push(at),
        Value::Array(items) => items.iter().enumerate().for_each(|(n, item)| strings(item, format!("{at}/{n}"), found)),
        Value::Object(fields) => fields.iter().for_each(|(key, value)| strings(value, format!("{at}/{key}"), found)),
        _ => {}
    }
}

/// Other files of other people: a HAR, expectations of a repository, scenarios, logs, texts, and their names.
#[test]
fn other_files_of_somebody_cannot_write_on_the_screen() {
    let home = Home::new();
    let quoted = serde_json::to_string(EVIL).unwrap();
    let har = json!({ "log": { "version": "1.2", "creator": { "name": EVIL, "version": EVIL }, "comment": EVIL, "entries": [{
        "startedDateTime": "2026-01-01T00:00:00.000Z", "time": 1, "cache": {}, "comment": EVIL,
        "timings": { "send": 0, "wait": 1, "receive": 0 },
        "request": { "method": EVIL, "url": format!("https://api.anthropic.com/{EVIL}?{EVIL}"), "httpVersion": EVIL,
            "headers": [{ "name": EVIL, "value": EVIL }, { "name": "authorization", "value": format!("Bearer {EVIL}") }],
            "cookies": [], "queryString": [{ "name": EVIL, "value": EVIL }], "headersSize": -1, "bodySize": -1 },
        "response": { "status": 401, "statusText": EVIL, "httpVersion": EVIL, "redirectURL": EVIL, "cookies": [],
            "headers": [{ "name": EVIL, "value": EVIL }, { "name": "www-authenticate", "value": EVIL }],
            "content": { "size": 1, "mimeType": "application/json", "text": json!({ "error": { "type": EVIL, "message": EVIL } }).to_string() },
            "headersSize": -1, "bodySize": -1 } }] } });
    let har = home.write("work/evil.har", &har.to_string());
    all_is_harmless(&home, &har, &har);
    let broken =
        home.write("work/broken.har", &format!("{{\"log\": {{\"entries\": [{{\"request\": {quoted}}}], {quoted}: x"));
    let toml =
        home.write("work/evil.toml", &format!("format = 1\n[limits]\n{quoted} = {quoted}\n[[expect]]\n{EVIL}\n"));
    let named =
        home.write("work/named.toml", &format!("format = 1\nname = {quoted}\n[limits]\nauth_failures = {quoted}\n"));
    let log = home.write("work/evil.log", &format!("2026-01-01T00:00:00.000Z [ERROR] {EVIL}\n"));
    let folder = home.path(&format!("work/{}", EVIL.replace('/', "")));
    let lost = folder.join("lost.jsonl");
    let steps: Vec<(&str, Vec<&std::ffi::OsStr>)> = vec![
        ("scrub", vec!["scrub".as_ref(), har.as_ref()]),
        ("scrub broken", vec!["scrub".as_ref(), broken.as_ref()]),
        ("report broken", vec!["report".as_ref(), broken.as_ref()]),
        ("report toml", vec!["report".as_ref(), toml.as_ref()]),
        ("report lost", vec!["report".as_ref(), lost.as_ref()]),
        ("report into lost", vec!["report".as_ref(), har.as_ref(), "--out".as_ref(), lost.as_ref()]),
        ("report with log", vec!["report".as_ref(), har.as_ref(), "--client-log".as_ref(), log.as_ref()]),
        ("check", vec!["check".as_ref(), har.as_ref(), "--expect".as_ref(), toml.as_ref()]),
        ("check named", vec!["check".as_ref(), har.as_ref(), "--expect".as_ref(), named.as_ref()]),
        ("check text", vec!["check".as_ref(), har.as_ref(), "--expect".as_ref(), EVIL.as_ref()]),
        ("check code", vec!["check".as_ref(), har.as_ref(), "--deny".as_ref(), EVIL.as_ref()]),
        ("validate", vec!["scenario".as_ref(), "validate".as_ref(), toml.as_ref()]),
        ("validate named", vec!["scenario".as_ref(), "validate".as_ref(), named.as_ref()]),
        ("show", vec!["scenario".as_ref(), "show".as_ref(), EVIL.as_ref()]),
        ("scenario", vec!["run".as_ref(), "--scenario".as_ref(), named.as_ref(), "--".as_ref(), "true".as_ref()]),
        ("test", vec!["test".as_ref(), toml.as_ref()]),
        ("test named", vec!["test".as_ref(), named.as_ref()]),
        ("replay", vec!["replay".as_ref(), broken.as_ref()]),
        ("explain", vec!["explain".as_ref(), EVIL.as_ref()]),
        ("run lost", vec!["run".as_ref(), "--upstream-proxy".as_ref(), "none".as_ref(), "--".as_ref(), lost.as_ref()]),
        ("lane", vec!["run".as_ref(), "--lane".as_ref(), EVIL.as_ref(), "--".as_ref(), "true".as_ref()]),
        ("intercept", vec!["run".as_ref(), "--intercept".as_ref(), EVIL.as_ref(), "--".as_ref(), "true".as_ref()]),
    ];
    let mut worst = Vec::new();
    for (name, words) in steps {
        let ended = run(home.authtrace().args(words), PATIENCE);
        for text in [&ended.stdout, &ended.stderr] {
            if let Err(panic) = std::panic::catch_unwind(|| is_harmless(name, text)) {
                worst.push(panic.downcast_ref::<String>().cloned().unwrap_or_default());
            }
        }
    }
    assert!(worst.is_empty(), "{worst:#?}");
}
