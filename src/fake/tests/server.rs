use super::motivating_bug;
use crate::fake::*;
use crate::policy::*;
use crate::trace::Timestamp;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::task::AbortOnDropHandle;

fn model() -> (Model, Login) {
    let mut model = Model::new(Seed::fixed(3));
    let login = model.log_in(Timestamp::now(), 3600);
    (model, login)
}

pub(super) async fn fake(script: Script) -> (Fake, Login) {
    let (model, login) = model();
    let config = FakeConfig { event_gap: Duration::from_millis(1), ..FakeConfig::new(model).with_script(script) };
    (Fake::start(config).await.unwrap(), login)
}

async fn tls(fake: &Fake, host: &'static str, alpn: &[&str]) -> TlsStream<TcpStream> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(fake.ca_pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(fake.addr()).await.unwrap();
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from(host).unwrap(), stream).await.unwrap()
}

pub(super) fn message_head(login: &Login, body: &str) -> String {
    format!(
        "POST /v1/messages?beta=true HTTP/1.1\r\nHost: api.anthropic.com\r\nAuthorization: Bearer {}\r\n\
         anthropic-beta: oauth-2025-04-20\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        login.access_token,
        body.len()
    )
}

const STREAMED: &str = r#"{"stream":true,"messages":[{"role":"user","content":"hi"}]}"#;

#[tokio::test]
async fn http1_without_alpn_streams_the_events_in_pieces() {
    let slow = Then::Slow(Duration::from_millis(40));
    let (fake, login) = fake(Script { rules: vec![Rule::always(When::path("/v1/messages"), slow)] }).await;
    let mut stream = tls(&fake, "api.anthropic.com", &[]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), None);
    stream.write_all(message_head(&login, STREAMED).as_bytes()).await.unwrap();
    let (mut text, mut reads_with_events) = (String::new(), 0);
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = stream.read(&mut buffer).await.unwrap();
        if read == 0 {
            break;
        }
        let part = std::str::from_utf8(&buffer[..read]).unwrap();
        reads_with_events += usize::from(part.contains("event: "));
        text.push_str(part);
    }
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(text.contains("event: message_stop"));
    assert!(reads_with_events >= 5, "came in {reads_with_events} pieces");
    let seen = fake.requests();
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].host.as_str(), seen[0].path.as_str()), ("api.anthropic.com", "/v1/messages"));
    assert_eq!(seen[0].credential, Some(Label::Known(CredentialKind::AccessToken, 0)));
    fake.shutdown().await;
}

