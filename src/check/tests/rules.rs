//! Rules other than flows, by values.

use super::story::{API, CONTRACT, NEW, OLD, OTHER, check, healed, lines, message, refresh, trace, tunnel};
use crate::analyze::{Confidence, Survey, diagnose, fixture};
use crate::check::{MissKind, deny, evaluate, flow_of, limit_of_auth_failures, read};
use serde_json::json;

fn missed(survey: &Survey, expectations: &str) -> Vec<MissKind> {
    let report = check(survey, &format!("format = 1\n{expectations}\n"));
    report.outcomes.iter().filter_map(|outcome| outcome.miss.as_ref()).map(|miss| miss.kind).collect()
}

#[test]
fn a_limit_holds_at_its_number_and_not_beyond() {
    let survey = trace(healed());
    for (rule, enough, too_few) in [
        ("auth_failures", 1, 0),
        ("refreshes", 1, 0),
        ("requests", 5, 4),
        ("retries_per_credential", 0, u64::MAX),
        ("seconds", 5, 4),
    ] {
        assert_eq!(missed(&survey, &format!("[limits]\n{rule} = {enough}")), [], "{rule}");
        if too_few != u64::MAX {
            assert_eq!(missed(&survey, &format!("[limits]\n{rule} = {too_few}")), [MissKind::Limit], "{rule}");
        }
    }
}

#[test]
fn a_request_that_was_on_its_way_when_the_refusal_came_is_no_retry() {
    let at_once = trace([message(0.0, OLD, 401), message(0.1, OLD, 401), message(0.15, OLD, 401)]);
    assert_eq!(missed(&at_once, "[limits]\nretries_per_credential = 0"), []);
    let another =
        trace([message(0.0, OLD, 401), message(1.0, OLD, 200).to(API, "/api/oauth/profile"), message(2.0, NEW, 401)]);
    assert_eq!(missed(&another, "[limits]\nretries_per_credential = 0"), []);
    let after = trace([message(0.0, OLD, 401), message(0.2, OLD, 401)]);
    assert_eq!(missed(&after, "[limits]\nretries_per_credential = 0"), [MissKind::Limit]);
    assert_eq!(missed(&after, "[limits]\nretries_per_credential = 1"), []);
}

#[test]
fn telemetry_is_no_failure_of_the_login() {
    let telemetry = message(1.0, OLD, 401).to(API, "/api/event_logging/v2/batch");
    let survey = trace([message(0.0, OLD, 200), telemetry.clone(), telemetry]);
    assert_eq!(missed(&survey, "[limits]\nauth_failures = 0\nretries_per_credential = 0"), []);
}

#[test]
fn a_refusal_that_is_mended_is_no_failure_and_one_that_lasts_is() {
    let mended = trace(healed());
    assert_eq!(missed(&mended, "[findings]\ndeny = [\"auth-failure\"]"), []);
    assert_eq!(missed(&mended, "[findings]\nallow = []\nrequire = [\"healthy\"]"), []);
    assert_eq!(missed(&mended, "[findings]\ndeny = [\"healthy\"]"), [MissKind::Finding]);
    let lasting = trace([message(0.0, OLD, 401), refresh(1.0, 400, None)]);
    let code = diagnose(&lasting).verdict.code;
    for rule in [format!("deny = [\"{code}\"]"), "deny = [\"auth-failure\"]".to_owned(), "allow = []".to_owned()] {
        assert_eq!(missed(&lasting, &format!("[findings]\n{rule}")), [MissKind::Finding], "{rule}");
    }
    assert_eq!(missed(&lasting, &format!("[findings]\nrequire = [\"{code}\"]\nallow = [\"{code}\"]")), []);
}

