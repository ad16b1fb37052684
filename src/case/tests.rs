//! Cases by their texts: what is read, what is refused and where, and the schema beside the types.

use super::format::File;
use super::{Case, read};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::Duration;

const HEAD: &str = "format = 1\nscenario = \"healthy\"\ncommand = [\"claude\", \"-p\", \"hi\"]\n";

fn case(text: &str) -> Case {
    read("case.toml", text).unwrap_or_else(|error| panic!("{text}\n{error}"))
}

fn filled(case: &Case, variables: &[(&str, &str)]) -> Result<Vec<OsString>, String> {
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    let value = |name: &str| variables.get(name).map(OsString::from);
    case.command.iter().map(|word| word.filled_in(value).map_err(|error| error.to_string())).collect()
}

#[test]
fn the_least_that_a_case_says() {
    let case = case(HEAD);
    assert_eq!((case.scenario.text.as_str(), case.timeout), ("healthy", Duration::from_secs(60)));
    assert_eq!(filled(&case, &[]).unwrap(), ["claude", "-p", "hi"]);
    assert!(case.expected.is_none() && case.expect_files.is_empty() && case.misses.is_empty() && case.folder.is_none());
}

#[test]
fn everything_that_a_case_can_say() {
    let case = case(
        "format = 1\ntitle = \"A title\"\nscenario = \"scenarios/slow.toml\"\ncommand = [\"${CLIENT}\", \"a${X}b${Y}\"]\nfolder = \
         \"..\"\ntimeout = \"90s\"\nexpect_files = [\"expect/a.toml\", \"expect/b.toml\"]\nmisses = [\"a name\"]\n\n[expect]\nexit_code = \
         1\nlimits.auth_failures = 2\n\n[[expect.flow]]\nname = \"a name\"\nstep = [{ path = \"/v1/messages\" }]\n",
    );
    assert_eq!(case.timeout, Duration::from_secs(90));
    assert_eq!(filled(&case, &[("CLIENT", "/c"), ("X", "1"), ("Y", "2")]).unwrap(), ["/c", "a1b2"]);
    assert_eq!(case.expect_files.len(), 2);
    let expected = case.expected.unwrap();
    let words: Vec<String> = expected.expected.iter().map(|one| one.rule.to_string()).collect();
    assert_eq!(words, ["at most 2 auth failures", "a name", "the command ends with 1"]);
    // The place is that in the case.
    assert_eq!((expected.expected[0].source.place.line, expected.expected[0].source.name.as_str()), (12, "case.toml"));
    assert_eq!((case.misses[0].expected.as_str(), case.misses[0].source.place.line), ("a name", 8));
}

#[test]
fn a_mistake_is_told_with_its_place() {
    for (text, expected) in [
        ("", "line 1, column 1\n  |\n1 | \n  | ^ missing field `format`"),
        ("format = 2\nscenario = \"healthy\"\ncommand = [\"x\"]\n", "line 1, column 10\n"),
        (&format!("{HEAD}comand = 1\n"), "line 4, column 1\n  |\n4 | comand = 1\n  | ^^^^^^ unknown field `comand`"),
        (
            &format!("{HEAD}timeout = 30\n"),
            "4 | timeout = 30\n  |           ^^ invalid type: integer `30`, expected a string",
        ),
        (&format!("{HEAD}timeout = \"soon\"\n"), "line 4, column 11\n"),
        (&format!("{HEAD}timeout = \"0s\"\n"), "no command ends in no time"),
        ("format = 1\nscenario = \"healthy\"\ncommand = \"claude -p hi\"\n", "line 3, column 11\n"),
        ("format = 1\nscenario = \"healthy\"\ncommand = [\"claude -p hi\"]\n", "write each word for itself"),
        ("format = 1\nscenario = \"healthy\"\ncommand = []\n", "a command is expected"),
        ("format = 1\nscenario = \"healthy\"\ncommand = [\"\"]\n", "the name of a program is expected"),
        ("format = 1\nscenario = \"healthy\"\ncommand = [\"a\", \"${B\"]\n", "line 3, column 17\n"),
        ("format = 1\nscenario = \"healthy\"\ncommand = [\"a\", \"${B-C}\"]\n", "for a plain ${ write $${"),
        ("format = 1\nscenario = \"\"\ncommand = [\"a\"]\n", "a scenario has a name"),
        ("format = 1\ncommand = [\"a\"]\n", "missing field `scenario`"),
        ("format = 1\n[limits]\nauth_failures = 1\n", "these are expectations, no case"),
        ("format = 1\ntitle = \"x\"\n[client]\nexpires_in = \"-1m\"\n", "this is a scenario, no case"),
        // What is wrong with expectations is told as in a file of their own, at its place in the case.
        (&format!("{HEAD}[expect]\nformat = 1\n"), "line 5, column 10\n"),
        (&format!("{HEAD}[expect.limits]\nauth_failure = 1\n"), "line 5, column 1\n"),
        (&format!("{HEAD}[expect.findings]\ndeny = [\"refresh-rase\"]\n"), "line 5, column 9\n"),
        (
            &format!("{HEAD}[[expect.flow]]\nstep = [{{ path = \"/v1/messages\", not = \"$old\" }}]\n"),
            "no step before this one binds $old",
        ),
        (
            &format!(
                "{HEAD}[expect.limits]\nauth_failures = 1\n[[expect.flow]]\nstep = [{{ status = 401, repeat = 2 }}]\n"
            ),
            "this flow needs at least 2 auth failures, and line 5 leaves 1: both cannot hold",
        ),
    ] {
        let error = read("case.toml", text).unwrap_err().to_string();
        assert!(error.contains(expected), "{text}\n{error}");
    }
}

