//! What is done to live traffic on purpose, over real sockets: rules of a scenario, and the guard.

mod guard;
mod http1;
mod http2;

use crate::support::{HOST, Origin, Pki, Setup, TestProxy};
use authtrace::policy::{Limits, Rule, Script};
use authtrace::proxy::{Guarding, OnGuard, Policy};
use authtrace::trace::{Exchange, Origin as AnsweredBy};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const REFUSED: &str = "HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno";

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n")
}

fn with_key(path: &str, key: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\nX-Api-Key: sk-ant-api03-FAKE-{key}\r\n\r\n")
}

fn script(rules: Vec<Rule>) -> Policy {
    let script = Script { rules };
    assert_eq!(script.not_live(), Vec::new());
    Policy { script, guard: None }
}

fn guarded(refusals: u32, on: OnGuard) -> Policy {
    let limits = Limits { refusals: Some(refusals), ..Limits::default() };
    Policy { guard: Some(Guarding { limits, hosts: vec![HOST.to_owned()], on }), ..Policy::default() }
}

async fn start(policy: Policy, protocol: &str) -> (Pki, Origin, TestProxy) {
    let pki = Pki::new();
    let origin = Origin::tls(pki.server(HOST, &[protocol])).await;
    let mut setup = Setup::to(&origin);
    setup.policy = Some(policy);
    let proxy = setup.start(&pki);
    (pki, origin, proxy)
}

/// Head and body of an answer of ours.
fn parts(answer: &[u8]) -> (String, String) {
    let text = String::from_utf8(answer.to_vec()).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

fn is_ours(exchange: &Exchange) -> bool {
    exchange.origin == AnsweredBy::Authtrace && exchange.passage.is_none() && exchange.end.detail.is_some()
}
