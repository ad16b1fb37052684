//! The short forms of the command line: the same values as a file's.

use super::AUTH_FAILURE;
use super::expectation::{Denied, Element, Expectation, Expectations, Flow, Rule, Source};
use super::format::{StatusValue, StepTable};
use super::read::{ExpectationError, Reader, step_of, unknown_code};
use crate::analyze::Confidence;
use crate::catalogue::Code;
use crate::place::Place;
use std::ops::Range;
use toml::Spanned;

/// `--deny CODE`, or `CODE:medium` for findings that are at least so sure.
///
/// # Errors
/// No such code, or no such confidence.
pub fn deny(text: &str) -> Result<Expectations, ExpectationError> {
    let (name, sure) = text.split_once(':').map_or((text, None), |(name, sure)| (name, Some(sure)));
    let confidence = match sure {
        None | Some("low") => Confidence::Low,
        Some("medium") => Confidence::Medium,
        Some("high") => Confidence::High,
        Some(_) => {
            let message = "behind the colon stands low, medium or high";
            return Err(ExpectationError::at(text, name.len() + 1..text.len(), message));
        }
    };
    let code = if name == AUTH_FAILURE { None } else { Some(code(text, name)?) };
    Ok(one("--deny", text, Rule::Deny(Denied { code, confidence })))
}

fn code(text: &str, name: &str) -> Result<Code, ExpectationError> {
    name.parse().map_err(|_| ExpectationError::at(text, 0..name.len(), unknown_code(name)))
}

/// `--max-auth-failures N`.
#[must_use]
pub fn limit_of_auth_failures(most: u64) -> Expectations {
    one("--max-auth-failures", &most.to_string(), Rule::AuthFailures(most))
}

/// `--expect 'POST /v1/messages 200'`: a flow of one step. Method, then host and path or the path alone, then, if it
/// matters, the status; none if the text is not of this form but the name of a file.
///
/// # Errors
/// What is wrong with a part of it.
#[must_use]
pub fn flow_of(text: &str) -> Option<Result<Expectations, ExpectationError>> {
    let words = words(text);
    let is_method = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_uppercase());
    match words.as_slice() {
        [method, _, ..] if is_method(method.get_ref()) => Some(flow(text, words)),
        _ => None,
    }
}

fn flow(text: &str, words: Vec<Spanned<String>>) -> Result<Expectations, ExpectationError> {
    let mut words = words.into_iter();
    let (method, target, status) = (words.next(), words.next(), words.next());
    if let Some(more) = words.next() {
        return Err(ExpectationError::at(
            text,
            more.span(),
            "expected METHOD [HOST]/PATH [STATUS]; for more, write a file",
        ));
    }
    let (host, path) = target.map(parts).unwrap_or_default();
    let status = status.map(|status| Spanned::new(status.span(), StatusValue::Text(status.into_inner())));
    let table = StepTable { method, host, path, status, ..StepTable::default() };
    let reader = Reader { name: "--expect", text };
    let step = step_of(&reader, table, 0..text.len())?;
    let flow = Flow { name: None, elements: vec![Element::Taken(step)], variables: Vec::new() };
    Ok(one("--expect", text, Rule::Flow(flow)))
}

/// `api.anthropic.com/v1/messages` as host and path; what begins with a slash is a path.
fn parts(target: Spanned<String>) -> (Option<Spanned<String>>, Option<Spanned<String>>) {
    let span = target.span();
    let at = target.get_ref().find('/').unwrap_or(target.get_ref().len());
    let (host, path) = target.get_ref().split_at(at);
    let part = |text: &str, span: Range<usize>| (!text.is_empty()).then(|| Spanned::new(span, text.to_owned()));
    (part(host, span.start..span.start + at), part(path, span.start + at..span.end))
}

fn words(text: &str) -> Vec<Spanned<String>> {
    let mut words = Vec::new();
    let mut begin = None;
    for (at, c) in text.char_indices().chain([(text.len(), ' ')]) {
        match (c.is_whitespace(), begin) {
            (false, None) => begin = Some(at),
            (true, Some(from)) => {
                words.push(Spanned::new(from..at, text.get(from..at).unwrap_or_default().to_owned()));
                begin = None;
            }
            _ => {}
        }
    }
    words
}

fn one(name: &str, text: &str, rule: Rule) -> Expectations {
    let source = Source { name: name.to_owned(), place: Place::of(text, 0..text.len()) };
    Expectations { expected: vec![Expectation { source, rule }], ..Expectations::default() }
}
