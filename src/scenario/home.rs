//! The files in a client's home that make it what a scenario wants it to be.

use super::client::Client;
use crate::fake::{Handed, McpServer};
use serde_json::{Value, json};
use std::path::Path;

/// A file to be written, for its owner alone.
#[derive(Clone, PartialEq, Eq)]
pub struct HomeFile {
    /// Its place below the home.
    pub path: &'static str,
    /// What is in it. There may be a credential, made up.
    pub text: String,
}

/// The files for a client that is handed this: its credentials file, its settings, its key helper. `home` is where they
/// will be.
#[must_use]
pub fn home_files(client: &Client, handed: &Handed, home: &Path) -> Vec<HomeFile> {
    let mut files = Vec::new();
    match handed {
        Handed::Nothing | Handed::Variable(..) => {}
        Handed::File(login) => {
            files.push(HomeFile { path: ".claude/.credentials.json", text: login.credentials_file() });
        }
        Handed::Helper(values) => files.extend(helper(values, home)),
    }
    files.push(state(client.mcp.as_ref()));
    files
}

/// What the client has noted at earlier starts: its first questions are answered; and the MCP server.
fn state(server: Option<&McpServer>) -> HomeFile {
    let mut state = json!({"hasCompletedOnboarding": true, "theme": "dark"});
    if let Some(server) = server {
        state["mcpServers"] = json!({"fake": mcp(server)});
    }
    HomeFile { path: ".claude.json", text: state.to_string() }
}

/// A script that gives the values in turn, and the last one for ever.
fn helper(values: &[String], home: &Path) -> [HomeFile; 3] {
    let place = |name: &str| quoted(&home.join(name).to_string_lossy());
    let (keys, script) = (place(".claude/keys"), place(".claude/helper.sh"));
    let text = format!("head -n 1 {keys}\nif [ \"$(wc -l < {keys})\" -gt 1 ]; then sed -i.old 1d {keys}; fi\n");
    let settings = json!({"apiKeyHelper": format!("sh {script}")});
    [
        HomeFile { path: ".claude/keys", text: values.iter().map(|value| format!("{value}\n")).collect() },
        HomeFile { path: ".claude/helper.sh", text },
        HomeFile { path: ".claude/settings.json", text: settings.to_string() },
    ]
}

fn mcp(server: &McpServer) -> Value {
    let mut entry = json!({"type": "http", "url": server.url});
    if let (Some(token), Some(fields)) = (&server.token, entry.as_object_mut()) {
        fields.insert("headers".to_owned(), json!({"Authorization": format!("Bearer {token}")}));
    }
    entry
}

/// One word for a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
