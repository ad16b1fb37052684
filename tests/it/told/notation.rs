//! Reads the notation and makes a HAR of a case.

use super::vocabulary::{self, Answer, Request};
use authtrace::catalogue::Code;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

/// 2026-09-01T08:00:00Z.
const BEGIN: i64 = 1_788_249_600;

/// Pauses of the client between its attempts, in milliseconds (with the time that the attempts take).
const BACKOFF: [i64; 10] = [600, 1_100, 2_200, 4_500, 9_000, 18_000, 36_000, 36_000, 36_000, 36_000];

pub(crate) struct Told {
    pub(crate) name: String,
    pub(crate) right: Vec<Code>,
    pub(crate) sure: bool,
    client: String,
    agent: Option<String>,
    steps: Vec<Step>,
}

struct Step {
    at_ms: i64,
    process: Option<String>,
    call: String,
    credentials: Vec<String>,
    body: Option<String>,
    answer: String,
    options: Vec<String>,
}

pub(super) fn read(text: &str) -> Vec<Told> {
    let mut cases: Vec<Told> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', '~'])) {
        if let Some(name) = line.strip_prefix("== ") {
            cases.push(Told::new(name));
        } else {
            cases.last_mut().unwrap().line(line);
        }
    }
    cases
}

impl Told {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            right: Vec::new(),
            sure: false,
            client: "2.1.328".to_owned(),
            agent: None,
            steps: Vec::new(),
        }
    }

    fn line(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "want" => self.right = rest.split(" or ").map(|code| code.parse().unwrap()).collect(),
            "sure" => self.sure = true,
            "client" => self.client = rest.to_owned(),
            "agent" => self.agent = Some(rest.to_owned()),
            _ => self.steps.push(Step::read(line)),
        }
    }

    /// The capture; `named` says whether its tool tells connections and processes apart where the case does not have to.
    pub(crate) fn har(&self, named: bool) -> Vec<u8> {
        let mut entries: Vec<(i64, Value)> = Vec::new();
        for step in &self.steps {
            for (at_ms, call, credentials) in step.requests() {
                let number = entries.len();
                entries.push((at_ms, self.entry(step, at_ms, call, &credentials, number, named)));
            }
        }
        entries.sort_by_key(|(at_ms, _)| *at_ms);
        let entries: Vec<Value> = entries.into_iter().map(|(_, entry)| entry).collect();
        let creator = json!({"name": "told", "version": "1"});
        serde_json::to_vec(&json!({"log": {"version": "1.2", "creator": creator, "entries": entries}})).unwrap()
    }

    fn entry(&self, step: &Step, at_ms: i64, call: &str, credentials: &[String], number: usize, named: bool) -> Value {
        let request = Request::of(call, credentials, step.body.as_deref(), &self.name);
        let answer = Answer::of(if call == "directory" { "ok" } else { &step.answer }, &request, &self.name);
        let milliseconds: i64 = step.option("ms=").map_or(180, |text| text.parse().unwrap());
        let skew = step.option("date=").map_or(0, milliseconds_of);
        let agent = self.agent.clone().unwrap_or_else(|| request.agent(&self.client));
        let mut headers = vec![header("user-agent", &agent)];
        headers.extend(request.headers.iter().map(|(name, value)| header(name, value)));
        let mut asked = json!({
            "method": request.method, "url": request.url, "httpVersion": "HTTP/1.1", "headers": headers,
            "queryString": [], "cookies": [], "headersSize": -1, "bodySize": -1,
        });
        if let Some((kind, body)) = &request.body {
            asked["postData"] = json!({"mimeType": kind, "text": body});
        }
        let mut answered: Vec<Value> = answer.headers.iter().map(|(name, value)| header(name, value)).collect();
        if answer.status > 0 {
            answered.push(header("date", &date(at_ms + skew)));
        }
        answered.extend(step.options.iter().filter_map(|option| option.strip_prefix("h:")).map(|field| {
            let (name, value) = field.split_once('=').unwrap();
            header(name, &value.replace('_', " "))
        }));
        let mut entry = json!({
            "startedDateTime": moment(at_ms).format(&Rfc3339).unwrap(), "time": milliseconds,
            "request": asked, "cache": {},
            "response": {
                "status": answer.status, "statusText": "", "httpVersion": "HTTP/1.1", "headers": answered, "cookies": [],
                "content": {"size": answer.body.len(), "mimeType": answer.kind, "text": answer.body},
                "redirectURL": "", "headersSize": -1, "bodySize": answer.body.len(),
            },
            "timings": {"send": 1, "wait": milliseconds - 2, "receive": 1},
        });
        if let Some(error) = answer.error {
            entry["_error"] = json!(error);
        }
        if let Some(tls) = answer.tls {
            entry["_tls"] = tls;
        }
        if named || step.process.is_some() {
            let process = step.process.as_deref().unwrap_or("p1");
            let kept = call == "messages";
            entry["connection"] = json!(if kept { process.to_owned() } else { format!("{process}-{number}") });
            entry["_client"] = json!({"process": process});
        }
        entry
    }
}

