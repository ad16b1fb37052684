//! Mistakes in a file, each in its place.

use crate::check::read;

fn mistake(body: &str) -> String {
    let text = format!("format = 1\n{body}\n");
    match read("auth.toml", &text) {
        Err(error) => error.to_string(),
        Ok(read) => panic!("{body}\n{read:#?}"),
    }
}

fn step(step: &str) -> String {
    mistake(&format!("[[flow]]\nstep = [\n{step}\n]"))
}

#[test]
fn a_mistake_is_shown_in_its_place() {
    let shown = [
        read("x", "format = 2").unwrap_err().to_string(),
        read("x", "").unwrap_err().to_string(),
        mistake("colour = \"red\""),
        mistake("[limits]\nauth_failure = 1"),
        mistake("[limits]\nauth_failures = \"1\""),
        mistake("[limits]\nrefreshes = -1"),
        mistake("exit_code = \"some\""),
        mistake("exit_code = 1.5"),
        mistake("exit_code = 300"),
        mistake("allow_empty = \"yes\""),
        mistake("[findings]\ndeny = [\"refresh-rase\"]"),
        mistake("[findings]\nrequire = [\"refresh-rac\"]"),
        mistake("[findings]\ndeny = [{ code = \"refresh-race\", confidence = \"sure\" }]"),
        mistake("[findings]\nallow = [\"clock-skew\"]"),
        mistake("[hosts]\nany = [\"https://api.anthropic.com\"]"),
        mistake("[hosts]\noauth = [\"x\"]"),
        mistake("unread_hosts = [\"a b\"]"),
        mistake("[[flow]]\nname = \"x\""),
        step("{ path = \"v1/messages\" }"),
        step("{ path = \"/v1/messages?beta\" }"),
        step("{ status = 42 }"),
        step("{ status = \"6xx\" }"),
        step("{ status = [] }"),
        step("{ status = true }"),
        step("{ statuss = 200 }"),
        step("{ grant = \"password\" }"),
        step("{ kind = \"oauth\" }"),
        step("{ credential = \"old\" }"),
        step("{ credential = \"$\" }"),
        step("{ header = \"a b\" }"),
        step("{ error = \"no such error\" }"),
        step("{ repeat = \"4..2\" }"),
        step("{ repeat = 0 }"),
        step("{ within = \"5\" }"),
        step("{ any_order = [{ status = 200 }] }"),
        step("{ any_order = [{ status = 200 }, { status = 401 }], within = \"5s\" }"),
        step("{ any_order = [{ status = 200 }, { status = 401, repeat = 2 }] }"),
        step("{ absent = true }"),
    ];
    insta::assert_snapshot!("mistakes", shown.join("\n\n"));
}

#[test]
fn a_variable_or_a_step_is_known_before_it_is_leaned_on() {
    let shown = [
        step("{ path = \"/a\", not = \"$old\" }"),
        step("{ path = \"/a\", not = \"old\" }"),
        step("{ credential = \"$old\", absent = true }"),
        step("{ credential = \"$old\", repeat = \"0..1\" },\n{ not = \"$old\" }"),
        step("{ any_order = [{ credential = \"$a\" }, { not = \"$a\" }] }"),
        step("{ issued_by = \"refresh\" },\n{ name = \"refresh\", grant = \"refresh-token\" }"),
        step("{ name = \"a\", status = 200 },\n{ name = \"a\", status = 401 }"),
        step("{ name = \"a\", status = 200, repeat = \"0..1\" },\n{ issued_by = \"a\" }"),
        step("{ name = \"a\", status = 200, absent = true }"),
    ];
    insta::assert_snapshot!("unbound", shown.join("\n\n"));
}

#[test]
fn what_can_never_hold_is_a_mistake() {
    let flow = |limits: &str, steps: &str| mistake(&format!("{limits}\n[[flow]]\nname = \"x\"\nstep = [{steps}]"));
    let shown = [
        step("{ credential = \"$old\", not = \"$old\" }"),
        step("{ credential = \"$old\" },\n{ credential = \"$old\", not = [\"$old\"] }"),
        step("{ credential = \"none\", kind = \"api-key\" }"),
        step("{ within = \"5s\", at_least = \"10s\" }"),
        step("{ status = 200, absent = true, repeat = 2 }"),
        mistake("[findings]\ndeny = [\"refresh-race\"]\nallow = [\"refresh-race\"]"),
        mistake("[findings]\ndeny = [\"auth-failure\"]\nrequire = [\"refresh-race\"]"),
        flow("[limits]\nauth_failures = 1", "{ status = 401 }, { status = [401, 403] }"),
        flow("[limits]\nrefreshes = 0", "{ grant = \"refresh-token\" }"),
        flow(
            "[limits]\nrequests = 3",
            "{ path = \"/a\", repeat = \"2..\" }, { any_order = [{ path = \"/b\" }, { path = \"/c\" }] }",
        ),
        flow("unanswered = 0", "{ path = \"/a\", status = \"none\" }"),
        flow("[limits]\nseconds = 10", "{ path = \"/a\" }, { path = \"/b\", at_least = \"11s\" }"),
    ];
    insta::assert_snapshot!("contradictions", shown.join("\n\n"));
}

#[test]
fn what_comes_close_to_a_contradiction_is_none() {
    for body in [
        "[limits]\nauth_failures = 1\n[[flow]]\nstep = [{ status = 401 }, { status = [401, 200] }, { status = 403, absent = true }]",
        "[limits]\nrefreshes = 1\n[[flow]]\nstep = [{ grant = \"refresh-token\", repeat = \"0..2\" }]",
        "[findings]\ndeny = [{ code = \"clock-skew\", confidence = \"high\" }]\nallow = [\"refresh-race\"]",
        "[findings]\ndeny = [\"auth-failure\"]\nrequire = [\"healthy\"]",
        "[[flow]]\nstep = [{ credential = \"$a\" }, { any_order = [{ credential = \"$b\", not = \"$a\" }, { not = \"$a\" }] }]",
    ] {
        read("x", &format!("format = 1\n{body}\n")).unwrap_or_else(|error| panic!("{body}\n{error}"));
    }
}

proptest::proptest! {
    #[test]
    fn no_text_is_too_odd(text in "\\PC{0,200}") {
        let _ = read("x", &text);
        if let Some(Err(error)) = crate::check::flow_of(&text) {
            proptest::prop_assert!(error.to_string().contains('^'));
        }
        if let Err(error) = crate::check::deny(&text) {
            proptest::prop_assert!(error.place.line >= 1);
        }
    }

    #[test]
    fn nor_is_a_damaged_file(at in 0..900_usize, odd in "\\PC{0,6}") {
        let text = super::story::CONTRACT;
        let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
        if let Err(error) = read("x", &format!("{}{odd}{}", &text[..at], &text[at..])) {
            proptest::prop_assert!(error.place.line >= 1 && error.to_string().contains('^'));
        }
    }
}
