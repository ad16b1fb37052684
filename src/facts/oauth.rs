//! What token, revocation, authorization and key-creation endpoints are asked and answer.

use super::fields::{self, Field, Found};
use crate::redact::{Kind, Redacted, Redactor};
use crate::trace::{self, OAuthFacts};

/// Credentials taken from one body are at most this many; further ones are only learned.
const MOST: usize = 32;

/// Reads the body of a request: the facts, and every credential that it carried.
pub(super) fn request(body: &[u8], redactor: &Redactor) -> (OAuthFacts, Vec<trace::Credential>) {
    let (mut facts, mut credentials) = (OAuthFacts::default(), Vec::new());
    fields::read(body, &mut |found| {
        let Found { field, value, whole } = found;
        match field {
            Field::Secret(place, hint) => take(&mut credentials, redactor, place, hint, &value, whole),
            Field::GrantType => facts.grant_type = Some(redactor.grant_type(&value)),
            Field::ClientId => facts.client_id = Some(redactor.client_id(&value)),
            Field::Scope => add_scope(&mut facts.scope_requested, redactor.scope(&value), redactor),
            Field::TokenType => facts.token_type = Some(redactor.token_type(&value)),
            Field::ExpiresIn | Field::Redirect => {}
        }
    });
    (facts, credentials)
}

/// Reads the body of an answer: everything it issued is learned.
pub(super) fn response(body: &[u8], status: u16, redactor: &Redactor) -> OAuthFacts {
    // In a refusal `code` names the error.
    let ambiguous = |place: &Redacted| ["body.code", "body.state", "body.token"].contains(&place.as_str());
    let mut facts = OAuthFacts::default();
    let mut issued = Vec::new();
    fields::read(body, &mut |found| {
        let Found { field, value, whole } = found;
        match field {
            Field::Secret(place, _) if status >= 400 && ambiguous(&place) => {}
            Field::Secret(place, hint) => take(&mut issued, redactor, place, hint, &value, whole),
            Field::Scope => add_scope(&mut facts.scope_granted, redactor.scope(&value), redactor),
            Field::ExpiresIn => facts.expires_in = facts.expires_in.or_else(|| seconds(&value)),
            Field::TokenType => facts.token_type = Some(redactor.token_type(&value)),
            Field::Redirect => {
                for (name, place, hint) in
                    [("code", "body.code", Kind::OauthCode), ("state", "body.state", Kind::State)]
                {
                    if let Some(value) = fields::parameter(value.as_bytes(), name) {
                        take(&mut issued, redactor, Redacted::literal(place), hint, &value, whole);
                    }
                }
            }
            Field::ClientId => facts.client_id = Some(redactor.client_id(&value)),
            Field::GrantType => {}
        }
    });
    facts.issued = issued;
    facts
}

fn take(into: &mut Vec<trace::Credential>, redactor: &Redactor, place: Redacted, hint: Kind, value: &str, whole: bool) {
    if !whole {
        redactor.learn(value.as_bytes());
        return;
    }
    // Users paste `code#state` as one; they are two values.
    if hint == Kind::OauthCode
        && let Some((code, state)) = value.split_once('#')
    {
        take(into, redactor, place, hint, code, true);
        take(into, redactor, Redacted::literal("body.state"), Kind::State, state, true);
        return;
    }
    let credential = redactor.credential(value.as_bytes(), hint);
    let known = into.iter().any(|known| known.place == place && known.credential.fp == credential.fp);
    if !known && into.len() < MOST {
        into.push(trace::Credential { place, scheme: None, credential });
    }
}

/// Scopes may come as one string or as an array of strings.
fn add_scope(slot: &mut Option<Redacted>, more: Redacted, redactor: &Redactor) {
    *slot = Some(match slot.take() {
        Some(sofar) if sofar.as_str().len() < 1024 => redactor.scope(&format!("{sofar} {more}")),
        Some(sofar) => sofar,
        None => more,
    });
}

/// Seconds, also where they come as text or with a fraction.
fn seconds(text: &str) -> Option<u64> {
    let whole = text.split('.').next().unwrap_or_default().trim();
    whole.parse().ok()
}

/// Joins what was asked with what was answered.
#[must_use]
pub fn merge_oauth(request: Option<OAuthFacts>, response: Option<OAuthFacts>) -> Option<OAuthFacts> {
    match (request, response) {
        (Some(asked), Some(answered)) => Some(OAuthFacts {
            grant_type: asked.grant_type,
            client_id: asked.client_id.or(answered.client_id),
            scope_requested: asked.scope_requested,
            scope_granted: answered.scope_granted,
            expires_in: answered.expires_in,
            token_type: answered.token_type.or(asked.token_type),
            issued: answered.issued,
        }),
        (asked, answered) => asked.or(answered),
    }
}
