//! TLS that ends here: the ClientHello is read, the upstream is offered the same protocols, and the client gets what
//! the upstream chose. Only then does the client's handshake go on.

use super::Shared;
use super::dial::Dialed;
use super::journal::{ConnectionLog, micros};
use super::leg::Rewind;
use super::relay::{self, Form};
use super::tap::Channel;
use super::tls::{self, Noticed, Protocols};
use super::{h2, relay::RelayEnd};
use crate::facts::Scheme;
use crate::redact::Redacted;
use crate::trace::{HandshakeLeg, Mode, Outcome};
use crate::wire::{Authority, Host};
use rustls::pki_types::ServerName;
use rustls::server::Acceptor;
use rustls::{AlertDescription, CommonState, HandshakeKind, ProtocolVersion};
use std::io;
use std::sync::Arc;
use std::time::Instant;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;
use tokio_rustls::{LazyConfigAcceptor, StartHandshake, TlsConnector, client, server};

/// A fatal handshake_failure (RFC 8446 §6): the client learns that there will be no session, and no reason of ours.
const HANDSHAKE_FAILURE: [u8; 7] = [0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 40];

/// Serves one intercepted connection to its end.
pub(super) async fn serve(
    shared: &Arc<Shared>,
    log: &mut ConnectionLog,
    client: Rewind,
    dialed: Dialed,
    target: &Authority,
) {
    log.set_mode(Mode::Intercepted);
    let Host::Name(host) = &target.host else {
        return log.end(Outcome::Internal, Some(Redacted::literal("an address cannot be intercepted over TLS")));
    };
    // In boxes of their own, here and below: what a connection has behind it takes no room for the rest of its life.
    let (end, detail) = match Box::pin(handshakes(shared, log, client, dialed, host)).await {
        Ok(legs) => exchange(shared, log, legs, target).await,
        Err(end) => end,
    };
    log.end(end, detail);
}

/// Both TLS sessions of an intercepted connection.
struct Legs {
    client: Box<server::TlsStream<Rewind>>,
    upstream: Box<client::TlsStream<Rewind>>,
    certificate_asked: bool,
}

type ConnectionEnded = (Outcome, Option<Redacted>);

async fn handshakes(
    shared: &Arc<Shared>,
    log: &mut ConnectionLog,
    client: Rewind,
    dialed: Dialed,
    host: &str,
) -> Result<Legs, ConnectionEnded> {
    let begun = Instant::now();
    let hello = read_hello(shared, client).await?;
    let offer = hello.client_hello();
    let protocols: Protocols = offer.alpn().map(|list| list.map(<[u8]>::to_vec).collect()).unwrap_or_default();
    if offer.server_name().is_some_and(|name| !name.eq_ignore_ascii_case(host)) {
        log.set_server_name_mismatch();
    }
    let (upstream, certificate_asked) = match reach_upstream(shared, log, dialed, host, &protocols).await {
        Ok(upstream) => upstream,
        Err(failure) => {
            abort_client(hello, failure.reset).await;
            return Err((failure.outcome, Some(failure.told(shared))));
        }
    };
    let chosen = upstream.get_ref().1.alpn_protocol();
    let config = shared
        .tls
        .towards_client(&shared.leaves, host, chosen)
        .map_err(|_| (Outcome::Internal, Some(Redacted::literal("no certificate could be made for the host"))))?;
    let client = match timeout(shared.patience.handshake, hello.into_stream(config)).await {
        Err(_) => {
            return Err((
                Outcome::ClientTlsTimeout,
                Some(Redacted::literal("the client did not finish its handshake in time")),
            ));
        }
        Ok(Err(error)) => return Err(client_failure(&error)),
        Ok(Ok(client)) => client,
    };
    log.set_client_tls(describe(client.get_ref().1, client.get_ref().1.handshake_kind(), begun));
    Ok(Legs { client: Box::new(client), upstream, certificate_asked })
}

