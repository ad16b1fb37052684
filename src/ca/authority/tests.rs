use std::io::{Read as _, Write as _};

use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ResolvesServerCert;
use rustls::sign::SingleCertAndKey;
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};

use super::*;

const HOST: &str = "api.example.com";

fn start() -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(1_795_000_000).unwrap()
}

fn scope() -> Scope {
    Scope::from_patterns([".example.com"]).unwrap()
}

/// A client that has read its certificates once.
struct Client {
    pem: String,
    started: OffsetDateTime,
}

impl Client {
    fn starts(authority: &Authority, started: OffsetDateTime) -> Self {
        Self { pem: authority.certificates_pem(), started }
    }

    /// Whether a TLS handshake with a proxy of this authority comes about at that time.
    fn is_served(&self, authority: &Authority, now: OffsetDateTime) -> bool {
        let Ok(leaf) = authority.leaves().certified_key(HOST, now) else { return false };
        handshake(&self.pem, Arc::new(SingleCertAndKey::from(leaf.as_ref().clone())), now).is_ok()
    }
}

#[derive(Debug)]
struct At(UnixTime);

impl TimeProvider for At {
    fn current_time(&self) -> Option<UnixTime> {
        Some(self.0)
    }
}

fn handshake(trusted: &str, leaf: Arc<dyn ResolvesServerCert>, now: OffsetDateTime) -> Result<(), rustls::Error> {
    let seconds = u64::try_from(now.unix_timestamp()).unwrap();
    let clock = || Arc::new(At(UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))));
    let provider = Arc::new(default_provider());
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_slice_iter(trusted.as_bytes()) {
        roots.add(root.unwrap()).unwrap();
    }
    let client = ClientConfig::builder_with_details(Arc::clone(&provider), clock())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let server = ServerConfig::builder_with_details(provider, clock())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_cert_resolver(leaf);
    let mut client = ClientConnection::new(Arc::new(client), ServerName::try_from(HOST).unwrap())?;
    let mut server = ServerConnection::new(Arc::new(server))?;
    let mut wire = Vec::new();
    while client.is_handshaking() || server.is_handshaking() {
        wire.clear();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut bytes = wire.as_slice();
        while !bytes.is_empty() {
            server.read_tls(&mut bytes).unwrap();
            server.process_new_packets()?;
        }
        wire.clear();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut bytes = wire.as_slice();
        while !bytes.is_empty() {
            client.read_tls(&mut bytes).unwrap();
            client.process_new_packets()?;
        }
    }
    // Something passes, too.
    client.writer().write_all(b"hello").unwrap();
    wire.clear();
    client.write_tls(&mut wire).unwrap();
    server.read_tls(&mut wire.as_slice()).unwrap();
    server.process_new_packets()?;
    let mut said = [0; 5];
    server.reader().read_exact(&mut said).unwrap();
    assert_eq!(&said, b"hello");
    Ok(())
}

/// Runs for a long time. Whatever client starts whenever is served for as long as is promised, and never beyond what it knows.
fn lives_on(authority: &Authority, step: Duration, steps: i32, promised: Duration) {
    let mut clients: Vec<Client> = Vec::new();
    let mut made = 0;
    for number in 0..steps {
        let now = start() + step * number;
        made += i32::from(authority.roll_over(now).unwrap() == RollOver::Done);
        clients.push(Client::starts(authority, now));
        clients.retain(|client| now - client.started <= promised);
        for client in [clients.first(), clients.get(clients.len() / 2), clients.last()].into_iter().flatten() {
            assert!(client.is_served(authority, now), "one that started {} is not served {now}", client.started);
        }
        let known = clients.last().unwrap().pem.matches("BEGIN CERTIFICATE").count();
        assert!((1..=2).contains(&known), "{known}");
    }
    assert!(made >= 3, "{made}");
}

#[test]
fn in_memory_every_client_is_served_for_three_days_for_ever() {
    let authority = Authority::in_memory(&scope(), start()).unwrap();
    lives_on(&authority, Duration::hours(1), 24 * 30, Duration::days(3));
}

#[test]
fn a_kept_authority_serves_every_client_for_two_weeks_for_ever() {
    let outer = tempfile::tempdir().unwrap();
    let (authority, _) = Authority::kept_in(&outer.path().join("ca"), &scope(), start()).unwrap();
    lives_on(&authority, Duration::hours(6), 4 * 130, Duration::days(14));
}

#[test]
fn an_old_client_is_served_until_the_old_root_ends_and_a_new_one_before_and_after() {
    let authority = Authority::in_memory(&scope(), start()).unwrap();
    let day = |days: f64| start() + Duration::seconds_f64(days * 86_400.0);
    let old = Client::starts(&authority, start());
    assert_eq!(authority.roll_over(day(3.4)).unwrap(), RollOver::Unchanged);
    assert_eq!(authority.roll_over(day(3.5)).unwrap(), RollOver::Prepared);
    let new = Client::starts(&authority, day(3.5));
    assert!(new.pem.starts_with(&old.pem) && new.pem.len() > old.pem.len());
    for days in [0.0, 3.4, 3.6, 6.4] {
        assert!(old.is_served(&authority, day(days)) || days < 3.5, "old, {days}");
        assert!(new.is_served(&authority, day(days)) || days < 3.5, "new, {days}");
    }
    // Half a day before the end, and no timer has to fire for it.
    assert!(!old.is_served(&authority, day(6.6)) && new.is_served(&authority, day(6.6)));
    assert_eq!(authority.roll_over(day(6.6)).unwrap(), RollOver::Done);
    assert!(!old.is_served(&authority, day(6.6)) && new.is_served(&authority, day(6.6)));
    assert_eq!(authority.roll_over(day(6.6)).unwrap(), RollOver::Unchanged);
    assert_eq!(authority.roll_over(day(7.0)).unwrap(), RollOver::Prepared);
    assert!(new.is_served(&authority, day(9.9)) && !new.is_served(&authority, day(10.1)));
}

