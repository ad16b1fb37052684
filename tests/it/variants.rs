//! Whether "high" means it: the known cases, told anew with other hosts, ids, credentials, words, times and bystanders.

use crate::cases::{Case, cases, diagnose};
use crate::told::told;
use authtrace::analyze::Confidence;
use authtrace::catalogue::{Class, Code};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

/// Variants of each case that people reported, and of each that was told from the documents.
const EACH: (u64, u64) = (24, 4);
/// Of the verdicts that are sure, so many in a thousand have to be right.
const SURE: usize = 980;

#[test]
fn a_sure_verdict_is_right_98_times_in_100() {
    let mut counts: BTreeMap<Confidence, (usize, usize)> = BTreeMap::new();
    let mut wrong: BTreeMap<(String, Code, Confidence), usize> = BTreeMap::new();
    let mut alarms = Vec::new();
    let reported = cases().into_iter().map(|case| (case, EACH.0));
    let told = told().into_iter().map(|case| Case { har: case.har(true), name: case.name, right: case.right });
    for (case, each) in reported.chain(told.map(|case| (case, EACH.1))) {
        let har: Value = serde_json::from_slice(&case.har).unwrap();
        for seed in 0..each {
            let told = Variant::new(seed ^ fold(&case.name)).tell(&har);
            let verdict = diagnose(&serde_json::to_vec(&told).unwrap()).1.verdict;
            let (right, all) = counts.entry(verdict.confidence).or_default();
            *all += 1;
            if case.right.contains(&verdict.code) {
                *right += 1;
            } else {
                *wrong.entry((case.name.clone(), verdict.code, verdict.confidence)).or_default() += 1;
            }
            let harmless = case.right.iter().all(|code| code.class() == Class::Label);
            if harmless && verdict.code.class() == Class::Failure {
                alarms.push((case.name.clone(), seed, verdict.code));
            }
        }
    }
    let mut table = String::new();
    for (confidence, (right, all)) in counts.iter().rev() {
        writeln!(table, "{confidence:?}: {right} of {all} right").unwrap();
    }
    for ((name, code, confidence), count) in &wrong {
        writeln!(table, "  {name}: {code} ({confidence:?}), {count} times").unwrap();
    }
    println!("{table}");
    let (right, all) = counts.get(&Confidence::High).copied().unwrap_or_default();
    assert!(all > 1_000, "too few sure verdicts to judge\n{table}");
    assert!(right * 1_000 >= all * SURE, "{table}");
    assert!(alarms.is_empty(), "called failures of authentication although they are none: {alarms:?}");
}

/// Sentences that servers have used, or might, for one thing.
const WORDINGS: &[&[&str]] = &[
    &[
        "OAuth token has expired. Please obtain a new token or refresh your existing token.",
        "OAuth access token has expired. Re-authenticate to continue.",
        "The OAuth access token expired. Sign in again.",
        "Your access token has expired; please log in again.",
    ],
    &[
        "Invalid bearer token",
        "OAuth access token is invalid.",
        "The bearer token is not valid.",
        "invalid bearer token provided",
    ],
    &["Invalid authentication credentials", "Authentication failed: invalid credentials", "Invalid credentials."],
    &["invalid x-api-key", "Invalid API key", "The API key is not valid.", "Invalid x-api-key provided."],
    &[
        "OAuth token has been revoked. Please obtain a new token.",
        "OAuth access token has been revoked.",
        "This access token was revoked.",
    ],
    &["OAuth authentication is currently not supported.", "OAuth authentication is not supported for this endpoint."],
    &[
        "OAuth authentication is currently not allowed for this organization.",
        "OAuth authentication is not allowed for your organization.",
    ],
    &["This organization has been disabled.", "Your organization has been disabled."],
    &[
        "This credential is only authorized for use with Claude Code and cannot be used for other API requests.",
        "This credential can only be used with Claude Code.",
    ],
    &["Refresh token not found or invalid", "The refresh token is invalid or was already used."],
    &["Overloaded", "The API is overloaded."],
];

/// One way to tell a case anew, decided by a seed.
struct Variant(u64);

impl Variant {
    fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Splitmix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    fn tell(&mut self, har: &Value) -> Value {
        let text = self.with_other_names(&har.to_string());
        let text = self.with_other_words(&text);
        let mut har: Value = serde_json::from_str(&text).unwrap();
        let entries = har["log"]["entries"].as_array_mut().unwrap();
        self.stretch(entries);
        self.add_bystanders(entries);
        for entry in entries.iter_mut() {
            self.dress(entry);
        }
        if self.below(3) == 0 {
            entries.reverse();
        }
        har
    }

    /// Credentials, request ids, sessions, hosts, processes and versions under other names; equal stays equal.
    fn with_other_names(&mut self, text: &str) -> String {
        let salt = self.next();
        let renamed = rename_runs(text, salt);
        let tenant = ["gateway.example.com", "llm.example.net", "proxy.example.org"][self.below(3)];
        let mcp = ["mcp.example.com", "mcp.linear.app", "mcp.notion.com"][self.below(3)];
        let version = ["2.1.200", "2.1.41", "2.1.300", "2.0.77"][self.below(4)];
        renamed
            .replace("custom-gateway.example.com", tenant)
            .replace("mcp.buildkite.com", mcp)
            .replace("claude-cli/2.1.200", &format!("claude-cli/{version}"))
            .replace("\"process\":\"p1\"", "\"process\":\"alpha\"")
            .replace("\"process\":\"p2\"", "\"process\":\"beta\"")
    }

