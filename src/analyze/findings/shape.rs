//! Credentials that cannot be right, by their shape or by the header they stand in.

use super::context::{Context, Group};
use super::draft::{Reading, answer, times};
use super::finding::Confidence;
use crate::analyze::endpoint::Endpoint;
use crate::analyze::says::{Says, request_header, takes_key_as_bearer};
use crate::catalogue::Code;
use crate::redact::{Flag, Kind, Length};
use crate::trace::Exchange;

/// What makes the API take an OAuth token (WIRE §3).
const OAUTH_BETA: &str = "oauth-";

/// OAuth tokens and API keys are longer than this; shorter ones were cut off at the end of a terminal's line.
const SHORTEST: u32 = 90;

/// An OAuth token as `x-api-key`, an API key as `Bearer`.
pub(super) fn wrong_header(_: &Context<'_>, group: &Group<'_>) -> Option<Reading> {
    let sent = group.credential.filter(|sent| sent.credential.has(Flag::WrongKindForHeader))?;
    let first = group.first()?;
    if sent.credential.kind == Kind::ApiKey && takes_key_as_bearer(first.exchange) {
        return None;
    }
    let (what, advice) = match sent.credential.kind {
        Kind::OauthAccess => {
            ("An OAuth token", " It was probably put into ANTHROPIC_API_KEY and belongs into CLAUDE_CODE_OAUTH_TOKEN.")
        }
        Kind::ApiKey => {
            ("An API key", " It was probably put into ANTHROPIC_AUTH_TOKEN and belongs into ANTHROPIC_API_KEY.")
        }
        _ => ("A credential", ""),
    };
    let summary = format!(
        "{what} was sent in `{}`, where another kind of credential belongs, {}; the answer was {}.{advice}",
        sent.place,
        times(group.refused.len()),
        answer(first.exchange),
    );
    Some(Reading::new(Code::CredentialInWrongHeader, Confidence::High, summary))
}

/// A stand-in that some proxy should have replaced, and did not here.
pub(super) fn rewritten(context: &Context<'_>, group: &Group<'_>) -> Option<Reading> {
    group.credential.filter(|sent| sent.credential.has(Flag::Substitute))?;
    let first = group.first()?;
    let works = sent_and_accepted_elsewhere(context, group);
    let elsewhere = if works { " Other requests with the same stand-in were accepted." } else { "" };
    let summary = format!(
        "The client sent a stand-in, {}, that a proxy on the way is meant to replace by a real credential; {} was answered \
         {}.{elsewhere}",
        context.name(group.fp()),
        first.exchange.request.path.as_str().split('?').next().unwrap_or_default(),
        answer(first.exchange),
    );
    Some(Reading::new(Code::ProxyRewritesAuth, Confidence::High, summary).or(&[Code::BearerMalformed]))
}

fn sent_and_accepted_elsewhere(context: &Context<'_>, group: &Group<'_>) -> bool {
    group.fp().is_some_and(|fp| context.uses(fp).any(super::context::Seen::is_accepted))
}

/// An OAuth token without its opt-in header.
pub(super) fn beta_missing(_: &Context<'_>, group: &Group<'_>) -> Option<Reading> {
    if group.says != Says::OauthNotSupported {
        return None;
    }
    let first = group.first()?;
    let count = times(group.refused.len());
    let reading = if has_oauth_beta(first.exchange) {
        let summary = format!(
            "An OAuth token was refused {count} with {} although `anthropic-beta` named the OAuth opt-in when it left \
             this machine: something behind the proxy drops the header, or the server misjudged it.",
            answer(first.exchange)
        );
        Reading::new(Code::OauthBetaHeaderMissing, Confidence::Medium, summary).or(&[Code::ProxyRewritesAuth])
    } else {
        let summary = format!(
            "An OAuth token was sent {count} without the OAuth opt-in in `anthropic-beta`, and refused with {}.",
            answer(first.exchange)
        );
        Reading::new(Code::OauthBetaHeaderMissing, Confidence::High, summary)
    };
    Some(reading)
}

pub(super) fn has_oauth_beta(exchange: &Exchange) -> bool {
    request_header(exchange, "anthropic-beta")
        .is_some_and(|value| value.split(',').any(|one| one.trim().starts_with(OAUTH_BETA)))
}

/// A value that no server can accept.
pub(super) fn damaged(context: &Context<'_>, group: &Group<'_>) -> Option<Reading> {
    let sent = group.credential?;
    if group.endpoint == Endpoint::Sessions || !group.says.is_about_token() && group.says != Says::MissingCredential {
        return None;
    }
    let (what, confidence) = damage(context, group)?;
    let first = group.first()?;
    let summary = format!(
        "The credential in `{}` is damaged: {what}. It was sent {} and answered {}.",
        sent.place,
        times(group.refused.len()),
        answer(first.exchange),
    );
    let next: &[Code] = match sent.credential.kind {
        Kind::OauthAccess => &[Code::StaticTokenRejected],
        Kind::ApiKey => &[Code::ApiKeyInvalid],
        _ => &[Code::ProxyRewritesAuth, Code::EnvCredentialShadowsLogin],
    };
    Some(Reading::new(Code::BearerMalformed, confidence, summary).or(next))
}

fn damage(context: &Context<'_>, group: &Group<'_>) -> Option<(String, Confidence)> {
    const TOLD: [(Flag, &str); 10] = [
        (Flag::Empty, "there is nothing in it"),
        (Flag::Placeholder, "it is the placeholder of an example or a script"),
        (Flag::Quoted, "quotation marks are part of it"),
        (Flag::DoubleBearer, "it says Bearer twice"),
        (Flag::InnerSpace, "there is white space inside, as after a line break in a terminal"),
        (Flag::TrailingNewline, "a line break is part of it"),
        (Flag::LeadingSpace, "it begins with white space"),
        (Flag::NonAscii, "it holds characters that no credential has"),
        (Flag::OddCharacter, "it holds a character that its kind never has, such as the # between code and state"),
        (Flag::TruncatedLooking, "it is too short for its kind, as if cut off"),
    ];
    let credential = &group.credential?.credential;
    if let Some((_, told)) = TOLD.iter().find(|(flag, _)| credential.has(*flag)) {
        return Some(((*told).to_owned(), Confidence::High));
    }
    match (credential.kind, credential.len) {
        (Kind::OauthAccess | Kind::ApiKey, Length::Exact(len)) if len < SHORTEST => {
            let told = format!("it is {len} characters long, where its kind has about 108");
            Some((told, Confidence::Medium))
        }
        // `Bearer` with something of no known kind, which nothing in the trace issued.
        (kind, _) if is_of_others(kind) && group.place() == "authorization" && group.says != Says::Expired => {
            let brought = context.history(group.fp()).is_some_and(|history| history.origin.exchange().is_none());
            let never = context.history(group.fp()).is_some_and(|history| history.first_accepted.is_none());
            (brought && never).then(|| ("it is of no kind that the API issues".to_owned(), Confidence::Medium))
        }
        _ => None,
    }
}

/// Whether the API issues nothing of this kind as a bearer token.
fn is_of_others(kind: Kind) -> bool {
    !matches!(kind, Kind::OauthAccess | Kind::ApiKey)
}
