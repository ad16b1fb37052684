//! How rules write findings.

use super::context::{Group, Seen};
use super::finding::{Confidence, Finding, Severity};
use crate::catalogue::Code;
use crate::redact::Fingerprint;
use crate::trace::{Exchange, Timestamp};

/// Exchanges that are listed as evidence at most.
const LISTED: usize = 12;

/// What a rule makes of a group of refusals.
pub(super) struct Reading {
    pub(super) code: Code,
    pub(super) confidence: Confidence,
    /// The sentence, without the full stop's follow-up.
    pub(super) summary: String,
    /// Exchanges that prove it besides the refusals.
    pub(super) besides: Vec<u64>,
    pub(super) otherwise: Vec<Code>,
}

impl Reading {
    pub(super) fn new(code: Code, confidence: Confidence, summary: impl Into<String>) -> Self {
        Self { code, confidence, summary: summary.into(), besides: Vec::new(), otherwise: Vec::new() }
    }

    pub(super) fn with(mut self, exchange: u64) -> Self {
        self.besides.push(exchange);
        self
    }

    pub(super) fn or(mut self, codes: &[Code]) -> Self {
        self.otherwise.extend_from_slice(codes);
        self
    }
}

impl Finding {
    pub(super) fn new(code: Code, severity: Severity, confidence: Confidence, summary: impl Into<String>) -> Self {
        Self {
            code,
            confidence,
            severity,
            recovered: false,
            exchanges: Vec::new(),
            connections: Vec::new(),
            credentials: Vec::new(),
            summary: summary.into(),
            remedy: String::new(),
            otherwise: Vec::new(),
            version: None,
            caveat: None,
        }
    }

    /// A finding about a group of refusals.
    pub(super) fn of_group(reading: Reading, group: &Group<'_>, severity: Severity) -> Self {
        let mut finding = Self::new(reading.code, severity, reading.confidence, reading.summary);
        finding.otherwise = reading.otherwise;
        finding.credentials.extend(group.fp());
        finding = finding.proved_by(group.refused.iter().map(Seen::id).chain(reading.besides));
        finding
    }

    /// The exchanges that prove it; of many the first and the last.
    pub(super) fn proved_by(mut self, exchanges: impl IntoIterator<Item = u64>) -> Self {
        let mut all: Vec<u64> = self.exchanges.into_iter().chain(exchanges).collect();
        let mut known = std::collections::HashSet::new();
        all.retain(|id| known.insert(*id));
        all.sort_unstable();
        if all.len() > LISTED {
            let tail = all.split_off(all.len() - LISTED / 2);
            all.truncate(LISTED / 2);
            all.extend(tail);
        }
        self.exchanges = all;
        self
    }

    pub(super) fn about(mut self, credentials: impl IntoIterator<Item = Fingerprint>) -> Self {
        for fp in credentials {
            if !self.credentials.contains(&fp) {
                self.credentials.push(fp);
            }
        }
        self
    }

    pub(super) fn or(mut self, codes: &[Code]) -> Self {
        self.otherwise.extend_from_slice(codes);
        self
    }

    pub(super) fn recovered_if(mut self, recovered: bool) -> Self {
        self.recovered = recovered;
        self
    }
}

/// `401 “Invalid bearer token”`: status and message; of an error that came inside a stream, `“Overloaded” inside a 200`.
pub(super) fn answer(exchange: &Exchange) -> String {
    let Some(status) = exchange.status() else {
        return "no answer".to_owned();
    };
    let error = exchange.error.as_ref();
    let message =
        error.and_then(|error| error.message.as_ref()).or_else(|| error.and_then(|error| error.kind.as_ref()));
    match message {
        Some(message) => {
            let mut text: String = message.as_str().chars().take(120).collect();
            if text.len() < message.as_str().len() {
                text.push('…');
            }
            if status < 400 { format!("“{text}” inside a {status}") } else { format!("{status} “{text}”") }
        }
        None => status.to_string(),
    }
}

/// `once`, `twice`, `11 times`.
pub(super) fn times(count: usize) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        _ => format!("{count} times"),
    }
}

/// How often something happened, and when (for the first time): `once at 08:00:01 UTC`, `3 times from 08:00:01 UTC on`.
pub(super) fn since(count: usize, first: Timestamp) -> String {
    match count {
        1 => format!("once at {} UTC", clock(first)),
        _ => format!("{} from {} UTC on", times(count), clock(first)),
    }
}

/// A span of time in one unit or two: `850 ms`, `41 s`, `2 h 5 min`, `4 d 3 h`.
pub(super) fn span(ms: i64) -> String {
    let ms = ms.unsigned_abs();
    // To the nearest second, so that a day less a few milliseconds is a day.
    let s = if ms < 1_000 { 0 } else { ms.saturating_add(500) / 1_000 };
    match s {
        0 => format!("{ms} ms"),
        1..=119 => format!("{s} s"),
        120..=7_199 => format!("{} min", s / 60),
        7_200..=172_799 => two(s / 3_600, "h", s % 3_600 / 60, "min"),
        _ => two(s / 86_400, "d", s % 86_400 / 3_600, "h"),
    }
}

fn two(whole: u64, unit: &str, rest: u64, small: &str) -> String {
    if rest == 0 { format!("{whole} {unit}") } else { format!("{whole} {unit} {rest} {small}") }
}

pub(super) fn clock(at: Timestamp) -> String {
    at.clock().get(..8).unwrap_or_default().to_owned()
}
