//! Dialling the upstream: `--connect-to`, names, TCP, and the proxy that we go through.

use super::bypass::Bypass;
use super::shortage::Shortage;
use super::{Patience, ProxyError, reply};
use crate::trace::Outcome;
use crate::wire::{self, Authority, Host};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use zeroize::Zeroizing;

/// Longest answer of an upstream proxy to our CONNECT.
const LONGEST_PROXY_ANSWER: usize = 64 * 1024;

/// A target that is dialled elsewhere, as curl's option of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectTo {
    host: Option<Host>,
    port: Option<u16>,
    to_host: Option<Host>,
    to_port: Option<u16>,
}

impl ConnectTo {
    /// Reads `HOST:PORT:HOST2:PORT2`; an empty part matches any, or stays as it was.
    ///
    /// # Errors
    /// [`ProxyError::ConnectTo`], without the text.
    pub fn parse(text: &str) -> Result<Self, ProxyError> {
        let mut parts = split_colons(text);
        if parts.len() != 4 {
            return Err(ProxyError::ConnectTo);
        }
        let to_port = parse_port(parts.pop().unwrap_or_default()).map_err(|()| ProxyError::ConnectTo)?;
        let to_host = parse_host(parts.pop().unwrap_or_default()).map_err(|()| ProxyError::ConnectTo)?;
        let port = parse_port(parts.pop().unwrap_or_default()).map_err(|()| ProxyError::ConnectTo)?;
        let host = parse_host(parts.pop().unwrap_or_default()).map_err(|()| ProxyError::ConnectTo)?;
        Ok(Self { host, port, to_host, to_port })
    }

    fn apply(&self, target: &Authority) -> Option<Authority> {
        let host_matches = self.host.as_ref().is_none_or(|host| *host == target.host);
        let port_matches = self.port.is_none_or(|port| port == target.port);
        (host_matches && port_matches).then(|| Authority {
            host: self.to_host.clone().unwrap_or_else(|| target.host.clone()),
            port: self.to_port.unwrap_or(target.port),
        })
    }
}

/// Splits at colons outside of brackets.
fn split_colons(text: &str) -> Vec<&str> {
    let mut depth = 0_u32;
    text.split(|character| {
        match character {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ':' && depth == 0
    })
    .collect()
}

fn parse_host(text: &str) -> Result<Option<Host>, ()> {
    if text.is_empty() {
        return Ok(None);
    }
    // Read as the host of an authority, so that both are understood alike.
    wire::connect_target(format!("{text}:1").as_bytes()).map(|authority| Some(authority.host)).map_err(|_| ())
}

fn parse_port(text: &str) -> Result<Option<u16>, ()> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().ok().filter(|port| *port > 0).map(Some).ok_or(())
}

/// The proxy that we go through, with its Basic credentials.
#[derive(Clone)]
pub struct UpstreamProxy {
    address: Authority,
    authorization: Option<Zeroizing<String>>,
    bypass: Bypass,
}

impl UpstreamProxy {
    /// Reads `http://[USER:PASSWORD@]HOST[:PORT]` (port 80 if none is given). No scheme counts as `http://`.
    ///
    /// # Errors
    /// [`ProxyError::UpstreamProxy`], without the user information.
    pub fn parse(url: &str) -> Result<Self, ProxyError> {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        // The last `@` ends the user information, also where a password has `/`, `?` or `#` in it that ought to have
        // been percent-encoded.
        let (userinfo, rest) = match rest.rsplit_once('@') {
            Some((userinfo, rest)) => (Some(userinfo), rest),
            None => (None, rest),
        };
        let address = rest.split(['/', '?', '#']).next().unwrap_or(rest);
        // Only what reads as host and port is shown: anything else may be a piece of a password.
        let readable = |text: &str| {
            let with_port = if split_colons(text).len() > 1 { text.to_owned() } else { format!("{text}:80") };
            wire::connect_target(with_port.as_bytes()).ok()
        };
        let shown = match userinfo {
            Some(_) => readable(address).map(|address| address.to_string()),
            None => None,
        };
        let fail = |why| ProxyError::UpstreamProxy { shown: shown.clone().unwrap_or_else(|| "…".to_owned()), why };
        match url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase()).as_deref() {
            None | Some("http") => {}
            Some("https") => return Err(fail("a proxy that is itself reached over TLS is not supported")),
            Some(_) => return Err(fail("only http:// proxies are supported")),
        }
        let address = readable(address)
            .ok_or_else(|| fail("host or port is malformed; write / ? # and @ in a password as %2F %3F %23 and %40"))?;
        let authorization = userinfo.map(|userinfo| {
            let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
            let mut plain = Zeroizing::new(Vec::new());
            plain.extend(percent_encoding::percent_decode_str(user));
            plain.push(b':');
            plain.extend(percent_encoding::percent_decode_str(password));
            Zeroizing::new(format!("Basic {}", STANDARD.encode(plain.as_slice())))
        });
        Ok(Self { address, authorization, bypass: Bypass::default() })
    }

    /// Lets these targets go directly.
    #[must_use]
    pub fn with_bypass(self, bypass: Bypass) -> Self {
        Self { bypass, ..self }
    }

    /// Host and port, without credentials.
    #[must_use]
    pub fn address(&self) -> &Authority {
        &self.address
    }

    /// The value for `Proxy-Authorization`, if there are credentials.
    pub(super) fn authorization(&self) -> Option<&str> {
        self.authorization.as_ref().map(|value| value.as_str())
    }
}

