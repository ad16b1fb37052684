//! Rules and guard on HTTP/2; client and server are hyper's.

use super::{guarded, is_ours, script, start};
use crate::support::{HOST, Origin, TestProxy, Wire, soon};
use authtrace::policy::{ApiError, Cut, PathPattern, Rule, Then, When};
use authtrace::proxy::OnGuard;
use authtrace::trace::EndKind;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

const EVENTS: &str = "event: a\ndata: 1\n\nevent: b\ndata: 2\n\nevent: c\ndata: 3\n\n";

type Seen = Arc<Mutex<Vec<String>>>;

/// A client behind the proxy, and what its server has seen. It refuses `/refused`, and streams on `/stream`.
async fn connect(origin: &Origin, proxy: &TestProxy) -> (SendRequest<Full<Bytes>>, Seen) {
    let (client, upstream) = proxy.intercepted_with(origin, proxy.client(&["h2"])).await;
    let (Wire::Client(client), Wire::Server(upstream, _)) = (client, upstream) else { unreachable!() };
    let seen = Seen::default();
    let service = service_fn({
        let seen = Arc::clone(&seen);
        move |request: Request<Incoming>| {
            let seen = Arc::clone(&seen);
            async move {
                let (head, body) = request.into_parts();
                let body = body.collect().await.map(|body| body.to_bytes().len()).unwrap_or_default();
                let codings = head.headers.get("accept-encoding").map_or("", |value| value.to_str().unwrap());
                seen.lock().unwrap().push(format!("{} {} {body} {codings}", head.method, head.uri.path()));
                let mut answer = Response::new(Full::new(Bytes::from(EVENTS)));
                match head.uri.path() {
                    "/stream" => {
                        drop(answer.headers_mut().insert("content-type", "text/event-stream".parse().unwrap()))
                    }
                    "/v1/refused" => *answer.status_mut() = http::StatusCode::UNAUTHORIZED,
                    _ => {}
                }
                Ok::<_, Infallible>(answer)
            }
        }
    });
    let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(*upstream), service);
    tokio::spawn(serving);
    let handshake = hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(*client));
    let (sender, connection) = soon("the handshake", handshake).await.unwrap();
    tokio::spawn(connection);
    (sender, seen)
}

fn request(method: &str, path: &str, body: usize) -> Request<Full<Bytes>> {
    Request::builder()
        .method(method)
        .uri(format!("https://{HOST}{path}"))
        .header("accept-encoding", "gzip")
        .header("x-api-key", "sk-ant-api03-FAKE-one")
        .body(Full::new(Bytes::from(vec![b'x'; body])))
        .unwrap()
}

async fn ask(sender: &mut SendRequest<Full<Bytes>>, request: Request<Full<Bytes>>) -> (u16, String, String) {
    let answer = soon("an answer", sender.send_request(request)).await.unwrap();
    let (head, body) = answer.into_parts();
    let mark = head.headers.get("x-authtrace").map_or("", |value| value.to_str().unwrap()).to_owned();
    let body = match soon("a body", body.collect()).await {
        Ok(body) => String::from_utf8(body.to_bytes().to_vec()).unwrap(),
        Err(_) => "broken".to_owned(),
    };
    (head.status.as_u16(), mark, body)
}

fn on(path: &str, then: Then) -> Rule {
    Rule::always(When { path: Some(PathPattern::parse(path)), ..When::default() }, then)
}

#[tokio::test]
async fn an_answer_of_ours_takes_the_place_of_the_servers() {
    let refusal = Then::Error(ApiError::unauthorized("Invalid authentication credentials"));
    let (_pki, origin, proxy) = start(script(vec![on("/own", refusal)]), "h2").await;
    let (mut sender, seen) = connect(&origin, &proxy).await;
    let (status, mark, body) = ask(&mut sender, request("POST", "/own", 300_000)).await;
    assert_eq!((status, mark.as_str()), (401, "scenario"));
    assert!(body.contains("authentication_error"), "{body}");
    assert_eq!(ask(&mut sender, request("HEAD", "/own", 0)).await.2, "");
    assert_eq!(ask(&mut sender, request("POST", "/other", 7)).await, (200, String::new(), EVENTS.to_owned()));
    assert_eq!(*seen.lock().unwrap(), ["POST /other 7 gzip"]);
    let exchanges = proxy.records.await_exchanges(3).await;
    assert_eq!(exchanges.iter().map(is_ours).collect::<Vec<_>>(), [true, true, false]);
    assert_eq!(exchanges[0].request.body_bytes, 300_000);
    assert!(exchanges[2].passage.as_ref().is_some_and(|passage| !passage.request.is_altered()));
}

#[tokio::test]
async fn the_guard_counts_streams_as_it_counts_requests() {
    let (_pki, origin, proxy) = start(guarded(2, OnGuard::Answer), "h2").await;
    let (mut sender, seen) = connect(&origin, &proxy).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(ask(&mut sender, request("GET", "/v1/refused", 0)).await.0);
    }
    assert_eq!((statuses, seen.lock().unwrap().len()), (vec![401, 401, 403, 403], 2));
}

#[tokio::test]
async fn streams_go_out_as_the_rules_say() {
    let error = Then::StreamError { events: 1, error: ApiError::unauthorized("no") };
    let slow = Then::Slow(std::time::Duration::from_millis(20));
    for (then, expected) in [
        (
            error,
            "event: a\ndata: 1\n\nevent: error\ndata: {\"error\":{\"message\":\"no\",\"type\":\"authentication_error\"},\"type\":\"error\"}\n\n",
        ),
        (slow, EVENTS),
    ] {
        let (_pki, origin, proxy) = start(script(vec![on("/stream", then)]), "h2").await;
        let (mut sender, seen) = connect(&origin, &proxy).await;
        let (status, mark, body) = ask(&mut sender, request("GET", "/stream", 0)).await;
        assert_eq!((status, mark.as_str(), body.as_str()), (200, "scenario", expected));
        assert_eq!(*seen.lock().unwrap(), ["GET /stream 0 identity"]);
        assert_eq!(ask(&mut sender, request("GET", "/other", 0)).await.0, 200);
        assert!(is_ours(&proxy.records.await_exchanges(2).await[0]));
    }
}

#[tokio::test]
async fn a_cut_ends_the_connection() {
    for then in [Then::Cut(Cut::Reset), Then::Cut(Cut::Close), Then::Truncate { events: 1, cut: Cut::Close }] {
        let (_pki, origin, proxy) = start(script(vec![on("/stream", then)]), "h2").await;
        let (mut sender, _seen) = connect(&origin, &proxy).await;
        let cut = match soon("the end", sender.send_request(request("GET", "/stream", 0))).await {
            Ok(answer) => soon("the end", answer.into_body().collect()).await.is_err(),
            Err(_) => true,
        };
        assert!(cut);
        let exchange = proxy.records.await_exchange().await;
        assert_eq!(exchange.end.outcome, EndKind::Cut);
        assert!(is_ours(&exchange));
        proxy.until_idle().await;
    }
}
