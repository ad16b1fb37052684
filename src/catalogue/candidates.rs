//! From a pasted error text to the codes that it may stand for.

use super::pasted::Pasted;
use super::{Code, entry};
use serde::Serialize;

/// How many codes are named at most.
const MOST: usize = 8;

/// The weight from which on words name a code rather than suggest it.
const NAMED: u8 = 80;

/// The share of the best one's weight, in percent, that others need.
const ENOUGH: u16 = 35;

/// A code that a text may stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Candidate {
    /// The code.
    pub code: Code,
    /// How clearly the text points to it.
    pub fit: Fit,
    /// What in the text points to it, in words of our own.
    pub why: &'static str,
}

/// How clearly a text points to a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// The status is one that the code comes with.
    Possible,
    /// The words are usual for it, and for others.
    Likely,
    /// The words are its own.
    Named,
}

/// The codes that an error text may stand for, the likeliest first: by families of wordings, and where there is none by the
/// status alone. Empty if nothing in it is known.
#[must_use]
pub fn candidates(text: &str) -> Vec<Candidate> {
    let pasted = Pasted::new(text);
    let mut found: Vec<(u8, Candidate)> = Code::ALL.iter().filter_map(|code| best(*code, &pasted)).collect();
    // Stable: of equals the one that stands first in the list of codes stays first.
    found.sort_by_key(|(weight, _)| std::cmp::Reverse(*weight));
    let best = found.first().map_or(0, |(weight, _)| u16::from(*weight));
    found.retain(|(weight, _)| u16::from(*weight) * 100 >= best * ENOUGH);
    found.truncate(MOST);
    found.into_iter().map(|(_, candidate)| candidate).collect()
}

fn best(code: Code, pasted: &Pasted) -> Option<(u8, Candidate)> {
    let wordings = entry(code).wordings.iter().filter(|wording| wording.all.iter().all(|words| pasted.says(words)));
    let by_words = wordings.max_by_key(|wording| wording.weight).map(|wording| (wording.weight, wording.why));
    let by_status = pasted.statuses().iter().find_map(|status| weight_of(*status, code)).map(|weight| (weight, ""));
    let (weight, why) = by_words.into_iter().chain(by_status).max_by_key(|(weight, _)| *weight)?;
    let fit = match (why, weight) {
        ("", _) => Fit::Possible,
        (_, NAMED..) => Fit::Named,
        _ => Fit::Likely,
    };
    let why = if why.is_empty() { "the status is one of those that it comes with" } else { why };
    Some((weight, Candidate { code, fit, why }))
}

/// How much a status alone speaks for a code.
fn weight_of(status: u16, code: Code) -> Option<u8> {
    let family: &[Code] = match status {
        401 => &[
            Code::AccessTokenExpiredNotRefreshed,
            Code::RefreshTokenInvalid,
            Code::StaticTokenRejected,
            Code::ApiKeyInvalid,
            Code::RefreshRace,
            Code::FreshTokenRejected,
            Code::EnvCredentialShadowsLogin,
            Code::BearerMalformed,
        ],
        403 => &[
            Code::OauthNotAllowedForOrg,
            Code::TokenRevoked,
            Code::ScopeInsufficient,
            Code::RequestForbiddenEdge,
            Code::EdgeChallengeHtml,
        ],
        400 => &[
            Code::CreditBalanceTooLow,
            Code::OrganizationDisabled,
            Code::CredentialRestrictedToClaudeCode,
            Code::TokenRequestRejected,
            Code::RefreshTokenInvalid,
        ],
        402 => &[Code::CreditBalanceTooLow],
        404 => &[Code::TokenRequestRejected],
        407 => &[Code::ProxyAuthRequired],
        429 => &[Code::RateLimited, Code::UsageExhausted, Code::TokenEndpointRateLimited],
        529 => &[Code::Overloaded],
        500.. => &[Code::ServerError, Code::UpstreamOutageMixed401, Code::TokenEndpointOutage],
        _ => &[],
    };
    let place = family.iter().position(|known| *known == code)?;
    u8::try_from(place).ok().map(|place| 20_u8.saturating_sub(place))
}

/// The codes whose names come nearest to a text, the nearest first; at most five, and none if none is near.
#[must_use]
pub fn nearest(text: &str) -> Vec<Code> {
    let asked: String = text.chars().take(120).collect::<String>().trim().to_lowercase();
    let asked = asked.replace(['_', ' '], "-");
    let mut near: Vec<(f64, Code)> = Code::ALL.iter().map(|code| (likeness(&asked, code.as_str()), *code)).collect();
    near.retain(|(likeness, _)| *likeness >= 0.8);
    near.sort_by(|one, other| other.0.total_cmp(&one.0));
    near.into_iter().map(|(_, code)| code).take(5).collect()
}

/// From 0 to 1: how alike the names are as a whole, or how many of the words that were asked for the name has.
fn likeness(asked: &str, name: &str) -> f64 {
    // What has digits is a piece of data; some of it looks like any name.
    let telling = |word: &&str| {
        let data = word.bytes().any(|b| b.is_ascii_digit());
        word.len() > 3 && !data && !matches!(*word, "claude" | "code" | "with" | "this" | "that")
    };
    let words: Vec<&str> = asked.split('-').filter(telling).collect();
    let shared = words.iter().filter(|word| name.split('-').any(|own| strsim::jaro_winkler(word, own) > 0.92)).count();
    #[expect(clippy::cast_precision_loss, reason = "counts of words")]
    let of_words = if shared == 0 { 0.0 } else { 0.8 + 0.15 * shared as f64 / words.len() as f64 };
    strsim::normalized_damerau_levenshtein(asked, name).max(of_words)
}

#[cfg(test)]
mod tests;