#[test]
fn a_finding_that_is_not_sure_enough_is_overlooked() {
    let lasting = trace([message(0.0, OLD, 401), message(1.0, OLD, 401)]);
    let mut diagnosis = diagnose(&lasting);
    let code = diagnosis.verdict.code;
    diagnosis.verdict.confidence = Confidence::Medium;
    diagnosis.findings.iter_mut().for_each(|finding| finding.confidence = Confidence::Medium);
    let holds = |findings: &str| {
        let expectations = read("x", &format!("format = 1\n[findings]\n{findings}\n")).unwrap();
        evaluate(&lasting, &diagnosis, &expectations).held()
    };
    assert!(holds(&format!("confidence = \"high\"\ndeny = [\"{code}\"]")));
    assert!(!holds(&format!("confidence = \"medium\"\ndeny = [\"{code}\"]")));
    assert!(!holds(&format!("confidence = \"high\"\ndeny = [{{ code = \"{code}\", confidence = \"low\" }}]")));
    assert!(holds("confidence = \"high\"\nallow = []") && !holds("allow = []"));
    assert!(holds(&format!("require = [\"{code}\"]")));
    assert!(!holds(&format!("require = [{{ code = \"{code}\", confidence = \"high\" }}]")));
}

#[test]
fn each_kind_of_credential_has_its_hosts_and_any_is_for_the_rest() {
    let survey = trace([message(0.0, OLD, 200), refresh(1.0, 200, Some(NEW)), message(2.0, OLD, 200).with_key(OTHER)]);
    let own = "[hosts]\noauth-access = [\"api.anthropic.com\"]\noauth-refresh = [\"*.claude.com\"]\nany = [\"*\"]";
    assert_eq!(missed(&survey, own), []);
    assert_eq!(missed(&survey, "[hosts]\noauth-refresh = [\"api.anthropic.com\"]"), [MissKind::Host]);
    assert_eq!(missed(&survey, "[hosts]\napi-key = []"), [MissKind::Host]);
    // The refresh token has a rule of its own, so `any` says nothing about it.
    assert_eq!(missed(&survey, "[hosts]\noauth-refresh = [\"*\"]\nany = [\"api.anthropic.com\"]"), []);
}

#[test]
fn a_credential_goes_astray_in_a_path_or_a_header_as_well() {
    let astray = |path: &str, field: &str| {
        let mut asked = message(2.0, OLD, 200).to("gateway.example.com", path).without_credential();
        asked.0["request"]["headers"] = json!([{"name": "x-request-id", "value": field}]);
        let survey = trace([message(0.0, OLD, 200), asked]);
        let report = check(&survey, "format = 1\n[hosts]\nany = [\"*.anthropic.com\"]\n");
        let misses = report.outcomes.iter().filter_map(|outcome| outcome.miss.as_ref());
        misses.map(|miss| (miss.kind, miss.exchange, miss.message.clone())).collect::<Vec<_>>()
    };
    let told = |message: &str| vec![(MissKind::Host, Some(2), message.to_owned())];
    let to = "oat-A (oauth-access) was sent to gateway.example.com";
    assert_eq!(astray(&format!("/?access_token=‹oat01 len=108 fp={OLD}›"), "1"), told(&format!("{to}, in the path")));
    assert_eq!(astray(&format!("/‹id fp={OLD}›"), "1"), told(&format!("{to}, in the path")));
    assert_eq!(astray("/", &format!("‹len≤128 fp={OLD}›")), told(&format!("{to}, in a header")));
    // One that stands nowhere else is known by how it looks.
    let key = format!("/?key=‹api03 len=108 fp={OTHER}›");
    assert_eq!(astray(&key, "1"), told(&format!("fp={OTHER} (api-key) was sent to gateway.example.com, in the path")));
    assert_eq!(astray(&format!("/‹id fp={OTHER}›"), &format!("‹len≤128 fp={NEW}›")), []);
}

#[test]
fn the_exit_code_is_zero_unless_the_file_says_otherwise() {
    let survey = |code| fixture::survey(&lines(healed(), code));
    assert_eq!(missed(&survey(Some(0)), ""), []);
    assert_eq!(missed(&survey(Some(1)), ""), [MissKind::ExitCode]);
    assert_eq!(missed(&survey(Some(1)), "exit_code = 1"), []);
    assert_eq!(missed(&survey(Some(1)), "exit_code = \"any\""), []);
    // A trace of `proxy` has none: that is a miss only for who asked.
    assert_eq!(missed(&survey(None), ""), []);
    assert_eq!(missed(&survey(None), "exit_code = 0"), [MissKind::ExitCode]);
    // The short forms leave it to the command.
    let failed = survey(Some(1));
    assert!(evaluate(&failed, &diagnose(&failed), &deny("refresh-race").unwrap()).held());
}

