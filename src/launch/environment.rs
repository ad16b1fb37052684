use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::ca::Scope;

use super::no_proxy::no_proxy;
use super::variables::{ALL_PROXY, NO_PROXY, PROXY, is_of_interest};
use super::{BaseUrl, TrustFiles};

/// The environment that we were started with. Read once by the caller; nothing here looks at the process's own.
pub type ParentEnvironment = BTreeMap<OsString, OsString>;

/// What the child is to be told.
#[derive(Debug)]
pub struct Plan<'a> {
    /// Where our proxy listens.
    pub proxy: SocketAddr,
    /// The proxy's user (it names the lane) and password; `None` if the proxy asks for none.
    pub login: Option<Login<'a>>,
    /// Which hosts are looked into.
    pub scope: &'a Scope,
    /// Where `ANTHROPIC_BASE_URL` points to, if the environment or a settings file has it.
    pub base_url: Option<&'a BaseUrl>,
    /// The files that clients are to trust.
    pub trust: &'a TrustFiles,
}

/// User and password of the proxy for this run.
#[derive(Clone, Copy)]
pub struct Login<'a> {
    /// The name of the lane.
    pub user: &'a str,
    /// Made up per run.
    pub password: &'a str,
}

impl fmt::Debug for Login<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// How the child's environment differs from ours.
#[derive(Default)]
pub struct ChildEnvironment {
    /// Variables to set, sorted by name. The proxy's password is among the values.
    pub set: Vec<(OsString, OsString)>,
    /// Variables to remove.
    pub remove: Vec<OsString>,
    /// What the user should know about it.
    pub notices: Vec<Notice>,
    /// Names, never values, of the variables about Anthropic, Claude, proxies and trust that we were started with; sorted.
    pub names_seen: Vec<String>,
}

impl ChildEnvironment {
    /// The whole environment of the child of a process with this one.
    #[must_use]
    pub fn of_child(&self, parent: &ParentEnvironment) -> ParentEnvironment {
        let kept = parent.iter().filter(|(name, _)| !self.remove.contains(name));
        kept.chain(self.set.iter().map(|(name, value)| (name, value)))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }
}

/// Names only: the values hold the proxy's password and what the user's variables held.
impl fmt::Debug for ChildEnvironment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set: Vec<_> = self.set.iter().map(|(name, _)| name).collect();
        let mut shown = f.debug_struct("ChildEnvironment");
        shown.field("set", &set).field("remove", &self.remove).field("notices", &self.notices);
        shown.field("names_seen", &self.names_seen).finish()
    }
}

/// Something in the user's environment that we changed, or that stands in the way of a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// `ALL_PROXY` is not passed on.
    AllProxyRemoved,
    /// Entries of `NO_PROXY` that would have led the API past us are not passed on.
    NoProxyEntriesRemoved {
        /// Which.
        entries: Vec<String>,
    },
    /// The user's own trust file cannot be read, so the variable was left as it was.
    TrustFileUnreadable {
        /// The variable.
        variable: &'static str,
        /// The file that it names.
        path: PathBuf,
    },
    /// `NODE_TLS_REJECT_UNAUTHORIZED=0`: clients check no certificate.
    VerificationOff,
    /// A client certificate is set: a server that asks for it cannot be intercepted.
    ClientCertificate,
}

/// One sentence for the user.
impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AllProxyRemoved => f.write_str(
                "ALL_PROXY is not passed on to the command: with it, clients send some requests past HTTPS_PROXY",
            ),
            Self::NoProxyEntriesRemoved { entries } => {
                write!(f, "left out of the command's NO_PROXY, since it would lead past this proxy: {}", entries.join(", "))
            }
            Self::TrustFileUnreadable { variable, path } => write!(
                f,
                "{variable} names {}, which cannot be read; it is left as it is, and programs that use it may refuse the connection",
                path.display()
            ),
            Self::VerificationOff => f.write_str(
                "NODE_TLS_REJECT_UNAUTHORIZED=0 is set: the command checks no certificate, so the trace cannot show trouble with trust",
            ),
            Self::ClientCertificate => f.write_str(
                "CLAUDE_CODE_CLIENT_CERT is set: a server that asks for a client certificate cannot be intercepted; use --tunnel HOST for it",
            ),
        }
    }
}

