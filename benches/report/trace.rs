//! A large trace: a client at work for days, with the head fields that Claude Code and the API send.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

const START_MS: i64 = 1_790_000_000_000;
/// Exchanges between two refreshes.
const LIFETIME: u64 = 500;

const REQUEST_FIELDS: &str = r#"{"name":"Accept","value":"application/json"},{"name":"Content-Type","value":"application/json"},{"name":"User-Agent","value":"claude-cli/2.1.328 (external, sdk-cli)"},{"name":"X-Stainless-Arch","value":"x64"},{"name":"X-Stainless-Lang","value":"js"},{"name":"X-Stainless-OS","value":"Linux"},{"name":"X-Stainless-Package-Version","value":"0.128.0"},{"name":"X-Stainless-Retry-Count","value":"0"},{"name":"X-Stainless-Runtime","value":"node"},{"name":"X-Stainless-Timeout","value":"600"},{"name":"anthropic-beta","value":"claude-code-20250219,oauth-2025-04-20"},{"name":"anthropic-dangerous-direct-browser-access","value":"true"},{"name":"anthropic-version","value":"2023-06-01"},{"name":"x-app","value":"cli"},{"name":"Connection","value":"keep-alive"},{"name":"Host","value":"api.anthropic.com"},{"name":"Accept-Encoding","value":"gzip, deflate, br, zstd"}"#;

const ANSWER_FIELDS: &str = r#"{"name":"Content-Type","value":"text/event-stream; charset=utf-8"},{"name":"Transfer-Encoding","value":"chunked"},{"name":"Connection","value":"keep-alive"},{"name":"Cache-Control","value":"no-cache"},{"name":"anthropic-ratelimit-unified-status","value":"allowed"},{"name":"strict-transport-security","value":"max-age=31536000; includeSubDomains; preload"},{"name":"cf-cache-status","value":"DYNAMIC"},{"name":"X-Robots-Tag","value":"none"},{"name":"Server","value":"cloudflare"},{"name":"vary","value":"Accept-Encoding"}"#;

/// Writes a trace of so many exchanges: messages, every so often a token that has run out, a refresh, and a success.
pub(crate) fn write(path: &Path, exchanges: u64) -> io::Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    writeln!(
        out,
        r#"{{"record":"trace","format":"authtrace/1.0","tool":"authtrace 0.1.0","os":"linux x86_64","started":"{}","intercept":["api.anthropic.com","platform.claude.com"],"variables":["HTTPS_PROXY"]}}"#,
        at(0)
    )?;
    for id in 1..=exchanges {
        let generation = id / LIFETIME;
        match id % LIFETIME {
            0 => message(&mut out, id, generation - 1, 401)?,
            1 if generation > 0 => refresh(&mut out, id, generation)?,
            _ => message(&mut out, id, generation, 200)?,
        }
    }
    writeln!(
        out,
        r#"{{"record":"end","at":"{}","connections":0,"exchanges":{exchanges},"lost":0,"exit_code":0}}"#,
        at(exchanges + 1)
    )?;
    out.flush()
}

