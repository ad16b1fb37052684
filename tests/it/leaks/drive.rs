//! The real `authtrace proxy` at its loudest, and exchanges through it as raw bytes.

use super::generator::{Exchange, Generator};
use super::http2;
use super::origin::{HOST, HOST_H2, Origin, PATIENCE};
use super::places::Way;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::{Pid, Signal, kill_process};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, Stream};
use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// Exchanges in one connection, at most.
const IN_ONE_CONNECTION: usize = 12;

/// Clients at the same time.
const CLIENTS: usize = 4;

/// What a client got that no origin said, and what differs from what an origin said.
#[derive(Default)]
pub(crate) struct Heard {
    pub(crate) of_the_proxy: Vec<u8>,
    pub(crate) changed: Vec<String>,
}

pub(crate) struct Proxy {
    process: Child,
    said: Vec<JoinHandle<Vec<u8>>>,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) outputs: Vec<(String, Vec<u8>)>,
    address: SocketAddr,
    authorization: String,
    pub(crate) authority: Vec<CertificateDer<'static>>,
    client: Arc<ClientConfig>,
    client_h2: Arc<ClientConfig>,
}

impl Proxy {
    /// With a trace at `trace.jsonl`, or as a recorder.
    pub(crate) fn start(origin: &Origin, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("roots.pem"), &origin.roots).unwrap();
        fs::write(folder.path().join("key"), [7; 32]).unwrap();
        fs::create_dir(folder.path().join("tmp")).unwrap();
        std::os::unix::fs::symlink("tmp", folder.path().join("run")).unwrap();
        let [h1, h2] = origin.addresses.map(|address| address.port());
        let mut command = Command::new(env!("CARGO_BIN_EXE_authtrace"));
        command
            .args(["proxy", "--upstream-proxy", "none"])
            .args(["--connect-to", &format!("{HOST}:443:127.0.0.1:{h1}")])
            .args(["--connect-to", &format!("{HOST_H2}:443:127.0.0.1:{h2}")])
            .arg("--upstream-ca")
            .arg(folder.path().join("roots.pem"))
            .args(options)
            .current_dir(folder.path());
        if !options.contains(&"--ring") {
            // The same fingerprints in every run: what is found by chance is found again.
            private(&folder.path().join("key"));
            command.args(["--out", "trace.jsonl", "--fingerprint-key", "key"]);
        }
        let mut process =
            environment(&mut command, folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut stderr = BufReader::new(process.stderr.take().unwrap());
        let mut begun = String::new();
        let mut value = |name: &str| loop {
            let from = begun.len();
            assert!(stdout.read_line(&mut begun).unwrap() > 0, "no {name} among the exports");
            if let Some(value) = begun[from..].strip_prefix(&format!("export {name}='")) {
                break value.trim_end().trim_end_matches('\'').to_owned();
            }
        };
        // The exports come sorted by name.
        let [login, file] = ["HTTPS_PROXY", "NODE_EXTRA_CA_CERTS"].map(&mut value);
        let mut heard = String::new();
        while !heard.contains("Ctrl-C ends") {
            assert!(stderr.read_line(&mut heard).unwrap() > 0, "it ended: {heard}");
        }
        let said = vec![drain(stdout, begun), drain(stderr, heard)];
        let (login, address) = login.strip_prefix("http://").unwrap().trim_end_matches('/').rsplit_once('@').unwrap();
        let authority: Vec<_> = CertificateDer::pem_file_iter(&file).unwrap().map(Result::unwrap).collect();
        let client = |protocols: &[&[u8]]| {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(authority.iter().cloned());
            let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
            config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
            Arc::new(config)
        };
        Self {
            said,
            outputs: Vec::new(),
            address: address.parse().unwrap(),
            authorization: format!("Basic {}", STANDARD.encode(login)),
            client: client(&[]),
            client_h2: client(&[b"h2"]),
            authority,
            process,
            folder,
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn trace(&self) -> PathBuf {
        self.folder.path().join("trace.jsonl")
    }

    /// Sends the exchanges of these numbers, several at a time.
    pub(crate) fn play(&self, generator: &Generator, origin: &Origin, numbers: std::ops::Range<usize>) -> Heard {
        let (heard, next) = (Mutex::new(Heard::default()), AtomicUsize::new(numbers.start));
        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(|| {
                    loop {
                        let from = next.fetch_add(IN_ONE_CONNECTION, Ordering::Relaxed);
                        if from >= numbers.end {
                            return;
                        }
                        let to = numbers.end.min(from + IN_ONE_CONNECTION);
                        let exchanges = (from..to).map(|number| (number, generator.exchange(number)));
                        self.group(generator, origin, exchanges.collect(), &heard);
                    }
                });
            }
        });
        heard.into_inner().unwrap()
    }

    /// Those that leave a connection in order in one of them, each of the others by itself.
    fn group(&self, generator: &Generator, origin: &Origin, exchanges: Vec<(usize, Exchange)>, heard: &Mutex<Heard>) {
        let mut open: Option<(TcpStream, ClientConnection)> = None;
        for (number, exchange) in exchanges {
            origin.expect(number, exchange.answer.clone());
            let expected = exchange.answer.concat();
            let got = match exchange.way {
                Way::Plain => self.in_the_clear(&exchange.request),
                Way::H2 => {
                    let socket = self.tunnel(HOST_H2);
                    let (status, body) = http2::ask(socket, &self.client_h2, HOST_H2, &exchange.request);
                    let text = String::from_utf8_lossy(&expected);
                    if text.get(9..12) != Some(&*status.to_string()) || !expected.ends_with(&body) {
                        heard.lock().unwrap().changed.push(generator.name(exchange.category));
                    }
                    continue;
                }
                Way::ServerName => {
                    let label = exchange.secrets[0].label();
                    self.alone(&mut self.connection(&label), &exchange.request)
                }
                Way::Tls if exchange.last => self.alone(&mut self.connection(HOST), &exchange.request),
                Way::Tls => {
                    let connection = open.get_or_insert_with(|| self.connection(HOST));
                    let mut stream = Stream::new(&mut connection.1, &mut connection.0);
                    stream.write_all(&exchange.request).and_then(|()| stream.flush()).unwrap();
                    let mut got = vec![0; expected.len()];
                    let read = stream.read_exact(&mut got);
                    assert!(read.is_ok(), "{read:?} in {number}, {}", generator.name(exchange.category));
                    got
                }
            };
            // A broken answer is passed on as far as it goes; without one the answer is the proxy's own.
            if exchange.refused {
                if expected.is_empty() || exchange.way == Way::ServerName {
                    heard.lock().unwrap().of_the_proxy.extend(got);
                }
            } else if got != expected {
                heard.lock().unwrap().changed.push(generator.name(exchange.category));
            }
        }
        if let Some((mut socket, mut connection)) = open {
            connection.send_close_notify();
            let _ = Stream::new(&mut connection, &mut socket).flush();
        }
    }

    fn connection(&self, server_name: &str) -> (TcpStream, ClientConnection) {
        let name = ServerName::try_from(server_name.to_owned()).unwrap();
        (self.tunnel(HOST), ClientConnection::new(Arc::clone(&self.client), name).unwrap())
    }

    /// One request, and everything that comes back.
    fn alone(&self, (socket, connection): &mut (TcpStream, ClientConnection), request: &[u8]) -> Vec<u8> {
        let mut stream = Stream::new(connection, socket);
        let mut got = Vec::new();
        if stream.write_all(request).and_then(|()| stream.flush()).is_ok() {
            stream.conn.send_close_notify();
            let _ = stream.flush();
            let _ = stream.read_to_end(&mut got);
        }
        got
    }

    fn dial(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket.set_nodelay(true).unwrap();
        socket
    }

    fn tunnel(&self, host: &str) -> TcpStream {
        let mut socket = self.dial();
        let login = &self.authorization;
        let connect =
            format!("CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\nProxy-Authorization: {login}\r\n\r\n");
        socket.write_all(connect.as_bytes()).unwrap();
        granted(&mut socket);
        socket
    }

    /// To the proxy's own port; what stands behind the mark goes into the tunnel that was asked for.
    fn in_the_clear(&self, bytes: &[u8]) -> Vec<u8> {
        let text = String::from_utf8_lossy(bytes).replace("\u{2}auth\u{2}", &self.authorization);
        let (first, behind) =
            text.split_once('\u{1}').map_or((text.as_str(), None), |(first, rest)| (first, Some(rest)));
        let mut socket = self.dial();
        let mut got = Vec::new();
        if socket.write_all(first.as_bytes()).is_ok() {
            if let Some(behind) = behind {
                granted(&mut socket);
                let _ = socket.write_all(behind.as_bytes());
            }
            let _ = socket.shutdown(Shutdown::Write);
            let _ = socket.read_to_end(&mut got);
        }
        got
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    /// Ends it in an orderly way; what it said is among its outputs then.
    pub(crate) fn end(&mut self) {
        self.signal(Signal::TERM);
        assert!(self.process.wait().unwrap().success());
        for (name, said) in ["standard output", "standard error and the log"].iter().zip(self.said.drain(..)) {
            self.outputs.push(((*name).to_owned(), said.join().unwrap()));
        }
        assert!(!String::from_utf8_lossy(&self.outputs[1].1).contains("internal error"), "a panic");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// An environment of its own, with the log at its loudest.
pub(crate) fn environment<'a>(command: &'a mut Command, home: &Path) -> &'a mut Command {
    command
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", home)
        .env("TMPDIR", home.join("tmp"))
        .env("XDG_STATE_HOME", home.join("state"))
        .env("RUST_LOG", "trace")
        .env("RUST_BACKTRACE", "full")
        .stdin(Stdio::null())
}

fn private(file: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

fn drain(mut source: impl Read + Send + 'static, begun: String) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut said = begun.into_bytes();
        let _ = source.read_to_end(&mut said);
        said
    })
}

/// The head of the answer to a CONNECT.
fn granted(socket: &mut TcpStream) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        socket.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head));
}
