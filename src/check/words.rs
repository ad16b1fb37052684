//! What is expected, in words.

use super::evaluate::{counted, sureness};
use super::expectation::{Denied, Flow, Rule};
use super::nearest::time;
use crate::analyze::Confidence;
use std::fmt;

/// What is expected, in a few words: the name of its outcome.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&in_words(self))
    }
}

fn in_words(rule: &Rule) -> String {
    match rule {
        Rule::AuthFailures(most) => at_most(*most, "auth failure"),
        Rule::Refreshes(most) => at_most(*most, "refresh"),
        Rule::Requests(most) => at_most(*most, "request"),
        Rule::RetriesPerCredential(0) => "no request is repeated with a credential that it was refused for".to_owned(),
        Rule::RetriesPerCredential(most) => {
            format!("no request is repeated more than {} with a credential that it was refused for", times(*most))
        }
        Rule::Time(most) => format!("from the first request to the last answer at most {}", time(*most)),
        Rule::Unanswered(0) => "every request is answered".to_owned(),
        Rule::Unanswered(most) => format!("{} without an answer", at_most(*most, "request")),
        Rule::ExitCode { code, .. } => format!("the command ends with {code}"),
        Rule::Deny(Denied { code: Some(code), confidence }) => format!("no {code}{}", at_least(*confidence)),
        Rule::Deny(Denied { code: None, confidence }) => format!("no failure of the login{}", at_least(*confidence)),
        Rule::Allow { codes, confidence } => {
            let names: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
            let names = if names.is_empty() { String::new() } else { format!(" but {}", names.join(", ")) };
            format!("no failure{names}{}", at_least(*confidence))
        }
        Rule::Require { code, confidence } => format!("{code} is found{}", at_least(*confidence)),
        Rule::Hosts { kind, hosts, .. } => {
            let names: Vec<String> = hosts.iter().map(ToString::to_string).collect();
            let what = kind.map_or("credentials".to_owned(), |kind| kind.to_string());
            match names.is_empty() {
                true => format!("{what}: sent to no host"),
                false => format!("{what}: sent to {} alone", names.join(", ")),
            }
        }
        Rule::Flow(Flow { name: Some(name), .. }) => crate::place::visible(name),
        Rule::Flow(Flow { elements, .. }) => format!("a flow of {}", counted(elements.len() as u64, "step")),
    }
}

fn at_most(most: u64, what: &str) -> String {
    if most == 0 { format!("no {what}") } else { format!("at most {}", counted(most, what)) }
}

fn at_least(confidence: Confidence) -> String {
    if confidence == Confidence::Low {
        String::new()
    } else {
        format!(" of at least {} certainty", sureness(confidence))
    }
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}
