//! A scenario in a few lines, for a person.

use super::read::{Client, Scenario};
use super::{Against, Given};
use std::fmt::Write;

/// Title, what it is about, what the client is given, how many rules and events there are.
#[must_use]
pub fn describe(scenario: &Scenario) -> String {
    let mut text = String::new();
    let name = scenario.code.map_or("a scenario without a verdict", |code| code.as_str());
    // Writing to a string does not fail.
    let _ = writeln!(text, "{name}: {}", scenario.title);
    if let Some(about) = &scenario.about {
        let _ = writeln!(text, "\n{}", about.trim());
    }
    let against = match scenario.against {
        Against::Fake => format!("the fake Anthropic; the client is given {}", given(&scenario.client)),
        Against::Live => "the real servers; what a rule answers is marked as authtrace's own".to_owned(),
    };
    let _ = writeln!(text, "\nagainst  {against}");
    let (rules, events) = (scenario.script.rules.len(), scenario.events.len());
    let _ = writeln!(text, "rules    {rules}");
    if events > 0 {
        let _ = writeln!(text, "events   {events}");
    }
    text
}

fn given(client: &Client) -> String {
    let what = match client.login {
        Given::None => return "no login".to_owned(),
        Given::File => "a login file",
        Given::OauthToken => "CLAUDE_CODE_OAUTH_TOKEN",
        Given::ApiKey => "ANTHROPIC_API_KEY",
        Given::AuthToken => "ANTHROPIC_AUTH_TOKEN",
    };
    let state = match (client.login, client.expires_in, client.issued) {
        (_, _, false) => " that the server has never issued",
        (Given::File, ..=0, _) => " whose access token has run out",
        _ => "",
    };
    match client.processes {
        1 => format!("{what}{state}"),
        several => format!("{what}{state}, {several} clients with a copy each"),
    }
}
