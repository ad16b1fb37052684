//! One end of a connection in the hands of a test: bytes out, bytes in, and the manner of the end.

use super::soon;
use rustls::ServerConfig;
use rustls::server::Acceptor;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{LazyConfigAcceptor, client, server};

/// How the other side stopped sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// A FIN, inside TLS after a close_notify.
    Clean,
    /// A FIN inside TLS without close_notify.
    Cut,
    /// A reset.
    Reset,
    /// Something else, such as an alert.
    Broken,
}

pub(crate) enum Wire {
    Plain(TcpStream),
    /// With the list of protocols that the client offered.
    Server(Box<server::TlsStream<TcpStream>>, Vec<String>),
    Client(Box<client::TlsStream<TcpStream>>),
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Wire {
    fn stream(&mut self) -> &mut dyn Stream {
        match self {
            Self::Plain(stream) => stream,
            Self::Server(stream, _) => stream.as_mut(),
            Self::Client(stream) => stream.as_mut(),
        }
    }

    pub(crate) fn socket(&self) -> &TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Server(stream, _) => stream.get_ref().0,
            Self::Client(stream) => stream.get_ref().0,
        }
    }

    /// The socket of a connection without TLS.
    pub(crate) fn plain(&mut self) -> &mut TcpStream {
        match self {
            Self::Plain(stream) => stream,
            Self::Server(..) | Self::Client(_) => panic!("this one has TLS"),
        }
    }

    /// The protocol that the handshake agreed on.
    pub(crate) fn protocol(&self) -> Option<String> {
        let state: &rustls::CommonState = match self {
            Self::Plain(_) => return None,
            Self::Server(stream, _) => stream.get_ref().1,
            Self::Client(stream) => stream.get_ref().1,
        };
        state.alpn_protocol().map(|protocol| String::from_utf8_lossy(protocol).into_owned())
    }

    /// The protocols that the client offered to this server.
    pub(crate) fn offered(&self) -> &[String] {
        match self {
            Self::Server(_, list) => list,
            Self::Plain(_) | Self::Client(_) => &[],
        }
    }

    pub(crate) async fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let stream = self.stream();
        stream.write_all(bytes).await?;
        stream.flush().await
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        soon("room to send", self.try_send(bytes.as_ref())).await.unwrap();
    }

    /// Every piece in a write, and so in a TLS record, of its own.
    /// A record of TLS without any data of ours (RFC 8446 §4.6.3).
    pub(crate) async fn renew_keys(&mut self) {
        let Self::Server(stream, _) = self else { panic!("this is no server with TLS") };
        stream.get_mut().1.refresh_traffic_keys().unwrap();
        stream.flush().await.unwrap();
    }

    pub(crate) async fn send_pieces(&mut self, pieces: &[Vec<u8>]) {
        for piece in pieces {
            self.send(piece).await;
        }
    }

    /// The next `count` bytes.
    pub(crate) async fn receive(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        let mut at = 0;
        while at < count {
            let read = soon("bytes to receive", self.stream().read(&mut bytes[at..])).await;
            match read {
                Ok(read) if read > 0 => at += read,
                ended => panic!("ended ({ended:?}) after {:?}", String::from_utf8_lossy(&bytes[..at])),
            }
        }
        bytes
    }

    /// Receives these very bytes.
    pub(crate) async fn expect(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        let received = self.receive(bytes.len()).await;
        assert_eq!(String::from_utf8_lossy(&received), String::from_utf8_lossy(bytes));
        assert_eq!(received, bytes);
    }

    /// Everything up to and with `mark`.
    pub(crate) async fn receive_until(&mut self, mark: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(mark) {
            bytes.extend(self.receive(1).await);
        }
        bytes
    }

    /// Everything up to the end of a head, for as long as it takes; none if the other side ends before.
    pub(crate) async fn receive_head(&mut self) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        while !bytes.ends_with(b"\r\n\r\n") {
            let byte = self.stream().read_u8().await.ok()?;
            bytes.push(byte);
        }
        Some(bytes)
    }

    /// Everything up to the end, and the end.
    pub(crate) async fn receive_end(&mut self) -> (Vec<u8>, Ending) {
        let plain = matches!(self, Self::Plain(_));
        let mut bytes = Vec::new();
        let mut buffer = vec![0; 16 * 1024];
        loop {
            match soon("the end", self.stream().read(&mut buffer)).await {
                Ok(0) => return (bytes, Ending::Clean),
                Ok(read) => bytes.extend_from_slice(&buffer[..read]),
                Err(error) => {
                    let ending = match error.kind() {
                        io::ErrorKind::ConnectionReset => Ending::Reset,
                        io::ErrorKind::UnexpectedEof if !plain => Ending::Cut,
                        _ => Ending::Broken,
                    };
                    return (bytes, ending);
                }
            }
        }
    }

    /// The end and nothing before it.
    pub(crate) async fn expect_end(&mut self, ending: Ending) {
        assert_eq!(self.receive_end().await, (Vec::new(), ending));
    }

    /// Stops sending as the protocol asks.
    pub(crate) async fn close(&mut self) {
        let _ = self.stream().shutdown().await;
    }

    /// Stops sending with a bare FIN.
    pub(crate) fn cut(&self) {
        rustix::net::shutdown(self.socket(), rustix::net::Shutdown::Write).unwrap();
    }

    /// Breaks off with a reset.
    pub(crate) fn reset(self) {
        self.socket().set_zero_linger().unwrap();
    }
}

fn text(protocol: &[u8]) -> String {
    String::from_utf8_lossy(protocol).into_owned()
}

/// A server that does what the test says.
pub(crate) struct Origin {
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
}

impl Origin {
    pub(crate) async fn plain() -> Self {
        Self { listener: TcpListener::bind("127.0.0.1:0").await.unwrap(), tls: None }
    }

    pub(crate) async fn tls(config: ServerConfig) -> Self {
        Self { tls: Some(Arc::new(config)), ..Self::plain().await }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// The next connection, before any handshake, however long nobody comes.
    pub(crate) async fn next_socket(&self) -> io::Result<TcpStream> {
        Ok(self.listener.accept().await?.0)
    }

    /// The next connection, before any handshake.
    pub(crate) async fn accept_socket(&self) -> TcpStream {
        let (stream, _) = soon("a connection", self.listener.accept()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    pub(crate) async fn try_accept(&self) -> io::Result<Wire> {
        let stream = self.accept_socket().await;
        self.greet(stream).await
    }

    /// A connection that was accepted, after its handshake.
    pub(crate) async fn greet(&self, stream: TcpStream) -> io::Result<Wire> {
        match &self.tls {
            None => Ok(Wire::Plain(stream)),
            Some(config) => {
                let hello = soon("a ClientHello", LazyConfigAcceptor::new(Acceptor::default(), stream)).await?;
                let list = hello.client_hello().alpn().map(|list| list.map(text).collect()).unwrap_or_default();
                let stream = soon("a handshake", hello.into_stream(Arc::clone(config))).await?;
                Ok(Wire::Server(Box::new(stream), list))
            }
        }
    }

    /// The next connection, after its handshake.
    pub(crate) async fn accept(&self) -> Wire {
        self.try_accept().await.unwrap()
    }

    /// Whether nobody has connected.
    pub(crate) fn is_untouched(&self) -> bool {
        let listener = std::net::TcpListener::from(self.listener.as_fd().try_clone_to_owned().unwrap());
        listener.accept().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }
}
