//! A scenario in a few lines, for a person.

use super::client::Client;
use super::read::Scenario;
use super::{Against, Given};
use crate::fake::Task;
use crate::place::plain;
use std::fmt::Write;

/// Title, what it is about, what the client is given, how many rules and events there are.
#[must_use]
pub fn describe(scenario: &Scenario) -> String {
    let mut text = String::new();
    let name = scenario.code.map_or("a scenario without a verdict", |code| code.as_str());
    // Writing to a string does not fail.
    let _ = writeln!(text, "{name}: {}", plain(&scenario.title));
    if let Some(about) = &scenario.about {
        let _ = writeln!(text, "\n{}", about.trim());
    }
    let against = match scenario.against {
        Against::Fake => format!("the fake Anthropic; the client is given {}", given(&scenario.client)),
        Against::Live => "the real servers; what a rule answers is marked as authtrace's own".to_owned(),
    };
    let _ = writeln!(text, "\nagainst  {against}");
    if scenario.client.tasks != [Task::Message] {
        let _ = writeln!(text, "does     {}", does(&scenario.client.tasks));
    }
    let (rules, events) = (scenario.script.rules.len(), scenario.events.len());
    let _ = writeln!(text, "rules    {rules}");
    if events > 0 {
        let _ = writeln!(text, "events   {events}");
    }
    // A file may come from anybody: nothing of it steers the terminal.
    text.lines().map(|line| plain(line) + "\n").collect()
}

fn given(client: &Client) -> String {
    let what = match client.login {
        Given::None => "no login",
        Given::File => "a login file",
        Given::OauthToken => "CLAUDE_CODE_OAUTH_TOKEN",
        Given::ApiKey => "ANTHROPIC_API_KEY",
        Given::AuthToken => "ANTHROPIC_AUTH_TOKEN",
        Given::Helper => "an apiKeyHelper",
    };
    let state = match (client.login, client.expires_in, client.issued) {
        (Given::None, ..) => "",
        (_, _, false) => " that the server has never issued",
        (Given::File, ..=0, _) => " whose access token has run out",
        _ => "",
    };
    let mut text = format!("{what}{state}");
    if client.stale > 0 {
        let keys = if client.stale == 1 { "a key that is" } else { "keys that are" };
        let _ = write!(text, " that gives {keys} no longer good {} first", times(client.stale));
    }
    if !client.renewable {
        text.push_str(", without a refresh token");
    }
    let names: Vec<&str> = client.variables.keys().map(String::as_str).collect();
    if !names.is_empty() {
        let _ = write!(text, ", and {}", names.join(", "));
    }
    if let Some(server) = &client.mcp {
        let _ = write!(text, ", and the MCP server {}", server.url);
    }
    match (client.processes, client.shared_home) {
        (1, _) => {}
        (several, true) => {
            let _ = write!(text, "; {several} clients with one home");
        }
        (several, false) => {
            let _ = write!(text, "; {several} clients with a copy each");
        }
    }
    if !client.trusts_proxy {
        text.push_str("; it does not trust the certificate that it is shown");
    }
    text
}

fn times(count: u32) -> String {
    match count {
        1 => "once".to_owned(),
        several => format!("{several} times"),
    }
}

fn does(tasks: &[Task]) -> String {
    let commands = tasks.iter().map(|task| match task {
        Task::Message => "claude -p",
        Task::Login => "claude auth login",
        Task::LostLogin => "claude auth login, in vain",
    });
    commands.collect::<Vec<_>>().join(", then ")
}
