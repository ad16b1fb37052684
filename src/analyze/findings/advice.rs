//! What the catalogue adds to a finding: what to do, and what the client's version says about it.

use super::context::Context;
use super::finding::{Finding, VersionAdvice};
use super::lifetime::SKEW_MS;
use crate::analyze::says::request_header;
use crate::catalogue::versions::compare;
use crate::catalogue::{Code, Entry, VersionNote, entry};
use std::cmp::Ordering;

/// How Claude Code calls itself.
const CLIENT: &str = "claude-cli/";

pub(super) fn add(context: &Context<'_>, finding: &mut Finding) {
    let known = entry(finding.code);
    finding.version = client_of(context, finding).and_then(|client| advice(known, client));
    if finding.remedy.is_empty() {
        let second = match finding.code {
            Code::LocalExpiryMisjudged => is_clock_right(context),
            Code::AccessTokenExpiredNotRefreshed => finding.version.as_ref().is_some_and(|version| version.affected),
            _ => false,
        };
        finding.remedy = known.remedy.get(usize::from(second)).copied().unwrap_or_default().to_owned();
    }
}

/// Whether the answers show that there is nothing to be set right.
fn is_clock_right(context: &Context<'_>) -> bool {
    context.survey.clock_difference().is_some_and(|difference| difference.median_ms.abs() <= SKEW_MS)
}

/// The oldest version of Claude Code among the exchanges that prove it.
fn client_of<'a>(context: &Context<'a>, finding: &Finding) -> Option<&'a str> {
    let evidence = finding.exchanges.iter().filter_map(|id| context.by_id(*id));
    let versions = evidence.filter_map(|seen| version_in(request_header(seen.exchange, "user-agent")?));
    versions.min_by(|one, other| compare(one, other).unwrap_or(Ordering::Equal))
}

fn version_in(user_agent: &str) -> Option<&str> {
    let (_, behind) = user_agent.split_once(CLIENT)?;
    behind.split([' ', '(', ',']).next().filter(|version| compare(version, version).is_some())
}

fn advice(known: &Entry, client: &str) -> Option<VersionAdvice> {
    let of = |note: &VersionNote, affected: bool| VersionAdvice {
        client: client.to_owned(),
        fixed_in: note.fixed_in,
        affected,
        what: note.what,
    };
    match known.fix_for(client) {
        Some(note) => Some(of(note, true)),
        None => known.versions.last().map(|note| of(note, false)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_stands_behind_the_clients_name() {
        assert_eq!(version_in("claude-cli/2.1.107 (external, cli)"), Some("2.1.107"));
        assert_eq!(version_in("Mozilla/5.0 claude-cli/2.1.3"), Some("2.1.3"));
        assert_eq!(version_in("claude-cli/‹len≤32 fp=3f9c21ab›"), None);
        assert_eq!(version_in("axios/1.7"), None);
    }

    #[test]
    fn a_client_before_the_mend_is_affected_and_one_behind_it_is_not() {
        let known = entry(Code::AccessTokenExpiredNotRefreshed);
        let newest = known.versions.last().unwrap();
        let old = advice(known, "2.0.1").unwrap();
        assert!(old.affected && old.client == "2.0.1");
        let new = advice(known, "99.0.0").unwrap();
        assert_eq!((new.affected, new.fixed_in), (false, newest.fixed_in));
    }
}
