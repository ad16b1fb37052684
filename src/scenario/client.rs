//! What a client is given: values, and how they are read.

use super::error::ScenarioError;
use super::format::{ClientTable, Given, McpTable, TaskName};
use super::read::Reader;
use crate::fake::{McpServer, Task};
use crate::policy::span;
use http::Uri;
use std::collections::BTreeMap;
use toml::Spanned;

/// What a client is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// With what it logs in.
    pub login: Given,
    /// When its access token ends, in seconds from the beginning; negative: it has ended.
    pub expires_in: i64,
    /// Whether the server has issued what it brings.
    pub issued: bool,
    /// What it brings instead of something made up for it.
    pub value: Option<String>,
    /// So many keys that are no longer good come from its helper first.
    pub stale: u32,
    /// Whether its credentials file has a refresh token.
    pub renewable: bool,
    /// Variables of its environment.
    pub variables: BTreeMap<String, String>,
    /// So many clients at once.
    pub processes: u32,
    /// Whether these share one home.
    pub shared_home: bool,
    /// What it does, one after the other.
    pub tasks: Vec<Task>,
    /// The MCP server that it is set up with.
    pub mcp: Option<McpServer>,
    /// Whether it trusts the certificate that authtrace shows it.
    pub trusts_proxy: bool,
}

/// The lifetime that a client's access token has if nothing is said, in seconds.
const EXPIRES_IN: i64 = 8 * 3_600;
/// So many clients, keys of a helper and tasks may be asked for.
const MOST: u32 = 16;
/// What every value of a credential in a scenario has to say.
const MADE_UP: &str = "FAKE";
/// How the names of variables end whose values are credentials.
const CREDENTIALS: [&str; 5] = ["_KEY", "_TOKEN", "_SECRET", "_PASSWORD", "_KEY_ID"];
/// Variables that would lead the client past authtrace or to somebody's own login.
const NOT_TO_BE_SET: [&str; 9] = [
    "HOME",
    "PATH",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "NODE_EXTRA_CA_CERTS",
    "SSL_CERT_FILE",
    "CLAUDE_CONFIG_DIR",
];

/// How the names of variables begin that a scenario may set. A file comes from a stranger: with LD_PRELOAD, NODE_OPTIONS or
/// BROWSER it would run what it likes.
const MAY_BE_SET: [&str; 11] = [
    "ANTHROPIC_",
    "CLAUDE_CODE_",
    "DISABLE_",
    "API_TIMEOUT_MS",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_BEARER_TOKEN_BEDROCK",
    "CLOUD_ML_REGION",
];
/// Parts of such names that lead to programs, files and sockets all the same.
const LEADS_OUT: [&str; 10] =
    ["SHELL", "PREFIX", "PATH", "_DIR", "_FILE", "SOCKET", "CERT", "HELPER", "COMMAND", "EXEC"];

impl Default for Client {
    fn default() -> Self {
        Self {
            login: Given::default(),
            expires_in: EXPIRES_IN,
            issued: true,
            value: None,
            stale: 0,
            renewable: true,
            variables: BTreeMap::new(),
            processes: 1,
            shared_home: false,
            tasks: vec![Task::Message],
            mcp: None,
            trusts_proxy: true,
        }
    }
}

