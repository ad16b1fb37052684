//! A port for clients that take a base URL and know no proxy: each connection goes through the proxy, which reads it.

use super::HarnessError;
use super::session::Session;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use zeroize::Zeroizing;

/// What the port stands for. Port 80 of any host is the fake without TLS.
const STANDS_FOR: &str = "api.anthropic.com:80";
/// The lane in which it is recorded.
const LANE: &str = "base-url";
/// The longest answer to CONNECT, in bytes.
const LONGEST: usize = 8 * 1024;

/// The open port; closed, with all its connections, when it is dropped.
pub(super) struct Reverse {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl Reverse {
    /// Opens it before that proxy.
    pub(super) async fn open(session: &Session) -> Result<Self, HarnessError> {
        let login = session.add_lane(LANE)?;
        let token = Zeroizing::new(STANDARD.encode(format!("{}:{}", login.user, login.password.as_str())));
        let request = Zeroizing::new(format!(
            "CONNECT {STANDS_FOR} HTTP/1.1\r\nHost: {STANDS_FOR}\r\nProxy-Authorization: Basic {}\r\n\r\n",
            token.as_str()
        ));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(HarnessError::Listen)?;
        let address = listener.local_addr().map_err(HarnessError::Listen)?;
        let accepting = tokio::spawn(accept(listener, session.address(), request));
        Ok(Self { address, accepting })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Reverse {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, proxy: SocketAddr, request: Zeroizing<String>) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((client, _)) => {
                let request = request.clone();
                connections.spawn(async move { pass(client, proxy, &request).await });
            }
            // Out of descriptors, or the peer has gone: others may still come.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
        }
        while connections.try_join_next().is_some() {}
    }
}

/// A connection that breaks is told in the trace, by the proxy.
async fn pass(mut client: TcpStream, proxy: SocketAddr, request: &str) -> io::Result<()> {
    let mut tunnel = TcpStream::connect(proxy).await?;
    client.set_nodelay(true)?;
    tunnel.set_nodelay(true)?;
    tunnel.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") && answer.len() < LONGEST {
        answer.push(tunnel.read_u8().await?);
    }
    if answer.starts_with(b"HTTP/1.1 200") {
        copy_bidirectional(&mut client, &mut tunnel).await?;
    }
    Ok(())
}
