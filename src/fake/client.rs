//! A client that goes through a proxy as Claude Code 2.1.328 does in one session with a login file: for
//! demonstrations, with a made-up login and a made-up prompt.

use super::credential::Seed;
use super::error::FakeError;
use super::model::Login;
use super::tunnel::{Style, Tunnel, Tunnels};
use bytes::Bytes;
use http::request::Builder;
use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;

const API: &str = "api.anthropic.com";
const AUTHORIZATION_SERVER: &str = "platform.claude.com";
const CLIENT_ID: &str = "9d1c250a-e61b-44d9-88ed-5944d1962f5e";
const SCOPES: &str = "user:profile user:inference user:sessions:claude_code user:mcp_servers user:file_upload \
     user:plugins";
const AXIOS: &str = "axios/1.15.2";
const CLI: &str = "claude-cli/2.1.328 (external, sdk-cli)";
const BETAS: &str = "claude-code-20250219,oauth-2025-04-20,interleaved-thinking-2025-05-14";

/// Where the client goes and what it brings.
pub struct ClientConfig {
    /// The proxy, which takes CONNECT.
    pub proxy_addr: SocketAddr,
    /// The user name for Basic proxy authentication; empty: none is sent.
    pub proxy_user: String,
    /// The password with it.
    pub proxy_password: String,
    /// The only root that is trusted.
    pub ca_pem: String,
    /// The login that the session begins with.
    pub login: Login,
    /// What session and request ids are derived from.
    pub seed: Seed,
    /// How long one exchange may take.
    pub patience: Duration,
}

/// One exchange of the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The method.
    pub method: &'static str,
    /// The host.
    pub host: &'static str,
    /// The path, without the query.
    pub path: &'static str,
    /// The status answered.
    pub status: u16,
}

/// Plays the session: the profile, a message; on 401 a refresh, the profile and the message with the new token, and
/// the message once more; the events at exit. A refresh that gives no token ends the messages.
///
/// # Errors
/// [`FakeError`] if an exchange does not come to an answer; an answer of any status is none.
pub async fn play(config: ClientConfig) -> Result<Vec<Step>, FakeError> {
    let mut session = Session {
        tunnels: Tunnels::new(&config)?,
        session_id: config.seed.uuid("session", 0),
        login: config.login,
        seed: config.seed,
        messages: None,
        sent: 0,
        steps: Vec::new(),
    };
    session.profile().await?;
    if session.message().await? == 401 && session.refresh().await? {
        session.profile().await?;
        if session.message().await? == 401 {
            session.message().await?;
        }
    }
    session.events().await?;
    Ok(session.steps)
}

struct Session {
    tunnels: Tunnels,
    session_id: String,
    login: Login,
    seed: Seed,
    messages: Option<Tunnel>,
    sent: usize,
    steps: Vec<Step>,
}

impl Session {
    async fn profile(&mut self) -> Result<u16, FakeError> {
        let head = axios(Method::GET, API, "/api/oauth/profile")
            .header("authorization", self.bearer())
            .header("content-type", "application/json");
        let step = Step { method: "GET", host: API, path: "/api/oauth/profile", status: 0 };
        self.once(step, head.body(Bytes::new().into())?).await.map(|(status, _)| status)
    }

    async fn refresh(&mut self) -> Result<bool, FakeError> {
        let body = json!({
            "grant_type": "refresh_token",
            "refresh_token": self.login.refresh_token,
            "client_id": CLIENT_ID,
            "scope": SCOPES,
        });
        let head =
            axios(Method::POST, AUTHORIZATION_SERVER, "/v1/oauth/token").header("content-type", "application/json");
        let step = Step { method: "POST", host: AUTHORIZATION_SERVER, path: "/v1/oauth/token", status: 0 };
        let (status, body) = self.once(step, head.body(Bytes::from(body.to_string()).into())?).await?;
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
        let Some(access_token) = text("access_token").filter(|_| status == 200) else {
            return Ok(false);
        };
        self.login.access_token = access_token;
        if let Some(refresh_token) = text("refresh_token") {
            self.login.refresh_token = refresh_token;
        }
        Ok(true)
    }

    async fn message(&mut self) -> Result<u16, FakeError> {
        let user = json!({"device_id": "FAKE-device", "account_uuid": "", "session_id": self.session_id});
        let body = json!({
            "model": "claude-fake-1",
            "max_tokens": 32000,
            "stream": true,
            "system": [{"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.328; cc_entrypoint=sdk-cli;"}],
            "messages": [{"role": "user", "content": [{"type": "text", "text": "say hi"}]}],
            "metadata": {"user_id": user.to_string()},
        });
        self.sent += 1;
        let request = Request::builder()
            .method(Method::POST)
            .uri("/v1/messages?beta=true")
            .header("accept", "application/json")
            .header("authorization", self.bearer())
            .header("content-type", "application/json")
            .header("user-agent", CLI)
            .header("x-claude-code-session-id", &self.session_id)
            .header("x-stainless-arch", "x64")
            .header("x-stainless-lang", "js")
            .header("x-stainless-os", "Linux")
            .header("x-stainless-package-version", "0.128.0")
            .header("x-stainless-retry-count", "0")
            .header("x-stainless-runtime", "node")
            .header("x-stainless-runtime-version", "v26.12.1")
            .header("x-stainless-timeout", "600")
            .header("anthropic-beta", BETAS)
            .header("anthropic-dangerous-direct-browser-access", "true")
            .header("anthropic-version", "2023-06-01")
            .header("x-app", "cli")
            .header("x-client-request-id", self.seed.uuid("client-request", self.sent))
            .header("connection", "keep-alive")
            .header("host", API)
            .header("accept-encoding", "gzip, deflate, br, zstd")
            .body(Bytes::from(body.to_string()).into())?;
        let mut tunnel = match self.messages.take().filter(Tunnel::is_open) {
            Some(tunnel) => tunnel,
            None => self.tunnels.open(API, Style::Fetch).await?,
        };
        let (status, _) = tunnel.exchange(request).await?;
        self.messages = Some(tunnel);
        self.steps.push(Step { method: "POST", host: API, path: "/v1/messages", status });
        Ok(status)
    }

    async fn events(&mut self) -> Result<u16, FakeError> {
        let head = axios(Method::POST, API, "/api/event_logging/v2/batch")
            .header("authorization", self.bearer())
            .header("content-type", "application/json");
        let step = Step { method: "POST", host: API, path: "/api/event_logging/v2/batch", status: 0 };
        let body = Bytes::from(json!({"events": []}).to_string());
        self.once(step, head.body(body.into())?).await.map(|(status, _)| status)
    }

    /// One exchange on a connection of its own.
    async fn once(&mut self, step: Step, request: Request<Full<Bytes>>) -> Result<(u16, Bytes), FakeError> {
        let mut tunnel = self.tunnels.open(step.host, Style::Axios).await?;
        let (status, body) = tunnel.exchange(request).await?;
        self.steps.push(Step { status, ..step });
        Ok((status, body))
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.login.access_token)
    }
}

fn axios(method: Method, host: &str, path: &str) -> Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header("accept", "application/json, text/plain, */*")
        .header("user-agent", AXIOS)
        .header("accept-encoding", "gzip, compress, deflate, br")
        .header("host", host)
        .header("connection", "close")
}
