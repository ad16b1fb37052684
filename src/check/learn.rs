//! The other way round: what a trace shows, as a file of expectations for a person to review.
//!
//! What is chance is left out: times, numbers, requests beside the login. What is written is held against the same trace
//! before it is given out; a part that does not hold there is left out as well.

mod flow;

use super::carried::Known;
use super::evaluate::{Subject, evaluate, is_failure};
use super::observed;
use super::pattern::{HostPattern, StatusPattern};
use super::{FORMAT, MissKind, read};
use crate::analyze::{Confidence, Diagnosis, Survey, matters};
use crate::catalogue::Code;
use crate::policy::Grant;
use crate::redact::Kind;
use crate::trace::Exchange;
use std::collections::{BTreeMap, BTreeSet};

/// Findings that are less sure may come and go.
const SURE: Confidence = Confidence::Medium;

/// Kinds of credentials that a file has a key for.
const KINDS: [Kind; 9] = [
    Kind::OauthAccess,
    Kind::OauthRefresh,
    Kind::OauthCode,
    Kind::ApiKey,
    Kind::AdminKey,
    Kind::SessionCookie,
    Kind::Jwt,
    Kind::Basic,
    Kind::Unknown,
];

/// The observed flow as a file of expectations (TOML), with comments that say what to look at.
#[must_use]
pub fn learn(survey: &Survey, diagnosis: &Diagnosis) -> String {
    let lesson = Lesson { subject: Subject::new(survey, diagnosis), survey, diagnosis };
    let flows = flow::flows(survey, diagnosis);
    let whole = lesson.text(&flows);
    if flows.is_empty() || lesson.holds(&whole) { whole } else { lesson.text(&[]) }
}

struct Lesson<'a> {
    subject: Subject<'a>,
    survey: &'a Survey,
    diagnosis: &'a Diagnosis,
}

