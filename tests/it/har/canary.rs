//! A HAR full of made-up secrets, one in every place that there is: none of them, nor twelve characters of one, may be in
//! anything that is made of it.

use super::export;
use crate::canary::scan::Scanner;
use crate::canary::shapes::{self, Canary};
use crate::support::program::Home;
use authtrace::analyze::Survey;
use authtrace::import::har;
use authtrace::redact::Redactor;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::process::Command;
use std::sync::Arc;

/// A document. `{name}` stands for a secret of its own; `{b:name}` for one that stands there in base64.
const DOCUMENT: &str = r#"{"log":{
"version":"1.2{version}","creator":{"name":"{creator}","version":"{creator-version}","comment":"{creator-comment}"},
"browser":{"name":"{browser}","version":"{browser-version}"},"comment":"{log-comment}","_log":"{log-field}","{log-key}":1,
"pages":[{"startedDateTime":"{page-time}","id":"{page-id}","title":"{page-title}","pageTimings":{"_x":"{page-field}"}}],
"entries":[
{"pageref":"{pageref}","startedDateTime":"2026-09-01T08:00:00.000Z","time":180,"serverIPAddress":"{address}","connection":"{connection}",
 "comment":"{entry-comment}","_initiator":{"url":"{initiator}","stack":{"callFrames":[{"functionName":"{frame}"}]}},
 "_client":{"process":"{process}","pid":"{pid}","x":"{client-field}"},"_tls":{"client_alert":"{alert}"},"_securityState":"{state}",
 "_webSocketMessages":[{"type":"send","time":1,"opcode":1,"data":"{websocket}"}],"_error":"{error}","{entry-key}":"{entry-value}",
 "request":{"method":"{method}","url":"https://{user}:{password}@api.anthropic.com/v1/{segment}?code={query}&{query-key}=1#{fragment}",
  "httpVersion":"{http-version}","headersSize":-1,"bodySize":-1,"comment":"{request-comment}","_x":"{request-field}",
  "headers":[{"name":"authorization","value":"Bearer {bearer}","comment":"{header-comment}"},{"name":"x-api-key","value":"{api-key}"},
   {"name":"cookie","value":"sessionKey={cookie}; {cookie-name}=1"},{"name":"x-other","value":"{other-header}"},{"name":"{header-name}","value":"1"},
   {"name":"user-agent","value":"claude-cli/{agent} (external, cli)"},{"name":"proxy-authorization","value":"Basic {b:basic}"}],
  "cookies":[{"name":"{listed-cookie-name}","value":"{listed-cookie}","domain":"{cookie-domain}","path":"{cookie-path}"}],
  "queryString":[{"name":"{pair-name}","value":"{pair-value}"}],
  "postData":{"mimeType":"{post-type}","text":"{post-text}","params":[{"name":"{param-name}","value":"{param}","fileName":"{file-name}"}],"comment":"{post-comment}"}},
 "response":{"status":401,"statusText":"{status-text}","httpVersion":"{answer-version}","redirectURL":"{redirect}","headersSize":-1,"bodySize":-1,
  "headers":[{"name":"set-cookie","value":"a={set-cookie}; domain={set-cookie-domain}"},{"name":"location","value":"https://x.example/{location}"},
   {"name":"www-authenticate","value":"Bearer realm=\"{realm}\", error_description=\"{challenge}\""},{"name":"x-odd","value":"{answer-header}"}],
  "cookies":[{"name":"b","value":"{answer-cookie}"}],"_error":"{answer-error}","_charlesStatus":"{charles}","comment":"{answer-comment}",
  "content":{"size":9,"mimeType":"{content-type}","comment":"{content-comment}",
   "text":"{\"type\":\"error\",\"error\":{\"type\":\"{error-type}\",\"message\":\"no {message} here\",\"{error-key}\":\"{error-value}\"},\"request_id\":\"{error-id}\"}"}},
 "cache":{"beforeRequest":{"eTag":"{etag}"},"comment":"{cache-comment}"},"timings":{"send":"{send}","wait":1,"receive":1,"comment":"{timings-comment}"}},
{"startedDateTime":"{time}","request":{"method":"POST","url":"https://platform.claude.com/v1/oauth/token",
  "postData":{"text":"{\"grant_type\":\"refresh_token\",\"refresh_token\":\"{refresh}\",\"code\":\"{code}\",\"client_id\":\"{client}\",\"other\":\"{token-field}\",\"scope\":\"{scope}\"}"}},
 "response":{"status":200,"content":{"encoding":"base64","text":"{c:issued}"}}},
{"request":{"method":"POST","url":"https://{host}.example/v1/oauth/token","postData":{"params":[{"name":"refresh_token","value":"{form-refresh}"},{"name":"password","value":"{form-password}"}]}},
 "response":{"status":400,"content":{"text":"<html><title>{html-title}</title>{html-body}</html>","mimeType":"text/html"}}},
{"request":{"method":"CONNECT","url":"{connect-host}.example:443","headers":[{"name":"proxy-authorization","value":"{connect-login}"}]},"response":{"status":407,"headers":[{"name":"proxy-authenticate","value":"{proxy-scheme} realm=\"{proxy-realm}\""}]}},
{"request":{"method":"GET","url":"data:text/plain,{data-url}"}},{"request":{"url":"{no-url}"}},
{"_authtrace":{"exchange":1,"connection":1,"lane":"{own-lane}","timing":{"send_us":1,"total_us":1,"added_us":0},"origin":"upstream","end":{"outcome":"complete","detail":"{own-detail}"},
  "credentials":[{"place":"{own-place}","scheme":"{own-scheme}","kind":"unknown","len":"≤8","fp":"3f9c21ab"}],"error":{"shape":"text","type":"{own-type}","message":"{own-message}","tone":"auth"},
  "request_ids":{"header":"{own-id}"},"oauth":{"scope_granted":"{own-scope}","client_id":"{own-client}"},"host":"{own-host}","path":"/{own-path}","interim":[],"request_trailers":[{"name":"{own-trailer}","value":"{own-trailer-value}"}]},
 "request":{"method":"GET","url":"https://api.anthropic.com/%E2%80%B9{marker}%E2%80%BA"},"response":{"status":200}},
{"request": {broken}},
"{no-entry}"
],"_authtrace":{"records":[{"record":"note","at":"2026-09-01T08:00:00.000Z","kind":"other","text":"{own-note}"},{"record":"{own-record}"}],"unread":[{"line":1,"why":"{own-why}"}]}}}"#;

