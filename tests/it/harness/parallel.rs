//! Many at once in one process.

use authtrace::harness::Harness;
use std::collections::BTreeSet;
use std::path::PathBuf;
use tokio::task::JoinSet;

const SCENARIOS: [&str; 4] = ["expired-then-refreshed", "token-revoked", "refresh-token-invalid", "api-key-invalid"];

#[tokio::test(flavor = "multi_thread")]
async fn twenty_at_once_do_not_disturb_each_other() {
    let before: Vec<_> = std::env::vars_os().collect();
    let mut playing = JoinSet::new();
    for number in 0..20 {
        playing.spawn(async move {
            let name = SCENARIOS[number % SCENARIOS.len()];
            let harness = Harness::start(name).await.unwrap();
            let (home, address) = (harness.home().to_owned(), harness.proxy_url());
            harness.play().await.unwrap();
            (name, home, address, harness.finish().await.unwrap())
        });
    }
    let played = playing.join_all().await;
    assert_eq!(std::env::vars_os().collect::<Vec<_>>(), before);
    let homes: BTreeSet<&PathBuf> = played.iter().map(|(_, home, ..)| home).collect();
    let addresses: BTreeSet<&String> = played.iter().map(|(_, _, address, _)| address).collect();
    assert_eq!((homes.len(), addresses.len()), (20, 20));
    assert!(homes.iter().all(|home| !home.exists()), "a home is left");
    for (name, _, _, observed) in &played {
        let expected = if *name == "expired-then-refreshed" { "healthy" } else { name };
        assert_eq!(observed.verdict().code.as_str(), expected, "{}", observed.report());
        assert_eq!(observed.survey().gaps().len(), 0);
    }
    // A play of one scenario is the same each time, up to fingerprints.
    let flow = |observed: &authtrace::harness::Observed| -> Vec<String> {
        observed.exchanges().iter().map(|one| format!("{} {} {:?}", one.method(), one.path(), one.status())).collect()
    };
    for name in SCENARIOS {
        let mut flows = played.iter().filter(|(played, ..)| *played == name).map(|(.., observed)| flow(observed));
        let first = flows.next().unwrap();
        assert!(flows.all(|other| other == first), "{name}");
    }
}

#[tokio::test]
async fn dropping_one_closes_its_ports_and_removes_its_files() {
    let harness = Harness::start("healthy").await.unwrap();
    let fake = (harness.fake().addr(), harness.fake().plaintext_addr());
    let port = |url: &str| url.rsplit('@').next().unwrap().trim_start_matches("http://").to_owned();
    let addresses = [port(&harness.proxy_url()), port(&harness.base_url()), fake.0.to_string(), fake.1.to_string()];
    let (home, ca_file) = (harness.home().to_owned(), harness.ca_file().to_owned());
    for address in &addresses {
        tokio::net::TcpStream::connect(address).await.unwrap();
    }
    drop(harness);
    assert!(!home.exists() && !ca_file.exists());
    for address in &addresses {
        let closed = async {
            while tokio::net::TcpStream::connect(address).await.is_ok() {
                tokio::task::yield_now().await;
            }
        };
        crate::support::soon("a closed port", closed).await;
    }
}
