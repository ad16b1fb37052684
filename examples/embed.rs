//! A proxy and a fake Anthropic in one process: `cargo run --example embed`.
//!
//! Shows what a test of your own would do: start both on free ports, let a client go through, look at what was recorded.

use authtrace::analyze::{Survey, diagnose};
use authtrace::ca::{LeafStore, Root, Scope};
use authtrace::fake::{self, ClientConfig, Fake, Seed};
use authtrace::proxy::{Access, ConnectTo, Intercept, Lane, Patience, Proxy, ProxyConfig, UpstreamTrust};
use authtrace::redact::{Redacted, Redactor};
use authtrace::scenario::{self, Staged};
use authtrace::trace::{EventSink, Record, Timestamp};
use std::error::Error;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use time::OffsetDateTime;
use zeroize::Zeroizing;

/// Keeps the records in memory.
#[derive(Default)]
struct Collected(Mutex<Vec<Record>>);

impl EventSink for Collected {
    fn emit(&self, record: Record) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(record);
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let seed = Seed::fixed(1);
    let builtin = scenario::builtin("fresh-token-rejected").ok_or("no such scenario")?;
    let scenario = scenario::read(builtin.text)?;
    let Staged { fake, handed } = scenario.stage(seed, Seed::fixed(2), Timestamp::now());
    let fake = Fake::start(fake).await?;
    let folder = tempfile::tempdir()?;
    let fake_root = folder.path().join("fake.pem");
    std::fs::write(&fake_root, fake.ca_pem())?;

    let scope = Scope::claude()?;
    let root = Arc::new(Root::generate(&scope, OffsetDateTime::now_utc())?);
    let password = Zeroizing::new("FAKE-proxy-password".to_owned());
    let config = ProxyConfig {
        listen: "127.0.0.1:0".parse()?,
        intercept: Intercept::new(scope, Vec::new(), Scope::empty()),
        leaves: Arc::new(LeafStore::new(Arc::clone(&root))?),
        upstream_trust: UpstreamTrust::load(&[fake_root])?,
        connect_to: vec![ConnectTo::parse(&format!("::127.0.0.1:{}", fake.addr().port()))?],
        upstream_proxy: None,
        access: Access::with_lane(Lane::new(Redacted::literal("main"), "main".to_owned(), password.clone())),
        patience: Patience::default(),
        policy: None,
    };
    let sink = Arc::new(Collected::default());
    let proxy = Proxy::bind(config, Arc::new(Redactor::plain()), Arc::<Collected>::clone(&sink))?.serve();

    fake::play(ClientConfig {
        proxy_addr: proxy.address(),
        proxy_logins: vec![("main".to_owned(), password.to_string())],
        ca_pem: root.certificate_pem().to_owned(),
        setup: scenario.client.setup(handed),
        seed,
        patience: std::time::Duration::from_secs(10),
    })
    .await?;
    proxy.stop().await;
    fake.shutdown().await;

    let records = std::mem::take(&mut *sink.0.lock().unwrap_or_else(PoisonError::into_inner));
    let survey: Survey = records.into_iter().collect();
    for exchange in survey.exchanges() {
        let status = exchange.status().map_or_else(|| "none".to_owned(), |status| status.to_string());
        writeln!(std::io::stdout(), "{} {} {status}", exchange.request.method, exchange.request.path)?;
    }
    let verdict = diagnose(&survey).verdict;
    writeln!(std::io::stdout(), "{}: {}", verdict.code, verdict.summary)?;
    Ok(())
}