/// The document with canaries of one shape, and their places.
fn planted(shape: shapes::Shape, number: &mut usize, scanner: &mut Scanner) -> (String, usize) {
    let mut text = String::new();
    let mut rest = DOCUMENT;
    let mut planted = 0;
    while let Some((before, behind)) = rest.split_once('{') {
        text.push_str(before);
        let name = behind.split('}').next().unwrap_or_default();
        let is_name =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'-' | b':'));
        if !is_name {
            text.push('{');
            rest = behind;
            continue;
        }
        *number += 1;
        planted += 1;
        let canary = Canary::new(shape, *number);
        // Request ids are shown where they stand, and may be UUIDs.
        if !(shape == shapes::Shape::Uuid && ["error-id", "own-id"].contains(&name)) {
            scanner.add(&canary, &format!("{name} as {shape:?}"));
        }
        let shown = match name.split_once(':') {
            Some(("b", _)) => STANDARD.encode(format!("user:{}", canary.text)),
            Some(("c", _)) => STANDARD.encode(format!("{{\"access_token\":\"{0}\",\"{0}\":\"{0}\"}}", canary.text)),
            _ if name.ends_with("host") || name == "user" || name == "password" => canary.label(),
            _ => canary.text.clone(),
        };
        text.push_str(&shown);
        rest = behind.get(name.len() + 1..).unwrap_or_default();
    }
    text.push_str(rest);
    (text, planted)
}

#[test]
fn no_secret_of_a_har_is_in_anything_that_is_made_of_it() {
    let mut scanner = Scanner::default();
    let mut number = 10_000;
    let home = Home::new();
    let mut written = Vec::new();
    for shape in shapes::ALL {
        let (text, planted) = planted(*shape, &mut number, &mut scanner);
        assert!(planted > 100, "{planted}");
        let imported = har::read(text.as_bytes(), &Arc::new(Redactor::plain())).unwrap();
        assert_eq!(imported.unread.len(), 4, "{:?}", imported.unread);
        written.push(("imported", format!("{imported:?}").into_bytes()));
        let survey: Survey = imported.records.into_iter().collect();
        assert_eq!(survey.exchanges().len(), 5);
        written.push(("har", export(&survey)));
        let file = home.write("secret.har", &text);
        for arguments in [
            &["report", "--full"][..],
            &["report", "--format", "md"],
            &["report", "--format", "json"],
            &["report", "--format", "har"],
            &["scrub"],
        ] {
            let (out, err) = run(home.authtrace().args(arguments).arg(&file));
            written.push(("standard output", out));
            written.push(("standard error", err));
        }
        // Torn in the middle, and in a place that a message has to name.
        let cut = text.len() / 2 + text.get(text.len() / 2..).unwrap().find("\"value\"").unwrap();
        home.write("secret.har", text.get(..cut).unwrap());
        written.push(("of a torn file", run(home.authtrace().arg("scrub").arg(&file)).1));
        home.write("secret.har", &format!("{{\"{0}\":\"{0}\"}}", Canary::new(*shape, number).text));
        let refused = run(home.authtrace().arg("report").arg(&file));
        assert!(!refused.1.is_empty());
        written.push(("of another file", refused.1));
    }
    for (place, bytes) in &written {
        scanner.search(place, bytes);
    }
    scanner.assert_nothing();
}

fn run(command: &mut Command) -> (Vec<u8>, Vec<u8>) {
    let output = command.output().unwrap();
    (output.stdout, output.stderr)
}
