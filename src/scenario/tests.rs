//! Files in, values or places out.

use super::*;
use crate::fake::Seed;
use crate::policy::{Then, TokenOutcome};
use crate::trace::Timestamp;

fn mistake(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

#[test]
fn every_built_in_scenario_is_read_without_a_warning() {
    for one in builtins() {
        let scenario = read(one.text).unwrap_or_else(|error| panic!("{}:\n{error}", one.name));
        assert_eq!((scenario.code, scenario.against), (Some(one.code), Against::Fake));
        assert_eq!(scenario.warnings, [], "{}", one.name);
        assert!(scenario.about.is_some() && describe(&scenario).contains(one.code.as_str()));
    }
    let names: std::collections::BTreeSet<_> = builtins().iter().map(|one| one.name).collect();
    assert_eq!(names.len(), builtins().len());
}

#[test]
fn a_scenario_is_called_by_what_it_is() {
    for one in builtins() {
        assert_eq!(called(&read(one.text).unwrap()), one.name);
    }
    assert_eq!(called(&read("format = 1\ncode = \"healthy\"\ntitle = \"My own\"").unwrap()), "healthy");
    assert_eq!(called(&read("format = 1\ntitle = \"My own\"").unwrap()), "My own");
}

#[test]
fn every_code_is_played_or_it_is_said_why_not() {
    let played = builtins().iter().map(|one| one.code).chain(beside().iter().map(|(code, _)| *code));
    let mut told: Vec<_> = played.chain(not_played().iter().map(|(code, _)| *code)).collect();
    told.sort();
    told.dedup();
    let mut all = crate::catalogue::Code::ALL.to_vec();
    all.sort();
    assert_eq!(told, all);
    assert!(beside().iter().all(|(_, scenario)| builtin(scenario.as_str()).is_some()));
}

#[test]
fn the_page_tells_what_is_not_played() {
    let page = include_str!("../../docs/scenarios.md");
    for (code, with) in beside() {
        assert!(page.contains(&format!("| `{code}` | beside `{with}` |\n")), "{code}");
    }
    for (code, why) in not_played() {
        assert!(page.contains(&format!("| `{code}` | {why} |\n")), "{code}");
    }
}

#[test]
fn the_page_names_every_key() {
    let page = include_str!("../../docs/scenarios.md");
    let schema: serde_json::Value = serde_json::from_str(include_str!("schema.json")).unwrap();
    let tables = schema["$defs"].as_object().unwrap().values().chain([&schema]);
    let keys = tables.filter_map(|table| table["properties"].as_object()).flat_map(serde_json::Map::keys);
    let missing: Vec<_> = keys.filter(|key| !page.contains(key.as_str())).collect();
    assert_eq!(missing, Vec::<&String>::new());
}

#[test]
fn a_client_is_told_in_words() {
    let told = |client: &str| {
        let scenario = read(&format!("format = 1\ntitle = \"x\"\n[client]\n{client}\n")).unwrap();
        describe(&scenario)
    };
    insta::assert_snapshot!(
        [
            told("login = \"none\"\nissued = false\ndoes = [\"login\", \"message\"]"),
            told("login = \"helper\"\nstale = 2"),
            told("renewable = false\nexpires_in = \"-1m\"\nprocesses = 3"),
            told("processes = 3\nshared_home = true\ntrusts_proxy = false"),
            told("mcp = { url = \"https://mcp.example.com/mcp\" }\nvariables = { AWS_REGION = \"x\" }"),
        ]
        .join("\n")
    );
}

#[test]
fn a_helper_gives_what_the_server_does_not_know_first() {
    let text = "format = 1\ntitle = \"x\"\n[client]\nlogin = \"helper\"\nstale = 2\n";
    let staged = |text: &str| {
        let staged = read(text).unwrap().stage(Seed::fixed(1), Seed::fixed(2), Timestamp::from_unix_ms(0));
        let Handed::Helper(keys) = staged.handed else { panic!("no helper") };
        let known: Vec<bool> =
            keys.iter().map(|key| matches!(staged.fake.model.label(key), crate::fake::Label::Known(..))).collect();
        assert_eq!(keys.iter().collect::<std::collections::BTreeSet<_>>().len(), keys.len());
        known
    };
    assert_eq!(staged(text), [false, false, true]);
    assert_eq!(staged(&format!("{text}issued = false\n")), [false, false, false]);
}

#[test]
fn the_hosts_beside_anthropics_are_known() {
    let hosts = |name| read(builtin(name).unwrap().text).unwrap().hosts();
    assert_eq!(hosts("mcp-oauth"), ["mcp.example.com"]);
    assert_eq!(hosts("gateway-key-rejected"), ["gateway.example.com"]);
    assert_eq!(hosts("cloud-provider-credentials"), ["bedrock-runtime.us-east-1.amazonaws.com"]);
    assert!(hosts("refresh-race").is_empty());
    let odd = |url| format!("format = 1\ntitle = \"x\"\n[client]\nvariables = {{ ANTHROPIC_BASE_URL = \"{url}\" }}\n");
    for url in [":8080", "http://[::1]:8080", "https://api.anthropic.com", ""] {
        assert_eq!(read(&odd(url)).unwrap().hosts(), [""; 0], "{url}");
    }
}

#[test]
fn a_home_gets_its_files() {
    let text = "format = 1\ntitle = \"x\"\n[client]\nlogin = \"helper\"\nstale = 1\n\
                mcp = { url = \"https://mcp.example.com/mcp\", token = \"FAKE-token\" }\n";
    let client = read(text).unwrap().client;
    let home = tempfile::tempdir().unwrap();
    let place = home.path().join("it's home");
    std::fs::create_dir_all(place.join(".claude")).unwrap();
    let files = home_files(&client, &Handed::Helper(vec!["one".to_owned(), "two".to_owned()]), &place);
    for file in &files {
        std::fs::write(place.join(file.path), &file.text).unwrap();
    }
    let settings: serde_json::Value =
        serde_json::from_slice(&std::fs::read(place.join(".claude/settings.json")).unwrap()).unwrap();
    let ask = || {
        let helper = settings["apiKeyHelper"].as_str().unwrap();
        let output = std::process::Command::new("sh").args(["-c", helper]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!([ask(), ask(), ask()], ["one\n", "two\n", "two\n"]);
    let mcp: serde_json::Value = serde_json::from_slice(&std::fs::read(place.join(".claude.json")).unwrap()).unwrap();
    assert_eq!(mcp["mcpServers"]["fake"]["headers"]["Authorization"], "Bearer FAKE-token");
}

#[test]
fn a_file_becomes_rules_and_a_client() {
    let scenario = read(builtin("refresh-result-lost").unwrap().text).unwrap();
    assert_eq!((scenario.client.login, scenario.client.expires_in), (Given::File, -60));
    let rule = &scenario.script.rules[0];
    assert_eq!((rule.times, rule.when.grant), (Some(1), Some(crate::policy::Grant::RefreshToken)));
    assert!(matches!(rule.then, Then::Token(TokenOutcome::Lost(_))));
}

#[test]
fn a_mistake_is_shown_in_its_place() {
    let head = "format = 1\ntitle = \"x\"\n";
    insta::assert_snapshot!(
        [
            mistake("format = 2\ntitle = \"x\"\n"),
            mistake(&format!("{head}code = \"refresh-rase\"\n")),
            mistake(&format!("{head}[[rule]]\nanswr = 5\n")),
            mistake(&format!("{head}[[rule]]\ndelay = \"5 years\"\npass = true\n")),
            mistake(&format!("{head}[[rule]]\ncut = \"reset\"\npass = true\n")),
            mistake(&format!("{head}[[rule]]\nanswer = {{ status = 99, body = \"\" }}\n")),
            mistake(&format!("{head}[client]\nlogin = \"api-key\"\nvalue = \"sk-ant-api03-real\"\n")),
            mistake(&format!("{head}[client]\nlogin = \"file\"\nvalue = \"FAKE\"\n")),
            mistake(&format!("{head}[client]\nstale = 1\n")),
            mistake(&format!("{head}[client]\nlogin = \"api-key\"\nrenewable = false\n")),
            mistake(&format!("{head}[client]\nprocesses = 99\n")),
            mistake(&format!("{head}[client]\nshared_home = true\n")),
            mistake(&format!("{head}[client]\ndoes = []\n")),
            mistake(&format!("{head}[client]\ndoes = [\"mesage\"]\n")),
            mistake(&format!("{head}[client]\nmcp = {{ url = \"http://mcp.example.com\" }}\n")),
            mistake(&format!("{head}[client.variables]\nAWS_SECRET_ACCESS_KEY = \"real\"\n")),
            mistake(&format!("{head}[client.variables]\nhttps_proxy = \"http://127.0.0.1:1\"\n")),
            mistake(&format!("{head}[client]\nlogin = \"api-key\"\nvariables = {{ ANTHROPIC_API_KEY = \"FAKE\" }}\n")),
            mistake(&format!("{head}[[rule]]\nwhen = {{ path = \"v1/messages\" }}\ncut = \"reset\"\n")),
            mistake(&format!("{head}[[rule]]\nwhen = {{ path = \"/v1/*/messages\" }}\ncut = \"reset\"\n")),
            mistake(&format!("{head}[[rule]]\nwhen = {{ host = \"https://api.anthropic.com\" }}\ncut = \"reset\"\n")),
            mistake(&format!("{head}[[rule]]\nwhen = {{ method = \"P OST\" }}\ncut = \"reset\"\n")),
            mistake(&format!(
                "{head}[[rule]]\nanswer = {{ status = 200, body = \"\", headers = {{ \"a b\" = \"c\" }} }}\n"
            )),
            mistake(&format!("{head}[[event]]\ndo = \"revoke\"\n")),
            mistake(&format!("{head}[[event]]\nafter = {{ path = \"messages\" }}\ndo = \"revoke\"\n")),
            mistake(&format!("{head}[[event]]\nafter = {{ path = \"/v1/messages\", times = 0 }}\ndo = \"revoke\"\n")),
            mistake(&format!("{head}against = \"live\"\n[server]\nwording = \"2025\"\n")),
            mistake(&format!("{head}against = \"live\"\n[[rule]]\naccept = true\n")),
            mistake(&format!("{head}[[rule]]\ngranted = {{ lifetime = \"long\" }}\n")),
            mistake("title = "),
        ]
        .join("\n\n")
    );
}

#[test]
fn what_never_happens_is_warned_about() {
    let text = "format = 1\ntitle = \"x\"\n[[rule]]\nwhen = { path = \"/v1/messages\" }\ncut = \"reset\"\n\
                [[rule]]\nwhen = { path = \"/v1/messages\" }\npass = true\n\
                [[rule]]\nwhen = { state = \"down\" }\ncut = \"close\"\n\
                [[rule]]\nwhen = { path = \"/v1/models\", grant = \"refresh-token\" }\npass = true\n\
                [[rule]]\nwhen = { path = \"/v1/models\" }\ntoken = \"invalid-grant\"\n\
                [[rule]]\nwhen = { path = \"/v1/oauth/token\" }\nslow = \"1s\"\n";
    let warnings: Vec<String> = read(text).unwrap().warnings.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(warnings.join("\n\n"));
}

#[test]
fn the_schema_in_the_repository_is_that_of_the_types() {
    let mut schema = schemars::schema_for!(format::File);
    schema.insert("title".to_owned(), "A scenario of authtrace, format 1".into());
    let generated = serde_json::to_string_pretty(&schema).unwrap() + "\n";
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/scenario/schema.json");
    if std::env::var_os("AUTHTRACE_UPDATE_SCHEMA").is_some() {
        std::fs::write(&path, &generated).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == generated, "src/scenario/schema.json is out of date; AUTHTRACE_UPDATE_SCHEMA=1 writes it anew");
}

proptest::proptest! {
    #[test]
    fn no_text_is_too_odd(text in "\\PC{0,200}") {
        let _ = read(&text);
    }

    #[test]
    fn nor_is_a_damaged_scenario(which in 0..20_usize, at in 0..400_usize, odd in "\\PC{0,6}") {
        let text = builtins()[which].text;
        let at = (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
        if let Err(error) = read(&format!("{}{odd}{}", &text[..at], &text[at..])) {
            proptest::prop_assert!(error.place.line >= 1 && error.to_string().contains('^'));
        }
    }
}

#[test]
fn a_real_credential_is_not_repeated_in_what_is_said_of_it() {
    let real = "sk-ant-oat01-AAAABBBBCCCCDDDD";
    for rest in [
        format!("[client]\nlogin = \"api-key\"\nvalue = \"{real}\"\n"),
        "[client.variables]\nANTHROPIC_AUTH_TOKEN = \"AAAABBBBCCCCDDDD\"\n".to_owned(),
        format!("[client]\nexpires_in = \"{real}\"\n"),
        format!(
            "[[rule]]\nwhen = {{ path = \"/v1/messages\" }}\nanswer = {{ headers = {{ a = \"Bearer {real}\" }}, oops = 1 }}\n"
        ),
    ] {
        let error = read(&format!("format = 1\ntitle = \"x\"\n{rest}")).unwrap_err();
        assert!(!error.to_string().contains("AAAA"), "{error}");
        let line = rest.lines().nth(error.place.line - 3).unwrap();
        assert_eq!(error.place.text.chars().count(), line.chars().count(), "{error}");
    }
}

#[test]
fn a_scenario_sets_no_variable_that_runs_a_program_or_leads_past_the_fake() {
    let given = |name: &str| read(&format!("format = 1\ntitle = \"x\"\n[client.variables]\n{name} = \"FAKE\"\n"));
    for name in ["ANTHROPIC_BASE_URL", "CLAUDE_CODE_USE_BEDROCK", "DISABLE_TELEMETRY", "AWS_SECRET_ACCESS_KEY"] {
        assert!(given(name).is_ok(), "{name}");
    }
    let refused = [
        "LD_PRELOAD",
        "NODE_OPTIONS",
        "BROWSER",
        "PATH",
        "HOME",
        "no_proxy",
        "XDG_CONFIG_HOME",
        "AWS_CONFIG_FILE",
        "CLAUDE_CODE_SHELL_PREFIX",
        "ANTHROPIC_UNIX_SOCKET",
        "CLAUDE_CONFIG_DIR",
        "NODE_TLS_REJECT_UNAUTHORIZED",
    ];
    for name in refused {
        assert!(given(name).is_err(), "{name}");
    }
}

#[test]
fn a_file_can_ask_for_every_change_that_has_a_name() {
    for name in crate::fake::Change::names() {
        let scenario = read(&format!("format = 1\ntitle = \"x\"\n[[event]]\nat = \"1s\"\ndo = \"{name}\"\n")).unwrap();
        assert_eq!(scenario.events[0].change.name(), Some(name));
    }
}

#[test]
fn what_a_file_says_of_itself_does_not_steer_the_terminal() {
    let file = "format = 1\ntitle = \"a\\u001b[31m\\nb\"\nabout = \"c\\u001b]8;;x\\u0007\\nd\\u009b\"\n";
    let said = describe(&read(file).unwrap());
    assert!(said.contains("a·[31m b\n") && said.contains("c·]8;;x·\nd·\n"), "{said:?}");
}