async fn read_hello(shared: &Shared, client: Rewind) -> Result<StartHandshake<Rewind>, ConnectionEnded> {
    let acceptor = LazyConfigAcceptor::new(Acceptor::default(), client);
    match timeout(shared.patience.handshake, acceptor).await {
        Err(_) => Err((
            Outcome::ClientTlsTimeout,
            Some(Redacted::literal("no ClientHello within ten seconds of the tunnel's opening")),
        )),
        Ok(Err(error)) if is_disconnect(&error) => Err((
            Outcome::UnusedTunnel,
            Some(Redacted::literal("the client closed the tunnel before it sent anything")),
        )),
        Ok(Err(_)) => {
            Err((Outcome::ClientNotTls, Some(Redacted::literal("the client did not speak TLS in the tunnel"))))
        }
        Ok(Ok(hello)) => Ok(hello),
    }
}

struct UpstreamFailure {
    outcome: Outcome,
    detail: &'static str,
    /// Who signed its certificate, if that is known.
    interceptor: Option<&'static str>,
    reset: bool,
}

impl UpstreamFailure {
    fn because(outcome: Outcome, detail: &'static str) -> Self {
        Self { outcome, detail, interceptor: None, reset: false }
    }

    /// For the record: our own words, and a name out of a closed list.
    fn told(&self, shared: &Shared) -> Redacted {
        match self.interceptor {
            Some(product) => shared.redactor.message(&format!("{}; it is signed by {product}", self.detail)),
            None => Redacted::literal(self.detail),
        }
    }
}

async fn reach_upstream(
    shared: &Shared,
    log: &mut ConnectionLog,
    dialed: Dialed,
    host: &str,
    protocols: &Protocols,
) -> Result<(Box<client::TlsStream<Rewind>>, bool), UpstreamFailure> {
    let begun = Instant::now();
    let fail = |detail| UpstreamFailure::because(Outcome::UpstreamTls, detail);
    let config = shared.tls.towards_upstream(protocols).map_err(|_| fail("TLS could not be set up"))?;
    let name = ServerName::try_from(host.to_owned()).map_err(|_| fail("the host is not a name that TLS can carry"))?;
    let socket = Rewind::new(dialed.stream, dialed.early);
    let handshake = TlsConnector::from(config).connect(name, socket);
    let (result, noticed) = tls::noticing(timeout(shared.patience.handshake, handshake)).await;
    match result {
        Err(_) => Err(fail("the upstream did not finish its handshake in time")),
        Ok(Err(error)) => Err(upstream_failure(&error, noticed)),
        Ok(Ok(upstream)) => {
            let state = upstream.get_ref().1;
            log.set_upstream_tls(describe(state, state.handshake_kind(), begun));
            Ok((Box::new(upstream), noticed.certificate_asked))
        }
    }
}

/// Ends the client's handshake as the upstream ended ours: a reset for a reset, an alert for a refusal.
async fn abort_client(hello: StartHandshake<Rewind>, reset: bool) {
    let mut client = hello.io;
    if reset {
        super::leg::Leg::reset_on_close(&mut client);
        return;
    }
    let _ = client.write_all(&HANDSHAKE_FAILURE).await;
    let _ = client.shutdown().await;
}

async fn exchange(shared: &Arc<Shared>, log: &mut ConnectionLog, legs: Legs, target: &Authority) -> ConnectionEnded {
    let Legs { client, upstream, certificate_asked } = legs;
    let channel = Channel::new(shared, log, Scheme::Https, target.host.to_string(), target.port);
    let channel = Arc::new(channel.asked_for_certificate(certificate_asked));
    if upstream.get_ref().1.alpn_protocol() == Some(b"h2") {
        return Box::pin(h2::serve(shared, log, client, upstream, channel)).await;
    }
    let RelayEnd { outcome, detail, .. } =
        relay::run(shared, log, client, upstream, channel, Form::Origin, Vec::new()).await;
    (outcome, detail)
}

