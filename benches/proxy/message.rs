//! The bytes that are sent: a request with the head that Claude Code sends, and the answers to it. All made up.

/// The host that every party believes to reach.
pub(crate) const HOST: &str = "api.anthropic.com";
/// Bytes of a usual answer's body.
pub(crate) const ANSWER: usize = 2_048;
/// Bytes of a large body.
pub(crate) const LARGE: usize = 64 * 1024 * 1024;
/// Time between two events of one stream, in milliseconds.
pub(crate) const EVENT_PAUSE: u64 = 50;

const TOKEN: &str =
    "sk-ant-oat01-FAKE0bench0token0made0up0aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-FAKEAAA";

/// What a request asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// A message of 2 KiB, answered in one piece.
    Message,
    /// As many events as wanted, with pauses.
    Stream(usize),
    /// As many events as wanted, one behind the other.
    Burst(usize),
    /// A large body down.
    Down,
    /// A large body up.
    Up,
}

/// The head of a request and its body; the body of [`Ask::Up`] is left to the caller.
pub(crate) fn request(ask: Ask) -> Vec<u8> {
    let (method, path, length) = match ask {
        Ask::Message | Ask::Stream(_) | Ask::Burst(_) => ("POST", "/v1/messages?beta=true", ANSWER),
        Ask::Down => ("GET", "/v1/files/file_011CFAKE0made0up/content", 0),
        Ask::Up => ("POST", "/v1/files", LARGE),
    };
    let accept = if matches!(ask, Ask::Stream(_) | Ask::Burst(_)) { "text/event-stream" } else { "application/json" };
    let events = if let Ask::Stream(events) | Ask::Burst(events) = ask { events } else { 0 };
    let pause = if matches!(ask, Ask::Burst(_)) { 0 } else { EVENT_PAUSE };
    let head = format!(
        "{method} {path} HTTP/1.1\r\n\
         Accept: {accept}\r\n\
         Authorization: Bearer {TOKEN}\r\n\
         Content-Type: application/json\r\n\
         User-Agent: claude-cli/2.1.328 (external, cli)\r\n\
         X-Claude-Code-Session-Id: 5b7f2c1e-0d5c-4f0f-9f52-6a3f0fa4e001\r\n\
         X-Stainless-Arch: x64\r\n\
         X-Stainless-Lang: js\r\n\
         X-Stainless-OS: Linux\r\n\
         X-Stainless-Package-Version: 0.128.0\r\n\
         X-Stainless-Retry-Count: 0\r\n\
         X-Stainless-Runtime: node\r\n\
         X-Stainless-Runtime-Version: v24.3.0\r\n\
         X-Stainless-Timeout: 600\r\n\
         anthropic-beta: claude-code-20250219,oauth-2025-04-20,interleaved-thinking-2025-05-14\r\n\
         anthropic-dangerous-direct-browser-access: true\r\n\
         anthropic-version: 2023-06-01\r\n\
         x-app: cli\r\n\
         x-claude-code-prompt-id: 0c7e9f10-8a39-4a77-8f5e-b9df1c2de002\r\n\
         x-claude-code-request-class: main\r\n\
         x-client-request-id: 7d3a1c5b-52d4-44fb-9a5a-1f0e2b3c4003\r\n\
         x-bench-events: {events}\r\n\
         x-bench-pause: {pause}\r\n\
         Connection: keep-alive\r\n\
         Host: {HOST}\r\n\
         Accept-Encoding: gzip, deflate, br, zstd\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    let mut bytes = head.into_bytes();
    if matches!(ask, Ask::Message | Ask::Stream(_) | Ask::Burst(_)) {
        bytes.extend_from_slice(&json_body(
            r#"{"model":"claude-sonnet-4-5","max_tokens":512,"messages":[{"role":"user","content":""#,
            r#""}]}"#,
        ));
    }
    bytes
}

/// The head of an answer with a body of that many bytes.
pub(crate) fn answer_head(kind: &str, length: Option<usize>) -> Vec<u8> {
    let framing = match length {
        Some(length) => format!("Content-Length: {length}"),
        None => "Transfer-Encoding: chunked".to_owned(),
    };
    format!(
        "HTTP/1.1 200 OK\r\n\
         Date: Sun, 01 Jun 2025 12:00:00 GMT\r\n\
         Content-Type: {kind}\r\n\
         {framing}\r\n\
         Connection: keep-alive\r\n\
         anthropic-ratelimit-unified-status: allowed\r\n\
         anthropic-ratelimit-unified-reset: 1748782800\r\n\
         anthropic-organization-id: 11111111-2222-4333-8444-555555555004\r\n\
         request-id: req_011CFAKEmadeUpForTheBench\r\n\
         strict-transport-security: max-age=31536000; includeSubDomains; preload\r\n\
         Server: cloudflare\r\n\
         cf-cache-status: DYNAMIC\r\n\
         CF-RAY: 948e3f0a1b2c3d4e-FRA\r\n\
         x-robots-tag: none\r\n\r\n"
    )
    .into_bytes()
}

/// The usual answer, whole.
pub(crate) fn answer() -> Vec<u8> {
    let mut bytes = answer_head("application/json", Some(ANSWER));
    bytes.extend_from_slice(&json_body(
        r#"{"id":"msg_01FAKE","type":"message","role":"assistant","model":"claude-sonnet-4-5","content":[{"type":"text","text":""#,
        r#""}],"stop_reason":"end_turn"}"#,
    ));
    bytes
}

/// One event in one chunk; its text ends in the nanoseconds since the epoch at which it was made.
pub(crate) fn event(now: u128) -> Vec<u8> {
    let event = format!(
        "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"made up@{now:020}\"}}}}\n\n"
    );
    format!("{:x}\r\n{event}\r\n", event.len()).into_bytes()
}

/// The end of a chunked body.
pub(crate) const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// A body of [`ANSWER`] bytes.
fn json_body(before: &str, after: &str) -> Vec<u8> {
    let filling = "made up ".bytes().cycle().take(ANSWER - before.len() - after.len());
    before.bytes().chain(filling).chain(after.bytes()).collect()
}

/// Where a head ends, and the value of its `Content-Length`.
pub(crate) fn head_end(bytes: &[u8]) -> Option<(usize, usize)> {
    let end = memchr::memmem::find(bytes, b"\r\n\r\n")? + 4;
    let head = bytes.get(..end)?;
    let length = number_after(head, b"Content-Length: ").unwrap_or(0);
    Some((end, length))
}

/// The decimal number behind `name`.
pub(crate) fn number_after(head: &[u8], name: &[u8]) -> Option<usize> {
    let at = memchr::memmem::find(head, name)? + name.len();
    let digits = head.get(at..)?.iter().take_while(|byte| byte.is_ascii_digit());
    Some(digits.fold(0, |number, digit| number * 10 + usize::from(digit - b'0')))
}