impl Lesson<'_> {
    fn text(&self, flows: &[String]) -> String {
        let mut parts = vec![self.head(), self.limits(), self.findings(), self.hosts()];
        if !flows.is_empty() {
            parts.push(
                "# Messages and requests for tokens, in their order; what is asked beside them is left out. $a, $b … are\n\
                 # credentials. Does each step have to be?\n"
                    .to_owned(),
            );
            parts.push(flows.join("\n"));
        }
        parts.concat()
    }

    /// Whether the trace that it was learnt from keeps it. What is missing from a trace no expectation can mend.
    fn holds(&self, text: &str) -> bool {
        read("learnt", text).is_ok_and(|expectations| {
            let report = evaluate(self.survey, self.diagnosis, &expectations);
            report.outcomes.iter().filter_map(|one| one.miss.as_ref()).all(|miss| miss.kind == MissKind::Gap)
        })
    }

    fn head(&self) -> String {
        let mut text = format!(
            "# What authtrace saw in one run, as expectations: a draft. A run shows what happened, not what ought to happen.\n\
             # Read each line, loosen what may vary, take out what is chance. The verdict of the run was {}.\n",
            self.diagnosis.verdict.code
        );
        if observed::gap(&self.subject).is_some() {
            text.push_str("# The trace was not whole: what is missing in it is missing here.\n");
        }
        text.push_str(&format!("\nformat = {FORMAT}\n"));
        if let Some(code) = self.survey.end().and_then(|end| end.exit_code) {
            text.push_str(&format!("exit_code = {code}\n"));
        }
        if observed::nothing(&self.subject).is_some() {
            text.push_str("# No request with a credential was answered. Was that meant?\nallow_empty = true\n");
        }
        let unread = self.unread();
        if !unread.is_empty() {
            let hosts = quoted(unread.iter());
            text.push_str(&format!(
                "# Not read, so that nothing is known of it. May credentials go there?\nunread_hosts = [{hosts}]\n"
            ));
        }
        text
    }

    /// Hosts whose traffic passed unread; of one that the trace does not name nobody can say which it is.
    fn unread(&self) -> BTreeSet<String> {
        let rows = self.survey.tunnelled();
        rows.iter().filter(|row| row.bytes_up > 0).map(|row| host(row.target.host.as_str())).collect()
    }

    fn limits(&self) -> String {
        let failures = self.count(|one| self.subject.is_counted_failure(one));
        // A flow may expect a status that is none of these here: a limit must leave room for it.
        let refused = self.count(|one| matters(one) && one.status().is_some_and(is_refusal));
        let refreshes = self.count(|one| super::fit::grant(one) == Some(Grant::RefreshToken));
        let retries = self.subject.retries();
        format!(
            "\n# At most so many in the whole run; requests beside the messages count, too. Is each as small as it can be?\n\
             [limits]\nauth_failures = {}\nrefreshes = {refreshes}\nretries_per_credential = {retries}\n",
            failures.max(refused)
        )
    }

    fn count(&self, counts: impl Fn(&Exchange) -> bool) -> usize {
        self.survey.exchanges().iter().filter(|one| counts(one)).count()
    }

    fn findings(&self) -> String {
        let verdict = &self.diagnosis.verdict;
        let sure = self.diagnosis.findings.iter().filter(|finding| is_failure(finding) && finding.confidence >= SURE);
        let mut allowed: Vec<Code> = sure.map(|finding| finding.code).collect();
        allowed.sort_unstable_by_key(|code| code.as_str());
        allowed.dedup();
        let allowed = quoted(allowed.iter().map(|code| code.as_str()));
        let required = match verdict.confidence >= SURE {
            true => format!("require = [{}]\n", quoted([verdict.code.as_str()].iter())),
            false => String::new(),
        };
        format!(
            "\n# The verdict, and the failures that may be there; less sure ones are overlooked. Is that what should come of it?\n\
             [findings]\nconfidence = \"medium\"\n{required}allow = [{allowed}]\n"
        )
    }

    /// Where credentials went, telemetry included.
    fn hosts(&self) -> String {
        let mut seen: BTreeMap<Option<usize>, BTreeSet<String>> = BTreeMap::new();
        let known = Known::new(self.survey.exchanges());
        for exchange in self.survey.exchanges() {
            for carried in known.carried(exchange) {
                let kind = KINDS.iter().position(|kind| *kind == carried.kind);
                seen.entry(kind).or_default().insert(host(exchange.request.host.as_str()));
            }
        }
        if seen.is_empty() {
            return String::new();
        }
        let mut text =
            "\n# Where credentials went, by their kind. Does each host have to have them?\n[hosts]\n".to_owned();
        for (at, kind) in KINDS.iter().enumerate() {
            if let Some(hosts) = seen.get(&Some(at)) {
                text.push_str(&format!("{kind} = [{}]\n", quoted(hosts.iter())));
            }
        }
        let others = seen.get(&None).cloned().unwrap_or_default();
        text.push_str(&format!("any = [{}]\n\n", quoted(others.iter())));
        text
    }
}

fn is_refusal(status: u16) -> bool {
    StatusPattern::Just(status).is_auth_failure()
}

/// A host as a pattern: of one that has no name in the trace, any.
fn host(name: &str) -> String {
    named_host(name).unwrap_or_else(|| "*".to_owned())
}

fn named_host(name: &str) -> Option<String> {
    HostPattern::parse(name).ok().filter(|pattern| matches!(pattern, HostPattern::Exact(_))).map(|_| name.to_owned())
}

/// Texts of TOML, with commas.
fn quoted<T: AsRef<str>>(texts: impl Iterator<Item = T>) -> String {
    texts.map(|text| string(text.as_ref())).collect::<Vec<_>>().join(", ")
}

/// A basic string of TOML. Quoting of JSON is that of TOML as well, but for one control character.
fn string(text: &str) -> String {
    serde_json::Value::from(text.replace('\u{7f}', "")).to_string()
}
