//! What is told of options that cannot be used: what is wrong and what to do, and never the value where it may be a URL
//! with a password in it; and what `-` stands for as the name of a file.

use super::support::program::{Ended, Home, PATIENCE, run};
use std::fs;

const VALUE: &str = "https://u:FAKE-password-0123456789@h/ x";

/// Options of `run` for hosts, addresses, URLs, names, sizes and words; whether the file takes a list.
const OF_RUN: [(&str, bool); 15] = [
    ("lane", false),
    ("intercept", true),
    ("tunnel", true),
    ("listen", false),
    ("connect-to", true),
    ("upstream-proxy", false),
    ("trust", false),
    ("max-size", false),
    ("log-format", false),
    ("guard", false),
    ("guard-requests", false),
    ("guard-seconds", false),
    ("on-guard", false),
    ("scenario", false),
    ("join", false),
];

/// It was refused without a word of the value.
fn refused(what: &str, code: i32, ended: &Ended) {
    assert_eq!(ended.code, Some(code), "{what}: {}", ended.stderr);
    assert!(!ended.stderr.trim().is_empty(), "{what}");
    for written in [&ended.stderr, &ended.stdout] {
        assert!(!written.contains("FAKE") && !written.contains("password-0123"), "{what}: {written}");
    }
}

#[test]
fn a_value_that_may_hold_a_password_is_not_told() {
    let home = Home::new();
    for (name, _) in OF_RUN {
        let flag = format!("--{name}={VALUE}");
        refused(&flag, 125, &run(home.authtrace().args(["run", &flag, "--", "true"]), PATIENCE));
    }
    for arguments in [
        &["proxy", "--ring", VALUE][..],
        &["proxy", "--ring=50MB", "--freeze-on", VALUE],
        &["proxy", "--ring=50MB", "--freeze-after", VALUE],
        &["proxy", "--env", VALUE],
        &["proxy", VALUE],
        &["fake", "--listen", VALUE],
        &["fake", "--listen-tls", VALUE],
        &["doctor", "--connect-to", VALUE],
        &["doctor", "--upstream-proxy", VALUE],
        &["bisect", "--good", VALUE, "--bad", "2.1.0", "--scenario", "healthy"],
        &["bisect", "--good", "2.0.0", "--bad", VALUE, "--scenario", "healthy"],
        &["bisect", "--good=2.0.0", "--bad=2.1.0", "--scenario=healthy", "--package", VALUE],
        &["check", "-", "--junit=x", "--report", VALUE],
        &["report", "-", "--format", VALUE],
        &["completions", VALUE],
        &[VALUE],
    ] {
        refused(&arguments.join(" "), 2, &run(home.authtrace().args(arguments), PATIENCE));
    }
}

#[test]
fn neither_is_that_of_a_variable_or_of_the_file() {
    let home = Home::new();
    fs::create_dir_all(home.path(".config/authtrace")).unwrap();
    for (name, list) in OF_RUN.into_iter().filter(|(name, _)| !matches!(*name, "scenario" | "join")) {
        let variable = format!("AUTHTRACE_{}", name.to_uppercase().replace('-', "_"));
        let ended = run(home.authtrace().args(["run", "--", "true"]).env(&variable, VALUE), PATIENCE);
        refused(&variable, 125, &ended);
        let key = match name {
            "guard" => "guard.refusals".to_owned(),
            "on-guard" => "guard.on".to_owned(),
            _ => name.replace("guard-", "guard."),
        };
        // In the form in which it is read, and in another one.
        for as_list in [list, !list] {
            let line = if as_list { format!("{key} = [{VALUE:?}]\n") } else { format!("{key} = {VALUE:?}\n") };
            home.write(".config/authtrace/authtrace.toml", &line);
            refused(&line, 125, &run(home.authtrace().args(["run", "--", "true"]), PATIENCE));
        }
        fs::remove_file(home.path(".config/authtrace/authtrace.toml")).unwrap();
    }
}

