//! An origin that answers each exchange, by its number, with the bytes that the generator made for it.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};
use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

pub(crate) const HOST: &str = "api.anthropic.com";

/// Where HTTP/2 is spoken.
pub(crate) const HOST_H2: &str = "platform.claude.com";

/// Nothing takes that long; a test that hangs ends with it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) type Pieces = Vec<Vec<u8>>;

#[derive(Clone)]
pub(crate) struct Origin {
    /// For HTTP/1.1 and for HTTP/2.
    pub(crate) addresses: [SocketAddr; 2],
    pub(crate) roots: String,
    answers: Arc<Mutex<HashMap<usize, Pieces>>>,
}

impl Origin {
    pub(crate) fn start() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let root = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec![HOST.into(), HOST_H2.into()]).unwrap().signed_by(&key, &root).unwrap();
        let config = |protocol: &[u8]| {
            let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
            let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![leaf.der().clone()], key)
                .unwrap();
            config.alpn_protocols = vec![protocol.to_vec()];
            Arc::new(config)
        };
        let answers = Arc::default();
        let h1 = listen(config(b"http/1.1"), &answers, |stream, config, answers| {
            // What broke is the business of whoever was to get the answer.
            let _ = serve(stream, config, answers);
        });
        let h2 = listen(config(b"h2"), &answers, super::http2::serve);
        Self { addresses: [h1, h2], roots: root.pem(), answers }
    }

    pub(crate) fn expect(&self, number: usize, answer: Pieces) {
        self.answers.lock().unwrap().insert(number, answer);
    }
}

type Answers = Arc<Mutex<HashMap<usize, Pieces>>>;

fn listen(
    config: Arc<ServerConfig>,
    answers: &Answers,
    serve: fn(TcpStream, Arc<ServerConfig>, &Answers),
) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let answers = Arc::clone(answers);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (config, answers) = (Arc::clone(&config), Arc::clone(&answers));
            thread::spawn(move || serve(stream.unwrap(), config, &answers));
        }
    });
    address
}

fn serve(mut socket: TcpStream, config: Arc<ServerConfig>, answers: &Answers) -> std::io::Result<()> {
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_nodelay(true)?;
    let mut tls = ServerConnection::new(config).unwrap();
    let mut stream = Stream::new(&mut tls, &mut socket);
    let mut read = Vec::new();
    let mut buffer = [0; 16_384];
    loop {
        let Some(len) = whole(&read) else {
            match stream.read(&mut buffer)? {
                0 => return Ok(()),
                count => read.extend_from_slice(&buffer[..count]),
            }
            continue;
        };
        let number = number_in(&read[..len]);
        read.drain(..len);
        let answer = number.and_then(|number| answers.lock().unwrap().remove(&number)).unwrap_or_default();
        for piece in &answer {
            stream.write_all(piece)?;
            stream.flush()?;
        }
        if !is_framed(&answer.concat()) {
            stream.conn.send_close_notify();
            stream.flush()?;
            stream.sock.shutdown(Shutdown::Write)?;
            while stream.sock.read(&mut buffer)? > 0 {}
            return Ok(());
        }
    }
}

/// The number that the client wrote into the head.
pub(crate) fn number_in(request: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(request);
    let (_, behind) = text.split_once("X-Exchange: ")?;
    behind.split("\r\n").next()?.parse().ok()
}

/// How long the first request is, once it is there to its end.
fn whole(read: &[u8]) -> Option<usize> {
    let head = read.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&read[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok());
    let len = head + length.unwrap_or(0);
    (read.len() >= len).then_some(len)
}

/// Whether an answer says itself where it ends.
fn is_framed(answer: &[u8]) -> bool {
    let mut rest = answer;
    while rest.starts_with(b"HTTP/1.1 103") {
        let Some(end) = rest.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
        rest = &rest[end + 4..];
    }
    let Some(end) = rest.windows(4).position(|four| four == b"\r\n\r\n") else { return false };
    let head = String::from_utf8_lossy(&rest[..end]).to_ascii_lowercase();
    let body = &rest[end + 4..];
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.trim().parse::<usize>().ok());
    length == Some(body.len()) || head.contains("transfer-encoding: chunked") && body.ends_with(b"\r\n\r\n")
}
