//! One scripted client: what it does in which order, and what it does about a failure (WIRE §7–§10).

use super::chosen::{self, Chosen, Source};
use super::client::{ClientConfig, Played, Step};
use super::credential::Seed;
use super::error::FakeError;
use super::home::Home;
use super::login;
use super::model::{Login, later};
use super::requests::{self, API, AUTHORIZATION_SERVER, Built, CLIENT_ID, MessageIds, REFRESH_SCOPES};
use super::setup::{ClientSetup, Task};
use super::tunnel::{Answered, Style, Tunnel, Tunnels};
use crate::trace::Timestamp;
use http::{Method, Uri};
use serde_json::{Value, json};
use std::time::Duration;

/// A token that ends so soon is renewed before it is used, in seconds.
const RENEWED_AHEAD: i64 = 5 * 60;
/// So many attempts follow the first if `CLAUDE_CODE_MAX_RETRIES` does not say, and at most, whatever it says.
const RETRIES: (u32, u32) = (2, 10);
/// The pause before the first repetition, and the longest.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(3));
/// A refused login is used so often in one message: once, and twice with what a refresh gave.
const MOST_REFUSALS: u32 = 3;
/// Refreshes that come to nothing before the login is used as it is.
const PREFLIGHTS: u32 = 2;

/// So long a login waits for the browser: long enough for its silence to be told from slowness.
const GIVEN_UP: Duration = Duration::from_secs(62);

pub(super) struct Session {
    index: usize,
    setup: ClientSetup,
    seed: Seed,
    home: Home,
    tunnels: Tunnels,
    messages: Option<Tunnel>,
    sent: usize,
    steps: Vec<Step>,
}

/// What became of an attempt to renew a login.
enum Renewal {
    /// There is a new token.
    Done,
    /// The refresh token is no good: nothing is left of the login.
    LoggedOut,
    /// It did not work.
    Failed,
}

/// What a client makes of an answer.
enum Reaction {
    Content,
    /// The stream broke off in an error: the same without a stream, at once.
    AskWhole,
    /// The credential was refused.
    Refused,
    Repeat,
    GiveUp,
}

impl Session {
    pub(super) fn new(config: &ClientConfig, index: usize, home: Home) -> Result<Self, FakeError> {
        Ok(Self {
            index,
            setup: config.setup.clone(),
            seed: config.seed,
            home,
            tunnels: Tunnels::new(config, index)?,
            messages: None,
            sent: 0,
            steps: Vec::new(),
        })
    }

    pub(super) async fn play(mut self) -> Result<Played, FakeError> {
        let mut exit_code = 0;
        for task in self.setup.tasks.clone() {
            let done = match task {
                Task::Message => self.message().await?,
                Task::Login => self.log_in().await?,
                Task::LostLogin => self.wait_for_login().await?,
            };
            exit_code = i32::from(!done);
        }
        Ok(Played { steps: self.steps, exit_code })
    }

    /// `claude -p`: whether there was an answer.
    async fn message(&mut self) -> Result<bool, FakeError> {
        self.call(Method::GET, API, "/api/directory/server-urls", None, None).await?;
        if self.setup.variable("CLAUDE_CODE_USE_BEDROCK").is_some() {
            return self.ask_bedrock().await;
        }
        let gateway = self.gateway()?;
        if let Some(host) = &gateway {
            self.call(Method::HEAD, host, "/api/hello", None, None).await?;
        }
        self.ask_mcp_server().await?;
        let chosen = chosen::choose(&self.setup, &self.home).await;
        if chosen.source == Source::Nowhere || chosen.source == Source::File && !self.renew_ahead().await? {
            return Ok(false);
        }
        if chosen.source == Source::File {
            self.profile().await?;
        } else if let Some(login) = self.home.login().await {
            // The login is there, and asked for what is beside the messages.
            self.call(Method::GET, API, "/api/claude_cli/bootstrap", Some(&login.access_token), None).await?;
        }
        let answered = self.ask(chosen, gateway.as_deref().unwrap_or(API)).await?;
        self.events().await?;
        Ok(answered)
    }

