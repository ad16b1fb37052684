//! What can be asked of a running fake besides what a client asks: that time passes, that something happens to it, what it
//! has seen. For scripts, as requests to paths below `/_authtrace/`.

use super::event::Change;
use super::oauth::Fields;
use super::play::Seen;
use crate::policy::{ApiError, duration};
use crate::redact::Redactor;
use serde_json::{Value, json};
use std::time::Duration;

/// What such paths begin with.
const PREFIX: &str = "/_authtrace/";

/// Something to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Control {
    /// Put the clock forward, and say what it says.
    Clock(Duration),
    /// Change the state.
    Change(Change),
    /// Say what was asked and answered.
    Requests,
}

/// Reads a request; none: it is a client's.
pub(super) fn read(method: &str, path: &str, query: Option<&str>) -> Option<Result<Control, ApiError>> {
    let what = path.strip_prefix(PREFIX)?;
    Some(match (method, what) {
        ("GET", "clock") => Ok(Control::Clock(Duration::ZERO)),
        ("POST", "clock") => match value(query, "advance").as_deref().map(duration) {
            Some(Ok(by)) => Ok(Control::Clock(by)),
            Some(Err(why)) => Err(invalid(&why)),
            None => Err(invalid("say by how much: ?advance=8h")),
        },
        ("POST", "event") => {
            value(query, "do").as_deref().and_then(Change::named).map(Control::Change).ok_or_else(|| {
                let names: Vec<&str> = Change::names().collect();
                invalid(&format!("say what happens: ?do= one of {}", names.join(", ")))
            })
        }
        ("GET", "requests") => Ok(Control::Requests),
        _ => Err(invalid("there are POST clock?advance=8h, GET clock, POST event?do=revoke and GET requests")),
    })
}

fn value(query: Option<&str>, name: &str) -> Option<String> {
    Some(Fields::of_form(query?).text(name)).filter(|value| !value.is_empty())
}

fn invalid(message: &str) -> ApiError {
    ApiError::new(400, "invalid_request_error", message)
}

/// Requests as JSON.
pub(super) fn listed<'a>(seen: impl Iterator<Item = &'a Seen>) -> Value {
    let redactor = Redactor::plain();
    let rows = seen.map(|one| {
        json!({
            "at": one.at.to_string(),
            "method": redactor.method(one.method.as_bytes()),
            "host": redactor.host(&one.host),
            "path": redactor.path(one.path.as_bytes()),
            "credential": one.credential.or(one.body_credential).map(|label| label.to_string()),
            "status": one.status,
            "rule": one.rule.map(|rule| rule + 1),
        })
    });
    Value::Array(rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_asked_for() {
        let good =
            |method, path, query| read(method, path, query).map(|read| read.map_err(|error| error.answer("").status));
        assert_eq!(good("POST", "/v1/messages", None), None);
        assert_eq!(
            good("POST", "/_authtrace/clock", Some("advance=8h")),
            Some(Ok(Control::Clock(Duration::from_secs(28_800))))
        );
        assert_eq!(good("GET", "/_authtrace/clock", None), Some(Ok(Control::Clock(Duration::ZERO))));
        assert_eq!(good("POST", "/_authtrace/event", Some("do=log-out")), Some(Ok(Control::Change(Change::LogOut))));
        assert_eq!(good("GET", "/_authtrace/requests", None), Some(Ok(Control::Requests)));
        for (method, path, query) in [
            ("POST", "/_authtrace/clock", None),
            ("POST", "/_authtrace/clock", Some("advance=eight")),
            ("POST", "/_authtrace/event", Some("do=nothing")),
            ("GET", "/_authtrace/", None),
            ("DELETE", "/_authtrace/clock", None),
        ] {
            assert_eq!(good(method, path, query), Some(Err(400)), "{method} {path} {query:?}");
        }
    }
}