/// Dials upstreams for all connections.
pub(super) struct Dialer {
    connect_to: Vec<ConnectTo>,
    proxy: Option<UpstreamProxy>,
    patience: Patience,
    own: OnceLock<SocketAddr>,
    guard_local: bool,
}

/// What the client's tunnel or request is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// Bytes both ways: an upstream proxy is asked for a tunnel.
    Tunnel,
    /// HTTP without TLS: an upstream proxy takes the request in absolute form.
    PlainHttp,
}

/// An upstream that was reached.
pub(super) struct Dialed {
    pub(super) stream: TcpStream,
    /// Bytes that came behind an upstream proxy's answer.
    pub(super) early: Vec<u8>,
    pub(super) dns: Option<Duration>,
    pub(super) connect: Duration,
    pub(super) via_proxy: bool,
}

/// An upstream that was not reached.
#[derive(Debug)]
pub(super) struct DialFailure {
    pub(super) outcome: Outcome,
    /// The status for the client's CONNECT.
    pub(super) status: u16,
    pub(super) detail: &'static str,
    /// What an upstream proxy answered, for its record.
    pub(super) refusal: Option<Box<ProxyRefusal>>,
    /// A limit of ours that was in the way.
    pub(super) shortage: Option<Shortage>,
    pub(super) dns: Option<Duration>,
}

/// The answer of an upstream proxy that refused; raw, for the redactor alone.
pub(super) struct ProxyRefusal {
    pub(super) status: u16,
    pub(super) head: Vec<u8>,
    pub(super) response: wire::ResponseHead,
}

impl std::fmt::Debug for ProxyRefusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProxyRefusal").field("status", &self.status).finish_non_exhaustive()
    }
}

impl Dialer {
    pub(super) fn new(
        connect_to: Vec<ConnectTo>,
        proxy: Option<UpstreamProxy>,
        patience: Patience,
        guard_local: bool,
    ) -> Self {
        Self { connect_to, proxy, patience, own: OnceLock::new(), guard_local }
    }

    /// Tells the address on which the proxy itself listens, so that it never dials itself.
    pub(super) fn set_own_address(&self, own: SocketAddr) {
        let _ = self.own.set(own);
    }

    pub(super) fn upstream_proxy(&self) -> Option<&UpstreamProxy> {
        self.proxy.as_ref()
    }

    /// Reaches the target, directly or through the upstream proxy.
    pub(super) async fn dial(&self, target: &Authority, purpose: Purpose) -> Result<Dialed, DialFailure> {
        let moved = self.connect_to.iter().find_map(|rule| rule.apply(target));
        let exempt = moved.is_some();
        let target = moved.as_ref().unwrap_or(target);
        match (&self.proxy, exempt) {
            (Some(proxy), false) if !proxy.bypass.covers(target) => self.dial_through(proxy, target, purpose).await,
            _ => self.dial_directly(target, exempt).await,
        }
    }

    async fn dial_directly(&self, target: &Authority, exempt: bool) -> Result<Dialed, DialFailure> {
        let (addresses, dns) = self.resolve(target).await?;
        self.refuse_blocked(&addresses, exempt)?;
        let begun = Instant::now();
        let stream = self.connect(&addresses, dns).await?;
        Ok(Dialed { stream, early: Vec::new(), dns, connect: begun.elapsed(), via_proxy: false })
    }