    /// Asks, and asks again, as long as that makes sense.
    async fn ask(&mut self, chosen: Chosen, host: &str) -> Result<bool, FakeError> {
        let mut chosen = chosen;
        let (mut left, mut repeated, mut refused, mut renewed, mut streamed) = (self.retries(), 0, 0, false, true);
        loop {
            if chosen.source == Source::File {
                chosen = self.as_in_file(chosen).await;
            }
            let answer = self.send_message(&chosen, host, streamed).await?;
            match react(answer.as_ref(), chosen.source) {
                Reaction::Content => return Ok(true),
                Reaction::GiveUp => return Ok(false),
                Reaction::AskWhole if streamed => {
                    streamed = false;
                    continue;
                }
                Reaction::Refused if chosen.source == Source::File => {
                    refused += 1;
                    if !renewed {
                        match self.renew(chosen.bearer.as_deref().unwrap_or_default()).await? {
                            Renewal::Done => {
                                renewed = true;
                                self.profile().await?;
                                continue;
                            }
                            Renewal::LoggedOut => return Ok(false),
                            Renewal::Failed if refused >= 2 => return Ok(false),
                            Renewal::Failed => {}
                        }
                    }
                    if refused >= MOST_REFUSALS {
                        return Ok(false);
                    }
                }
                Reaction::Refused if chosen.source == Source::OauthToken => {
                    refused += 1;
                    if refused >= 2 {
                        return Ok(false);
                    }
                }
                Reaction::Refused if chosen.source == Source::Helper => {
                    chosen = chosen::choose(&self.setup, &self.home).await;
                }
                Reaction::Refused | Reaction::Repeat | Reaction::AskWhole => {}
            }
            if left == 0 {
                return Ok(false);
            }
            left -= 1;
            tokio::time::sleep(pause(repeated, answer.as_ref())).await;
            repeated += 1;
        }
    }

    fn retries(&self) -> u32 {
        let said = self.setup.variable("CLAUDE_CODE_MAX_RETRIES").and_then(|text| text.parse().ok());
        said.unwrap_or(RETRIES.0).min(RETRIES.1)
    }

    /// The same with what is in the file now.
    async fn as_in_file(&self, chosen: Chosen) -> Chosen {
        match self.home.login().await {
            Some(login) => Chosen { bearer: Some(login.access_token), ..chosen },
            None => chosen,
        }
    }

    async fn send_message(
        &mut self,
        chosen: &Chosen,
        host: &str,
        streamed: bool,
    ) -> Result<Option<Answered>, FakeError> {
        self.sent += 1;
        let ids = MessageIds {
            session: self.seed.uuid("session", self.index),
            request: self.seed.uuid("client-request", self.index.saturating_mul(1_000).saturating_add(self.sent)),
        };
        let request = requests::message(host, "/v1/messages?beta=true", chosen, &ids, streamed)?;
        let kept = self.messages.take().filter(Tunnel::is_open);
        let opened = match kept {
            Some(tunnel) => Ok(tunnel),
            None => self.tunnels.open(host, Style::Fetch).await,
        };
        let mut tunnel = match opened {
            Ok(tunnel) => tunnel,
            Err(error) => return error.tolerated().map(|()| None),
        };
        let answer = tunnel.exchange(request).await;
        self.note("POST", host, "/v1/messages", answer.as_ref().ok());
        match answer {
            Ok(answer) => {
                self.messages = Some(tunnel);
                Ok(Some(answer))
            }
            Err(error) => error.tolerated().map(|()| None),
        }
    }

    /// Renews a login that has run out. Whether there is one to go on with.
    async fn renew_ahead(&mut self) -> Result<bool, FakeError> {
        for _ in 0..PREFLIGHTS {
            let Some(login) = self.home.login().await else { return Ok(false) };
            if login.expires_at > later(Timestamp::now(), RENEWED_AHEAD) || login.refresh_token.is_empty() {
                return Ok(true);
            }
            match self.renew(&login.access_token).await? {
                Renewal::Done => return Ok(true),
                Renewal::LoggedOut => return Ok(false),
                Renewal::Failed => {}
            }
        }
        Ok(true)
    }

