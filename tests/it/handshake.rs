//! What the two TLS handshakes of an intercepted connection do to each other, and what becomes of the others.

use crate::support::{
    Ending, HOST, Identity, Origin, Pki, Setup, TestProxy, Wire, client_config, client_config_of, server,
};
use authtrace::trace::{Connection, Mode, Outcome};
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, CertificateError, ServerConfig};
use std::io;
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use tokio::io::AsyncWriteExt;

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: api.example.test\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

async fn start(config: impl FnOnce(&Pki) -> ServerConfig) -> (Pki, Origin, TestProxy) {
    let pki = Pki::new();
    let origin = Origin::tls(config(&pki)).await;
    let proxy = Setup::to(&origin).start(&pki);
    (pki, origin, proxy)
}

/// One exchange, and the end of the connection.
async fn use_once(mut client: Wire, mut upstream: Wire) {
    client.send(GET).await;
    upstream.expect(GET).await;
    upstream.send(OK).await;
    client.expect(OK).await;
    client.close().await;
    upstream.expect_end(Ending::Clean).await;
    upstream.close().await;
    client.expect_end(Ending::Clean).await;
}

#[tokio::test]
async fn the_upstream_chooses_among_the_clients_protocols() {
    let cases: [(&[&str], &[&str], Option<&str>); 6] = [
        (&["http/1.1"], &["h2", "http/1.1"], Some("http/1.1")),
        (&["h2", "http/1.1"], &["http/1.1"], Some("http/1.1")),
        (&["http/1.0", "http/1.1"], &["http/1.0"], Some("http/1.0")),
        (&["h2", "http/1.1"], &[], None),
        (&[], &["h2", "http/1.1"], None),
        (&[], &[], None),
    ];
    for (offered, known, chosen) in cases {
        let (_pki, origin, proxy) = start(|pki| pki.server(HOST, known)).await;
        let (client, upstream) = proxy.intercepted_with(&origin, proxy.client(offered)).await;
        assert_eq!(client.protocol().as_deref(), chosen, "{offered:?} {known:?}");
        assert_eq!(upstream.protocol().as_deref(), chosen);
        assert_eq!(upstream.offered(), offered, "the list is the client's own");
        use_once(client, upstream).await;
        let connection = proxy.records.await_connection().await;
        let told = |leg: &Option<authtrace::trace::HandshakeLeg>| {
            leg.as_ref().unwrap().alpn.as_ref().map(|protocol| protocol.as_str().to_owned())
        };
        assert_eq!(told(&connection.client_tls).as_deref(), chosen);
        assert_eq!(told(&connection.upstream_tls).as_deref(), chosen);
    }
}

#[tokio::test]
async fn an_upstream_without_a_common_protocol_refuses_the_client_as_well() {
    let (_pki, origin, proxy) = start(|pki| pki.server(HOST, &["http/1.0"])).await;
    let client = refused(&proxy, &origin).await;
    assert!(matches!(client, rustls::Error::AlertReceived(AlertDescription::HandshakeFailure)), "{client:?}");
    let connection = proxy.records.await_outcome(Outcome::UpstreamTls).await;
    assert!(detail(&connection).contains("protocols"));
}

#[tokio::test]
async fn sessions_are_resumed_on_both_legs() {
    for versions in [&[&TLS13], &[&TLS12]] {
        let (_pki, origin, proxy) = start(|pki| server(pki.identity(HOST), &["http/1.1"], versions)).await;
        let config = client_config_of(proxy.root(), &["http/1.1"], versions);
        for _ in 0..2 {
            let (client, upstream) = proxy.intercepted_with(&origin, config.clone()).await;
            use_once(client, upstream).await;
        }
        let connections = proxy.records.await_connections(2).await;
        let resumed: Vec<(bool, bool)> = connections
            .iter()
            .map(|connection| {
                (connection.client_tls.as_ref().unwrap().resumed, connection.upstream_tls.as_ref().unwrap().resumed)
            })
            .collect();
        assert_eq!(resumed, [(false, false), (true, true)], "{versions:?}");
    }
}

#[tokio::test]
async fn either_side_may_know_tls_1_2_only() {
    for (client_versions, server_versions, told) in [
        (&[&TLS12], &[&TLS13], ("TLSv1.2", "TLSv1.3")),
        (&[&TLS13], &[&TLS12], ("TLSv1.3", "TLSv1.2")),
        (&[&TLS12], &[&TLS12], ("TLSv1.2", "TLSv1.2")),
    ] {
        let (_pki, origin, proxy) = start(|pki| server(pki.identity(HOST), &["http/1.1"], server_versions)).await;
        let config = client_config_of(proxy.root(), &["http/1.1"], client_versions);
        let (client, upstream) = proxy.intercepted_with(&origin, config).await;
        use_once(client, upstream).await;
        let connection = proxy.records.await_outcome(Outcome::Ok).await;
        let version = |leg: Option<authtrace::trace::HandshakeLeg>| leg.unwrap().version.unwrap().as_str().to_owned();
        assert_eq!((version(connection.client_tls).as_str(), version(connection.upstream_tls).as_str()), told);
    }
}

