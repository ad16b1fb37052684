//! The hosts that a login needs, asked through a proxy of our own: dialled exactly as a run would dial them.

use super::super::session::Login;
use super::Records;
use anyhow::Result;
use authtrace::ca::{LeafStore, Root, Scope};
use authtrace::config::Config;
use authtrace::doctor::reach::{self, Question, Verifiers};
use authtrace::doctor::{Reach, Role, Upstream};
use authtrace::launch::BaseUrl;
use authtrace::proxy::{
    Access, Intercept, Lane, Patience, Proxy, ProxyConfig, ProxyHandle, UpstreamProxy, UpstreamTrust,
};
use authtrace::redact::{Options, Redacted, Redactor};
use authtrace::trace::{Connection, EventSink, Record};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;

/// How long one host may take from the handshake to its answer.
const PATIENCE: Duration = Duration::from_secs(15);

/// Asks every host once, without credentials. The inner error says why none could be asked.
pub(super) async fn look(config: &Config, base_url: Option<&BaseUrl>) -> Result<Result<Vec<Upstream>, String>> {
    let verifiers = match Verifiers::load(&config.upstream_ca) {
        Ok(verifiers) => verifiers,
        Err(error) => return Ok(Err(format!("no usable root certificates ({error})"))),
    };
    let upstream_trust = match UpstreamTrust::load(&config.upstream_ca) {
        Ok(trust) => trust,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let questions = questions(base_url);
    let hosts = questions.iter().map(|(_, question)| question.host.clone());
    let redactor = Arc::new(Redactor::new(Options::default().with_hosts(hosts))?);
    let records = Arc::new(Records::default());
    let sink: Arc<dyn EventSink> = Arc::<Records>::clone(&records);
    let (handle, login) = tunnels(config, upstream_trust, redactor, sink)?;
    let proxy = reach::Proxy { address: handle.address(), user: login.user.clone(), password: login.password.clone() };
    let mut asked = Vec::new();
    for (role, question) in questions {
        let outcome = reach::ask(&proxy, &question, &verifiers, PATIENCE).await;
        asked.push((role, question, outcome));
    }
    handle.stop().await;
    let connections: Vec<Connection> = records.take().into_iter().filter_map(connection).collect();
    let via = config.upstream_proxy.as_ref();
    let upstreams = asked.into_iter().map(|(role, question, outcome)| {
        let connection = connections.iter().find(|one| is_for(one, &question));
        upstream(role, &question, outcome, connection, via)
    });
    Ok(Ok(upstreams.collect()))
}

/// The API is asked what clients ask to warm a connection up; the token endpoint is asked for nothing at all.
fn questions(base_url: Option<&BaseUrl>) -> Vec<(Role, Question)> {
    let question = |host: &str, port, method, path| Question { host: host.to_owned(), port, method, path };
    let mut questions = vec![
        (Role::Api, question("api.anthropic.com", 443, http::Method::HEAD, "/api/hello")),
        (Role::Authorization, question("platform.claude.com", 443, http::Method::GET, "/v1/oauth/token")),
    ];
    // A host by address shows a certificate for an address, which is the gateway's own affair.
    let gateway = base_url.filter(|url| url.https && url.address().is_none());
    if let Some(url) = gateway.filter(|url| !(url.host == "api.anthropic.com" && url.port == 443)) {
        questions.push((Role::BaseUrl, question(&url.host, url.port, http::Method::HEAD, "/")));
    }
    questions
}

/// A proxy that looks into nothing.
fn tunnels(
    config: &Config,
    upstream_trust: UpstreamTrust,
    redactor: Arc<Redactor>,
    sink: Arc<dyn EventSink>,
) -> Result<(ProxyHandle, Login)> {
    let login = Login::made_up("doctor")?;
    let root = Arc::new(Root::generate(&Scope::claude()?, OffsetDateTime::now_utc())?);
    let lane = Lane::new(Redacted::literal("doctor"), login.user.clone(), login.password.clone());
    let proxy = ProxyConfig {
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        intercept: Intercept::new(Scope::empty(), Vec::new(), Scope::empty()),
        leaves: Arc::new(LeafStore::new(root)?),
        upstream_trust,
        connect_to: config.connect_to.clone(),
        upstream_proxy: config.upstream_proxy.clone(),
        access: Access::with_lane(lane),
        patience: Patience::default(),
        policy: None,
    };
    Ok((Proxy::bind(proxy, redactor, sink)?.serve(), login))
}

fn connection(record: Record) -> Option<Connection> {
    match record {
        Record::Connection(connection) => Some(*connection),
        _ => None,
    }
}

fn is_for(connection: &Connection, question: &Question) -> bool {
    connection
        .target
        .as_ref()
        .is_some_and(|target| target.host.as_str() == question.host && target.port == question.port)
}

fn upstream(
    role: Role,
    question: &Question,
    outcome: Result<Reach, reach::Refused>,
    connection: Option<&Connection>,
    proxy: Option<&UpstreamProxy>,
) -> Upstream {
    let port = if question.port == 443 { String::new() } else { format!(":{}", question.port) };
    let end = connection.map(|connection| &connection.end);
    let reach = outcome.unwrap_or_else(|refused| {
        let detail = end.and_then(|end| end.detail.as_ref()).map(ToString::to_string);
        let by_proxy = end.is_some_and(|end| end.outcome == authtrace::trace::Outcome::UpstreamProxyRefused);
        Reach::Unreached {
            why: detail.unwrap_or_else(|| "no connection".to_owned()),
            proxy_status: end.and_then(|end| end.status).or(refused.status).filter(|_| by_proxy),
        }
    });
    let through = connection.is_some_and(|connection| connection.via_upstream_proxy)
        || matches!(reach, Reach::Unreached { proxy_status: Some(_), .. });
    let via = proxy.filter(|_| through).map(|proxy| proxy.address().to_string());
    Upstream { host: format!("{}{port}", question.host), role, via, reach }
}