    /// Renews the login, unless somebody else who has the same home has done that since `used` was read.
    async fn renew(&mut self, used: &str) -> Result<Renewal, FakeError> {
        let home = self.home.clone();
        let mut kept = home.lock().await;
        let Some(login) = kept.login.clone() else { return Ok(Renewal::LoggedOut) };
        if login.access_token != used {
            return Ok(Renewal::Done);
        }
        if login.refresh_token.is_empty() {
            return Ok(Renewal::Failed);
        }
        let body = json!({
            "grant_type": "refresh_token",
            "refresh_token": login.refresh_token,
            "client_id": CLIENT_ID,
            "scope": REFRESH_SCOPES,
        });
        let answer = self.call(Method::POST, AUTHORIZATION_SERVER, "/v1/oauth/token", None, Some(&body)).await?;
        let Some(answer) = answer else { return Ok(Renewal::Failed) };
        if let Some(renewed) = login_of(&answer, &login) {
            kept.login = Some(renewed);
            return Ok(Renewal::Done);
        }
        if answer.status == 400 && answer.json().get("error").is_some_and(|error| error == "invalid_grant") {
            kept.login = None;
            return Ok(Renewal::LoggedOut);
        }
        Ok(Renewal::Failed)
    }

    /// `claude auth login`, and the browser: whether there is a login afterwards.
    async fn log_in(&mut self) -> Result<bool, FakeError> {
        let request = login::Request::new(&self.seed, self.index);
        let Some(page) = self.call(Method::GET, login::HOST, &request.target(), None, None).await? else {
            return Ok(false);
        };
        let Some(body) = page.header("location").and_then(|location| request.exchange(location)) else {
            return Ok(false);
        };
        let answer = self.call(Method::POST, AUTHORIZATION_SERVER, "/v1/oauth/token", None, Some(&body)).await?;
        let Some(login) = answer.and_then(|answer| login_of(&answer, &login::nobody())) else {
            return Ok(false);
        };
        let token = login.access_token.clone();
        self.home.lock().await.login = Some(login);
        let mut complete = true;
        for path in ["/api/oauth/profile", "/api/oauth/claude_cli/roles"] {
            let answer = self.call(Method::GET, API, path, Some(&token), None).await?;
            complete &= answer.is_some_and(|answer| answer.status < 400);
        }
        self.call(Method::GET, API, "/api/organization/claude_code_first_token_date", Some(&token), None).await?;
        Ok(complete)
    }

    /// A browser that agrees, on a machine from which nothing comes back.
    async fn wait_for_login(&mut self) -> Result<bool, FakeError> {
        let request = login::Request::new(&self.seed, self.index);
        self.call(Method::GET, login::HOST, &request.target(), None, None).await?;
        tokio::time::sleep(GIVEN_UP).await;
        Ok(false)
    }

    async fn profile(&mut self) -> Result<(), FakeError> {
        let token = self.home.login().await.map(|login| login.access_token);
        self.call(Method::GET, API, "/api/oauth/profile", token.as_deref(), None).await.map(drop)
    }

    /// What a client tells of itself when it ends; a token of a variable is not sent with it.
    async fn events(&mut self) -> Result<(), FakeError> {
        let token = self.home.login().await.map(|login| login.access_token);
        let body = json!({"events": []});
        self.call(Method::POST, API, "/api/event_logging/v2/batch", token.as_deref(), Some(&body)).await.map(drop)
    }

    /// The host that takes the messages in place of the API.
    fn gateway(&self) -> Result<Option<String>, FakeError> {
        let Some(url) = self.setup.variable("ANTHROPIC_BASE_URL") else { return Ok(None) };
        host_and_target(url).map(|(host, _)| Some(host))
    }

    async fn ask_mcp_server(&mut self) -> Result<(), FakeError> {
        let Some(server) = self.setup.mcp.clone() else { return Ok(()) };
        let (host, target) = host_and_target(&server.url)?;
        self.once("POST", &host, &target, requests::mcp(&host, &target, &server)).await.map(drop)
    }