#[tokio::test]
async fn a_missing_server_name_is_none_of_our_business_and_another_one_is_noted() {
    let (_pki, origin, proxy) = start(|pki| pki.server(HOST, &["http/1.1"])).await;
    let mut config = proxy.client(&["http/1.1"]);
    config.enable_sni = false;
    let (client, upstream) = proxy.intercepted_with(&origin, config).await;
    use_once(client, upstream).await;
    let connection = proxy.records.await_outcome(Outcome::Ok).await;
    assert!(!connection.server_name_mismatch);

    let (_pki, origin, proxy) = start(|pki| pki.server(HOST, &["http/1.1"])).await;
    let stream = proxy.tunnel(&format!("{HOST}:443")).await;
    let config = proxy.client(&["http/1.1"]);
    // The certificate is for the CONNECT target, so a client that asked for another name refuses it.
    let (client, upstream) =
        tokio::join!(crate::support::handshake(stream, "other.example.test", config), origin.try_accept());
    let refusal = rustls_error(client.err().unwrap());
    assert!(
        matches!(refusal, rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. })),
        "{refusal:?}"
    );
    drop(upstream);
    assert!(proxy.records.await_outcome(Outcome::ClientDistrustsCa).await.server_name_mismatch);
}

#[tokio::test]
async fn a_client_that_distrusts_us_is_told_by_its_alert() {
    for versions in [&[&TLS13], &[&TLS12]] {
        let (pki, origin, proxy) = start(|pki| pki.server(HOST, &["http/1.1"])).await;
        // Trusts the origin's root only.
        let root = pki.root();
        let config = client_config_of(&root, &["http/1.1"], versions);
        let (client, upstream) = tokio::join!(proxy.try_tls(HOST, config), origin.try_accept());
        assert!(client.is_err());
        let connection = proxy.records.await_outcome(Outcome::ClientDistrustsCa).await;
        assert_eq!((connection.mode, connection.requests), (Mode::Intercepted, 0));
        assert!(connection.upstream_tls.is_some() && connection.client_tls.is_none());
        drop(upstream);
        proxy.until_idle().await;
    }
}

#[tokio::test]
async fn a_client_that_leaves_without_a_word_after_our_certificate_distrusts_us() {
    for reset in [false, true] {
        let (_pki, origin, proxy) = start(|pki| pki.server(HOST, &["http/1.1"])).await;
        let stream = proxy.tunnel(&format!("{HOST}:443")).await;
        let mut wire = Wire::Plain(stream);
        let name = rustls::pki_types::ServerName::try_from(HOST).unwrap();
        let mut hello = rustls::ClientConnection::new(std::sync::Arc::new(proxy.client(&[])), name).unwrap();
        let mut bytes = Vec::new();
        hello.write_tls(&mut bytes).unwrap();
        // In single bytes, which a slow network may do as well.
        let talk = async {
            for byte in &bytes {
                wire.send([*byte]).await;
            }
            wire.receive(1).await;
        };
        let ((), upstream) = tokio::join!(talk, origin.try_accept());
        if reset {
            wire.reset();
        } else {
            drop(wire);
        }
        proxy.records.await_outcome(Outcome::ClientDistrustsCa).await;
        drop(upstream);
        proxy.until_idle().await;
    }
}

#[tokio::test]
async fn a_tunnel_that_is_never_used_is_not_distrust() {
    // Closed before anything was sent in it.
    let (_pki, _origin, proxy) = start(|pki| pki.server(HOST, &[])).await;
    drop(proxy.tunnel(&format!("{HOST}:443")).await);
    proxy.records.await_outcome(Outcome::UnusedTunnel).await;
    proxy.until_idle().await;
    // Closed after the handshake.
    let (_pki, origin, proxy) = start(|pki| pki.server(HOST, &[])).await;
    let (mut client, mut upstream) = proxy.intercepted(&origin).await;
    client.close().await;
    upstream.expect_end(Ending::Clean).await;
    upstream.close().await;
    let connection = proxy.records.await_outcome(Outcome::UnusedTunnel).await;
    assert!(detail(&connection).contains("without a request"));
    // Closed before a CONNECT.
    let (_pki, _origin, proxy) = start(|pki| pki.server(HOST, &[])).await;
    drop(proxy.dial().await);
    proxy.records.await_outcome(Outcome::UnusedTunnel).await;
}