fn message(out: &mut impl Write, id: u64, generation: u64, status: u16) -> io::Result<()> {
    let error = if status == 401 {
        r#","error":{"shape":"api","type":"authentication_error","message":"OAuth token has expired. Please obtain a new token or refresh your existing token.","tone":"auth"}"#
    } else {
        r#","sse":{"events":42,"names":[{"name":"message_start","count":1},{"name":"content_block_delta","count":38},{"name":"message_stop","count":1}],"span_us":1800000,"longest_gap_us":90000,"followed":true}"#
    };
    let token = access(generation);
    writeln!(
        out,
        r#"{{"record":"exchange","id":{id},"connection":1,"lane":"main","at":"{}","request":{{"method":"POST","scheme":"https","host":"api.anthropic.com","port":443,"path":"/v1/messages?beta=true","version":"HTTP/1.1","headers":[{REQUEST_FIELDS},{{"name":"x-client-request-id","value":"{}"}},{{"name":"Content-Length","value":"{}"}},{{"name":"Authorization","value":"Bearer ‹oat01 len=108 fp={}›"}}],"body_bytes":{}}},"credentials":[{{"place":"authorization","scheme":"Bearer","kind":"oauth-access","len":108,"fp":"{}","prefix":"oat01"}}],"response":{{"status":{status},"version":"HTTP/1.1","headers":[{ANSWER_FIELDS},{{"name":"request-id","value":"req_011C{id:020}"}},{{"name":"CF-RAY","value":"9a1b2c3d{id:08x}-FRA"}},{{"name":"Date","value":"{}"}}],"body_bytes":4096}},"request_ids":{{"header":"req_011C{id:020}","client":"{}","edge":"9a1b2c3d{id:08x}-FRA"}}{error},"timing":{{"send_us":900,"wait_us":812345,"receive_us":1912345,"total_us":2725590,"added_us":140}},"origin":"upstream","end":{{"outcome":"complete"}}}}"#,
        at(id),
        uuid(id),
        40_000 + id % 9_000,
        token,
        40_000 + id % 9_000,
        token,
        date(id),
        uuid(id),
    )
}

fn refresh(out: &mut impl Write, id: u64, generation: u64) -> io::Result<()> {
    writeln!(
        out,
        r#"{{"record":"exchange","id":{id},"connection":2,"lane":"main","at":"{}","request":{{"method":"POST","scheme":"https","host":"platform.claude.com","port":443,"path":"/v1/oauth/token","version":"HTTP/1.1","headers":[{{"name":"User-Agent","value":"axios/1.15.2"}},{{"name":"Content-Type","value":"application/json"}}],"body_bytes":400}},"credentials":[{}],"response":{{"status":200,"version":"HTTP/1.1","headers":[{{"name":"Content-Type","value":"application/json"}},{{"name":"Date","value":"{}"}}],"body_bytes":700}},"oauth":{{"grant_type":"refresh_token","client_id":"9d1c250a-e61b-44d9-88ed-5944d1962f5e","scope_granted":"user:inference user:profile","expires_in":28800,"token_type":"Bearer","issued":[{{"place":"body.access_token","kind":"oauth-access","len":108,"fp":"{}","prefix":"oat01"}},{}]}},"timing":{{"send_us":300,"wait_us":112345,"receive_us":345,"total_us":112990,"added_us":120}},"origin":"upstream","end":{{"outcome":"complete"}}}}"#,
        at(id),
        refresh_token(generation - 1),
        date(id),
        access(generation),
        refresh_token(generation),
    )
}

fn access(generation: u64) -> String {
    format!("a{generation:07x}")
}

fn refresh_token(generation: u64) -> String {
    format!(
        r#"{{"place":"body.refresh_token","kind":"oauth-refresh","len":108,"fp":"b{generation:07x}","prefix":"ort01"}}"#
    )
}

fn uuid(id: u64) -> String {
    format!("00000000-0000-4000-8000-{id:012}")
}

/// A message every three seconds.
fn instant(id: u64) -> time::OffsetDateTime {
    let ms = START_MS + i64::try_from(id).unwrap_or(0) * 3_000;
    time::OffsetDateTime::from_unix_timestamp(ms / 1_000).unwrap_or(time::OffsetDateTime::UNIX_EPOCH)
}

fn at(id: u64) -> String {
    let at = instant(id);
    let (date, (hour, minute, second)) = (at.date(), at.time().as_hms());
    format!("{date}T{hour:02}:{minute:02}:{second:02}.000Z")
}

fn date(id: u64) -> String {
    let at = instant(id);
    let (weekday, month) = (at.weekday().to_string(), at.month().to_string());
    let (hour, minute, second) = at.time().as_hms();
    let (weekday, month) = (&weekday[..3], &month[..3]);
    format!("{weekday}, {:02} {month} {} {hour:02}:{minute:02}:{second:02} GMT", at.day(), at.year())
}
