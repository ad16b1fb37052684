//! The cells of one line about an exchange, alike in every report.

use super::style::{clean, columns, fit};
use crate::analyze::Labels;
use crate::redact::Kind;
use crate::trace::{Credential, EndKind, ErrorFacts, ErrorShape, Exchange, Origin, Target};

/// `host/path`, in at most `width` columns: the host goes first, then the query, then the beginning of the path.
pub(super) fn target(host: &str, path: &str, width: usize) -> String {
    let path = brief(&clean(path));
    let whole = format!("{}{path}", clean(host));
    if columns(&whole) <= width {
        return whole;
    }
    let without_query = match path.split_once('?') {
        Some((before, _)) => format!("{before}?…"),
        None => path.clone(),
    };
    for shorter in [format!("{}{without_query}", clean(host)), format!("…{path}"), format!("…{without_query}")] {
        if columns(&shorter) <= width {
            return shorter;
        }
    }
    let last = without_query.rsplit_once('/').map_or(without_query.as_str(), |(_, last)| last);
    fit(&format!("…/{last}"), width).into_owned()
}

/// `‹uuid fp=3f9c21ab›` as `‹uuid›`: in a line for the eye the fingerprint only takes room.
fn brief(path: &str) -> String {
    let mut short = String::new();
    let mut rest = path;
    while let Some((before, marked)) = rest.split_once('‹') {
        let Some((inside, after)) = marked.split_once('›') else {
            break;
        };
        let label = inside.split(' ').next().filter(|word| !word.starts_with("fp=") && !word.starts_with("len"));
        short.push_str(before);
        short.push('‹');
        short.push_str(label.unwrap_or("…"));
        short.push('›');
        rest = after;
    }
    short.push_str(rest);
    short
}

/// `host:port`.
pub(super) fn host_and_port(target: Option<&Target>) -> String {
    target.map_or_else(|| "a client".to_owned(), |target| format!("{}:{}", clean(target.host.as_str()), target.port))
}

/// The status, with `*` if no server answered it; `—` if there was no answer, with `*` if authtrace kept it from one.
pub(super) fn status(exchange: &Exchange) -> String {
    match (exchange.status(), exchange.origin) {
        (None, Origin::Authtrace) => "—*".to_owned(),
        (None, _) => "—".to_owned(),
        (Some(status), Origin::Upstream) => status.to_string(),
        (Some(status), Origin::Authtrace | Origin::UpstreamProxy) => format!("{status}*"),
    }
}

/// The type of the error, or how the exchange broke off, or nothing.
pub(super) fn error(exchange: &Exchange) -> String {
    let broken = !matches!(exchange.end.outcome, EndKind::Complete | EndKind::Upgraded);
    match &exchange.error {
        Some(error) => error_type(error),
        None if broken => exchange.end.outcome.as_str().to_owned(),
        None => String::new(),
    }
}

pub(super) fn error_type(error: &ErrorFacts) -> String {
    match (&error.kind, &error.code) {
        (Some(kind), Some(code)) if kind != code => format!("{} ({})", clean(kind.as_str()), clean(code.as_str())),
        (Some(kind), _) => clean(kind.as_str()).into_owned(),
        (None, Some(code)) => clean(code.as_str()).into_owned(),
        (None, None) => shape(error.shape).to_owned(),
    }
}

/// What kind of body an answer without an error type had.
pub(super) fn shape(shape: ErrorShape) -> &'static str {
    match shape {
        ErrorShape::Api | ErrorShape::ApiBare | ErrorShape::Oauth => "error without type",
        ErrorShape::SseEvent => "error event",
        ErrorShape::OtherJson => "other JSON",
        ErrorShape::Html => "web page",
        ErrorShape::Text => "plain text",
        ErrorShape::Empty => "no body",
        ErrorShape::Unreadable => "unreadable body",
    }
}

/// The labels of what was sent and, behind an arrow, of what was issued: `oat-A`, `ort-A→oat-B+ort-B`.
pub(super) fn credentials(exchange: &Exchange, labels: &Labels) -> String {
    let sent = joined(&exchange.credentials, labels);
    match exchange.oauth.as_ref().map(|oauth| joined(&oauth.issued, labels)) {
        Some(issued) if !issued.is_empty() => format!("{sent}→{issued}"),
        _ => sent,
    }
}

/// What goes with the code of a login (verifier, state) takes room and tells nothing beside it.
fn joined(credentials: &[Credential], labels: &Labels) -> String {
    let attendant = |seen: &Credential| matches!(seen.credential.kind, Kind::PkceVerifier | Kind::State);
    let alone = credentials.iter().all(attendant);
    let mut names: Vec<String> = Vec::new();
    for seen in credentials.iter().filter(|seen| alone || !attendant(seen)) {
        if let Some(label) = labels.get(seen.credential.fp).map(|label| label.to_string())
            && !names.contains(&label)
        {
            names.push(label);
        }
    }
    names.join("+")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_keeps_what_tells_most() {
        let shown = |width| target("api.anthropic.com", "/v1/messages?beta=true", width);
        assert_eq!(shown(60), "api.anthropic.com/v1/messages?beta=true");
        assert_eq!(shown(35), "api.anthropic.com/v1/messages?…");
        assert_eq!(shown(24), "…/v1/messages?beta=true");
        assert_eq!(shown(18), "…/v1/messages?…");
        assert_eq!(shown(12), "…/messages?…");
        assert_eq!(shown(6), "…/mes…");
    }

    #[test]
    fn fingerprints_in_paths_are_left_out() {
        let path = "/api/oauth/organizations/‹uuid fp=3f9c21ab›/‹len≤32 fp=3f9c21ab›/x‹";
        assert_eq!(target("h", path, 99), "h/api/oauth/organizations/‹uuid›/‹…›/x‹");
    }

    #[test]
    fn what_no_server_did_has_a_star() {
        use crate::analyze::fixture;
        let shown = |origin: &str, answered: bool| {
            let mut exchange = fixture::message(1, "02.301", &fixture::access("3f9c21ab"), 401, 1_000);
            exchange["origin"] = serde_json::json!(origin);
            if !answered {
                exchange["response"] = serde_json::Value::Null;
            }
            let survey = fixture::survey(&fixture::join(vec![fixture::head(), exchange]));
            survey.exchanges().iter().map(status).collect::<Vec<_>>().concat()
        };
        assert_eq!([shown("upstream", true), shown("upstream", false)], ["401", "—"]);
        assert_eq!([shown("authtrace", true), shown("authtrace", false)], ["401*", "—*"]);
    }
}
