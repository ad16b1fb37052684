//! What a client is given, and what it is to do.

use super::model::Login;
use std::collections::BTreeMap;

/// What a client is handed to log in with.
#[derive(Clone)]
pub enum Handed {
    /// Nothing.
    Nothing,
    /// A login in its credentials file.
    File(Login),
    /// A variable, by name and value.
    Variable(&'static str, String),
    /// An `apiKeyHelper` that gives these values, one each time it is asked; the last one from then on.
    Helper(Vec<String>),
}

/// Something that a client does, one program start each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// Asks for one message, as `claude -p` does.
    Message,
    /// Logs in through a browser, as `claude auth login` does.
    Login,
    /// The same, and what the browser sends back never arrives: given up after a minute.
    LostLogin,
}

/// An MCP server that a client is set up with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct McpServer {
    /// Where it is: `https://…`.
    pub url: String,
    /// The bearer token it is sent; none: none.
    pub token: Option<String>,
}

/// A client, or several alike.
#[derive(Clone)]
pub struct ClientSetup {
    /// With what it logs in.
    pub handed: Handed,
    /// Variables of its environment besides.
    pub variables: BTreeMap<String, String>,
    /// So many at once.
    pub processes: u32,
    /// Whether they share one home, and the login in it; otherwise each has a copy.
    pub shares_home: bool,
    /// What it does, one after the other.
    pub tasks: Vec<Task>,
    /// The MCP server that it is set up with.
    pub mcp: Option<McpServer>,
    /// Whether it trusts the certificate of the proxy.
    pub trusts_proxy: bool,
}

impl ClientSetup {
    /// One client with this, which asks for one message.
    #[must_use]
    pub fn new(handed: Handed) -> Self {
        Self {
            handed,
            variables: BTreeMap::new(),
            processes: 1,
            shares_home: false,
            tasks: vec![Task::Message],
            mcp: None,
            trusts_proxy: true,
        }
    }

    /// A variable of its environment that says something.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        let handed = match &self.handed {
            Handed::Variable(known, value) if *known == name => Some(value),
            _ => None,
        };
        handed.or_else(|| self.variables.get(name)).map(|value| value.trim()).filter(|value| !value.is_empty())
    }
}