/// What to change for the child. Pure: everything comes from `parent` and `plan`.
#[must_use]
pub fn environment(parent: &ParentEnvironment, plan: &Plan<'_>) -> ChildEnvironment {
    let value = |name: &str| parent.get(OsStr::new(name)).filter(|value| !value.is_empty());
    let mut set: BTreeMap<OsString, OsString> = BTreeMap::new();
    let mut notices = plan.trust.notices.clone();

    let proxy = proxy_url(plan);
    set.extend(PROXY.map(|name| (name.into(), OsString::from(&proxy))));

    // Programs differ in which of the two they prefer, so each keeps its own value if it has one.
    let mut taken_out = BTreeSet::new();
    for (name, other) in [(NO_PROXY[0], NO_PROXY[1]), (NO_PROXY[1], NO_PROXY[0])] {
        let user = value(name).or_else(|| value(other)).map(|value| value.to_string_lossy());
        let merged = no_proxy(user.as_deref(), plan.scope, plan.base_url);
        taken_out.extend(merged.taken_out);
        set.insert(name.into(), merged.value.into());
    }
    if !taken_out.is_empty() {
        notices.push(Notice::NoProxyEntriesRemoved { entries: taken_out.into_iter().collect() });
    }

    let remove: Vec<OsString> = ALL_PROXY.iter().map(OsString::from).filter(|name| parent.contains_key(name)).collect();
    if ALL_PROXY.iter().any(|name| value(name).is_some()) {
        notices.push(Notice::AllProxyRemoved);
    }

    set.extend(plan.trust.variables.iter().map(|(name, path)| (OsString::from(name), path.clone().into_os_string())));
    // Node's own fetch looks at HTTPS_PROXY only when it is told to (Node 22.21 and 24.5 on).
    if !parent.contains_key(OsStr::new("NODE_USE_ENV_PROXY")) {
        set.insert("NODE_USE_ENV_PROXY".into(), "1".into());
    }
    if value("NODE_TLS_REJECT_UNAUTHORIZED").is_some_and(|value| value == "0") {
        notices.push(Notice::VerificationOff);
    }
    if value("CLAUDE_CODE_CLIENT_CERT").is_some() {
        notices.push(Notice::ClientCertificate);
    }
    ChildEnvironment { set: set.into_iter().collect(), remove, notices, names_seen: names_seen(parent) }
}

/// Names, never values, of the variables about Anthropic, Claude, proxies and trust; sorted.
#[must_use]
pub fn names_seen(parent: &ParentEnvironment) -> Vec<String> {
    parent.keys().filter_map(|name| name.to_str()).filter(|name| is_of_interest(name)).map(str::to_owned).collect()
}

/// Everything but the unreserved characters (RFC 3986 §2.3): clients decode user and password before they send them.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

