//! The file as it is written: tables and keys, with the place of each value that can be wrong.

use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// A scenario file.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// The version of this format: 1.
    #[cfg_attr(test, schemars(with = "u32"))]
    pub(super) format: Spanned<u32>,
    /// The verdict that it leads to, one of `authtrace explain`.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) code: Option<Spanned<String>>,
    /// What is played, in a few words.
    pub(super) title: String,
    /// What is played, in a few sentences.
    pub(super) about: Option<String>,
    /// Against what.
    #[serde(default)]
    pub(super) against: Against,
    /// What the client is given; against the fake only.
    #[cfg_attr(test, schemars(with = "Option<ClientTable>"))]
    pub(super) client: Option<Spanned<ClientTable>>,
    /// What the server is like at the beginning; against the fake only.
    #[cfg_attr(test, schemars(with = "Option<ServerTable>"))]
    pub(super) server: Option<Spanned<ServerTable>>,
    /// What becomes of the server; against the fake only.
    #[serde(default, rename = "event")]
    #[cfg_attr(test, schemars(with = "Vec<EventTable>"))]
    pub(super) events: Vec<Spanned<EventTable>>,
    /// What is done to requests: the first rule that matches and is not used up decides.
    #[serde(default, rename = "rule")]
    #[cfg_attr(test, schemars(with = "Vec<RuleTable>"))]
    pub(super) rules: Vec<Spanned<RuleTable>>,
}

/// Against what a scenario plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Against {
    /// The fake Anthropic inside authtrace.
    #[default]
    Fake,
    /// The real servers; what a rule answers is marked as authtrace's own.
    Live,
}

/// What the client is given.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct ClientTable {
    /// With what it logs in.
    #[serde(default)]
    pub(super) login: Given,
    /// When its access token ends, as far as it knows, such as `-1m` or `8h`.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) expires_in: Option<Spanned<String>>,
    /// Whether the server has issued what it brings.
    pub(super) issued: Option<bool>,
    /// What it brings instead of something made up for it. Has to say `FAKE`.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) value: Option<Spanned<String>>,
    /// With `login = "helper"`: so many keys that are no longer good come before the good one.
    #[cfg_attr(test, schemars(with = "Option<u32>"))]
    pub(super) stale: Option<Spanned<u32>>,
    /// With `login = "file"`: whether there is a refresh token in it.
    #[cfg_attr(test, schemars(with = "Option<bool>"))]
    pub(super) renewable: Option<Spanned<bool>>,
    /// Variables of its environment. Credentials among them have to say `FAKE`.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "BTreeMap<String, String>"))]
    pub(super) variables: BTreeMap<String, Spanned<String>>,
    /// So many clients at once.
    #[cfg_attr(test, schemars(with = "Option<u32>"))]
    pub(super) processes: Option<Spanned<u32>>,
    /// Whether these share one home, and the login in it. Otherwise each has a home and a copy of the login of its own.
    #[cfg_attr(test, schemars(with = "Option<bool>"))]
    pub(super) shared_home: Option<Spanned<bool>>,
    /// What it does, one after the other; one message if nothing is said.
    #[cfg_attr(test, schemars(with = "Option<Vec<TaskName>>"))]
    pub(super) does: Option<Spanned<Vec<TaskName>>>,
    /// An MCP server that it is set up with.
    pub(super) mcp: Option<McpTable>,
    /// Whether it trusts the certificate that authtrace shows it.
    pub(super) trusts_proxy: Option<bool>,
}

/// Something that a client does.
#[derive(Debug, Clone, Copy, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) enum TaskName {
    /// Asks for one message: `claude -p`.
    Message,
    /// Logs in through a browser: `claude auth login`.
    Login,
    /// The same, and what the browser sends back never arrives.
    LostLogin,
}

/// An MCP server.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct McpTable {
    /// Where it is: `https://…`.
    #[cfg_attr(test, schemars(with = "String"))]
    pub(super) url: Spanned<String>,
    /// The bearer token it is sent; none if nothing is said. Has to say `FAKE`.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) token: Option<Spanned<String>>,
}

/// With what a client logs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Given {
    /// A credentials file with an access and a refresh token.
    #[default]
    File,
    /// Nothing.
    None,
    /// `CLAUDE_CODE_OAUTH_TOKEN`.
    OauthToken,
    /// `ANTHROPIC_API_KEY`.
    ApiKey,
    /// `ANTHROPIC_AUTH_TOKEN`.
    AuthToken,
    /// An `apiKeyHelper` that gives an API key.
    Helper,
}