#[tokio::test]
async fn http2_by_alpn_serves_several_exchanges_on_one_connection() {
    let (fake, login) = fake(Script::default()).await;
    let stream = tls(&fake, "api.anthropic.com", &["h2", "http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let connection = AbortOnDropHandle::new(tokio::spawn(connection));
    let ask = |n: usize| {
        let mut sender = sender.clone();
        let request = http::Request::post("https://api.anthropic.com/v1/messages")
            .header("authorization", format!("Bearer {}", login.access_token))
            .header("anthropic-beta", "oauth-2025-04-20")
            .body(Full::new(Bytes::from_static(STREAMED.as_bytes())))
            .unwrap();
        async move {
            let response = sender.send_request(request).await.unwrap();
            assert_eq!(response.status(), 200, "exchange {n}");
            response.into_body().collect().await.unwrap().to_bytes()
        }
    };
    let (one, two) = tokio::join!(ask(1), ask(2));
    for body in [one, two] {
        assert!(String::from_utf8(body.to_vec()).unwrap().contains("event: message_stop"));
    }
    assert_eq!(fake.requests().len(), 2);
    drop(connection);
    fake.shutdown().await;
}

#[tokio::test]
async fn every_name_gets_a_leaf_of_its_own_under_one_root() {
    let (fake, _) = fake(Script::default()).await;
    let mut leaves = Vec::new();
    for host in ["api.anthropic.com", "platform.claude.com", "gateway.invalid", "api.anthropic.com"] {
        let stream = tls(&fake, host, &[]).await;
        leaves.push(stream.get_ref().1.peer_certificates().unwrap()[0].clone());
    }
    assert_eq!(leaves[0], leaves[3]);
    assert_ne!(leaves[0], leaves[1]);
    assert_ne!(leaves[1], leaves[2]);
}

#[tokio::test]
async fn plaintext_serves_a_gateway() {
    let (fake, _) = fake(Script::default()).await;
    let mut stream = TcpStream::connect(fake.plaintext_addr()).await.unwrap();
    stream.write_all(b"HEAD /api/hello HTTP/1.1\r\nHost: 127.0.0.1:1\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(answer.ends_with("\r\n\r\n"), "a HEAD has no body");
    assert_eq!(fake.requests()[0].host, "127.0.0.1");
}

#[tokio::test]
async fn a_truncated_stream_ends_without_its_last_chunk() {
    for cut in [Cut::Close, Cut::Reset] {
        let then = Then::Truncate { events: 3, cut };
        let (fake, login) = fake(Script { rules: vec![Rule::always(When::path("/v1/messages"), then)] }).await;
        let mut stream = TcpStream::connect(fake.plaintext_addr()).await.unwrap();
        stream.write_all(message_head(&login, STREAMED).as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let end = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer).unwrap();
        assert_eq!(answer.matches("event: ").count(), 3);
        assert!(!answer.ends_with("0\r\n\r\n"));
        match cut {
            Cut::Close => assert!(end.is_ok()),
            Cut::Reset => assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset),
        }
    }
}

#[tokio::test]
async fn a_cut_gives_no_answer_at_all() {
    for (cut, h2) in [(Cut::Close, false), (Cut::Reset, false), (Cut::Reset, true)] {
        let (fake, _) = fake(Script { rules: vec![Rule::always(When::default(), Then::Cut(cut))] }).await;
        if h2 {
            let stream = tls(&fake, "api.anthropic.com", &["h2"]).await;
            let (mut sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
            let connection = tokio::spawn(connection);
            let request = http::Request::get("https://api.anthropic.com/").body(Full::new(Bytes::new())).unwrap();
            assert!(sender.send_request(request).await.is_err());
            assert!(connection.await.unwrap().is_err());
        } else {
            let mut stream = TcpStream::connect(fake.plaintext_addr()).await.unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
            let mut answer = Vec::new();
            let end = stream.read_to_end(&mut answer).await;
            assert!(answer.is_empty());
            assert_eq!(end.is_ok(), cut == Cut::Close);
        }
        let seen = fake.requests_at_least(1).await;
        assert_eq!(seen[0].status, None);
        fake.shutdown().await;
    }
}

#[tokio::test]
async fn an_error_in_the_stream_comes_after_a_200() {
    let error = ApiError::unauthorized("OAuth access token has been revoked.");
    let then = Then::StreamError { events: 2, error };
    let (fake, login) = fake(Script { rules: vec![Rule::always(When::path("/v1/messages"), then)] }).await;
    let mut stream = TcpStream::connect(fake.plaintext_addr()).await.unwrap();
    stream.write_all(message_head(&login, STREAMED).as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));
    assert_eq!(answer.matches("event: ").count(), 3);
    assert!(answer.contains("event: error\ndata: {\"error\":{\"message\":\"OAuth access token has been revoked.\""));
    assert!(answer.ends_with("0\r\n\r\n"), "the message itself is complete");
}

#[tokio::test]
async fn a_clock_ahead_shows_in_the_date_and_in_expiry() {
    let (model, login) = model();
    let config = FakeConfig { clock_ahead_ms: 7200 * 1000, ..FakeConfig::new(model) };
    let fake = Fake::start(config).await.unwrap();
    let mut stream = TcpStream::connect(fake.plaintext_addr()).await.unwrap();
    stream.write_all(message_head(&login, STREAMED).as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 Unauthorized\r\n"));
    let ahead = fake.requests()[0].at.unix_ms() - Timestamp::now().unix_ms();
    assert!((7_190_000..=7_200_000).contains(&ahead), "{ahead}");
    assert_eq!(answer.matches("date: ").count(), 1);
}

#[tokio::test]
async fn shutdown_ends_open_connections() {
    let (fake, _) =
        fake(Script { rules: vec![Rule::always(When::default(), Then::Pass).after(Duration::from_secs(600))] }).await;
    let mut stream = TcpStream::connect(fake.plaintext_addr()).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    fake.requests_at_least(1).await;
    fake.shutdown().await;
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer).await);
    assert!(answer.is_empty());
}

/// A proxy that joins every CONNECT to one address, or answers it with a status.
async fn forwarder(to: SocketAddr, refuse_with: Option<u16>) -> (SocketAddr, AbortOnDropHandle<()>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let addr = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(client.read_u8().await?);
                }
                let head = String::from_utf8_lossy(&head);
                let admitted = head.contains("Proxy-Authorization: Basic bGFuZTpGQUtFLXNlY3JldA==\r\n");
                let status = refuse_with.unwrap_or(if admitted { 200 } else { 407 });
                client.write_all(format!("HTTP/1.1 {status} X\r\n\r\n").as_bytes()).await?;
                if status == 200 {
                    let mut server = TcpStream::connect(to).await?;
                    copy_bidirectional(&mut client, &mut server).await?;
                }
                Ok::<_, std::io::Error>(())
            });
        }
    });
    (addr, AbortOnDropHandle::new(task))
}