#[tokio::test]
async fn a_client_without_a_client_hello_is_waited_for_so_long_and_no_longer() {
    let pki = Pki::new();
    let origin = Origin::tls(pki.server(HOST, &[])).await;
    for begun in [b"".as_slice(), b"\x16\x03\x01"] {
        let mut setup = Setup::to(&origin);
        setup.patience.handshake = Duration::from_millis(50);
        let proxy = setup.start(&pki);
        let mut wire = Wire::Plain(proxy.tunnel(&format!("{HOST}:443")).await);
        wire.send(begun).await;
        let _ = wire.receive_end().await;
        proxy.records.await_outcome(Outcome::ClientTlsTimeout).await;
        proxy.until_idle().await;
    }
}

#[tokio::test]
async fn whatever_is_not_tls_is_not_passed_on() {
    for garbage in [GET, b"SSH-2.0-OpenSSH_9.6\r\n", b"\x00\xff\x13garbage", b"\x16\x03\x01\x00\x05hello"] {
        let (_pki, origin, proxy) = start(|pki| pki.server(HOST, &[])).await;
        let mut wire = Wire::Plain(proxy.tunnel(&format!("{HOST}:443")).await);
        let mut upstream = Wire::Plain(origin.accept_socket().await);
        wire.send(garbage).await;
        let (answer, _) = wire.receive_end().await;
        assert!(answer.is_empty() || answer.starts_with(b"\x15"), "{}", answer.escape_ascii());
        assert!(upstream.receive_end().await.0.is_empty());
        proxy.records.await_outcome(Outcome::ClientNotTls).await;
        proxy.until_idle().await;
    }
}

#[tokio::test]
async fn other_hosts_pass_unread() {
    let pki = Pki::new();
    let origin = Origin::tls(pki.server("git.example.net", &["h2"])).await;
    let proxy = Setup::to(&origin).start(&pki);
    // Trusts the origin alone: with a certificate of ours this handshake would fail.
    let config = client_config(&pki.root(), &["h2"]);
    let (client, upstream) = tokio::join!(proxy.try_tls("git.example.net", config), origin.accept());
    let (mut client, mut upstream) = (client.unwrap(), upstream);
    client.send(b"anything\0at\nall").await;
    upstream.expect(b"anything\0at\nall").await;
    upstream.send(b"back").await;
    client.expect(b"back").await;
    client.close().await;
    upstream.expect_end(Ending::Clean).await;
    upstream.close().await;
    client.expect_end(Ending::Clean).await;
    drop((client, upstream));
    let connection = proxy.records.await_outcome(Outcome::Ok).await;
    assert_eq!((connection.mode, connection.requests), (Mode::Tunnel, 0));
    assert!(connection.client_tls.is_none() && connection.upstream_tls.is_none());
    assert!(proxy.records.exchanges().is_empty());
}

#[tokio::test]
async fn a_blind_tunnel_counts_bytes_and_keeps_the_manner_of_the_end() {
    for ending in [Ending::Clean, Ending::Reset] {
        for client_first in [false, true] {
            let pki = Pki::new();
            let origin = Origin::plain().await;
            let proxy = Setup::to(&origin).start(&pki);
            let (stream, mut upstream) = tokio::join!(proxy.tunnel("git.example.net:22"), origin.accept());
            let mut client = Wire::Plain(stream);
            client.send(b"hello").await;
            upstream.expect(b"hello").await;
            upstream.send(b"SSH-2.0").await;
            client.expect(b"SSH-2.0").await;
            let (mut first, mut second) = if client_first { (client, upstream) } else { (upstream, client) };
            if ending == Ending::Reset {
                first.reset();
                second.expect_end(Ending::Reset).await;
            } else {
                first.close().await;
                second.expect_end(Ending::Clean).await;
                // Half of it still carries.
                second.send(b"rest").await;
                first.expect(b"rest").await;
                second.close().await;
                first.expect_end(Ending::Clean).await;
            }
            let connection = proxy.records.await_connection().await;
            let (up, down) = match (ending, client_first) {
                (Ending::Reset, _) => (5, 7),
                (_, true) => (5, 11),
                (_, false) => (9, 7),
            };
            assert_eq!((connection.bytes_up, connection.bytes_down), (up, down));
            let outcome = match (ending, client_first) {
                (Ending::Clean, _) => Outcome::Ok,
                (_, true) => Outcome::ClientAbort,
                (_, false) => Outcome::UpstreamReset,
            };
            assert_eq!(connection.end.outcome, outcome);
            proxy.until_idle().await;
        }
    }
}