impl Step {
    fn read(line: &str) -> Self {
        let (asked, answered) = line.split_once(" -> ").unwrap_or_else(|| panic!("no answer: {line}"));
        let (answer, options) = answered.split_once(" | ").unwrap_or((answered, ""));
        let (asked, body) = match asked.find(" json:").or_else(|| asked.find(" form:")) {
            Some(at) => (&asked[..at], Some(asked[at + 1..].trim().to_owned())),
            None => (asked, None),
        };
        let mut words = words(asked).into_iter().peekable();
        let at_ms = milliseconds_of(&words.next().unwrap());
        let process = words.next_if(|word| !vocabulary::is_call(word));
        let mut call = words.next().unwrap();
        if vocabulary::takes_an_object(&call) {
            call = format!("{call} {}", words.next().unwrap());
        }
        Self {
            at_ms,
            process,
            call,
            credentials: words.collect(),
            body,
            answer: answer.trim().to_owned(),
            options: options.split_whitespace().map(str::to_owned).collect(),
        }
    }

    fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().find_map(|option| option.strip_prefix(name))
    }

    /// Its requests with their times: several for a start, and for repeated attempts.
    fn requests(&self) -> Vec<(i64, &str, Vec<String>)> {
        if self.call == "startup" {
            let calls = vocabulary::startup(self.credentials.first().unwrap());
            let authorised = |call: &str| if call == "directory" { Vec::new() } else { self.credentials.clone() };
            return (0..).zip(calls).map(|(n, call)| (self.at_ms + 90 * n, *call, authorised(call))).collect();
        }
        let times: usize = self.option("times=").map_or(1, |text| text.parse().unwrap());
        let mut at_ms = self.at_ms;
        let mut requests = Vec::new();
        for attempt in 0..times {
            requests.push((at_ms, self.call.as_str(), self.credentials.clone()));
            at_ms += BACKOFF.get(attempt).copied().unwrap_or(36_000);
        }
        requests
    }
}

/// Words; quotes hold one together, and a backslash makes a quote one of its characters.
fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted) = (Vec::new(), String::new(), false);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => word.extend(characters.next()),
            '"' => quoted = !quoted,
            ' ' if !quoted => words.extend(Some(std::mem::take(&mut word)).filter(|word| !word.is_empty())),
            other => word.push(other),
        }
    }
    words.extend(Some(word).filter(|word| !word.is_empty()));
    words
}

/// `8h10m3`, `0.5`, `-1d`: a number without a unit is of seconds.
fn milliseconds_of(text: &str) -> i64 {
    let (sign, text) = text.strip_prefix('-').map_or((1.0, text.trim_start_matches('+')), |rest| (-1.0, rest));
    let (mut sum, mut number) = (0.0, String::new());
    for character in text.chars().chain(['s']) {
        let unit = match character {
            'd' => 86_400.0,
            'h' => 3_600.0,
            'm' => 60.0,
            's' => 1.0,
            digit => {
                number.push(digit);
                continue;
            }
        };
        if !number.is_empty() {
            sum += unit * std::mem::take(&mut number).parse::<f64>().unwrap();
        }
    }
    #[expect(clippy::cast_possible_truncation, reason = "days in milliseconds")]
    let milliseconds = (sign * sum * 1_000.0).round() as i64;
    milliseconds
}

fn header(name: &str, value: &str) -> Value {
    json!({"name": name, "value": value})
}

fn moment(at_ms: i64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(BEGIN).unwrap() + Duration::milliseconds(at_ms)
}

/// The form of dates of RFC 9110 §5.6.7.
fn date(at_ms: i64) -> String {
    let format = time::macros::format_description!(
        "[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT"
    );
    moment(at_ms).format(format).unwrap()
}