#[test]
fn what_is_told_instead_helps() {
    let home = Home::new();
    for (arguments, sentence) in [
        (["--connect-to", "a:b"], "a value of --connect-to is not of the form HOST:PORT:HOST2:PORT2"),
        (["--intercept", "a.example,https://b.example"], "--intercept, value 2: give the name of the host only"),
        (["--tunnel", "https://a.example"], "--tunnel, value 1: give the name of the host only"),
        (["--lane", "1"], "the name given with --lane cannot be used: up to 24 letters"),
        (["--listen", "here"], "invalid value '…' for '--listen <ADDR:PORT>'"),
        (["--log-format", "txt"], "[possible values: text, compact]"),
        (["--max-size", "much"], "that is no size; write a number with KB, MB or GB behind it, such as 50MB"),
        (["--trust", "nobody"], "--trust names something that trust cannot be set up for; choose from"),
        (["--scenario", "helthy"], "no built-in scenario has that name (is \"healthy\" meant?)"),
    ] {
        let ended = run(home.authtrace().arg("run").args(arguments).args(["--", "true"]), PATIENCE);
        let said = ended.stderr.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(sentence), "{arguments:?}: {said}");
    }
    // An option, a name or a path too many is still told.
    for word in ["--no-such-option", "no-such-command", "./no-such-place"] {
        let ended = run(home.authtrace().arg(word), PATIENCE);
        assert!(ended.stderr.contains(word), "{}", ended.stderr);
    }
}

#[test]
fn a_trace_needs_a_file_and_a_report_none() {
    let home = Home::new();
    let told = "a trace needs a file, which is read again at the end: `-` names none";
    let no_trace = |arguments: &[&str], code| {
        let ended = run(home.authtrace().args(arguments), PATIENCE);
        assert_eq!(ended.code, Some(code), "{}", ended.stderr);
        assert!(ended.stderr.split_whitespace().collect::<Vec<_>>().join(" ").contains(told), "{}", ended.stderr);
    };
    no_trace(&["run", "--out", "-", "--", "true"], 125);
    no_trace(&["proxy", "--out", "-"], 2);
    no_trace(&["demo", "--out", "-"], 2);
    let made = run(home.authtrace().args(["demo", "healthy", "--out", "trace.jsonl"]), PATIENCE);
    assert_eq!(made.code, Some(0), "{}", made.stderr);
    no_trace(&["replay", "trace.jsonl", "--trace-out", "-"], 2);

    let same = |shown: &[&str]| {
        let plain = run(home.authtrace().args(shown), PATIENCE);
        let named = run(home.authtrace().args(shown).args(["--out", "-"]), PATIENCE);
        assert_eq!((named.code, named.stdout), (Some(0), plain.stdout), "{shown:?}: {}", named.stderr);
    };
    same(&["report", "trace.jsonl", "--format", "md"]);
    same(&["report", "trace.jsonl"]);
    let har = run(home.authtrace().args(["report", "trace.jsonl", "--format", "har", "--out", "a.har"]), PATIENCE);
    assert_eq!(har.code, Some(0), "{}", har.stderr);
    let checked = ["check", "trace.jsonl", "--max-auth-failures", "9", "--format", "json"];
    let ended = run(home.authtrace().args(checked).args(["--out", "-"]), PATIENCE);
    assert!(ended.code == Some(0) && ended.stdout.starts_with('{'), "{}", ended.stderr);
    let replayed = run(home.authtrace().args(["replay", "trace.jsonl", "--out", "-"]), PATIENCE);
    assert!(replayed.stdout.contains("format = 1"), "{}{}", replayed.stdout, replayed.stderr);
    let junit = run(home.authtrace().args(checked).args(["--junit", "-"]), PATIENCE);
    assert!(junit.code == Some(2) && junit.stderr.contains("give the name of one, or /dev/stdout"), "{}", junit.stderr);
    assert!(!home.path("work/-").exists());
}