    async fn dial_through(
        &self,
        proxy: &UpstreamProxy,
        target: &Authority,
        purpose: Purpose,
    ) -> Result<Dialed, DialFailure> {
        let (addresses, dns) = self.resolve(&proxy.address).await?;
        if addresses.iter().any(|address| self.is_own(*address)) {
            return Err(DialFailure::blocked("the upstream proxy is this proxy itself"));
        }
        let begun = Instant::now();
        let mut stream = self.connect(&addresses, dns).await?;
        let mut early = Vec::new();
        if purpose == Purpose::Tunnel {
            early = match timeout(self.patience.connect, ask_for_tunnel(&mut stream, proxy, target)).await {
                Ok(Ok(early)) => early,
                Ok(Err(mut failure)) => {
                    failure.dns = dns;
                    return Err(failure);
                }
                Err(_) => {
                    return Err(DialFailure::proxy(504, "the upstream proxy did not answer the CONNECT in time", None));
                }
            };
        }
        Ok(Dialed { stream, early, dns, connect: begun.elapsed(), via_proxy: true })
    }

    async fn resolve(&self, target: &Authority) -> Result<(Vec<SocketAddr>, Option<Duration>), DialFailure> {
        let name = match &target.host {
            Host::Ip(address) => return Ok((vec![SocketAddr::new(*address, target.port)], None)),
            Host::Name(name) => name.as_str(),
        };
        let begun = Instant::now();
        let looked_up = timeout(self.patience.dns, tokio::net::lookup_host((name, target.port))).await;
        let dns = Some(begun.elapsed());
        let failed = |status, detail| DialFailure::new(Outcome::UpstreamDns, status, detail, dns);
        match looked_up {
            Err(_) => Err(failed(504, "the name server did not answer in time")),
            Ok(Err(error)) => Err(match Shortage::of(&error).or_else(Shortage::now) {
                Some(shortage) => DialFailure::short(shortage, dns),
                None => failed(502, "the host name could not be resolved"),
            }),
            Ok(Ok(addresses)) => {
                let addresses: Vec<SocketAddr> = addresses.collect();
                if addresses.is_empty() {
                    return Err(failed(502, "the host name has no address"));
                }
                Ok((addresses, dns))
            }
        }
    }

    fn refuse_blocked(&self, addresses: &[SocketAddr], exempt: bool) -> Result<(), DialFailure> {
        if addresses.iter().any(|address| self.is_own(*address)) {
            return Err(DialFailure::blocked("the target is this proxy itself"));
        }
        if self.guard_local && !exempt && addresses.iter().any(|address| is_local(address.ip())) {
            return Err(DialFailure::blocked(
                "loopback and link-local targets are refused while the proxy asks for no password",
            ));
        }
        Ok(())
    }

    /// An unspecified address reaches loopback, so it counts as ours as well.
    fn is_own(&self, address: SocketAddr) -> bool {
        self.own.get().is_some_and(|own| {
            let ip = address.ip().to_canonical();
            own.port() == address.port() && (ip == own.ip() || ip.is_unspecified() || ip.is_loopback())
        })
    }

    /// Tries the addresses in turn within one span of patience; the last failure counts.
    async fn connect(&self, addresses: &[SocketAddr], dns: Option<Duration>) -> Result<TcpStream, DialFailure> {
        let attempt = async {
            let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
            for address in addresses {
                match TcpStream::connect(address).await {
                    Ok(stream) => return Ok(stream),
                    Err(error) => last = error,
                }
            }
            Err(last)
        };
        let failed = |status, detail| DialFailure::new(Outcome::UpstreamConnect, status, detail, dns);
        match timeout(self.patience.connect, attempt).await {
            Err(_) => Err(failed(504, "the upstream did not accept the connection in time")),
            Ok(Err(error)) => Err(match Shortage::of(&error) {
                Some(shortage) => DialFailure::short(shortage, dns),
                None => failed(502, connect_detail(&error)),
            }),
            Ok(Ok(stream)) => {
                // Without it a small request waits for the acknowledgement of the one before.
                let _ = stream.set_nodelay(true);
                Ok(stream)
            }
        }
    }
}

impl DialFailure {
    fn new(outcome: Outcome, status: u16, detail: &'static str, dns: Option<Duration>) -> Self {
        Self { outcome, status, detail, refusal: None, shortage: None, dns }
    }

    fn blocked(detail: &'static str) -> Self {
        Self::new(Outcome::BlockedTarget, 403, detail, None)
    }

    fn short(shortage: Shortage, dns: Option<Duration>) -> Self {
        Self { shortage: Some(shortage), ..Self::new(Outcome::Internal, 503, shortage.detail(), dns) }
    }

    fn proxy(status: u16, detail: &'static str, refusal: Option<ProxyRefusal>) -> Self {
        let refusal = refusal.map(Box::new);
        Self { refusal, ..Self::new(Outcome::UpstreamProxyRefused, status, detail, None) }
    }
}

fn is_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_loopback() || address.is_link_local() || address.is_unspecified(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unspecified() || address.is_unicast_link_local(),
    }
}

fn connect_detail(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "the upstream refused the connection",
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => "the upstream cannot be reached",
        io::ErrorKind::ConnectionReset => "the upstream reset the connection",
        _ => "the connection to the upstream failed",
    }
}