#[test]
fn a_trace_that_is_not_whole_proves_nothing() {
    let whole = lines(healed(), Some(0));
    let gap = json!({"record": "gap", "at": "2026-11-20T11:14:05.720Z", "lost": 3, "cause": "the disk was too slow"});
    let lost = whole.replace("\"lost\":0", "\"lost\":2");
    let no_end: String = whole.lines().take(6).map(|line| format!("{line}\n")).collect();
    let broken = whole.replacen("{\"connection", "{{\"connection", 1);
    for (name, text) in [
        ("gap", format!("{whole}{gap}\n")),
        ("lost", lost),
        ("no end", no_end),
        ("torn", format!("{whole}{{\"record")),
        ("unreadable", broken),
    ] {
        assert_eq!(missed(&fixture::survey(&text), "exit_code = \"any\""), [MissKind::Gap], "{name}");
    }
}

#[test]
fn a_trace_without_a_used_credential_needs_leave() {
    let empty = trace([]);
    assert_eq!(missed(&empty, ""), [MissKind::NothingObserved]);
    assert_eq!(missed(&empty, "allow_empty = true"), []);
    let unanswered = trace([message(0.0, OLD, 200).unanswered()]);
    assert_eq!(missed(&unanswered, ""), [MissKind::NothingObserved]);
    assert_eq!(missed(&unanswered, "allow_empty = true\nunanswered = 0"), [MissKind::Limit]);
}

#[test]
fn what_passed_unread_proves_no_absence() {
    let survey = |host| fixture::survey(&(lines(healed(), Some(0)) + &tunnel(host)));
    let hosts = "[hosts]\nany = [\"*.anthropic.com\", \"platform.claude.com\"]";
    assert_eq!(missed(&survey("github.com"), hosts), [MissKind::Unobserved]);
    assert_eq!(missed(&survey("github.com"), &format!("unread_hosts = [\"github.com\"]\n{hosts}")), []);
    assert_eq!(missed(&survey("api.anthropic.com"), hosts), []);
    let absent = "[[flow]]\nstep = [{ host = \"api.anthropic.com\", status = 403, absent = true }]";
    assert_eq!(missed(&survey("github.com"), absent), []);
    assert_eq!(missed(&survey("api.anthropic.com"), absent), [MissKind::Unobserved]);
    let once = "[[flow]]\nstep = [{ grant = \"refresh-token\", repeat = 1 }]";
    assert_eq!(missed(&survey("github.com"), once), [MissKind::Unobserved]);
    let limit = "[limits]\nauth_failures = 1";
    assert_eq!(missed(&survey("github.com"), limit), []);
    assert_eq!(missed(&survey("api.anthropic.com"), limit), [MissKind::Unobserved]);
    // What came is no absence.
    assert_eq!(missed(&survey("api.anthropic.com"), "[[flow]]\nstep = [{ grant = \"refresh-token\" }]"), []);
}