/// What the server is like.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct ServerTable {
    /// Which year's sentences it uses.
    #[serde(default)]
    pub(super) wording: WordingName,
    /// How long a new access token is good, such as `8h`.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) token_lifetime: Option<Spanned<String>>,
    /// How often a refresh token works.
    #[serde(default)]
    pub(super) rotation: Rotation,
    /// What a spent refresh token does when it comes again.
    #[serde(default)]
    pub(super) reuse: ReuseName,
    /// Whether new access tokens are taken.
    #[serde(default)]
    pub(super) new_tokens: NewTokens,
    /// What the login is good for.
    pub(super) scopes: Option<Vec<String>>,
    /// What the organisation may do.
    #[serde(default)]
    pub(super) organization: OrganizationName,
    /// How far its clock is ahead of this machine's, such as `+10m` or `-10m`.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) clock: Option<Spanned<String>>,
}

/// Sentences of a time.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) enum WordingName {
    /// Those of 2025.
    #[serde(rename = "2025")]
    Year2025,
    /// Those from April 2026 on.
    #[serde(rename = "2026-04")]
    Spring2026,
    /// Those from July 2026 on.
    #[default]
    #[serde(rename = "2026-07")]
    Summer2026,
}

/// How often a refresh token works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) enum Rotation {
    /// Once; the answer has the next one.
    #[default]
    SingleUse,
    /// As often as it is sent; the answer has none.
    Reusable,
}

/// What a spent refresh token does.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) enum ReuseName {
    /// It is refused.
    #[default]
    Refused,
    /// It is refused, and every token of its login ends.
    RevokesFamily,
}

/// Whether new access tokens are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) enum NewTokens {
    /// Yes.
    #[default]
    Accepted,
    /// No: wherever they are used.
    Refused,
}

/// What the organisation may do.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) enum OrganizationName {
    /// Everything.
    #[default]
    Active,
    /// Nothing.
    Disabled,
    /// API keys only.
    OauthNotAllowed,
    /// Nothing that costs, with an API key.
    NoCredit,
}

/// A change of the server's state.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct EventTable {
    /// So long after the first request, such as `30s`.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) at: Option<Spanned<String>>,
    /// Behind the nth request to a path.
    pub(super) after: Option<AfterTable>,
    /// What happens.
    #[serde(rename = "do")]
    pub(super) what: What,
}

/// Behind a request.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct AfterTable {
    /// Its path; `*` at the end stands for any rest.
    #[cfg_attr(test, schemars(with = "String"))]
    pub(super) path: Spanned<String>,
    /// How many of them; one if nothing is said.
    #[cfg_attr(test, schemars(with = "Option<u32>"))]
    pub(super) times: Option<Spanned<u32>>,
}

/// What happens to the server.
#[derive(Debug, Clone, Copy, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) enum What {
    /// Every access token is revoked.
    Revoke,
    /// Every access token is refused as invalid.
    Refuse,
    /// The lifetime of every access token is over.
    Expire,
    /// Every login has ended.
    LogOut,
    /// Somebody else renews the login, and keeps what is new.
    RenewElsewhere,
    /// Every endpoint answers 503.
    OutageBegins,
    /// No longer.
    OutageEnds,
    /// The organisation is disabled.
    DisableOrganization,
}

/// What is done to requests.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct RuleTable {
    /// Which requests; all if nothing is said.
    #[serde(default)]
    pub(super) when: WhenTable,
    /// How many of them pass by first.
    #[serde(default)]
    pub(super) skip: u32,
    /// How many it applies to then; all if nothing is said.
    pub(super) times: Option<u32>,
    /// How long it takes before anything happens, such as `2s`.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) delay: Option<Spanned<String>>,
    /// The state that begins then.
    pub(super) enters: Option<String>,
    /// An answer instead of the server's.
    #[cfg_attr(test, schemars(with = "Option<AnswerTable>"))]
    pub(super) answer: Option<Spanned<AnswerTable>>,
    /// A page of the edge instead of the server's answer.
    pub(super) page: Option<PageTable>,
    /// How the connection ends instead of an answer.
    pub(super) cut: Option<CutName>,
    /// The server's event stream breaks off.
    pub(super) truncate: Option<TruncateTable>,
    /// The server's event stream ends in an error.
    pub(super) stream_error: Option<StreamErrorTable>,
    /// The pause before each event of the server's stream, such as `100ms`.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) slow: Option<Spanned<String>>,
    /// How a token request ends.
    pub(super) token: Option<TokenName>,
    /// A token request is granted on these terms, whatever it brings.
    #[cfg_attr(test, schemars(with = "Option<GrantedTable>"))]
    pub(super) granted: Option<Spanned<GrantedTable>>,
    /// The server serves the request whatever its credential.
    pub(super) accept: Option<bool>,
    /// The server answers.
    pub(super) pass: Option<bool>,
}

