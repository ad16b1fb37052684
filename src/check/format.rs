//! The file as it is written: tables and keys, with the place of each value.

use serde::Deserialize;
use toml::Spanned;

/// Expectations about an auth flow.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// The version of this format: 1.
    #[cfg_attr(test, schemars(with = "u32"))]
    pub(super) format: Option<Spanned<u32>>,
    /// The exit code of the command, or `any`; 0 if nothing is said.
    #[cfg_attr(test, schemars(with = "Option<ExitCodeValue>"))]
    pub(super) exit_code: Option<Spanned<ExitCodeValue>>,
    /// At most so many requests without an answer.
    #[cfg_attr(test, schemars(with = "Option<u64>"))]
    pub(super) unanswered: Option<Spanned<u64>>,
    /// Whether a trace in which no credential was used is good, too.
    #[serde(default)]
    pub(super) allow_empty: bool,
    /// Hosts whose traffic may pass unread: `github.com`, `*.github.com`, `*`.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<String>"))]
    pub(super) unread_hosts: Vec<Spanned<String>>,
    /// Upper bounds.
    #[serde(default)]
    pub(super) limits: LimitsTable,
    /// What may be found, and what not.
    #[serde(default)]
    pub(super) findings: FindingsTable,
    /// Where credentials may be sent, by their kind.
    #[serde(default)]
    pub(super) hosts: HostsTable,
    /// Exchanges in an order.
    #[serde(default, rename = "flow")]
    #[cfg_attr(test, schemars(with = "Vec<FlowTable>"))]
    pub(super) flows: Vec<Spanned<FlowTable>>,
}

/// An exit code.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "an exit code is a number from 0 to 255, or \"any\"")]
pub(super) enum ExitCodeValue {
    /// This one.
    Code(i32),
    /// `any`.
    Word(String),
}

/// Upper bounds of what is counted in the whole trace.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct LimitsTable {
    /// Refusals for a reason of authentication (401, 403, 407, or an error that says so), telemetry aside.
    #[cfg_attr(test, schemars(with = "Option<u64>"))]
    pub(super) auth_failures: Option<Spanned<u64>>,
    /// Requests that exchange a refresh token.
    #[cfg_attr(test, schemars(with = "Option<u64>"))]
    pub(super) refreshes: Option<Spanned<u64>>,
    /// Requests.
    #[cfg_attr(test, schemars(with = "Option<u64>"))]
    pub(super) requests: Option<Spanned<u64>>,
    /// The same request (method, host, path) with the same credential after that was refused, telemetry aside.
    #[cfg_attr(test, schemars(with = "Option<u64>"))]
    pub(super) retries_per_credential: Option<Spanned<u64>>,
    /// From the first request to the last answer.
    #[cfg_attr(test, schemars(with = "Option<u64>"))]
    pub(super) seconds: Option<Spanned<u64>>,
}

/// What may be found, and what not; codes are those of `authtrace explain`.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct FindingsTable {
    /// None of these; `auth-failure` stands for every failure.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<FindingValue>"))]
    pub(super) deny: Vec<Spanned<FindingValue>>,
    /// Of the failures none but these.
    #[cfg_attr(test, schemars(with = "Option<Vec<String>>"))]
    pub(super) allow: Option<Spanned<Vec<Spanned<String>>>>,
    /// All of these.
    #[serde(default)]
    #[cfg_attr(test, schemars(with = "Vec<FindingValue>"))]
    pub(super) require: Vec<Spanned<FindingValue>>,
    /// Findings that are less sure are overlooked, unless an entry says otherwise.
    pub(super) confidence: Option<ConfidenceName>,
}

/// A finding by its code, and how sure it has to be.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "a code such as \"refresh-race\", or { code = \"…\", confidence = \"high\" }")]
pub(super) enum FindingValue {
    /// The code.
    Code(String),
    /// The code and more.
    Table(FindingTable),
}

/// A finding by its code, and how sure it has to be.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct FindingTable {
    /// The code.
    pub(super) code: String,
    /// How sure it is at least.
    pub(super) confidence: ConfidenceName,
}

/// How sure a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub(super) enum ConfidenceName {
    /// A guess.
    Low,
    /// Something speaks for it.
    Medium,
    /// The trace settles it.
    High,
}

/// Hosts that credentials of a kind may be sent to: `api.anthropic.com`, `*.anthropic.com`, `*`.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct HostsTable {
    /// Of every kind that is not listed.
    #[cfg_attr(test, schemars(with = "Option<Vec<String>>"))]
    pub(super) any: Option<Hosts>,
    /// Access tokens of a login.
    #[cfg_attr(test, schemars(with = "Option<Vec<String>>"))]
    pub(super) oauth_access: Option<Hosts>,
    /// Refresh tokens.
    #[cfg_attr(test, schemars(with = "Option<Vec<String>>"))]
    pub(super) oauth_refresh: Option<Hosts>,
    /// Authorization codes of a login.
    #[cfg_attr(test, schemars(with = "Option<Vec<String>>"))]
    pub(super) oauth_code: Option<Hosts>,
    /// API keys.
    #[cfg_attr(test, schemars(with = "Option<Vec<String>>"))]
    pub(super) api_key: Option<Hosts>,
    /// Administration keys.
    #[cfg_attr(test, schemars(with = "Option<Vec<String>>"))]
    pub(super) admin_key: Option<Hosts>,
    /// Browser sessions.
    #[cfg_attr(test, schemars(with = "Option<Vec<String>>"))]
    pub(super) session_cookie: Option<Hosts>,
    /// JSON web tokens.
    #[cfg_attr(test, schemars(with = "Option<Vec<String>>"))]
    pub(super) jwt: Option<Hosts>,
    /// User and password.
    #[cfg_attr(test, schemars(with = "Option<Vec<String>>"))]
    pub(super) basic: Option<Hosts>,
    /// Credentials of no known shape.
    #[cfg_attr(test, schemars(with = "Option<Vec<String>>"))]
    pub(super) unknown: Option<Hosts>,
}

