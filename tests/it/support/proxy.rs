//! A proxy in this process, and the ways to it.

use super::{AT_MOST, Collector, HOST, Origin, Pki, Wire, client_config, soon};
use authtrace::ca::{LeafStore, Root, Scope};
use authtrace::proxy::{
    Access, ConnectTo, Intercept, Lane, Patience, Policy, Proxy, ProxyConfig, ProxyHandle, UpstreamProxy,
};
use authtrace::redact::{Options, Redacted, Redactor};
use authtrace::wire::Host;
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use time::OffsetDateTime;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

/// The user and the password of the test proxy's lane.
pub(crate) const PASSWORD: (&str, &str) = ("main", "FAKE-proxy-password");

pub(crate) struct TestProxy {
    pub(crate) records: Arc<Collector>,
    pub(crate) handle: ProxyHandle,
    root: CertificateDer<'static>,
    root_pem: String,
}

/// What differs between tests. Every target leads to `catch_all`, so that nothing can leave the machine.
pub(crate) struct Setup {
    pub(crate) catch_all: SocketAddr,
    /// Rules that come before the one that catches all.
    pub(crate) connect_to: Vec<String>,
    /// Leave out the rule that catches all: for targets that cannot leave the machine by themselves.
    pub(crate) without_catch_all: bool,
    pub(crate) patience: Patience,
    pub(crate) open: bool,
    pub(crate) upstream_proxy: Option<String>,
    pub(crate) never: Vec<String>,
    pub(crate) policy: Option<Policy>,
}

impl Setup {
    pub(crate) fn to(origin: &Origin) -> Self {
        Self::to_address(origin.address())
    }

    pub(crate) fn to_address(catch_all: SocketAddr) -> Self {
        Self {
            catch_all,
            connect_to: Vec::new(),
            without_catch_all: false,
            patience: Patience::default(),
            open: false,
            upstream_proxy: None,
            never: Vec::new(),
            policy: None,
        }
    }

    /// Serves, with a root for `example.test`.
    pub(crate) fn start(self, pki: &Pki) -> TestProxy {
        let scope = Scope::from_patterns(["*.example.test"]).unwrap();
        let root = Arc::new(Root::generate(&scope, OffsetDateTime::now_utc()).unwrap());
        let (certificate, root_pem) = (root.certificate_der().clone(), root.certificate_pem().to_owned());
        let mut connect_to: Vec<ConnectTo> =
            self.connect_to.iter().map(|rule| ConnectTo::parse(rule).unwrap()).collect();
        if !self.without_catch_all {
            connect_to.push(ConnectTo::parse(&format!("::{}", self.catch_all)).unwrap());
        }
        let (user, password) = PASSWORD;
        let lane = Lane::new(Redacted::literal("main"), user.to_owned(), Zeroizing::new(password.to_owned()));
        let config = ProxyConfig {
            listen: "127.0.0.1:0".parse().unwrap(),
            intercept: Intercept::new(
                scope,
                vec![Host::Ip("127.0.0.1".parse().unwrap())],
                Scope::from_patterns(self.never.iter().map(String::as_str)).unwrap(),
            ),
            leaves: Arc::new(LeafStore::new(root).unwrap()),
            upstream_trust: pki.trust(),
            connect_to,
            upstream_proxy: self.upstream_proxy.map(|url| UpstreamProxy::parse(&url).unwrap()),
            access: if self.open { Access::open(Redacted::literal("main")) } else { Access::with_lane(lane) },
            patience: self.patience,
            policy: self.policy,
        };
        let redactor = Arc::new(Redactor::new(Options::default().with_hosts([HOST])).unwrap());
        let records = Arc::new(Collector::default());
        let sink: Arc<Collector> = Arc::clone(&records);
        let handle = Proxy::bind(config, redactor, sink).unwrap().serve();
        TestProxy { records, handle, root: certificate, root_pem }
    }
}

impl TestProxy {
    pub(crate) fn address(&self) -> SocketAddr {
        self.handle.address()
    }

    pub(crate) fn root_pem(&self) -> &str {
        &self.root_pem
    }

    /// A client that trusts this proxy.
    pub(crate) fn client(&self, protocols: &[&str]) -> ClientConfig {
        client_config(&self.root, protocols)
    }

    pub(crate) fn root(&self) -> &CertificateDer<'static> {
        &self.root
    }

    /// A connection on which nothing was said yet.
    pub(crate) async fn dial(&self) -> Wire {
        let stream = soon("the proxy", TcpStream::connect(self.address())).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Wire::Plain(stream)
    }

    /// The answer to a CONNECT, and the connection.
    pub(crate) async fn connect(&self, target: &str) -> (String, Wire) {
        let mut wire = self.dial().await;
        wire.send(format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n")).await;
        let head = wire.receive_until(b"\r\n\r\n").await;
        (String::from_utf8(head).unwrap(), wire)
    }

    /// A tunnel that was granted.
    pub(crate) async fn tunnel(&self, target: &str) -> TcpStream {
        let (head, wire) = self.connect(target).await;
        assert!(head.starts_with("HTTP/1.1 200 "), "{head}");
        let Wire::Plain(stream) = wire else { unreachable!() };
        stream
    }

    pub(crate) async fn try_tls(&self, host: &str, config: ClientConfig) -> io::Result<Wire> {
        let stream = self.tunnel(&format!("{host}:443")).await;
        handshake(stream, host, config).await
    }

    /// Both ends of an intercepted connection, each after its handshake.
    pub(crate) async fn intercepted(&self, origin: &Origin) -> (Wire, Wire) {
        self.intercepted_with(origin, self.client(&["http/1.1"])).await
    }

    pub(crate) async fn intercepted_with(&self, origin: &Origin, config: ClientConfig) -> (Wire, Wire) {
        let (client, upstream) = tokio::join!(self.try_tls(HOST, config), origin.accept());
        (client.unwrap(), upstream)
    }

    /// Until every connection has ended.
    pub(crate) async fn until_idle(&self) {
        let idle = async {
            while self.handle.connections() > 0 {
                tokio::task::yield_now().await;
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        };
        assert!(
            tokio::time::timeout(AT_MOST, idle).await.is_ok(),
            "{} connections are left",
            self.handle.connections()
        );
    }
}

pub(crate) async fn handshake(stream: TcpStream, host: &str, config: ClientConfig) -> io::Result<Wire> {
    let name = ServerName::try_from(host.to_owned()).unwrap();
    let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
    Ok(Wire::Client(Box::new(soon("a handshake", connecting).await?)))
}