/// Which requests.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct WhenTable {
    /// The method.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) method: Option<Spanned<String>>,
    /// The host.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) host: Option<Spanned<String>>,
    /// The path, without the query; `*` at the end stands for any rest.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) path: Option<Spanned<String>>,
    /// What a token request asks for.
    pub(super) grant: Option<GrantName>,
    /// The kind of the credential in the header fields.
    pub(super) credential: Option<CredentialName>,
    /// How many times this credential has come to this path: `3`, `2..`, `2..4`.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) attempt: Option<Spanned<String>>,
    /// How long after the first request: `30s..`, `..30s`.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) elapsed: Option<Spanned<String>>,
    /// The state that another rule began; `start` at the beginning.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) state: Option<Spanned<String>>,
}

/// What a token request asks for.
#[derive(Debug, Clone, Copy, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) enum GrantName {
    /// A refresh token for new tokens.
    RefreshToken,
    /// A login's code for tokens.
    AuthorizationCode,
}

/// A kind of credential.
#[derive(Debug, Clone, Copy, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) enum CredentialName {
    /// An OAuth access token.
    OauthAccess,
    /// An API key.
    ApiKey,
}

/// An answer.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct AnswerTable {
    /// The status code.
    #[cfg_attr(test, schemars(with = "u16"))]
    pub(super) status: Spanned<u16>,
    /// `error.type`.
    #[serde(rename = "type")]
    pub(super) kind: Option<String>,
    /// `error.message`.
    pub(super) message: Option<String>,
    /// The shape of the error.
    #[serde(default)]
    pub(super) shape: ShapeName,
    /// Where its request id shows.
    #[serde(default)]
    pub(super) request_id: RequestIdName,
    /// The body, instead of an error.
    pub(super) body: Option<String>,
    /// The type of that body.
    pub(super) content_type: Option<String>,
    /// Further header fields.
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
}

/// The shape of an error.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) enum ShapeName {
    /// `{"type":"error","error":{…}}`.
    #[default]
    Api,
    /// `{"error":{…}}`.
    Bare,
    /// `{"error": "…", "error_description": "…"}`.
    Oauth,
}

/// Where a request id shows.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) enum RequestIdName {
    /// In the header field and in the body.
    #[default]
    Present,
    /// `null` in the body.
    Null,
    /// Nowhere.
    Missing,
}

/// A page of the edge.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct PageTable {
    /// The status code.
    #[cfg_attr(test, schemars(with = "u16"))]
    pub(super) status: Spanned<u16>,
    /// Its title.
    pub(super) title: String,
    /// Whether it says that it is a challenge.
    #[serde(default)]
    pub(super) challenge: bool,
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) enum CutName {
    /// With FIN.
    Close,
    /// With RST.
    Reset,
}

/// A stream that breaks off.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct TruncateTable {
    /// Behind so many events.
    pub(super) events: usize,
    /// How.
    pub(super) cut: CutName,
}

/// A stream that ends in an error.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct StreamErrorTable {
    /// Behind so many events.
    pub(super) events: usize,
    /// `error.type`.
    #[serde(rename = "type")]
    pub(super) kind: String,
    /// `error.message`.
    pub(super) message: String,
}

/// How a token request ends.
#[derive(Debug, Clone, Copy, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) enum TokenName {
    /// 400 `invalid_grant`.
    InvalidGrant,
    /// Granted, and the answer never arrives: the connection is reset.
    Lost,
}

/// What a token request is given.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct GrantedTable {
    /// How long the access token is good, such as `8h`.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) lifetime: Option<Spanned<String>>,
    /// Whether there is a new refresh token with it.
    #[serde(default)]
    pub(super) rotation: Rotation,
    /// Whether the access token is taken anywhere.
    #[serde(default)]
    pub(super) new_tokens: NewTokens,
}