fn describe(state: &CommonState, kind: Option<HandshakeKind>, begun: Instant) -> HandshakeLeg {
    HandshakeLeg {
        version: state.protocol_version().map(|version| match version {
            ProtocolVersion::TLSv1_3 => Redacted::literal("TLSv1.3"),
            ProtocolVersion::TLSv1_2 => Redacted::literal("TLSv1.2"),
            _ => Redacted::literal("TLS"),
        }),
        alpn: state.alpn_protocol().map(|protocol| match protocol {
            b"h2" => Redacted::literal("h2"),
            b"http/1.1" => Redacted::literal("http/1.1"),
            b"http/1.0" => Redacted::literal("http/1.0"),
            _ => Redacted::literal("other"),
        }),
        resumed: kind == Some(HandshakeKind::Resumed),
        handshake_us: micros(begun.elapsed()),
    }
}

/// A client that does not trust us mostly sends no alert: it closes after our certificate and before its Finished.
fn client_failure(error: &io::Error) -> ConnectionEnded {
    if is_disconnect(error) {
        return (
            Outcome::ClientDistrustsCa,
            Some(Redacted::literal(
                "the client closed the connection after it had seen our certificate, before it finished the handshake",
            )),
        );
    }
    match rustls_error(error) {
        Some(rustls::Error::AlertReceived(alert)) if tls::refuses_certificate(*alert) => {
            (Outcome::ClientDistrustsCa, Some(Redacted::literal("the client refused our certificate with a TLS alert")))
        }
        Some(rustls::Error::AlertReceived(_)) => {
            (Outcome::ClientTls, Some(Redacted::literal("the client ended the handshake with a TLS alert")))
        }
        _ => (Outcome::ClientTls, Some(Redacted::literal("the client's handshake failed"))),
    }
}

fn upstream_failure(error: &io::Error, noticed: Noticed) -> UpstreamFailure {
    let fail = |detail| UpstreamFailure::because(Outcome::UpstreamTls, detail);
    if is_disconnect(error) {
        let detail = "the upstream closed the connection during the handshake";
        return UpstreamFailure { reset: error.kind() == io::ErrorKind::ConnectionReset, ..fail(detail) };
    }
    match rustls_error(error) {
        Some(rustls::Error::InvalidCertificate(why)) => {
            UpstreamFailure { interceptor: noticed.interceptor, ..fail(certificate_detail(why)) }
        }
        Some(rustls::Error::AlertReceived(alert))
            if noticed.certificate_asked || *alert == AlertDescription::CertificateRequired =>
        {
            UpstreamFailure::because(Outcome::UpstreamMtls, tls::MTLS_HINT)
        }
        Some(rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)) => {
            fail("the upstream speaks none of the protocols that the client offered")
        }
        Some(rustls::Error::AlertReceived(_)) => fail("the upstream refused the handshake with a TLS alert"),
        Some(rustls::Error::InvalidMessage(_)) => fail("the upstream does not speak TLS"),
        _ => fail("the handshake with the upstream failed"),
    }
}

fn certificate_detail(why: &rustls::CertificateError) -> &'static str {
    use rustls::CertificateError as Why;
    match why {
        Why::Expired | Why::ExpiredContext { .. } => "the upstream's certificate has expired",
        Why::NotValidYet | Why::NotValidYetContext { .. } => {
            "the upstream's certificate is not valid yet (check the clock)"
        }
        Why::UnknownIssuer => {
            "the upstream's certificate was issued by nobody that is trusted here \
             (a corporate proxy? name its root with --upstream-ca)"
        }
        Why::NotValidForName | Why::NotValidForNameContext { .. } => "the upstream's certificate is for another name",
        Why::Revoked => "the upstream's certificate has been revoked",
        _ => "the upstream's certificate was not accepted",
    }
}

fn is_disconnect(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
    )
}

fn rustls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}
