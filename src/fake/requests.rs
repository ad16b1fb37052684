//! The requests of the scripted client, with the header fields of Claude Code 2.1.328 (WIRE §3, §7, §10).

use super::chosen::Chosen;
use super::setup::McpServer;
use bytes::Bytes;
use http::request::Builder;
use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};

pub(super) const API: &str = "api.anthropic.com";
pub(super) const AUTHORIZATION_SERVER: &str = "platform.claude.com";
pub(super) const CLIENT_ID: &str = "9d1c250a-e61b-44d9-88ed-5944d1962f5e";
/// What a refresh asks for.
pub(super) const REFRESH_SCOPES: &str = "user:profile user:inference user:sessions:claude_code user:mcp_servers \
     user:file_upload user:plugins";
/// What a login asks for.
pub(super) const LOGIN_SCOPES: &str = "org:create_api_key user:profile user:inference user:sessions:claude_code \
     user:mcp_servers user:file_upload user:plugins";
pub(super) const PASTED: &str = "https://platform.claude.com/oauth/code/callback";
const AXIOS: &str = "axios/1.15.2";
const CLI: &str = "claude-cli/2.1.328 (external, sdk-cli)";
const BETAS: &str = "claude-code-20250219,interleaved-thinking-2025-05-14";
const OAUTH_BETA: &str = "oauth-2025-04-20";

pub(super) type Built = Result<Request<Full<Bytes>>, http::Error>;

/// A request of the stack for everything but messages, with a JSON body if there is one.
pub(super) fn axios(method: Method, host: &str, target: &str, bearer: Option<&str>, body: Option<&Value>) -> Built {
    let head = Request::builder()
        .method(method)
        .uri(target)
        .header("accept", "application/json, text/plain, */*")
        .header("user-agent", AXIOS)
        .header("accept-encoding", "gzip, compress, deflate, br")
        .header("host", host)
        .header("connection", "close");
    let head = match bearer {
        Some(token) => head.header("authorization", format!("Bearer {token}")),
        None => head,
    };
    with_json(head, body)
}

/// What a message is told apart by.
pub(super) struct MessageIds {
    pub(super) session: String,
    pub(super) request: String,
}

/// `POST /v1/messages`.
pub(super) fn message(host: &str, target: &str, chosen: &Chosen, ids: &MessageIds, streamed: bool) -> Built {
    let user = json!({"device_id": "FAKE-device", "account_uuid": "", "session_id": ids.session});
    let mut body = json!({
        "model": "claude-fake-1",
        "max_tokens": 32000,
        "system": [{"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.328; cc_entrypoint=sdk-cli;"}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "say hi"}]}],
        "metadata": {"user_id": user.to_string()},
    });
    if let Some(fields) = body.as_object_mut().filter(|_| streamed) {
        fields.insert("stream".to_owned(), json!(true));
    }
    let mut head = Request::builder().method(Method::POST).uri(target).header("accept", "application/json");
    if let Some(token) = &chosen.bearer {
        head = head.header("authorization", format!("Bearer {token}"));
    }
    let betas = if chosen.source.is_oauth() { format!("{BETAS},{OAUTH_BETA}") } else { BETAS.to_owned() };
    head = head
        .header("user-agent", CLI)
        .header("x-claude-code-session-id", &ids.session)
        .header("x-stainless-arch", "x64")
        .header("x-stainless-lang", "js")
        .header("x-stainless-os", "Linux")
        .header("x-stainless-package-version", "0.128.0")
        .header("x-stainless-retry-count", "0")
        .header("x-stainless-runtime", "node")
        .header("x-stainless-runtime-version", "v26.12.1")
        .header("x-stainless-timeout", "600")
        .header("anthropic-beta", betas)
        .header("anthropic-dangerous-direct-browser-access", "true")
        .header("anthropic-version", "2023-06-01");
    if let Some(key) = &chosen.api_key {
        head = head.header("x-api-key", key);
    }
    let head = head
        .header("x-app", "cli")
        .header("x-client-request-id", &ids.request)
        .header("connection", "keep-alive")
        .header("host", host)
        .header("accept-encoding", "gzip, deflate, br, zstd");
    with_json(head, Some(&body))
}

/// A message to Bedrock, signed with made-up keys.
pub(super) fn bedrock(host: &str, region: &str, access_key: &str) -> Built {
    let signature = format!(
        "AWS4-HMAC-SHA256 Credential={access_key}/20260101/{region}/bedrock/aws4_request, \
         SignedHeaders=host;x-amz-date, Signature={}",
        "0".repeat(64)
    );
    let head = Request::builder()
        .method(Method::POST)
        .uri("/model/claude-fake-1/invoke-with-response-stream")
        .header("accept", "application/json")
        .header("authorization", signature)
        .header("user-agent", CLI)
        .header("x-amz-date", "20260101T000000Z")
        .header("host", host);
    with_json(
        head,
        Some(&json!({"anthropic_version": "bedrock-2023-05-31", "messages": [{"role": "user", "content": "hi"}]})),
    )
}

/// The first request to an MCP server.
pub(super) fn mcp(host: &str, target: &str, server: &McpServer) -> Built {
    let head = Request::builder()
        .method(Method::POST)
        .uri(target)
        .header("accept", "application/json, text/event-stream")
        .header("user-agent", CLI)
        .header("host", host);
    let head = match &server.token {
        Some(token) => head.header("authorization", format!("Bearer {token}")),
        None => head,
    };
    let client = json!({"name": "claude-code", "version": "2.1.328"});
    let parameters = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client});
    with_json(head, Some(&json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": parameters})))
}

fn with_json(head: Builder, body: Option<&Value>) -> Built {
    match body {
        Some(body) => head.header("content-type", "application/json").body(Bytes::from(body.to_string()).into()),
        None => head.body(Bytes::new().into()),
    }
}
