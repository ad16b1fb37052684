//! Inference: one made-up answer, whole or as server-sent events.

use super::access::admit;
use super::answer::{Body, Request, Response, StreamEnd, Streamed};
use super::credential::CredentialKind;
use super::model::Model;
use crate::policy::ApiError;
use bytes::Bytes;
use serde_json::{Value, json};

/// The model named where the request names none.
pub(super) const MODEL: &str = "claude-fake-1";

/// `POST /v1/messages`.
pub(super) fn messages(model: &mut Model, request: &Request<'_>) -> Result<Response, ApiError> {
    let kind = admit(model, request, "user:inference", true)?;
    let body = request.json();
    if let Some(wrong) = wrong_with(&body) {
        let error = ApiError::new(400, "invalid_request_error", wrong);
        return Err(ApiError { should_retry: Some(false), ..error });
    }
    let name = body.get("model").and_then(Value::as_str).unwrap_or(MODEL);
    let streamed = body.get("stream").and_then(Value::as_bool).unwrap_or(false);
    let id = model.made_up_id("msg");
    let mut response = if streamed {
        Response {
            status: 200,
            headers: vec![
                ("content-type".into(), "text/event-stream; charset=utf-8".to_owned()),
                ("cache-control".into(), "no-cache".to_owned()),
            ],
            body: Body::Streamed(Streamed {
                pieces: events(&id, name, &model.reply),
                gap: None,
                end: StreamEnd::Complete,
            }),
        }
    } else {
        Response::json(200, &message(&id, name, json!([{"type": "text", "text": model.reply}]), Some("end_turn"), 12))
    };
    rate_limits(&mut response, kind, request.now.unix_ms() / 1000);
    Ok(response)
}

/// What is wrong with the body of a message, if anything is that this server looks at.
fn wrong_with(body: &Value) -> Option<&'static str> {
    match body {
        Value::Object(fields) if fields.get("messages").and_then(Value::as_array).is_some_and(Vec::is_empty) => {
            Some("messages: at least one message is required")
        }
        Value::Object(fields) if fields.get("messages").is_some_and(Value::is_array) => None,
        Value::Object(fields) if fields.contains_key("messages") => Some("messages: Input should be a valid list"),
        Value::Object(_) => Some("messages: Field required"),
        Value::Null => Some("The request body is not valid JSON"),
        _ => Some("Input should be a valid dictionary or object to extract fields from"),
    }
}

/// `POST /v1/messages/count_tokens`.
pub(super) fn count_tokens(model: &mut Model, request: &Request<'_>) -> Result<Response, ApiError> {
    admit(model, request, "user:inference", true)?;
    Ok(Response::json(200, &json!({"input_tokens": request.body.len().div_ceil(4)})))
}

/// One server-sent event.
pub(super) fn event(name: &str, data: &Value) -> Bytes {
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}

/// An error inside a stream, as it comes after a 200.
pub(super) fn error_event(error: &ApiError) -> Bytes {
    error.event()
}

fn message(id: &str, model: &str, content: Value, stop: Option<&str>, output_tokens: u32) -> Value {
    json!({
        "id": id, "type": "message", "role": "assistant", "model": model, "content": content, "stop_reason": stop,
        "stop_sequence": null,
        "usage": {
            "input_tokens": 25, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
            "output_tokens": output_tokens, "service_tier": "standard",
        },
    })
}

fn events(id: &str, model: &str, reply: &str) -> Vec<Bytes> {
    let mut events = vec![
        event("message_start", &json!({"type": "message_start", "message": message(id, model, json!([]), None, 1)})),
        event(
            "content_block_start",
            &json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        ),
        event("ping", &json!({"type": "ping"})),
    ];
    for word in reply.split_inclusive(' ') {
        let delta = json!({"type": "text_delta", "text": word});
        events.push(event("content_block_delta", &json!({"type": "content_block_delta", "index": 0, "delta": delta})));
    }
    events.push(event("content_block_stop", &json!({"type": "content_block_stop", "index": 0})));
    let stop = json!({"stop_reason": "end_turn", "stop_sequence": null});
    events
        .push(event("message_delta", &json!({"type": "message_delta", "delta": stop, "usage": {"output_tokens": 12}})));
    events.push(event("message_stop", &json!({"type": "message_stop"})));
    events
}

fn rate_limits(response: &mut Response, kind: CredentialKind, now_seconds: i64) {
    let mut add = |name: &'static str, value: &str| response.headers.push((name.into(), value.to_owned()));
    if kind == CredentialKind::ApiKey {
        add("anthropic-ratelimit-requests-limit", "4000");
        add("anthropic-ratelimit-requests-remaining", "3999");
        add("anthropic-ratelimit-tokens-limit", "2400000");
        add("anthropic-ratelimit-tokens-remaining", "2399000");
        return;
    }
    let reset = (now_seconds + 5 * 3600).to_string();
    add("anthropic-ratelimit-unified-status", "allowed");
    add("anthropic-ratelimit-unified-representative-claim", "five_hour");
    add("anthropic-ratelimit-unified-reset", &reset);
    add("anthropic-ratelimit-unified-5h-status", "allowed");
    add("anthropic-ratelimit-unified-5h-reset", &reset);
    add("anthropic-ratelimit-unified-5h-utilization", "0.04");
}
