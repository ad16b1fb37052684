//! An origin that answers with scripted bytes, and the real binary in front of it.

use super::scan::Scanner;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection, Stream};
use std::collections::VecDeque;
use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Nothing takes that long; a test that hangs ends with it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whether a program is there; if not, a line says so, and it is a failure where all tools are required.
pub(crate) fn available(tool: &str) -> bool {
    let found = Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success());
    if !found {
        assert!(std::env::var_os("AUTHTRACE_REQUIRE_TOOLS").is_none_or(|value| value != "1"), "{tool} is missing");
        println!("skipped: {tool} is missing");
    }
    found
}

type Script = Arc<Mutex<VecDeque<Vec<Vec<u8>>>>>;

/// A TLS server for every name; each connection gets the next answer and is closed.
pub(crate) struct Origin {
    address: SocketAddr,
    roots: String,
    script: Script,
}

impl Origin {
    pub(crate) fn start() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let root = CertifiedIssuer::self_signed(params, key).unwrap();
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["api.anthropic.com".into()]).unwrap().signed_by(&key, &root).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![leaf.der().clone()],
                PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der())),
            )
            .unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let origin = Self { address: listener.local_addr().unwrap(), roots: root.pem(), script: Script::default() };
        let (config, script) = (Arc::new(config), Arc::clone(&origin.script));
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (config, script) = (Arc::clone(&config), Arc::clone(&script));
                thread::spawn(move || {
                    let _ = serve(stream.unwrap(), config, &script);
                });
            }
        });
        origin
    }
}

fn serve(mut stream: TcpStream, config: Arc<ServerConfig>, script: &Script) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut tls = ServerConnection::new(config).unwrap();
    let mut stream = Stream::new(&mut tls, &mut stream);
    let mut read = Vec::new();
    let mut buffer = [0; 16_384];
    while !whole(&read) {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            count => read.extend_from_slice(&buffer[..count]),
        }
    }
    let answer = script.lock().unwrap().pop_front().unwrap_or_default();
    for piece in answer {
        stream.write_all(&piece)?;
        stream.flush()?;
    }
    stream.conn.send_close_notify();
    stream.flush()?;
    stream.sock.shutdown(std::net::Shutdown::Write)?;
    while stream.sock.read(&mut buffer)? > 0 {}
    Ok(())
}

/// Whether a request is there to its end.
fn whole(read: &[u8]) -> bool {
    let text = String::from_utf8_lossy(read);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let head = head.to_ascii_lowercase();
    if head.contains("transfer-encoding: chunked") {
        return body.starts_with("0\r\n") || body.contains("\r\n0") && body.ends_with("\r\n\r\n");
    }
    let length =
        head.lines().find_map(|line| line.strip_prefix("content-length: ")).and_then(|text| text.trim().parse().ok());
    body.len() >= length.unwrap_or(0)
}

/// A proxy that answers everything with these bytes.
pub(crate) fn refusing_proxy(answer: String) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut buffer = [0; 4_096];
            let _ = stream.read(&mut buffer);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

/// `authtrace proxy` at work.
pub(crate) struct Running {
    process: Child,
    folder: tempfile::TempDir,
    said: Vec<JoinHandle<Vec<u8>>>,
    written: Vec<(String, Vec<u8>)>,
    address: SocketAddr,
    authorization: String,
    client: Arc<ClientConfig>,
}

impl Running {
    pub(crate) fn start(origin: &Origin, options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let roots = folder.path().join("roots.pem");
        fs::write(&roots, &origin.roots).unwrap();
        fs::create_dir(folder.path().join("tmp")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_authtrace"));
        command
            .args(["proxy", "--out"])
            .arg(folder.path().join("trace.jsonl"))
            .args([
                "--connect-to",
                &format!("api.anthropic.com:443:127.0.0.1:{}", origin.address.port()),
                "--upstream-ca",
            ])
            .arg(&roots)
            .args(options)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", folder.path())
            .env("TMPDIR", folder.path().join("tmp"))
            .env("RUST_LOG", "trace")
            .env("RUST_BACKTRACE", "full")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let mut stdout = BufReader::new(process.stdout.take().unwrap());
        let mut stderr = BufReader::new(process.stderr.take().unwrap());
        let mut begun = Vec::new();
        let mut value = |name: &str| loop {
            let mut line = String::new();
            assert!(stdout.read_line(&mut line).unwrap() > 0, "no {name} among the exports");
            begun.extend_from_slice(line.as_bytes());
            if let Some(value) = line.strip_prefix(&format!("export {name}='")) {
                break value.trim_end().trim_end_matches('\'').to_owned();
            }
        };
        let mut found = std::collections::HashMap::new();
        // The exports come sorted by name.
        for name in ["HTTPS_PROXY", "NODE_EXTRA_CA_CERTS"] {
            found.insert(name, value(name));
        }
        let mut heard = String::new();
        while !heard.contains("Ctrl-C ends") {
            assert!(stderr.read_line(&mut heard).unwrap() > 0, "it ended: {heard}");
        }
        let drain = |mut source: Box<dyn Read + Send>, mut begun: Vec<u8>| {
            thread::spawn(move || {
                let _ = source.read_to_end(&mut begun);
                begun
            })
        };
        let said = vec![drain(Box::new(stdout), begun), drain(Box::new(stderr), heard.into_bytes())];
        let (login, address) =
            found["HTTPS_PROXY"].strip_prefix("http://").unwrap().trim_end_matches('/').rsplit_once('@').unwrap();
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(&found["NODE_EXTRA_CA_CERTS"]).unwrap() {
            let _ = roots.add(certificate.unwrap());
        }
        let client = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            process,
            said,
            written: Vec::new(),
            address: address.parse().unwrap(),
            authorization: format!("Basic {}", STANDARD.encode(login)),
            client: Arc::new(client),
            folder,
        }
    }

