//! What foreign TLS implementations say about our certificates: openssl, curl, Node, Python.
//!
//! A program that is not installed is skipped with a line that says so; `AUTHTRACE_REQUIRE_TOOLS=1` makes that a failure.
//! The certificates that must be refused are signed here with the key of a persisted root: the library itself does not sign them.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::thread;

use authtrace::ca::{LeafStore, Root, Scope, bundle};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose, SanType,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, ServerConnection, Stream};
use time::{Duration, OffsetDateTime};

const IN_SCOPE: &str = "api.example.test";
const OUT_OF_SCOPE: &str = "api.other.test";

#[test]
fn openssl_accepts_a_leaf_strictly_and_refuses_what_the_root_may_not_sign() {
    if !available("openssl") {
        return;
    }
    let authority = Authority::new();
    let leaf = authority.leaf(IN_SCOPE);
    assert!(authority.openssl_verify(&leaf.cert[0], &["-verify_hostname", IN_SCOPE]), "{IN_SCOPE}");
    assert!(!authority.openssl_verify(&leaf.cert[0], &["-verify_hostname", "www.example.test"]), "one name only");
    assert!(!authority.openssl_verify(&leaf.cert[0], &["-purpose", "sslclient"]), "for servers only");
    for (name, forged) in authority.forgeries() {
        assert!(!authority.openssl_verify(&forged.cert[0], &[]), "{name}");
    }
}

#[test]
fn openssl_refuses_a_second_authority_below_the_root() {
    if !available("openssl") {
        return;
    }
    let authority = Authority::new();
    let (chain, leaf) = authority.leaf_of_a_second_authority();
    let chain_file = authority.file("chain.pem", &bundle::merge("", &[chain]));
    assert!(!authority.openssl_verify(&leaf, &["-untrusted", &chain_file.to_string_lossy()]));
}

#[test]
fn curl_accepts_the_leaf_and_refuses_the_forgeries() {
    if !available("curl") {
        return;
    }
    let authority = Authority::new();
    authority.judge("curl", |host, address| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "20", "--cacert"])
            .arg(&authority.root_pem);
        let authority = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
        curl.args(["--connect-to", &format!("::{address}")]).arg(format!("https://{authority}/"));
        curl
    });
}

#[test]
fn node_accepts_the_leaf_and_refuses_the_forgeries() {
    if !available("node") {
        return;
    }
    let authority = Authority::new();
    let script = "const [host, ip, port] = process.argv.slice(1); require('https').get({host: ip, port, servername: \
        require('net').isIP(host) ? '' : host, headers: {host}, checkServerIdentity: (_, cert) => \
        require('tls').checkServerIdentity(host, cert)}, answer => answer.pipe(process.stdout)).on('error', error => { \
        console.error(error.code, error.message); process.exit(1) })";
    authority.judge("node", |host, address| {
        let mut node = Command::new("node");
        node.env("NODE_EXTRA_CA_CERTS", &authority.root_pem);
        node.args(["-e", script, host, &address.ip().to_string(), &address.port().to_string()]);
        node
    });
}

#[test]
fn python_accepts_the_leaf_strictly_and_refuses_the_forgeries() {
    if !available("python3") {
        return;
    }
    let authority = Authority::new();
    let script = "import socket, ssl, sys\n\
        host, ip, port, ca = sys.argv[1:]\n\
        context = ssl.create_default_context(cafile=ca)\n\
        context.verify_flags |= ssl.VERIFY_X509_STRICT\n\
        with context.wrap_socket(socket.create_connection((ip, int(port)), 20), server_hostname=host) as tls:\n\
        \x20   tls.sendall(b'GET / HTTP/1.1\\r\\nHost: test\\r\\nConnection: close\\r\\n\\r\\n')\n\
        \x20   sys.stdout.write(tls.recv(4096).decode())\n";
    authority.judge("python3", |host, address| {
        let mut python = Command::new("python3");
        python
            .args(["-c", script, host, &address.ip().to_string(), &address.port().to_string()])
            .arg(&authority.root_pem);
        python
    });
}

