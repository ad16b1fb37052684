//! What holds of every trace.

use super::*;
use crate::analyze::findings::{Finding, Severity};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// One exchange of many kinds.
fn step() -> impl Strategy<Value = (u8, i64, char, char, u16, usize)> {
    let letter = prop::sample::select(vec!['a', 'b', 'c']);
    let at = prop_oneof![0..120_000i64, 0..40 * HOUR];
    let status = prop::sample::select(vec![200u16, 200, 400, 401, 401, 403, 404, 429, 500, 503, 529]);
    (0..9u8, at, letter.clone(), letter, status, 0..9usize)
}

fn told(steps: &[(u8, i64, char, char, u16, usize)]) -> Tale {
    const WORDS: [&str; 5] = [EXPIRED, GENERIC, BEARER, "OAuth access token has been revoked.", "invalid x-api-key"];
    const PATHS: [&str; 5] = [
        "/v1/messages?beta=true",
        "/api/oauth/profile",
        "/api/event_logging/v2/batch",
        "/v1/code/sessions/cse_x/bridge",
        "/api/oauth/claude_cli/create_api_key",
    ];
    steps.iter().fold(Tale::new(), |tale, (kind, at, one, other, status, choice)| {
        let tale = tale.lane(["main", "alpha", "beta"][choice % 3]);
        let words = Some(WORDS[choice % 5]).filter(|_| *status >= 400);
        match kind {
            0 => tale.ok(*at, *one),
            1 => tale.refused(*at, *one, WORDS[choice % 5]),
            2 => tale.refresh(*at, *one, *other, 28_800),
            3 => tale.invalid_grant(*at, *one),
            4 => tale.failing_refresh(*at, *one, *status),
            5 => tale.silent_refresh(*at, *one, "upstream_reset", i64::try_from(*choice).unwrap() * 2_000),
            6 => tale.login(*at, *one, 600),
            7 => tale.ask(*at, PATHS[choice % 5], None, *status, words),
            _ => tale.ask(*at, PATHS[choice % 5], Some(*one), *status, words),
        }
    })
}

/// What is said of one finding, but for its sentence.
type Fact = (Code, Confidence, bool, Severity, Vec<u64>);

/// All but the names of credentials, which follow the order of lines.
fn facts(diagnosis: &Diagnosis) -> (Code, Confidence, bool, Vec<Fact>) {
    let of = |one: &Finding| (one.code, one.confidence, one.recovered, one.severity, one.exchanges.clone());
    let verdict = &diagnosis.verdict;
    (verdict.code, verdict.confidence, verdict.recovered, diagnosis.findings.iter().map(of).collect())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Any order of things gives a verdict, and whatever a finding names is there.
    #[test]
    fn every_trace_has_a_verdict_whose_evidence_is_there(steps in prop::collection::vec(step(), 0..14)) {
        let tale = told(&steps);
        let ids: BTreeSet<u64> = survey(&tale.text()).exchanges().iter().map(|exchange| exchange.id).collect();
        let diagnosis = tale.diagnosis();
        for finding in &diagnosis.findings {
            prop_assert!(finding.exchanges.iter().all(|id| ids.contains(id)), "{finding:?}");
            prop_assert!(!finding.summary.is_empty() && finding.summary.ends_with('.'), "{}", finding.summary);
            prop_assert!(finding.exchanges.len() <= 12);
            prop_assert!(!finding.otherwise.contains(&finding.code));
        }
        let codes: BTreeSet<Code> = diagnosis.findings.iter().map(|finding| finding.code).collect();
        prop_assert_eq!(codes.len(), diagnosis.findings.len(), "one finding a code");
        let failure = diagnosis.findings.iter().find(|finding| finding.severity == Severity::Failure);
        if let Some(failure) = failure {
            prop_assert_eq!(failure.code, diagnosis.verdict.code);
        }
    }

    /// A file tells exchanges in the order in which they ended, and that says nothing.
    #[test]
    fn the_order_of_lines_does_not_matter(steps in prop::collection::vec(step(), 0..14), by in 0..14usize) {
        let tale = told(&steps);
        let mut turned = tale.clone();
        let turns = by % turned.lines.len().max(1);
        if turned.lines.len() > 2 {
            turned.lines[1..].rotate_left(turns % (tale.lines.len() - 1));
        }
        prop_assert_eq!(facts(&tale.diagnosis()), facts(&turned.diagnosis()));
    }

    /// Fingerprints are made under a key of each trace; names come from the order of appearance.
    #[test]
    fn the_key_of_fingerprints_does_not_matter(steps in prop::collection::vec(step(), 0..14)) {
        let text = told(&steps).text();
        let renamed = text.replace("\"a0000", "\"f1234").replace("\"b0000", "\"09876");
        prop_assert_eq!(facts(&diagnose(&survey(&text))), facts(&diagnose(&survey(&renamed))));
    }

    /// Another client that is well, with a login of its own, does not change what is wrong with this one.
    #[test]
    fn a_healthy_neighbour_changes_no_failure(steps in prop::collection::vec(step(), 1..10), at in 0..120_000i64) {
        let tale = told(&steps);
        let alone = tale.diagnosis().verdict;
        let beside = tale.lane("neighbour").ok(at, 'n').ok(at + 5_000, 'n').diagnosis();
        let still = beside.findings.iter().any(|finding| finding.code == alone.code);
        let label = alone.code.class() == crate::catalogue::Class::Label;
        prop_assert!(label || still || alone.code == Code::NoAuthenticatedRequest, "{} -> {}", alone.code, beside.verdict.code);
    }
}