    fn with_other_words(&mut self, text: &str) -> String {
        let mut text = text.to_owned();
        for family in WORDINGS {
            let chosen = family[self.below(family.len())];
            if let Some(known) = family.iter().find(|known| text.contains(&format!("\\\"{known}\\\""))) {
                text = text.replace(&format!("\\\"{known}\\\""), &format!("\\\"{chosen}\\\""));
            }
        }
        text
    }

    /// The whole moved by days, and pauses up to a third longer or shorter. What belongs to one race stays together.
    fn stretch(&mut self, entries: &mut [Value]) {
        let moved = Duration::hours(i64::try_from(self.below(24 * 300)).unwrap());
        let percent = i64::try_from(70 + self.below(60)).unwrap();
        let Some(first) = entries.iter().map(started).min() else { return };
        for entry in entries {
            let at = started(entry);
            let since = (at - first).whole_milliseconds() as i64;
            let new = first + moved + Duration::milliseconds(since * percent / 100);
            let by = new - at;
            entry["startedDateTime"] = json!(new.format(&Rfc3339).unwrap());
            for field in entry["response"]["headers"].as_array_mut().into_iter().flatten() {
                if field["name"] == "date" {
                    field["value"] = json!(moved_date(field["value"].as_str().unwrap(), by));
                }
            }
        }
    }

    /// Calls that have nothing to do with it.
    fn add_bystanders(&mut self, entries: &mut Vec<Value>) {
        let Some(first) = entries.iter().map(started).min() else { return };
        let last = entries.iter().map(started).max().unwrap();
        let span = (last - first).whole_milliseconds() as usize + 2_000;
        let process = entries.iter().find_map(|entry| entry["_client"]["process"].as_str().map(str::to_owned));
        for _ in 0..self.below(5) {
            let at = first + Duration::milliseconds(i64::try_from(self.below(span)).unwrap());
            let (method, url, status) = [
                ("GET", "https://api.anthropic.com/api/directory/server-urls", 200),
                ("POST", "https://api.anthropic.com/api/event_logging/v2/batch", 200),
                ("POST", "https://api.anthropic.com/api/event_logging/batch", 401),
                ("GET", "https://raw.githubusercontent.com/", 404),
            ][self.below(4)];
            entries.push(json!({
                "startedDateTime": at.format(&Rfc3339).unwrap(), "time": 40,
                "request": {"method": method, "url": url, "httpVersion": "HTTP/1.1", "headers": [], "queryString": [], "cookies": [], "headersSize": -1, "bodySize": 0},
                "response": {"status": status, "statusText": "", "httpVersion": "HTTP/1.1", "headers": [], "cookies": [], "content": {"size": 0, "mimeType": "application/json"}, "redirectURL": "", "headersSize": -1, "bodySize": 0},
                "cache": {}, "timings": {"send": 1, "wait": 38, "receive": 1}, "_client": {"process": process},
            }));
        }
    }

    /// Capital letters in header names, fields in another order, token requests as form or as JSON.
    fn dress(&mut self, entry: &mut Value) {
        let shout = self.below(2) == 0;
        for side in ["request", "response"] {
            let Some(fields) = entry[side]["headers"].as_array_mut() else { continue };
            let by = self.below(fields.len());
            fields.rotate_left(by);
            for field in fields.iter_mut().filter(|_| shout) {
                let name = field["name"].as_str().unwrap().split('-').map(capital).collect::<Vec<_>>().join("-");
                field["name"] = json!(name);
            }
        }
        let Some(text) = entry["request"]["postData"]["text"].as_str() else { return };
        if let (Ok(Value::Object(object)), 0) = (serde_json::from_str::<Value>(text), self.below(2)) {
            let form: Vec<String> =
                object.iter().filter_map(|(name, value)| Some(format!("{name}={}", value.as_str()?))).collect();
            entry["request"]["postData"] =
                json!({"mimeType": "application/x-www-form-urlencoded", "text": form.join("&")});
        }
    }
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}

fn started(entry: &Value) -> OffsetDateTime {
    OffsetDateTime::parse(entry["startedDateTime"].as_str().unwrap(), &Rfc3339).unwrap()
}

fn moved_date(date: &str, by: Duration) -> String {
    use time::format_description::well_known::Rfc2822;
    let Ok(at) = OffsetDateTime::parse(&date.replace("GMT", "+0000"), &Rfc2822) else { return date.to_owned() };
    let text = (at + by).format(&Rfc2822).unwrap();
    text.replace("+0000", "GMT")
}

/// Every long run of letters and digits that follows `FAKE` or `req_011C` in other letters and digits of the same length.
fn rename_runs(text: &str, salt: u64) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((at, mark)) = ["FAKE", "req_011C"].iter().filter_map(|mark| Some((rest.find(mark)?, *mark))).min() {
        let begin = at + mark.len();
        let run =
            rest[begin..].bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'#')).count();
        out.push_str(&rest[..begin]);
        out.push_str(&renamed(&rest[begin..begin + run], salt));
        rest = &rest[begin + run..];
    }
    out + rest
}

fn renamed(run: &str, salt: u64) -> String {
    const LETTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
    let mut random = Variant::new(salt ^ fold(run));
    let renew = |letter: char, at: usize| if letter.is_ascii_alphanumeric() { char::from(LETTERS[at]) } else { letter };
    run.chars().map(|letter| renew(letter, random.below(LETTERS.len()))).collect()
}

/// FNV-1a.
fn fold(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