#[test]
fn a_merged_bundle_works_as_the_whole_store_of_a_client() {
    if !available("curl") {
        return;
    }
    let authority = Authority::new();
    let system = bundle::system_roots(None, &[]);
    let other = Root::generate(&Scope::from_patterns(["unrelated.test"]).unwrap(), OffsetDateTime::now_utc()).unwrap();
    let others: Vec<_> = system.into_iter().chain([other.certificate_der().clone()]).collect();
    let merged = authority.file("bundle.pem", &bundle::merge(authority.store.root().certificate_pem(), &others));
    let address = serve(Arc::new(Fixed(authority.leaf(IN_SCOPE))));
    let output = Command::new("curl")
        .args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "20"])
        .env("CURL_CA_BUNDLE", merged)
        .args(["--resolve", &format!("{IN_SCOPE}:{}:{}", address.port(), address.ip())])
        .arg(format!("https://{IN_SCOPE}:{}/", address.port()))
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "good", "{}", String::from_utf8_lossy(&output.stderr));
}

/// A persisted root, whose key this test can read, and the store that signs with it.
struct Authority {
    dir: tempfile::TempDir,
    root_pem: PathBuf,
    store: LeafStore,
}

impl Authority {
    fn new() -> Self {
        let dir = tempfile::Builder::new()
            .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700))
            .tempdir()
            .unwrap();
        let scope = Scope::from_patterns([".example.test"]).unwrap();
        let persisted = Root::persisted(dir.path(), &scope, OffsetDateTime::now_utc()).unwrap();
        let store = LeafStore::new(Arc::new(persisted.root)).unwrap();
        Self { dir, root_pem: persisted.certificate, store }
    }

    fn leaf(&self, host: &str) -> Arc<CertifiedKey> {
        self.store.certified_key(host, OffsetDateTime::now_utc()).unwrap()
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Certificates that the root's key signs and that its constraints forbid.
    fn forgeries(&self) -> Vec<(&'static str, Arc<CertifiedKey>)> {
        let out_of_scope = SanType::DnsName(OUT_OF_SCOPE.try_into().unwrap());
        let in_scope = SanType::DnsName(IN_SCOPE.try_into().unwrap());
        let v4 = SanType::IpAddress(Ipv4Addr::LOCALHOST.into());
        let v6 = SanType::IpAddress("2001:db8::1".parse().unwrap());
        vec![
            (OUT_OF_SCOPE, self.forge(vec![out_of_scope.clone()], None)),
            ("127.0.0.1", self.forge(vec![v4], None)),
            ("2001:db8::1", self.forge(vec![v6], None)),
            (IN_SCOPE, self.forge(vec![in_scope, out_of_scope], None)),
            (OUT_OF_SCOPE, self.forge(vec![], Some(OUT_OF_SCOPE))),
        ]
    }

    fn forge(&self, names: Vec<SanType>, common_name: Option<&str>) -> Arc<CertifiedKey> {
        let mut params = leaf_params();
        params.subject_alt_names = names;
        if let Some(name) = common_name {
            params.distinguished_name.push(DnType::CommonName, name);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer()).unwrap();
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let signer = rustls::crypto::ring::sign::any_ecdsa_type(&der).unwrap();
        Arc::new(CertifiedKey::new(vec![certificate.into()], signer))
    }

    fn leaf_of_a_second_authority(&self) -> (CertificateDer<'static>, CertificateDer<'static>) {
        let mut params = leaf_params();
        params.extended_key_usages = vec![];
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "second authority");
        let key = KeyPair::generate().unwrap();
        let second = params.signed_by(&key, &self.issuer()).unwrap();
        let mut leaf = leaf_params();
        leaf.subject_alt_names = vec![SanType::DnsName(IN_SCOPE.try_into().unwrap())];
        let leaf = leaf.signed_by(&KeyPair::generate().unwrap(), &Issuer::new(params, key)).unwrap();
        (second.into(), leaf.into())
    }

    /// The persisted root as an issuer, with its key read back from the folder.
    fn issuer(&self) -> Issuer<'static, KeyPair> {
        let key = KeyPair::from_pem(&std::fs::read_to_string(self.dir.path().join("ca.key")).unwrap()).unwrap();
        let root = self.store.root();
        let (_, root) = x509_parser::parse_x509_certificate(root.certificate_der()).unwrap();
        let name = root.subject().iter_common_name().next().unwrap().as_str().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        Issuer::new(params, key)
    }

    fn openssl_verify(&self, leaf: &CertificateDer<'_>, options: &[&str]) -> bool {
        let file = self.file("leaf.pem", &bundle::merge("", std::slice::from_ref(leaf)));
        let output = Command::new("openssl")
            .args(["verify", "-x509_strict", "-purpose", "sslserver", "-no-CApath", "-no-CAstore", "-CAfile"])
            .arg(&self.root_pem)
            .args(options)
            .arg(file)
            .output()
            .unwrap();
        output.status.success()
    }

    /// Runs the client once against our leaf, which it must accept, and once against each forgery, which it must refuse
    /// before it sends anything.
    fn judge(&self, client: &str, command: impl Fn(&str, SocketAddr) -> Command) {
        let address = serve(Arc::new(Fixed(self.leaf(IN_SCOPE))));
        let output = command(IN_SCOPE, address).output().unwrap();
        assert!(accepted(&output), "{client}: {}", String::from_utf8_lossy(&output.stderr));
        for (name, forged) in self.forgeries() {
            let address = serve(Arc::new(Fixed(forged)));
            let output = command(name, address).output().unwrap();
            assert!(!output.status.success() && !accepted(&output), "{client} accepted a forged {name}");
            let said = String::from_utf8_lossy(&output.stderr).to_lowercase();
            assert!(
                ["subtree", "certificate", "unspecified", "altname"].iter().any(|word| said.contains(word)),
                "{client} {name}: {said}"
            );
        }
    }
}

