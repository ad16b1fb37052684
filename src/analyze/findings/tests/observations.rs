//! What is worth knowing beside a verdict.

use super::*;

fn repeats(tale: &Tale) -> Option<String> {
    let found = tale.diagnosis().findings;
    found.into_iter().find(|one| one.code == Code::RefusedCredentialRepeated).map(|one| one.summary)
}

#[test]
fn a_refused_token_is_counted_through_all_processes_until_it_is_accepted() {
    let mut tale = Tale::new();
    for (at, lane) in [(0, "one"), (1_000, "two"), (2_000, "three"), (3_000, "four")] {
        tale = tale.lane(lane).refused(at, 'a', BEARER);
    }
    assert!(repeats(&tale).is_some_and(|text| text.starts_with("4 clients sent the refused oat-A 4 times")));
    let between = Tale::new().refused(0, 'a', BEARER).refused(1_000, 'a', BEARER).ok(2_000, 'a');
    assert_eq!(repeats(&between.refused(3_000, 'a', BEARER).refused(4_000, 'a', BEARER)), None);
}