/// Hosts with their places.
pub(super) type Hosts = Spanned<Vec<Spanned<String>>>;

/// Exchanges in an order.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct FlowTable {
    /// What it shows, in a few words.
    pub(super) name: Option<String>,
    /// The steps, each taken by the first exchange behind the step before it that fits.
    #[serde(default, rename = "step")]
    #[cfg_attr(test, schemars(with = "Vec<StepTable>"))]
    pub(super) steps: Vec<Spanned<StepTable>>,
}

/// What an exchange has to be like; what is not said does not matter.
#[derive(Debug, Default, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub(super) struct StepTable {
    /// What other steps call it.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) name: Option<Spanned<String>>,
    /// The method.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) method: Option<Spanned<String>>,
    /// The host: `api.anthropic.com`, `*.anthropic.com`.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) host: Option<Spanned<String>>,
    /// The path without its query; a star stands for any characters.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) path: Option<Spanned<String>>,
    /// What a token request asks for.
    #[cfg_attr(test, schemars(with = "Option<GrantName>"))]
    pub(super) grant: Option<Spanned<GrantName>>,
    /// A header field that the request has, or several.
    #[cfg_attr(test, schemars(with = "Option<Words>"))]
    pub(super) header: Option<Spanned<Words>>,
    /// `$name`: the same wherever the name stands in the flow; the first use binds it. `none`: no credential.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) credential: Option<Spanned<String>>,
    /// The kind of the credential: `oauth-access`, `oauth-refresh`, `api-key` …
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) kind: Option<Spanned<String>>,
    /// A variable that the credential is not, or several.
    #[cfg_attr(test, schemars(with = "Option<Words>"))]
    pub(super) not: Option<Spanned<Words>>,
    /// The name of the step whose answer issued the credential.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) issued_by: Option<Spanned<String>>,
    /// The status of the answer: 401, `2xx`, `none` for no answer, or a list of these.
    #[cfg_attr(test, schemars(with = "Option<StatusValue>"))]
    pub(super) status: Option<Spanned<StatusValue>>,
    /// The type of the error in the answer, such as `authentication_error` or `invalid_grant`.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) error: Option<Spanned<String>>,
    /// How many exchanges take it before the next step is taken: 2, `2..4`, `2..`. Nothing said: one, and more do not matter.
    #[cfg_attr(test, schemars(with = "Option<RepeatValue>"))]
    pub(super) repeat: Option<Spanned<RepeatValue>>,
    /// At most so long after the end of the exchange before, such as `30s`.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) within: Option<Spanned<String>>,
    /// At least so long after the end of the exchange before.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub(super) at_least: Option<Spanned<String>>,
    /// No exchange between the steps beside it is like this.
    #[cfg_attr(test, schemars(with = "Option<bool>"))]
    pub(super) absent: Option<Spanned<bool>>,
    /// Steps in any order; nothing else stands beside it.
    #[cfg_attr(test, schemars(with = "Option<Vec<StepTable>>"))]
    pub(super) any_order: Option<Spanned<Vec<Spanned<StepTable>>>>,
}

/// What a token request asks for (RFC 6749 §4.1.3, §6).
#[derive(Debug, Clone, Copy, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub(super) enum GrantName {
    /// New tokens for a refresh token.
    RefreshToken,
    /// Tokens for the code of a login.
    AuthorizationCode,
}

/// One word or several.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "a text, or a list of texts")]
pub(super) enum Words {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

impl Words {
    pub(super) fn all(&self) -> &[String] {
        match self {
            Self::One(word) => std::slice::from_ref(word),
            Self::Several(words) => words,
        }
    }
}

/// One status or several.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(
    untagged,
    expecting = "a status is a number such as 401, a class such as \"2xx\", \"none\", or a list of these"
)]
pub(super) enum StatusValue {
    /// A number.
    Number(u16),
    /// A class, or none.
    Text(String),
    /// Several.
    List(Vec<OneStatus>),
}

/// One status.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "a status is a number such as 401, or a class such as \"2xx\"")]
pub(super) enum OneStatus {
    /// A number.
    Number(u16),
    /// A class, or none.
    Text(String),
}

/// How many.
#[derive(Debug, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(untagged, expecting = "how many is a number, or a range such as \"2..4\" or \"2..\"")]
pub(super) enum RepeatValue {
    /// Exactly so many.
    Number(u32),
    /// A range.
    Range(String),
}