fn accepted(output: &Output) -> bool {
    output.status.success() && String::from_utf8_lossy(&output.stdout).contains("good")
}

fn leaf_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.not_before = OffsetDateTime::now_utc() - Duration::hours(1);
    params.not_after = OffsetDateTime::now_utc() + Duration::hours(1);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    params
}

/// Answers one TLS connection on loopback with `200 good`.
fn serve(resolver: Arc<dyn ResolvesServerCert>) -> SocketAddr {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = Arc::new(config.with_no_client_auth().with_cert_resolver(resolver));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let Ok((mut socket, _)) = listener.accept() else {
            return;
        };
        let Ok(mut connection) = ServerConnection::new(config) else {
            return;
        };
        let mut tls = Stream::new(&mut connection, &mut socket);
        let mut request = Vec::new();
        let mut octet = [0];
        while !request.ends_with(b"\r\n\r\n") && tls.read_exact(&mut octet).is_ok() {
            request.push(octet[0]);
        }
        // A client that does not trust us is gone by now; then there is nobody to write to.
        if request.ends_with(b"\r\n\r\n") {
            let _ = tls.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\ngood");
            tls.conn.send_close_notify();
            let _ = tls.flush();
        }
    });
    address
}

#[derive(Debug)]
struct Fixed(Arc<CertifiedKey>);

impl ResolvesServerCert for Fixed {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

pub(crate) fn available(program: &str) -> bool {
    let version = if program == "openssl" { "version" } else { "--version" };
    let found = Command::new(Path::new(program)).arg(version).output().is_ok_and(|output| output.status.success());
    if !found {
        assert!(
            std::env::var_os("AUTHTRACE_REQUIRE_TOOLS").is_none_or(|value| value != "1"),
            "{program} is not installed"
        );
        println!("skipped: {program} is not installed");
    }
    found
}