#[test]
fn a_machine_that_slept_through_it_all_has_a_new_root_and_says_so() {
    let authority = Authority::in_memory(&scope(), start()).unwrap();
    let old = Client::starts(&authority, start());
    let woken = start() + Duration::days(20);
    assert!(!old.is_served(&authority, woken));
    assert_eq!(authority.roll_over(woken).unwrap(), RollOver::Broken);
    assert!(!old.is_served(&authority, woken));
    assert!(Client::starts(&authority, woken).is_served(&authority, woken));
}

#[test]
fn two_processes_with_one_folder_have_the_same_roots_at_any_time() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("ca");
    let (first, _) = Authority::kept_in(&folder, &scope(), start()).unwrap();
    let (second, persistence) = Authority::kept_in(&folder, &scope(), start()).unwrap();
    assert_eq!(persistence, Persistence::Kept);
    for days in [16, 17, 29, 30, 46, 60] {
        let now = start() + Duration::days(days);
        let client = Client::starts(&first, now - Duration::hours(1));
        assert_eq!(first.roll_over(now).unwrap(), second.roll_over(now).unwrap(), "{days}");
        assert_eq!(first.certificates_pem(), second.certificates_pem());
        assert_eq!(first.certificates_pem(), std::fs::read_to_string(folder.join("ca.pem")).unwrap());
        assert!(client.is_served(&second, now) || days > 30);
        let (restarted, persistence) = Authority::kept_in(&folder, &scope(), now).unwrap();
        assert_eq!((restarted.certificates_pem(), persistence), (first.certificates_pem(), Persistence::Kept));
    }
}

#[test]
fn a_process_that_dies_between_two_files_leaves_a_usable_folder() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("ca");
    let (authority, _) = Authority::kept_in(&folder, &scope(), start()).unwrap();
    authority.roll_over(start() + Duration::days(15)).unwrap();
    let client = Client::starts(&authority, start() + Duration::days(15));
    // The successor's key is in place already, the certificates are the old ones.
    std::fs::rename(folder.join("next.key"), folder.join("ca.key")).unwrap();
    let now = start() + Duration::days(16);
    let (restarted, persistence) = Authority::kept_in(&folder, &scope(), now).unwrap();
    assert_eq!(persistence, Persistence::Kept);
    assert!(client.is_served(&restarted, now));
    // A key without a certificate is no successor.
    std::fs::copy(folder.join("ca.key"), folder.join("spare")).unwrap();
    let lonely = Root::generate(&scope(), start()).unwrap();
    std::fs::write(folder.join("next.key"), lonely.key().0.serialize_pem()).unwrap();
    std::fs::set_permissions(folder.join("next.key"), std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let (restarted, _) = Authority::kept_in(&folder, &scope(), now).unwrap();
    assert!(client.is_served(&restarted, now));
    assert_eq!(restarted.certificates_pem().matches("BEGIN").count(), 1);
}

#[test]
fn the_successor_is_as_narrow_as_the_root() {
    let authority = Authority::in_memory(&scope(), start()).unwrap();
    authority.roll_over(start() + Duration::days(4)).unwrap();
    let now = start() + Duration::hours(160);
    assert!(authority.leaves().certified_key(HOST, now).is_ok());
    assert!(matches!(authority.leaves().certified_key("example.org", now), Err(CaError::OutOfScope)));
    let pem = authority.certificates_pem();
    let roots: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>().unwrap();
    assert_eq!(roots.len(), 2);
    // Whoever had the successor's key could not sign for another name: a client that trusts it checks that.
    let stray = stray_leaf(&authority);
    let mut store = RootCertStore::empty();
    store.add(roots[1].clone()).unwrap();
    let verifier =
        rustls::client::WebPkiServerVerifier::builder_with_provider(Arc::new(store), Arc::new(default_provider()));
    let verifier = verifier.build().unwrap();
    let at = UnixTime::since_unix_epoch(std::time::Duration::from_secs(u64::try_from(now.unix_timestamp()).unwrap()));
    let name = ServerName::try_from("example.org").unwrap();
    let refused = verifier.verify_server_cert(&stray, &[], &name, &[], at).unwrap_err().to_string();
    assert!(refused.contains("NameConstraint"), "{refused}");
}

/// Signed by the successor for a name outside its scope.
fn stray_leaf(authority: &Authority) -> CertificateDer<'static> {
    let successor = authority.successor.lock().unwrap().clone().unwrap();
    let mut params = rcgen::CertificateParams::new(vec!["example.org".to_owned()]).unwrap();
    params.not_before = start();
    params.not_after = start() + Duration::days(8);
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let key = rcgen::KeyPair::generate().unwrap();
    params.signed_by(&key, &successor.issuer()).unwrap().into()
}
