//! Auth flows in tests of your own: copy this file to `tests/auth.rs`, and put your tool where `ask` is.
//!
//! `cargo run --example rust_test` shows one of the flows.

use authtrace::harness::Harness;
use std::io::{self, Write as _};

/// What the flow has to be like. It can stand in a file, too: `observed.check_file("auth.toml")?.assert_held()`.
#[cfg(test)]
const CONTRACT: &str = r#"
format = 1

[limits]
refreshes = 1
retries_per_credential = 0

[hosts]
any = ["*.anthropic.com", "platform.claude.com"]

[[flow]]
name = "a refused token is renewed once, and the message is asked again"
step = [
  { path = "/v1/messages", status = 401, credential = "$old" },
  { name = "refresh", grant = "refresh-token", status = 200, repeat = 1 },
  { path = "/v1/messages", status = 200, credential = "$new", not = "$old", issued_by = "refresh" },
]
"#;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let harness = Harness::start("fresh-token-rejected").await?;
    harness.play().await?;
    let observed = harness.finish().await?;
    for exchange in observed.exchanges() {
        let status = exchange.status().map_or_else(|| "none".to_owned(), |status| status.to_string());
        writeln!(io::stdout(), "{} {} {status}", exchange.method(), exchange.request.path)?;
    }
    let verdict = observed.verdict();
    writeln!(io::stdout(), "{}: {}", verdict.code, verdict.summary)?;
    Ok(())
}

/// Stands for your tool: sends one message to the API at this address, with this key, and gives the status.
#[cfg(test)]
fn ask(base_url: &str, key: &str) -> io::Result<u16> {
    let host = base_url.trim_start_matches("http://");
    let body = r#"{"model":"claude-sonnet-4-5","max_tokens":1,"messages":[{"role":"user","content":"hi"}]}"#;
    let mut stream = std::net::TcpStream::connect(host)?;
    write!(
        stream,
        "POST /v1/messages HTTP/1.1\r\nhost: {host}\r\nx-api-key: {key}\r\nanthropic-version: 2023-06-01\r\n\
         content-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )?;
    let answer = io::read_to_string(stream)?;
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| io::Error::other("no HTTP answer"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use authtrace::harness::{Change, HarnessError, blocking};

    #[tokio::test]
    async fn an_expired_token_is_refreshed_exactly_once() -> Result<(), HarnessError> {
        let harness = Harness::start("expired-then-refreshed").await?;
        // A command of your own instead of the built-in client:
        // harness.run(harness.command("my-tool").arg("hi"), Duration::from_secs(60)).await?;
        harness.play().await?;
        harness.finish().await?.assert(CONTRACT);
        Ok(())
    }

    #[tokio::test]
    async fn a_login_that_ends_while_the_tool_runs_is_no_loop() -> Result<(), HarnessError> {
        let harness = Harness::start("healthy").await?;
        harness.play().await?;
        harness.change(&Change::LogOut);
        harness.play().await?;
        let observed = harness.finish().await?;
        let refused: Vec<_> = observed.exchanges().iter().filter(|one| one.is_auth_failure()).collect();
        assert!((1..=4).contains(&refused.len()), "{}", observed.report());
        Ok(())
    }

    /// Without async, in this process, for a tool that is told where the API is.
    #[test]
    fn a_key_that_is_refused_is_sent_once_and_nowhere_else() -> Result<(), Box<dyn std::error::Error>> {
        let harness = blocking::Harness::start("api-key-invalid")?;
        assert_eq!(ask(&harness.base_url(), "sk-ant-api03-FAKE-of-the-test")?, 401);
        let observed = harness.finish()?;
        let [message] = observed.exchanges() else { return Err("one request was expected".into()) };
        assert_eq!((message.path(), message.error_type()), ("/v1/messages", Some("authentication_error")));
        observed.assert("format = 1\n[limits]\nauth_failures = 1\n[hosts]\napi-key = [\"api.anthropic.com\"]\n");
        Ok(())
    }
}
