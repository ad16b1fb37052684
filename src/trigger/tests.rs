use super::*;
use crate::analyze::fixture;

fn trigger(names: &[&str]) -> Trigger {
    Trigger::new(FreezeOn::parse(names.iter().copied()).unwrap())
}

/// Takes a whole trace, and looks. How many signs there were, and what was found.
fn look(trigger: &mut Trigger, lines: &str) -> (usize, Vec<Found>) {
    let readable: Vec<&str> = lines.lines().filter(|line| serde_json::from_str::<Record>(line).is_ok()).collect();
    let signs = fixture::records(&readable.join("\n")).iter().filter(|record| trigger.take(record)).count();
    (signs, trigger.look(&mut lines.as_bytes()))
}

fn codes(found: &[Found]) -> Vec<(&'static str, bool)> {
    found.iter().map(|one| (one.code, one.fresh)).collect()
}

#[test]
fn names_are_codes_or_all_failures() {
    assert_eq!(FreezeOn::parse([]), Ok(FreezeOn::default()));
    assert_eq!(FreezeOn::parse([AUTH_FAILURE, "refresh-race"]), Ok(FreezeOn::default()));
    let error = FreezeOn::parse(["refresh-raze"]).unwrap_err().to_string();
    assert!(error.contains("did you mean refresh-race?"), "{error}");
    assert_eq!(FreezeOn::parse(["healthy"]), Err(TriggerError::NoFailure(Code::Healthy)));
    assert_eq!(FreezeOn::parse(["clock-skew"]), Err(TriggerError::NoFailure(Code::ClockSkew)));
}

#[test]
fn what_is_well_is_never_looked_at() {
    assert_eq!(look(&mut trigger(&[]), &fixture::healthy()), (0, Vec::new()));
}

#[test]
fn a_refusal_is_fresh_once() {
    let mut trigger = trigger(&[]);
    let lines = fixture::refused_after_refresh();
    let (signs, found) = look(&mut trigger, &lines);
    assert_eq!((signs, codes(&found)[0]), (3, ("fresh-token-rejected", true)));
    assert!(found[0].summary.contains("oat-B"), "{}", found[0].summary);
    assert!(trigger.look(&mut lines.as_bytes()).iter().all(|one| !one.fresh));
}

#[test]
fn only_what_is_waited_for_counts() {
    let lines = fixture::refused_after_refresh();
    assert_eq!(look(&mut trigger(&["refresh-race"]), &lines).1, []);
    assert_eq!(codes(&look(&mut trigger(&["refresh-race"]), &fixture::two_lanes()).1), [("refresh-race", true)]);
    assert_eq!(codes(&look(&mut trigger(&[]), &fixture::untrusted()).1)[0], ("tls-interception-untrusted", true));
}