#[tokio::test]
async fn a_host_that_is_never_to_be_read_is_not() {
    let pki = Pki::new();
    let origin = Origin::tls(pki.server(HOST, &[])).await;
    let mut setup = Setup::to(&origin);
    setup.never = vec![HOST.to_owned()];
    let proxy = setup.start(&pki);
    let (client, upstream) = tokio::join!(proxy.try_tls(HOST, client_config(&pki.root(), &[])), origin.accept());
    use_once(client.unwrap(), upstream).await;
    assert_eq!(proxy.records.await_outcome(Outcome::Ok).await.mode, Mode::Tunnel);
}

#[tokio::test]
async fn an_upstream_whose_certificate_is_bad_is_refused_to_the_client() {
    let now = OffsetDateTime::now_utc();
    let days = time::Duration::days;
    type Make = Box<dyn Fn(&Pki) -> Identity>;
    let cases: [(&str, Make); 4] = [
        ("expired", Box::new(move |pki| pki.identity_between(HOST, now - days(2), now - days(1)))),
        ("not valid yet", Box::new(move |pki| pki.identity_between(HOST, now + days(1), now + days(2)))),
        ("another name", Box::new(|pki| pki.identity("www.example.test"))),
        ("nobody that is trusted", Box::new(|_| Pki::self_signed(HOST))),
    ];
    for (why, identity) in cases {
        let (_pki, origin, proxy) = start(|pki| server(identity(pki), &["http/1.1"], rustls::ALL_VERSIONS)).await;
        let client = refused(&proxy, &origin).await;
        assert!(matches!(client, rustls::Error::AlertReceived(AlertDescription::HandshakeFailure)), "{client:?}");
        let connection = proxy.records.await_outcome(Outcome::UpstreamTls).await;
        assert!(detail(&connection).contains(why), "{why}: {}", detail(&connection));
        assert!(proxy.records.exchanges().is_empty());
        proxy.until_idle().await;
    }
}

#[tokio::test]
async fn an_upstream_that_does_not_speak_tls_is_refused_to_the_client() {
    for (answer, reset) in [(b"HTTP/1.1 400 Bad Request\r\n\r\n".as_slice(), false), (b"", false), (b"", true)] {
        let pki = Pki::new();
        let origin = Origin::plain().await;
        let proxy = Setup::to(&origin).start(&pki);
        let server = async {
            let mut stream = origin.accept_socket().await;
            let mut hello = [0; 5];
            tokio::io::AsyncReadExt::read_exact(&mut stream, &mut hello).await.unwrap();
            stream.write_all(answer).await.unwrap();
            if reset {
                stream.set_zero_linger().unwrap();
            } else {
                stream.shutdown().await.unwrap();
                let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut Vec::new()).await;
            }
        };
        let (client, ()) = tokio::join!(proxy.try_tls(HOST, proxy.client(&[])), server);
        let error = client.err().unwrap();
        if reset {
            assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        }
        proxy.records.await_outcome(Outcome::UpstreamTls).await;
        proxy.until_idle().await;
    }
}

#[tokio::test]
async fn an_upstream_that_wants_a_client_certificate_is_named() {
    for versions in [&[&TLS13], &[&TLS12]] {
        let (_pki, origin, proxy) = start(|pki| pki.server_with_client_auth(HOST, versions)).await;
        let begun = Instant::now();
        let client = async {
            // With TLS 1.3 the upstream refuses after our handshake, so that the client's may succeed.
            if let Ok(mut client) = proxy.try_tls(HOST, proxy.client(&[])).await {
                let _ = client.try_send(GET).await;
                let (received, ending) = client.receive_end().await;
                assert_eq!((received, ending), (Vec::new(), Ending::Reset));
            }
        };
        let ((), upstream) = tokio::join!(client, origin.try_accept());
        assert!(upstream.is_err());
        let connection = proxy.records.await_outcome(Outcome::UpstreamMtls).await;
        assert!(detail(&connection).contains("--tunnel"), "{}", detail(&connection));
        assert!(begun.elapsed() < Duration::from_secs(5));
        proxy.until_idle().await;
    }
}

/// The client's error from a handshake that the proxy does not finish.
async fn refused(proxy: &TestProxy, origin: &Origin) -> rustls::Error {
    let (client, upstream) = tokio::join!(proxy.try_tls(HOST, proxy.client(&["http/1.1"])), origin.try_accept());
    drop(upstream);
    rustls_error(client.err().unwrap())
}

fn rustls_error(error: io::Error) -> rustls::Error {
    error.into_inner().unwrap().downcast_ref::<rustls::Error>().unwrap().clone()
}

fn detail(connection: &Connection) -> String {
    connection.end.detail.as_ref().map_or_else(String::new, |detail| detail.as_str().to_owned())
}