fn client(proxy_addr: SocketAddr, fake: &Fake, login: Login) -> ClientConfig {
    ClientConfig {
        proxy_addr,
        proxy_logins: vec![("lane".to_owned(), "FAKE-secret".to_owned())],
        ca_pem: fake.ca_pem().to_owned(),
        setup: ClientSetup::new(Handed::File(login)),
        seed: Seed::fixed(9),
        patience: Duration::from_secs(20),
    }
}

fn summary(played: &Played) -> Vec<(&str, u16)> {
    played.steps.iter().map(|step| (step.path.as_str(), step.status.unwrap_or(0))).collect()
}

#[tokio::test]
async fn the_scripted_client_lives_through_the_motivating_bug() {
    let (fake, login) = fake(motivating_bug()).await;
    let (proxy, _task) = forwarder(fake.addr(), None).await;
    let played = play(client(proxy, &fake, login)).await.unwrap();
    assert_eq!(
        summary(&played),
        [
            ("/api/directory/server-urls", 200),
            ("/api/oauth/profile", 200),
            ("/v1/messages", 401),
            ("/v1/oauth/token", 200),
            ("/api/oauth/profile", 200),
            ("/v1/messages", 401),
            ("/v1/messages", 401),
            ("/api/event_logging/v2/batch", 200),
        ]
    );
    assert_eq!(played.exit_code, 1);
    let access = |index| Some(Label::Known(CredentialKind::AccessToken, index));
    let sent: Vec<_> = fake.requests().iter().map(|seen| seen.credential).collect();
    assert_eq!(sent, [None, access(0), access(0), None, access(1), access(1), access(1), access(1)]);
}

#[tokio::test]
async fn the_scripted_client_is_content_with_a_healthy_api() {
    let (fake, login) = fake(Script::default()).await;
    let (proxy, _task) = forwarder(fake.addr(), None).await;
    let played = play(client(proxy, &fake, login)).await.unwrap();
    assert_eq!(
        summary(&played),
        [
            ("/api/directory/server-urls", 200),
            ("/api/oauth/profile", 200),
            ("/v1/messages", 200),
            ("/api/event_logging/v2/batch", 200)
        ]
    );
    assert_eq!(played.exit_code, 0);
}

#[tokio::test]
async fn clients_with_one_home_refresh_once_and_those_with_copies_race() {
    for shares_home in [true, false] {
        let (mut model, _) = model();
        let login = model.log_in(Timestamp::now(), -60);
        let fake = Fake::start(FakeConfig::new(model)).await.unwrap();
        let (proxy, _task) = forwarder(fake.addr(), None).await;
        let mut config = client(proxy, &fake, login);
        config.setup.processes = 3;
        config.setup.shares_home = shares_home;
        let played = play(config).await.unwrap();
        let mut refreshes: Vec<_> =
            played.steps.iter().filter(|step| step.path == "/v1/oauth/token").map(|step| step.status).collect();
        refreshes.sort();
        let answered = played.steps.iter().filter(|step| step.path == "/v1/messages" && step.status == Some(200));
        if shares_home {
            assert_eq!((refreshes, answered.count(), played.exit_code), (vec![Some(200)], 3, 0));
        } else {
            assert_eq!((refreshes, answered.count(), played.exit_code), (vec![Some(200), Some(400), Some(400)], 1, 1));
        }
    }
}

