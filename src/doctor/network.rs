//! The hosts that a login needs, and the clock.

use super::check::{Check, Status, Topic};
use super::credentials::span;
use super::facts::{Answer, Issuer, Reach, Role, Upstream};
use crate::ca::issuer::interceptor;

/// From here on tokens are taken for ended or for good when they are not: clients renew five minutes early.
const CLOCK_PROBLEM: i64 = 5 * 60 * 1000;
const CLOCK_WARNING: i64 = 60 * 1000;

pub(super) fn checks(upstream: Result<&Vec<Upstream>, &String>) -> Vec<Check> {
    let hosts = match upstream {
        Ok(hosts) => hosts,
        Err(why) => return vec![check("upstream.reach", Status::Unknown, format!("not looked at: {why}"))],
    };
    let mut checks: Vec<Check> =
        hosts.iter().flat_map(|host| [Some(reach(host)), interception(host)]).flatten().collect();
    checks.push(clock(hosts));
    checks
}

fn check(id: &'static str, status: Status, found: impl Into<String>) -> Check {
    Check::new(Topic::Network, id, status, found)
}

fn reach(upstream: &Upstream) -> Check {
    let id = "upstream.reach";
    let host = match (&upstream.via, upstream.role) {
        (Some(via), _) => format!("{} through {via}", upstream.host),
        (None, _) => upstream.host.clone(),
    };
    let check = match &upstream.reach {
        Reach::Unreached { proxy_status: Some(407), .. } => {
            check(id, Status::Problem, format!("{host}: the proxy wants user and password (407)"))
                .advise("Write them into HTTPS_PROXY: http://USER:PASSWORD@HOST:PORT; for NTLM or Kerberos put px or cntlm in between")
        }
        Reach::Unreached { why, proxy_status: Some(status) } => {
            check(id, Status::Problem, format!("{host}: {why} ({status})"))
                .advise("Ask whoever runs the proxy to let this host pass")
        }
        Reach::Unreached { why, proxy_status: None } => check(id, Status::Problem, format!("{host}: {why}"))
            .advise("Check network, VPN and firewall; behind a company's proxy, set HTTPS_PROXY"),
        Reach::NotTrusted { why, issuer } => {
            let signed = issuer.as_ref().map(|issuer| format!("; it is signed by {}", named(issuer))).unwrap_or_default();
            check(id, Status::Problem, format!("{host}: {why}{signed}"))
                .advise("If your company opens TLS: --upstream-ca FILE for authtrace, NODE_EXTRA_CA_CERTS=FILE for claude")
        }
        Reach::NoAnswer { why, .. } => check(id, Status::Problem, format!("{host}: TLS is good, and then {why}"))
            .advise("Something on the way lets connections pass and no requests"),
        Reach::Answered(Answer { challenge: true, status, .. }) => {
            check(id, Status::Warning, format!("{host}: answered {status} with a challenge for browsers"))
                .advise("This network's address is not trusted by the edge: try another network or VPN exit")
        }
        Reach::Answered(Answer { status, .. }) if *status >= 500 => {
            check(id, Status::Warning, format!("{host}: answered {status}"))
                .advise("Look at status.claude.com, and try again later; do not log out")
        }
        Reach::Answered(Answer { status, elapsed_ms, issuer, .. }) => {
            let what = match upstream.role {
                Role::Authorization => "reachable for renewals",
                Role::Api | Role::BaseUrl => "answers",
            };
            let found = format!("{host} {what} ({status} in {elapsed_ms} ms; certificate by {})", issuer.name);
            check(id, Status::Ok, found)
        }
    };
    check.about(&upstream.host)
}

/// A chain that this machine trusts and browsers would not: somebody on the way opens TLS. A gateway of one's own may well have
/// such a certificate.
fn interception(upstream: &Upstream) -> Option<Check> {
    let (Reach::Answered(Answer { issuer, .. }) | Reach::NoAnswer { issuer, .. }) = &upstream.reach else {
        return None;
    };
    if issuer.public || upstream.role == Role::BaseUrl {
        return None;
    }
    let found = format!(
        "{}: TLS is opened on the way: the certificate is by {}, which this machine trusts and browsers do not",
        upstream.host,
        named(issuer)
    );
    let check = check("upstream.interception", Status::Warning, found).about(&upstream.host);
    Some(
        check.advise(
            "claude must trust it, too (NODE_EXTRA_CA_CERTS); refusals may come from there: ask for an exception",
        ),
    )
}

fn named(issuer: &Issuer) -> String {
    match interceptor(&issuer.name) {
        Some(product) if !issuer.name.contains(product) => format!("{} ({product})", issuer.name),
        _ => issuer.name.clone(),
    }
}

fn clock(hosts: &[Upstream]) -> Check {
    let id = "clock.offset";
    let ahead = hosts.iter().find_map(|host| match &host.reach {
        Reach::Answered(answer) => answer.clock_ahead_ms,
        _ => None,
    });
    let Some(ahead) = ahead else {
        return check(id, Status::Unknown, "no answer with a date to compare the clock with")
            .advise("Compare it yourself: date -u");
    };
    let size = ahead.saturating_abs();
    let direction = if ahead > 0 { "ahead" } else { "behind" };
    let found = format!("this machine's clock is {} {direction}", span(ahead));
    let advice = "Set it: timedatectl set-ntp true; in WSL: wsl --shutdown, or hwclock -s";
    match size {
        _ if size > CLOCK_PROBLEM => {
            check(id, Status::Problem, format!("{found}: logins are taken for ended, or for good, when they are not"))
                .advise(advice)
        }
        _ if size > CLOCK_WARNING => check(id, Status::Warning, found).advise(advice),
        // The date of an answer has whole seconds, and the answer took its time.
        _ if size < 2_000 => check(id, Status::Ok, "this machine's clock agrees with the server's"),
        _ => check(id, Status::Ok, found),
    }
}