#[test]
fn a_variable_that_is_not_set_is_named_where_it_stands() {
    let case = case("format = 1\nscenario = \"healthy\"\ncommand = [\"a\", \"b${ONE}/${TWO}\"]\n");
    let error = filled(&case, &[("ONE", "1")]).unwrap_err();
    assert!(
        error.starts_with("line 3, column 26\n") && error.contains("^^^^^^ the environment variable TWO is not set"),
        "{error}"
    );
    assert!(filled(&case, &[("ONE", "1"), ("TWO", "")]).unwrap_err().contains("TWO is not set"));
}

#[test]
fn dollar_signs_that_name_no_variable_stand_for_themselves() {
    let case = case(
        "format = 1\nscenario = \"healthy\"\ncommand = [\"$a\", \"$$\", \"$${A}\", \"cost: 5$\", \"${A}$${A}\"]\n",
    );
    assert_eq!(filled(&case, &[("A", "1")]).unwrap(), ["$a", "$$", "${A}", "cost: 5$", "1${A}"]);
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in "(?s).{0,200}", word in "[${}A\"\\\\ ]{0,12}") {
        let _ = read("case.toml", &text);
        let quoted = serde_json::to_string(&word).unwrap();
        if let Ok(case) = read("case.toml", &format!("format = 1\nscenario = \"healthy\"\ncommand = [\"x\", {quoted}]\n")) {
            let _ = filled(&case, &[("A", "1")]);
        }
    }
}

#[test]
fn the_schema_in_the_repository_is_that_of_the_types() {
    let mut schema = schemars::schema_for!(File);
    schema.insert("title".to_owned(), "A case of authtrace test, format 1".into());
    // Within a case, expectations have no head of their own.
    let written = schema.pointer_mut("/$defs/File").and_then(serde_json::Value::as_object_mut).unwrap();
    written.remove("required");
    written.get_mut("properties").and_then(serde_json::Value::as_object_mut).unwrap().remove("format");
    let generated = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/case/schema.json");
    if std::env::var_os("AUTHTRACE_UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == generated, "src/case/schema.json is out of date; AUTHTRACE_UPDATE_SCHEMA=1 writes it anew");
}

#[test]
fn the_page_names_every_key_and_its_examples_are_read() {
    let page = include_str!("../../docs/cases.md");
    let schema = serde_json::to_value(schemars::schema_for!(File)).unwrap();
    let keys = schema["properties"].as_object().unwrap().keys();
    let missing: Vec<_> = keys.filter(|key| !page.contains(&format!("`{key}`"))).collect();
    assert_eq!(missing, Vec::<&String>::new());
    let examples: Vec<&str> = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let cases: Vec<&&str> = examples.iter().filter(|example| example.contains("command")).collect();
    assert!(cases.len() >= 2);
    cases.into_iter().for_each(|example| drop(case(example)));
}