#[test]
fn short_forms_are_the_same_values_as_a_file() {
    let rule =
        |text: &str| read("x", &format!("format = 1\nexit_code = \"any\"\n{text}\n")).unwrap().expected.remove(0).rule;
    let short = |text: &str| flow_of(text).unwrap().unwrap().expected.remove(0).rule;
    assert_eq!(deny("refresh-race").unwrap().expected.remove(0).rule, rule("findings.deny = [\"refresh-race\"]"));
    assert_eq!(
        deny("clock-skew:high").unwrap().expected.remove(0).rule,
        rule("findings.deny = [{ code = \"clock-skew\", confidence = \"high\" }]")
    );
    assert_eq!(limit_of_auth_failures(1).expected.remove(0).rule, rule("limits.auth_failures = 1"));
    let written = |rule| match rule {
        crate::check::Rule::Flow(mut flow) => match flow.elements.remove(0) {
            crate::check::Element::Taken(taking) => {
                (taking.step.method, taking.step.host, taking.step.path, taking.step.status)
            }
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    };
    for (text, table) in [
        ("POST /v1/messages 200", "{ method = \"POST\", path = \"/v1/messages\", status = 200 }"),
        (
            "GET api.anthropic.com/api/* 2xx",
            "{ method = \"GET\", host = \"api.anthropic.com\", path = \"/api/*\", status = \"2xx\" }",
        ),
        ("POST *.claude.com", "{ method = \"POST\", host = \"*.claude.com\" }"),
    ] {
        assert_eq!(written(short(text)), written(rule(&format!("[[flow]]\nstep = [{table}]"))), "{text}");
    }
    assert!(["auth.toml", "a file.toml", "./POST", "POST"].iter().all(|file| flow_of(file).is_none()));
    for bad in ["POST /v1/messages 99", "POST /v1/messages?x 200", "POST /a 200 more", "GET ht!tp/a"] {
        assert!(flow_of(bad).unwrap().unwrap_err().to_string().contains('^'), "{bad}");
    }
    assert!(deny("refresh-rase").unwrap_err().to_string().contains("is refresh-race meant?"));
    assert!(deny("refresh-race:sure").is_err());
}

#[test]
fn several_files_hold_together() {
    let both = read("a", CONTRACT).unwrap().and(deny("healthy").unwrap());
    let survey = trace(healed());
    let report = evaluate(&survey, &diagnose(&survey), &both);
    assert_eq!(report.missed(), 1, "{report:#?}");
    assert!(both.decides_exit_code && both.hosts().contains(&"platform.claude.com".to_owned()));
}

#[test]
fn of_several_files_one_may_say_which_exit_code_is_expected() {
    let file = |text: &str| read("x.toml", &format!("format = 1\n{text}\n")).unwrap();
    let codes = |all: &crate::check::Expectations| {
        let words: Vec<String> = all.expected.iter().map(|one| one.rule.to_string()).collect();
        words.into_iter().filter(|words| words.contains("ends with")).collect::<Vec<_>>()
    };
    assert_eq!(codes(&file("").and(file(""))), ["the command ends with 0"]);
    assert_eq!(codes(&file("").and(file("exit_code = 3")).and(file(""))), ["the command ends with 3"]);
    assert_eq!(codes(&file("exit_code = \"any\"").and(file(""))), Vec::<String>::new());
    assert_eq!(codes(&file("exit_code = 1").and(file("exit_code = 3"))).len(), 2);
}

#[test]
fn files_that_are_good_alone_may_contradict_each_other() {
    let file = |name: &str, text: &str| read(name, &format!("format = 1\n{text}\n")).unwrap();
    let both = file("a.toml", "[limits]\nrefreshes = 0")
        .and(file("b.toml", "[[flow]]\nstep = [{ grant = \"refresh-token\" }]"));
    let (source, why) = both.contradiction().unwrap();
    assert_eq!((source.name.as_str(), source.place.line), ("b.toml", 2));
    assert_eq!(why, "this flow needs at least 1 refreshes, and line 3 of a.toml leaves 0: both cannot hold");
    assert!(file("a.toml", "[limits]\nrefreshes = 1").and(both).contradiction().is_some());
}

#[test]
fn a_known_miss_has_to_be_one_that_the_trace_shows() {
    let known = |words: &str| {
        let source = read("case.toml", "format = 1\nunanswered = 0\n").unwrap().expected[0].source.clone();
        [crate::check::KnownMiss { expected: words.to_owned(), source }]
    };
    let limits = "format = 1\n[limits]\nrefreshes = 0\nrequests = 9\n";
    let report = check(&trace(healed()), limits);
    assert_eq!(report.missed(), 1);
    let expected = report.clone().with_known(&known("no refresh"));
    assert!(expected.held() && expected.outcomes.iter().any(|one| one.expected == "no refresh: missed, as is known"));
    let unexpected = report.clone().with_known(&known("at most 9 requests"));
    let kinds: Vec<MissKind> = unexpected.outcomes.iter().filter_map(|one| Some(one.miss.as_ref()?.kind)).collect();
    assert_eq!(kinds, [MissKind::Limit, MissKind::Held]);
    // That a credential was used is expected of every trace, and nobody can list it.
    let nothing = check(&trace([]), "format = 1\n[[flow]]\nname = \"x\"\nstep = [{ path = \"/v1/messages\" }]\n");
    assert!(!nothing.with_known(&known("a credential was used")).held());
}