#[tokio::test]
async fn the_scripted_client_logs_in_with_a_code() {
    let (fake, _) = fake(Script::default()).await;
    let (proxy, _task) = forwarder(fake.addr(), None).await;
    let setup = ClientSetup { tasks: vec![Task::Login, Task::Message], ..ClientSetup::new(Handed::Nothing) };
    let (_, login) = model();
    let played = play(ClientConfig { setup, ..client(proxy, &fake, login) }).await.unwrap();
    assert_eq!(played.exit_code, 0);
    assert_eq!(
        summary(&played)[..5],
        [
            ("/cai/oauth/authorize", 302),
            ("/v1/oauth/token", 200),
            ("/api/oauth/profile", 200),
            ("/api/oauth/claude_cli/roles", 200),
            ("/api/organization/claude_code_first_token_date", 200),
        ]
    );
}

#[tokio::test]
async fn the_scripted_client_gives_up_in_the_end() {
    let forever = |then: Then| Script { rules: vec![Rule::always(When::path("/v1/messages"), then)] };
    let key = Handed::Variable("ANTHROPIC_API_KEY", "sk-ant-api03-FAKE-of-nobody".to_owned());
    let (_, login) = model();
    for (script, handed, retries, messages) in [
        (Script::default(), key.clone(), "1", 2),
        (Script::default(), key.clone(), "many", 3),
        (forever(Then::Cut(Cut::Reset)), key.clone(), "", 3),
        (forever(Then::Error(ApiError::new(500, "api_error", "x"))), key.clone(), "4", 5),
        (forever(Then::Error(ApiError::new(400, "invalid_request_error", "x"))), key.clone(), "", 1),
        (forever(Then::StreamError { events: 2, error: ApiError::unauthorized("x") }), Handed::File(login), "", 2),
    ] {
        let (fake, login) = fake(script).await;
        let (proxy, _task) = forwarder(fake.addr(), None).await;
        let handed = if matches!(handed, Handed::File(_)) { Handed::File(login.clone()) } else { handed };
        let mut setup = ClientSetup::new(handed);
        setup.variables.insert("CLAUDE_CODE_MAX_RETRIES".to_owned(), retries.to_owned());
        let played = play(ClientConfig { setup, ..client(proxy, &fake, login) }).await.unwrap();
        let sent = played.steps.iter().filter(|step| step.path == "/v1/messages").count();
        assert_eq!((sent, played.exit_code), (messages, i32::from(messages != 2 || retries == "1")), "{retries}");
    }
}

#[tokio::test]
async fn the_scripted_client_names_what_stops_it() {
    let (fake, login) = fake(Script::default()).await;
    let (proxy, _task) = forwarder(fake.addr(), Some(403)).await;
    let refused = play(client(proxy, &fake, login.clone())).await.unwrap_err();
    assert!(matches!(refused, FakeError::TunnelRefused { status: 403, .. }), "{refused:?}");

    // To a client, a proxy that cannot dial is a network that is down.
    let (proxy, _task) = forwarder(fake.addr(), Some(502)).await;
    let played = play(client(proxy, &fake, login.clone())).await.unwrap();
    assert_eq!((played.steps.len(), played.exit_code), (0, 1));

    let (proxy, _task) = forwarder(fake.addr(), None).await;
    let nobody = ClientConfig { proxy_logins: Vec::new(), ..client(proxy, &fake, login.clone()) };
    assert!(matches!(play(nobody).await.unwrap_err(), FakeError::TunnelRefused { status: 407, .. }));

    let (other, _) = self::fake(Script::default()).await;
    let untrusting = ClientConfig { ca_pem: other.ca_pem().to_owned(), ..client(proxy, &fake, login.clone()) };
    let played = play(untrusting).await.unwrap();
    assert_eq!((played.steps.len(), played.exit_code), (0, 1));

    let blind = ClientConfig { ca_pem: "no certificate".to_owned(), ..client(proxy, &fake, login) };
    assert!(matches!(play(blind).await.unwrap_err(), FakeError::CaPem));
}
