//! Variables that lead requests to a proxy, or past it.

use super::check::{Check, Status, Topic};
use super::facts::{Environment, ProxyScheme, ProxyVariable};

pub(super) fn checks(environment: &Environment) -> Vec<Check> {
    let mut checks = vec![match environment.proxies.first() {
        None => none(environment),
        Some(first) => url(first),
    }];
    checks.extend(cases(environment));
    checks.extend(all_proxy(environment));
    checks.extend(no_proxy(environment));
    checks
}

fn check(id: &'static str, status: Status, found: impl Into<String>) -> Check {
    Check::new(Topic::Proxy, id, status, found)
}

/// The environment names no proxy; a settings file may, and stands in a check of its own.
fn none(environment: &Environment) -> Check {
    let of_proxy =
        |name: &String| name.to_ascii_uppercase().ends_with("_PROXY") && !name.eq_ignore_ascii_case("NO_PROXY");
    match environment.settings.iter().rev().find(|file| file.overrides.iter().any(of_proxy)) {
        Some(file) => {
            let found = format!("no proxy is set in the environment; {} sets one", file.path);
            check("env.proxy", Status::Note, found)
        }
        None => check("env.proxy", Status::Ok, "no proxy is set: requests go out directly"),
    }
}

/// The one that clients use.
fn url(proxy: &ProxyVariable) -> Check {
    let id = "env.proxy";
    let name = proxy.name;
    let Some(address) = &proxy.address else {
        return check(id, Status::Problem, format!("{name} has no host and port that can be told apart"))
            .about(name)
            .advise("Write http://USER:PASSWORD@HOST:PORT, with / ? # @ in a password as %2F %3F %23 %40");
    };
    let login = if proxy.login { ", with user and password" } else { "" };
    let check = match proxy.scheme {
        ProxyScheme::Http => check(id, Status::Ok, format!("{name} leads to {address}{login}")),
        ProxyScheme::Https => check(id, Status::Warning, format!("{name} leads to {address} over TLS{login}"))
            .advise("Clients can do that, authtrace cannot: give it a plain one with --upstream-proxy"),
        ProxyScheme::Missing => check(id, Status::Warning, format!("{name} has no scheme: {address}{login}"))
            .advise(format!("Write http://{address}: older clients hang half a minute and end without a word")),
        ProxyScheme::Socks => check(id, Status::Problem, format!("{name} names a SOCKS proxy: {address}"))
            .advise("Claude Code cannot use one: put an HTTP proxy in front of it"),
        ProxyScheme::Other => check(id, Status::Problem, format!("{name} has a scheme that no client knows"))
            .advise(format!("Write http://{address}")),
    };
    check.about(name)
}

fn cases(environment: &Environment) -> Option<Check> {
    environment.proxy_cases_differ.then(|| {
        check("env.proxy-case", Status::Warning, "https_proxy and HTTPS_PROXY differ; clients use https_proxy")
            .advise("Set both to the same, or unset one")
    })
}

fn all_proxy(environment: &Environment) -> Option<Check> {
    if !environment.all_proxy {
        return None;
    }
    let found = "ALL_PROXY is set: some requests go to it in the clear, credential and all, others past it";
    Some(check("env.all-proxy", Status::Warning, found).advise("Unset it, and set HTTPS_PROXY instead"))
}

fn no_proxy(environment: &Environment) -> Option<Check> {
    if environment.no_proxy.is_empty() {
        return None;
    }
    let entries = environment.no_proxy.join(", ");
    let (status, effect) = match environment.proxies.is_empty() {
        true => (Status::Note, "no proxy is set anyway"),
        false => (Status::Warning, "these requests go past the proxy"),
    };
    let found = format!("NO_PROXY covers hosts that Claude Code needs ({entries}): {effect}");
    Some(
        check("env.no-proxy", status, found)
            .advise("Take these entries out, unless these hosts can be reached directly"),
    )
}