/// RFC 9110 §9.3.6: a 2xx answer makes the connection a tunnel; what follows its head belongs to the tunnel.
async fn ask_for_tunnel(
    stream: &mut TcpStream,
    proxy: &UpstreamProxy,
    target: &Authority,
) -> Result<Vec<u8>, DialFailure> {
    let request = Zeroizing::new(reply::connect_request(target, proxy.authorization()));
    let broken = |_| DialFailure::proxy(502, "the upstream proxy broke the connection off", None);
    stream.write_all(&request).await.map_err(broken)?;
    let mut buffer = Vec::with_capacity(1_024);
    let context = wire::RequestContext { connect: true, ..wire::RequestContext::default() };
    loop {
        let head = wire::response_head(&buffer, context, &wire::Limits::default())
            .map_err(|_| DialFailure::proxy(502, "the upstream proxy's answer is not HTTP", None))?;
        match head {
            Some(head) if head.kind == wire::ResponseKind::Informational => {
                buffer.drain(..head.len.min(buffer.len()));
                continue;
            }
            Some(head) if (200..300).contains(&head.status) => return Ok(buffer.split_off(head.len.min(buffer.len()))),
            Some(head) => {
                let status = head.status;
                let refusal = ProxyRefusal { status, head: buffer, response: head };
                let shown = if status == 407 { 407 } else { 502 };
                return Err(DialFailure::proxy(shown, "the upstream proxy refused the tunnel", Some(refusal)));
            }
            None if buffer.len() > LONGEST_PROXY_ANSWER => {
                return Err(DialFailure::proxy(502, "the upstream proxy's answer is too long", None));
            }
            None => {}
        }
        if stream.read_buf(&mut buffer).await.map_err(broken)? == 0 {
            return Err(DialFailure::proxy(502, "the upstream proxy closed the connection without an answer", None));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authority(text: &str) -> Authority {
        wire::connect_target(text.as_bytes()).unwrap()
    }

    #[test]
    fn connect_to_moves_what_it_matches() {
        let rule = ConnectTo::parse("api.anthropic.com:443:127.0.0.1:8443").unwrap();
        assert_eq!(rule.apply(&authority("api.anthropic.com:443")), Some(authority("127.0.0.1:8443")));
        assert_eq!(rule.apply(&authority("api.anthropic.com:444")), None);
        let any = ConnectTo::parse("::[::1]:8443").unwrap();
        assert_eq!(any.apply(&authority("claude.ai:443")), Some(authority("[::1]:8443")));
        let port_only = ConnectTo::parse("claude.ai:::8443").unwrap();
        assert_eq!(port_only.apply(&authority("claude.ai:443")), Some(authority("claude.ai:8443")));
    }

    #[test]
    fn connect_to_refuses_other_forms() {
        for wrong in ["", "a:1:b", "a:1:b:2:3", "a:x:b:2", "a b:1:c:2", "a:1:b:65536"] {
            assert!(ConnectTo::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_upstream_proxy_has_percent_decoded_credentials() {
        let proxy = UpstreamProxy::parse("http://us%40er:FAKE%3Apass@proxy.example:3128/").unwrap();
        assert_eq!(proxy.address(), &authority("proxy.example:3128"));
        assert_eq!(proxy.authorization(), Some(format!("Basic {}", STANDARD.encode("us@er:FAKE:pass")).as_str()));
        assert_eq!(UpstreamProxy::parse("proxy.example").unwrap().address(), &authority("proxy.example:80"));
    }

    #[test]
    fn a_password_that_is_not_encoded_is_taken_whole_or_not_shown() {
        let url = "http://me:FAKEsecret/x?y#z@proxy.example:8080";
        let proxy = UpstreamProxy::parse(url).unwrap();
        assert_eq!(proxy.authorization(), Some(format!("Basic {}", STANDARD.encode("me:FAKEsecret/x?y#z")).as_str()));
        for malformed in ["http://me:FAKEsecret", "http://me:FAKEsecret/x", "me:FAKEsecret@", "http://a@FAKEsecret:x:y"]
        {
            let Err(error) = UpstreamProxy::parse(malformed) else { panic!("taken: {malformed}") };
            assert!(!error.to_string().contains("FAKE"), "{error}");
        }
    }

    #[test]
    fn an_unusable_upstream_proxy_is_named_without_its_password() {
        let Err(error) = UpstreamProxy::parse("socks5://user:FAKE-secret@proxy.example:1080") else { panic!("taken") };
        let message = error.to_string();
        assert!(message.contains("proxy.example:1080") && !message.contains("FAKE-secret"), "{message}");
    }
}
