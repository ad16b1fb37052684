//! Made-up credentials in every line of a log that is understood, and in those that are not: none is shown.

use super::super::support::program::{Home, assert_without};
use super::{data, log as log_of, report};

/// Lines with a place for a value. Of some the value makes what is read of them; of others it only stands by.
const LINES: &[&str] = &[
    "[API REQUEST] /v1/messages x-client-request-id=@ source=sdk",
    "[API REQUEST] /v1/@ x-client-request-id=adfb6487-ec19-4a23-b8e9-096e66c94533 source=@",
    "[API REQUEST] /v1/messages?token=@ source=@",
    "[API REQUEST AUTH] Bearer @",
    "API error (attempt 1/3): 401 401 {\"type\":\"error\",\"error\":{\"type\":\"@\",\"message\":\"token @ is bad\"},\"request_id\":\"@\"}",
    "API error (attempt 2/3): @",
    "API error (attempt 3/3): 403 <html>@</html>",
    "API error (attempt @/@): 401",
    "API error: Headers.append: \"Bearer @\" is an invalid header value",
    "API error x-client-request-id=@ (give this to the API team)",
    "API auth_error: @",
    "Error in API request: {\"error\":\"@\",\"error_description\":\"@\"}",
    "Error in API request: 401 @",
    "Connection error details: code=@, message=@",
    "Error streaming, falling back to non-streaming mode: {\"error\":{\"message\":\"@\",\"type\":\"@\"},\"type\":\"error\"}",
    "OAuth refresh failed (expected): @",
    "OAuth token refresh failed: {\"error\":\"invalid_grant\",\"refresh_token\":\"@\"}",
    "OAuth refresh lock @ compromised: @",
    "OAuth 401: keeping the user-supplied CLAUDE_CODE_OAUTH_TOKEN=@",
    "Failed to fetch oauth profile from OAuth token: Bearer @ Request failed with status code 401",
    "Remote settings: Fetch failed (@) and no cached settings",
    "Policy limits: fetch failed (http) from api.anthropic.com — @",
    "apiKeyHelper failed: @",
    "CA certs: stores=@,system, extraCertsPath=/home/@/authtrace-1/@.pem",
    "CA certs: Loaded @ bundled root certificates",
    "CA certs: Loaded 12 @ root certificates",
    "CA certs: Appended extra certificates from NODE_EXTRA_CA_CERTS (@)",
    "CA certs: The proxy answered CONNECT with @",
    "[proxy] http://user:@@proxy.example:8080 refused",
    "[main:token] Refreshing token for sessionId=@: new token prefix=@",
    "session_id=@",
    "an unknown line with @ in it",
];

const VALUES: &[&str] = &[
    "sk-ant-oat01-FAKEaccess0123456789abcdefghijklmnopqrstuvwxyzABCDEF-canary1",
    "sk-ant-ort01-FAKErefresh0123456789abcdefghijklmnopqrstuvwxyzABCDE-canary2",
    "sk-ant-api03-FAKEapikey0123456789abcdefghijklmnopqrstuvwxyzABCDEF-canary3",
    "eyJhbGciOiJGQUtFIn0.eyJzdWIiOiJGQUtFY2FuYXJ5NCJ9.RkFLRXNpZ25hdHVyZWNhbmFyeTQ",
    "FAKEhunter2canary5Zx81",
];

#[test]
fn no_credential_of_a_log_is_shown() {
    let mut text = String::new();
    for value in VALUES {
        for line in LINES {
            for level in ["DEBUG", "ERROR"] {
                text.push_str(&format!("2026-11-21T15:25:50.100Z [{level}] {}\n", line.replace('@', value)));
            }
        }
        text.push_str(&format!(
            "a continued line with {value}\n2026-11-21T15:25:50.100Z [{value}] x\n{value} [DEBUG] x\n"
        ));
    }
    let home = Home::new();
    let log = home.write("work/debug.log", &text);
    let secrets: Vec<String> = VALUES.iter().map(|value| (*value).to_owned()).collect();
    // Most of them are lines that are read, or the test would show little.
    let read = log_of(&text);
    assert_eq!((read.lines, read.continued), (335, 10));
    assert!(read.understood > 200, "{}", read.understood);
    for format in ["text", "md", "json"] {
        let shown = report(&data("2.1.328-ok.jsonl"), &log, format);
        assert_without(&shown, &secrets, format);
        assert!(!shown.contains("FAKE") && !shown.contains("RkFLR") && !shown.contains("canary"), "{shown}");
    }
}