    async fn ask_bedrock(&mut self) -> Result<bool, FakeError> {
        let region = self.setup.variable("AWS_REGION").unwrap_or("us-east-1").to_owned();
        let key = self.setup.variable("AWS_ACCESS_KEY_ID").unwrap_or_default().to_owned();
        let host = format!("bedrock-runtime.{region}.amazonaws.com");
        let request = requests::bedrock(&host, &region, &key);
        let answer = self.once("POST", &host, "/model/claude-fake-1/invoke-with-response-stream", request).await?;
        Ok(answer.is_some_and(|answer| answer.status == 200))
    }

    /// One exchange of the stack for everything but messages.
    async fn call(
        &mut self,
        method: Method,
        host: &str,
        target: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Option<Answered>, FakeError> {
        let name = match method {
            Method::POST => "POST",
            Method::HEAD => "HEAD",
            _ => "GET",
        };
        let request = requests::axios(method, host, target, token, body);
        self.once(name, host, target, request).await
    }

    /// One exchange on a connection of its own; none if no answer came.
    async fn once(
        &mut self,
        method: &'static str,
        host: &str,
        target: &str,
        request: Built,
    ) -> Result<Option<Answered>, FakeError> {
        let request = request?;
        let mut tunnel = match self.tunnels.open(host, Style::Axios).await {
            Ok(tunnel) => tunnel,
            Err(error) => return error.tolerated().map(|()| None),
        };
        let answer = tunnel.exchange(request).await;
        let path = target.split('?').next().unwrap_or_default();
        self.note(method, host, path, answer.as_ref().ok());
        answer.map(Some).or_else(|error| error.tolerated().map(|()| None))
    }

    fn note(&mut self, method: &'static str, host: &str, path: &str, answer: Option<&Answered>) {
        let status = answer.map(|answer| answer.status);
        self.steps.push(Step { client: self.index, method, host: host.to_owned(), path: path.to_owned(), status });
    }
}

fn react(answer: Option<&Answered>, source: Source) -> Reaction {
    let Some(answer) = answer else { return Reaction::Repeat };
    let revoked = || answer.contains("OAuth token has been revoked");
    let used_up = || answer.header("anthropic-ratelimit-unified-status") == Some("rejected");
    match answer.status {
        200..=299 if answer.contains("event: error") => Reaction::AskWhole,
        200..=299 => Reaction::Content,
        401 => Reaction::Refused,
        403 if revoked() => Reaction::Refused,
        429 if source.is_oauth() && used_up() => Reaction::GiveUp,
        429 => Reaction::Repeat,
        500..=599 if answer.header("x-should-retry") != Some("false") => Reaction::Repeat,
        _ => Reaction::GiveUp,
    }
}

/// Longer each time, and as long as the server asks for if that is not too long for a demonstration.
fn pause(repeated: u32, answer: Option<&Answered>) -> Duration {
    let own = PAUSE.0.saturating_mul(2_u32.saturating_pow(repeated));
    let asked = answer.and_then(|answer| answer.header("retry-after")?.parse().ok()).map(Duration::from_secs);
    own.max(asked.unwrap_or_default()).min(PAUSE.1)
}

/// The login that a token endpoint gave; what it leaves out stays as it was.
fn login_of(answer: &Answered, before: &Login) -> Option<Login> {
    if answer.status != 200 {
        return None;
    }
    let body = answer.json();
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let lifetime = body.get("expires_in").and_then(Value::as_i64).unwrap_or_default();
    Some(Login {
        access_token: text("access_token")?,
        refresh_token: text("refresh_token").unwrap_or_else(|| before.refresh_token.clone()),
        expires_at: later(Timestamp::now(), lifetime),
        scopes: text("scope").unwrap_or_else(|| before.scopes.clone()),
    })
}

/// Host and path of an `https` URL.
fn host_and_target(url: &str) -> Result<(String, String), FakeError> {
    let refused = || FakeError::NotHttps;
    let uri: Uri = url.parse().map_err(|_| refused())?;
    match (uri.scheme_str(), uri.host(), uri.port_u16()) {
        (Some("https"), Some(host), None | Some(443)) => Ok((host.to_ascii_lowercase(), uri.path().to_owned())),
        _ => Err(refused()),
    }
}