    fn dial(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// The bytes as they are, with the right password where they ask for it; gives what came back.
    pub(crate) fn in_the_clear(&self, bytes: &[u8]) -> Vec<u8> {
        let text = String::from_utf8_lossy(bytes).replace("\u{2}auth\u{2}", &self.authorization);
        let mut stream = self.dial();
        let mut heard = Vec::new();
        let (first, behind) =
            text.split_once("\r\n\r\n\u{1}").map_or((text.as_str(), None), |(head, rest)| (head, Some(rest)));
        let first = if behind.is_some() { format!("{first}\r\n\r\n") } else { first.to_owned() };
        stream.write_all(first.as_bytes()).unwrap();
        if let Some(rest) = behind {
            granted(&mut stream);
            stream.write_all(rest.as_bytes()).unwrap();
        }
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let _ = stream.read_to_end(&mut heard);
        heard
    }

    /// The answer to a CONNECT, to its end.
    pub(crate) fn connect_to(&self, target: &str) -> Vec<u8> {
        self.in_the_clear(
            format!("CONNECT {target} HTTP/1.1\r\nProxy-Authorization: \u{2}auth\u{2}\r\n\r\n").as_bytes(),
        )
    }

    /// One request in a tunnel, whose answer the origin is told before; gives what came back.
    pub(crate) fn through_tls(
        &self,
        origin: &Origin,
        host: &str,
        server_name: &str,
        request: &[u8],
        answer: Vec<Vec<u8>>,
    ) -> Vec<u8> {
        origin.script.lock().unwrap().clear();
        origin.script.lock().unwrap().push_back(answer.into_iter().map(chunked).collect());
        let mut stream = self.dial();
        write!(
            stream,
            "CONNECT {host}:443 HTTP/1.1\r\nHost: {host}:443\r\nProxy-Authorization: {}\r\n\r\n",
            self.authorization
        )
        .unwrap();
        granted(&mut stream);
        let name = ServerName::try_from(server_name.to_owned()).unwrap();
        let mut tls = ClientConnection::new(Arc::clone(&self.client), name).unwrap();
        let mut stream = Stream::new(&mut tls, &mut stream);
        let mut heard = Vec::new();
        if stream.write_all(request).is_ok() {
            let _ = stream.flush();
            stream.conn.send_close_notify();
            let _ = stream.flush();
            let _ = stream.read_to_end(&mut heard);
        }
        heard
    }

    /// What other processes can see of it.
    pub(crate) fn watch(&self, scanner: &mut Scanner) {
        for file in ["environ", "cmdline", "comm", "status"] {
            // Not there, or not to be read by us: nothing to be seen.
            if let Ok(bytes) = fs::read(format!("/proc/{}/{file}", self.process.id())) {
                scanner.search(file, &bytes);
            }
        }
        files(self.folder.path(), &mut |name, bytes| scanner.search(name, &bytes));
    }

    /// Ends it in an orderly way; gives the trace.
    pub(crate) fn end(&mut self) -> PathBuf {
        let pid = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        assert!(self.process.wait().unwrap().success());
        for (name, reader) in ["standard output", "standard error"].iter().zip(self.said.drain(..)) {
            self.written.push(((*name).to_owned(), reader.join().unwrap()));
        }
        assert!(!String::from_utf8_lossy(&self.written[1].1).contains("internal error"), "a panic");
        self.folder.path().join("trace.jsonl")
    }

    /// Standard output and error, and every file, after the end.
    pub(crate) fn everything_written(&self) -> Vec<(String, Vec<u8>)> {
        let mut all = self.written.clone();
        files(self.folder.path(), &mut |name, bytes| all.push((name.to_owned(), bytes)));
        assert!(all.iter().any(|(name, _)| name.ends_with("trace.jsonl")));
        all
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn files(folder: &Path, each: &mut dyn FnMut(&str, Vec<u8>)) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, each);
        } else if let Ok(bytes) = fs::read(&path) {
            let mut all = path.to_string_lossy().into_owned().into_bytes();
            all.push(b'\n');
            all.extend(bytes);
            each(&path.to_string_lossy(), all);
        }
    }
}

/// The head of the answer to a CONNECT.
fn granted(stream: &mut TcpStream) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head));
}

/// A piece that is a chunk gets its size line.
fn chunked(piece: Vec<u8>) -> Vec<u8> {
    match piece.strip_prefix(b"\x03") {
        Some(data) => [format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"].concat(),
        None => piece,
    }
}