fn proxy_url(plan: &Plan<'_>) -> String {
    let login = plan.login.map_or_else(String::new, |login| {
        format!("{}:{}@", utf8_percent_encode(login.user, RESERVED), utf8_percent_encode(login.password, RESERVED))
    });
    format!("http://{login}{}", plan.proxy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parent(variables: &[(&str, &str)]) -> ParentEnvironment {
        variables.iter().map(|(name, value)| (name.into(), value.into())).collect()
    }

    fn child(variables: &[(&str, &str)]) -> ChildEnvironment {
        let trust = TrustFiles {
            variables: BTreeMap::from([("NODE_EXTRA_CA_CERTS", PathBuf::from("/run/x/ca.pem"))]),
            ..TrustFiles::default()
        };
        let plan = Plan {
            proxy: "127.0.0.1:4321".parse().unwrap(),
            login: Some(Login { user: "main lane", password: "FAKE:p@ss/word" }),
            scope: &Scope::claude().unwrap(),
            base_url: None,
            trust: &trust,
        };
        environment(&parent(variables), &plan)
    }

    fn get<'a>(child: &'a ChildEnvironment, name: &str) -> Option<&'a str> {
        child.set.iter().find(|(set, _)| set == name).and_then(|(_, value)| value.to_str())
    }

    #[test]
    fn a_plain_environment_gets_proxy_loopback_and_trust() {
        let child = child(&[("HOME", "/home/u")]);
        let names: Vec<_> = child.set.iter().map(|(name, _)| name.to_str().unwrap()).collect();
        assert_eq!(
            names,
            [
                "HTTPS_PROXY",
                "HTTP_PROXY",
                "NODE_EXTRA_CA_CERTS",
                "NODE_USE_ENV_PROXY",
                "NO_PROXY",
                "http_proxy",
                "https_proxy",
                "no_proxy"
            ]
        );
        for name in PROXY {
            assert_eq!(get(&child, name), Some("http://main%20lane:FAKE%3Ap%40ss%2Fword@127.0.0.1:4321"));
        }
        assert_eq!(get(&child, "no_proxy"), Some("localhost,127.0.0.1,::1"));
        assert_eq!(get(&child, "NODE_EXTRA_CA_CERTS"), Some("/run/x/ca.pem"));
        assert_eq!((child.remove, child.notices, child.names_seen), (vec![], vec![], vec![]));
    }

    #[test]
    fn the_users_own_proxy_is_replaced_in_both_cases_and_all_proxy_goes() {
        let child = child(&[
            ("https_proxy", "http://corp.example:3128"),
            ("ALL_PROXY", "socks5://a.example"),
            ("all_proxy", ""),
        ]);
        assert!(PROXY.iter().all(|name| get(&child, name).unwrap().ends_with("@127.0.0.1:4321")));
        assert_eq!(child.remove, ["ALL_PROXY", "all_proxy"]);
        assert_eq!(child.notices, [Notice::AllProxyRemoved]);
        assert_eq!(child.names_seen, ["ALL_PROXY", "all_proxy", "https_proxy"]);
    }

    #[test]
    fn each_case_of_no_proxy_keeps_its_own_entries_and_a_missing_one_takes_the_others() {
        let both = child(&[("NO_PROXY", "upper.example,*"), ("no_proxy", "lower.example,api.anthropic.com")]);
        assert_eq!(get(&both, "NO_PROXY"), Some("upper.example,localhost,127.0.0.1,::1"));
        assert_eq!(get(&both, "no_proxy"), Some("lower.example,localhost,127.0.0.1,::1"));
        assert_eq!(
            both.notices,
            [Notice::NoProxyEntriesRemoved { entries: vec!["*".into(), "api.anthropic.com".into()] }]
        );
        let one = child(&[("NO_PROXY", "upper.example"), ("no_proxy", "")]);
        assert_eq!(get(&one, "no_proxy"), get(&one, "NO_PROXY"));
    }

    #[test]
    fn what_the_user_decided_for_node_stays() {
        let child = child(&[
            ("NODE_USE_ENV_PROXY", "0"),
            ("NODE_TLS_REJECT_UNAUTHORIZED", "0"),
            ("CLAUDE_CODE_CLIENT_CERT", "/c.pem"),
        ]);
        assert_eq!(get(&child, "NODE_USE_ENV_PROXY"), None);
        assert_eq!(child.notices, [Notice::VerificationOff, Notice::ClientCertificate]);
    }

    #[test]
    fn neither_debug_nor_names_show_a_value() {
        let child = child(&[
            ("ANTHROPIC_API_KEY", "sk-ant-api03-FAKE"),
            ("CLAUDE_CODE_OAUTH_TOKEN", "FAKE"),
            ("HTTPS_PROXY", "http://u:FAKE@p"),
        ]);
        assert!(!format!("{child:?}").contains("FAKE"));
        assert_eq!(child.names_seen, ["ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN", "HTTPS_PROXY"]);
    }

    #[test]
    fn without_a_login_the_url_has_none() {
        let plan = Plan {
            proxy: "[::1]:8080".parse().unwrap(),
            login: None,
            scope: &Scope::claude().unwrap(),
            base_url: None,
            trust: &TrustFiles::default(),
        };
        assert_eq!(get(&environment(&parent(&[]), &plan), "HTTPS_PROXY"), Some("http://[::1]:8080"));
    }
}