impl Reader<'_> {
    pub(super) fn client(&self, table: ClientTable) -> Result<Client, ScenarioError> {
        if let Some(value) = &table.value {
            self.made_up(value)?;
            if matches!(table.login, Given::File | Given::None) {
                let logins = "\"oauth-token\", \"api-key\", \"auth-token\" or \"helper\"";
                return Err(self.at(value.span(), format!("goes with login = {logins}")));
            }
        }
        if let Some(stale) = table.stale.as_ref().filter(|_| table.login != Given::Helper) {
            return Err(self.at(stale.span(), "goes with login = \"helper\""));
        }
        if let Some(renewable) = table.renewable.as_ref().filter(|_| table.login != Given::File) {
            return Err(self.at(renewable.span(), "goes with login = \"file\""));
        }
        let processes = self.count(table.processes.as_ref(), 1)?.unwrap_or(1);
        if let Some(shared) = table.shared_home.as_ref().filter(|_| processes == 1) {
            return Err(
                self.at(shared.span(), "one client shares its home with nobody; goes with processes = 2 or more")
            );
        }
        Ok(Client {
            login: table.login,
            expires_in: self.parsed(table.expires_in.as_ref(), span::signed_seconds)?.unwrap_or(EXPIRES_IN),
            issued: table.issued.unwrap_or(table.value.is_none()),
            stale: self.count(table.stale.as_ref(), 0)?.unwrap_or(0),
            renewable: table.renewable.is_none_or(Spanned::into_inner),
            variables: self.variables(table.variables, table.login)?,
            processes,
            shared_home: table.shared_home.is_some_and(Spanned::into_inner),
            tasks: self.tasks(table.does)?,
            mcp: table.mcp.map(|mcp| self.mcp(mcp)).transpose()?,
            trusts_proxy: table.trusts_proxy.unwrap_or(true),
            value: table.value.map(Spanned::into_inner),
        })
    }

    fn made_up(&self, value: &Spanned<String>) -> Result<(), ScenarioError> {
        if value.get_ref().contains(MADE_UP) {
            return Ok(());
        }
        let error = self.at(value.span(), "a scenario holds no real credential: a made-up one says FAKE somewhere");
        Err(error.with_mistake_hidden())
    }

    fn count(&self, count: Option<&Spanned<u32>>, least: u32) -> Result<Option<u32>, ScenarioError> {
        match count {
            Some(count) if !(least..=MOST).contains(count.get_ref()) => {
                Err(self.at(count.span(), format!("from {least} to {MOST}")))
            }
            count => Ok(count.map(|count| *count.get_ref())),
        }
    }

    fn variables(
        &self,
        table: BTreeMap<String, Spanned<String>>,
        login: Given,
    ) -> Result<BTreeMap<String, String>, ScenarioError> {
        for (name, value) in &table {
            let upper = name.to_ascii_uppercase();
            if NOT_TO_BE_SET.contains(&upper.as_str()) {
                return Err(self.at(value.span(), format!("{name} is set by authtrace itself")));
            }
            let known = MAY_BE_SET.iter().any(|start| name.starts_with(start));
            if !known || LEADS_OUT.iter().any(|part| upper.contains(part)) {
                let message = format!(
                    "{name} is not for a scenario to set: it has ANTHROPIC_…, CLAUDE_CODE_… and DISABLE_… and the keys and \
                     regions of clouds, and none that names a program, a file or a socket"
                );
                return Err(self.at(value.span(), message));
            }
            if login.variable() == Some(name.as_str()) {
                return Err(self.at(value.span(), format!("{name} is what login gives; `value` says which")));
            }
            if CREDENTIALS.iter().any(|end| upper.ends_with(end)) {
                self.made_up(value)?;
            }
        }
        Ok(table.into_iter().map(|(name, value)| (name, value.into_inner())).collect())
    }

    fn tasks(&self, does: Option<Spanned<Vec<TaskName>>>) -> Result<Vec<Task>, ScenarioError> {
        let Some(does) = does else { return Ok(Client::default().tasks) };
        let span = does.span();
        let tasks: Vec<Task> = does.into_inner().into_iter().map(task_of).collect();
        if tasks.is_empty() || u32::try_from(tasks.len()).is_ok_and(|count| count > MOST) {
            return Err(self.at(span, format!("a client does from 1 to {MOST} things")));
        }
        Ok(tasks)
    }

    fn mcp(&self, table: McpTable) -> Result<McpServer, ScenarioError> {
        let url: Option<Uri> = table.url.get_ref().parse().ok();
        if url.is_none_or(|url| url.scheme_str() != Some("https") || url.host().is_none() || url.port().is_some()) {
            return Err(self.at(table.url.span(), "an https:// URL without a port is expected"));
        }
        if let Some(token) = &table.token {
            self.made_up(token)?;
        }
        Ok(McpServer { url: table.url.into_inner(), token: table.token.map(Spanned::into_inner) })
    }
}

impl Given {
    /// The variable that it is given in.
    pub(super) fn variable(self) -> Option<&'static str> {
        match self {
            Self::OauthToken => Some("CLAUDE_CODE_OAUTH_TOKEN"),
            Self::ApiKey => Some("ANTHROPIC_API_KEY"),
            Self::AuthToken => Some("ANTHROPIC_AUTH_TOKEN"),
            Self::File | Self::None | Self::Helper => None,
        }
    }
}

fn task_of(name: TaskName) -> Task {
    match name {
        TaskName::Message => Task::Message,
        TaskName::Login => Task::Login,
        TaskName::LostLogin => Task::LostLogin,
    }
}
