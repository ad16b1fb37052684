//! Facts in, checks out: whole lists as people read them, and each judgement by its values.

mod files;
mod overlooked;

use super::*;
use crate::export::Style;
use crate::launch::ParentEnvironment;
use crate::redact::{Kind, Redacted, Redactor};

const NOW: i64 = 1_795_000_000_000;
const MINUTE: i64 = 60_000;

fn credential(text: &str) -> crate::redact::Credential {
    Redactor::plain().credential(text.as_bytes(), Kind::Unknown)
}

/// A made-up value of the length that such values have.
fn made_up(prefix: &str) -> String {
    format!("{prefix}{}", "FAKE".repeat(23))
}

fn variable(variable: CredentialVariable, value: &str) -> CredentialSource {
    let line_break = value.trim().contains('\n');
    CredentialSource { variable, origin: Origin::Environment, credential: credential(value), line_break }
}

fn login(ends_in: i64) -> Login {
    Login {
        access: Some(credential(&made_up("sk-ant-oat01-"))),
        refresh: Some(credential(&made_up("sk-ant-ort01-"))),
        expires: Some(Timestamp::from_unix_ms(NOW + ends_in)),
        scopes: ["user:inference", "user:profile"].map(Redacted::literal).to_vec(),
        plan: Some("max"),
    }
}

fn private_file() -> FileFacts {
    FileFacts { mode: 0o600, own: true, link: false, writable: Writable::Yes }
}

fn environment() -> Environment {
    Environment {
        credentials: Vec::new(),
        clouds: Vec::new(),
        settings: Vec::new(),
        base_url: None,
        custom_headers: Vec::new(),
        betas_disabled: false,
        login: LoginFile {
            path: "~/.claude/.credentials.json".to_owned(),
            state: LoginState::There(private_file(), Box::new(login(7 * 60 * MINUTE + 12 * MINUTE))),
        },
        console_key: None,
        keychain: Keychain::None,
        proxies: Vec::new(),
        proxy_cases_differ: false,
        all_proxy: false,
        no_proxy: Vec::new(),
        trust: Trust::default(),
    }
}

fn answered(host: &str, role: Role) -> Upstream {
    let issuer = Issuer { name: "Google Trust Services".to_owned(), public: true };
    let reach =
        Reach::Answered(Answer { status: 200, issuer, clock_ahead_ms: Some(140), challenge: false, elapsed_ms: 83 });
    Upstream { host: host.to_owned(), role, via: None, reach }
}

fn ran(accepted: u64, refused: u64) -> Trial {
    let end = TrialEnd::Exited(if refused == 0 { 0 } else { 1 });
    Trial::Ran { accepted, refused, others: Vec::new(), messages: accepted.min(1), end }
}

fn claude(version: Version, trial: Trial) -> Client {
    Client::Found {
        program: "claude".to_owned(),
        path: "~/.local/share/claude/claude".to_owned(),
        form: ClientForm::Native,
        claude: true,
        version: Some(version),
        trial,
    }
}

fn healthy() -> Facts {
    Facts {
        now: Timestamp::from_unix_ms(NOW),
        environment: environment(),
        client: claude(Version(2, 1, 328), ran(4, 0)),
        upstream: Ok(vec![
            answered("api.anthropic.com", Role::Api),
            answered("platform.claude.com", Role::Authorization),
        ]),
        own: Own {
            config: ConfigState::Good(None),
            variables: Vec::new(),
            unknown_variables: Vec::new(),
            traces: TraceFolder::At {
                path: "~/.local/state/authtrace".to_owned(),
                exists: true,
                writable: Writable::Yes,
                open: false,
            },
            running: Vec::new(),
        },
    }
}

/// A company's laptop on a bad day.
fn troubled() -> Facts {
    let mut facts = healthy();
    let environment = &mut facts.environment;
    environment.credentials = vec![
        variable(CredentialVariable::ApiKey, &made_up("sk-ant-oat01-")),
        variable(CredentialVariable::AuthToken, "${TOKEN}"),
        variable(CredentialVariable::OauthToken, &made_up("sk-ant-oat01-").replace("EF", "E\nF")),
    ];
    environment.settings = vec![Settings {
        path: "~/.claude/settings.json".to_owned(),
        managed: false,
        api_key_helper: true,
        overrides: vec!["HTTPS_PROXY".to_owned(), "NODE_EXTRA_CA_CERTS".to_owned()],
        problem: None,
    }];
    environment.base_url = Some(BaseUrlFacts {
        shown: "http://gateway.example:4000".to_owned(),
        https: false,
        loopback: false,
        anthropic: false,
    });
    environment.login.state = LoginState::There(
        FileFacts { mode: 0o644, own: true, link: false, writable: Writable::ReadOnlyMount },
        Box::new(Login { refresh: None, ..login(-185 * MINUTE) }),
    );
    environment.proxies = vec![ProxyVariable {
        name: "https_proxy",
        scheme: ProxyScheme::Socks,
        address: Some("proxy.example:1080".to_owned()),
        login: true,
    }];
    (environment.proxy_cases_differ, environment.all_proxy) = (true, true);
    environment.no_proxy = vec!["*".to_owned()];
    environment.trust = Trust {
        extra: Some(CertificateFile {
            path: "corp.pem".to_owned(),
            relative: true,
            tilde: false,
            content: Certificates::NotPem,
        }),
        verification_off: true,
        ..Trust::default()
    };
    facts.client = claude(Version(2, 1, 107), ran(0, 8));
    let issuer = Issuer { name: "Zscaler Inc.".to_owned(), public: false };
    facts.upstream = Ok(vec![
        Upstream {
            host: "api.anthropic.com".to_owned(),
            role: Role::Api,
            via: Some("proxy.example:3128".to_owned()),
            reach: Reach::Answered(Answer {
                status: 403,
                issuer,
                clock_ahead_ms: Some(-11 * MINUTE),
                challenge: true,
                elapsed_ms: 410,
            }),
        },
        Upstream {
            host: "platform.claude.com".to_owned(),
            role: Role::Authorization,
            via: Some("proxy.example:3128".to_owned()),
            reach: Reach::Unreached {
                why: "the upstream proxy refused the tunnel".to_owned(),
                proxy_status: Some(407),
            },
        },
    ]);
    facts.own.config =
        ConfigState::Bad("~/.config/authtrace/authtrace.toml: line 2, column 1: unknown field".to_owned());
    facts.own.unknown_variables = vec!["AUTHTRACE_LISTN".to_owned()];
    facts.own.running = vec!["main".to_owned()];
    facts
}

fn shown(facts: &Facts, width: usize) -> String {
    let mut text = Vec::new();
    text::write(&examine(facts), &mut text, Style { width, ..Style::default() }).unwrap();
    String::from_utf8(text).unwrap()
}

/// Status and words of the checks with this id.
fn found(facts: &Facts, id: &str) -> Vec<(Status, String)> {
    let checks = examine(facts).checks;
    let checks = checks.into_iter().filter(|check| check.id == id);
    checks.map(|check| (check.status, format!("{} → {}", check.found, check.advice.unwrap_or_default()))).collect()
}

fn statuses(facts: &Facts, id: &str) -> Vec<Status> {
    found(facts, id).into_iter().map(|(status, _)| status).collect()
}

#[test]
fn a_healthy_machine() {
    insta::assert_snapshot!(shown(&healthy(), 80));
    assert!(!examine(&healthy()).has_problem());
}

#[test]
fn a_troubled_machine() {
    insta::assert_snapshot!(shown(&troubled(), 80));
}

#[test]
fn for_programs() {
    let mut document = Vec::new();
    json::write(&examine(&troubled()), &mut document).unwrap();
    let document = String::from_utf8(document).unwrap();
    assert!(!document.contains("FAKE"));
    insta::assert_snapshot!(document);
}

#[test]
fn lines_fit_the_screen_and_whatever_is_wrong_comes_with_advice() {
    for facts in [healthy(), troubled()] {
        for width in [60, 80, 120] {
            for line in shown(&facts, width).lines() {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
        }
        for check in examine(&facts).checks {
            let needs = matches!(check.status, Status::Problem | Status::Warning);
            assert!(!needs || check.advice.is_some(), "{check:?}");
        }
    }
}

#[test]
fn what_a_value_looks_like_decides() {
    use CredentialVariable::{ApiKey, AuthToken, OauthToken};
    let key = made_up("sk-ant-api03-");
    let token = made_up("sk-ant-oat01-");
    let cases = [
        (ApiKey, key.clone(), Status::Ok, "an API key (api03)"),
        (ApiKey, format!("{key}\n"), Status::Note, "white space around it"),
        (ApiKey, format!("\"{key}\""), Status::Problem, "quotation marks"),
        (ApiKey, key.replacen("EF", "E F", 1), Status::Problem, "white space stands inside"),
        (ApiKey, key.replacen("EF", "E\nF", 1), Status::Problem, "a line break stands inside"),
        (ApiKey, key.chars().take(40).collect(), Status::Warning, "it looks cut off"),
        (ApiKey, "your-api-key".to_owned(), Status::Problem, "placeholder"),
        (OauthToken, "sk-ant-oat01-proxy-managed".to_owned(), Status::Warning, "it is a stand-in"),
        (OauthToken, token.replacen("EF", "E#F", 1), Status::Problem, "a character stands in it"),
        (ApiKey, "   ".to_owned(), Status::Problem, "nothing but white space"),
        (ApiKey, token.clone(), Status::Problem, "Move it to CLAUDE_CODE_OAUTH_TOKEN"),
        (ApiKey, made_up("sk-ant-ort01-"), Status::Problem, "a refresh token is good for renewing"),
        (ApiKey, made_up("sk-ant-sid01-"), Status::Problem, "it belongs to a browser"),
        (ApiKey, made_up("gateway-"), Status::Warning, "begins with sk-ant-api"),
        (AuthToken, made_up("gateway-"), Status::Ok, "no known kind"),
        (AuthToken, key.clone(), Status::Problem, "Move it to ANTHROPIC_API_KEY"),
        (AuthToken, token.clone(), Status::Warning, "without the OAuth beta header"),
        (AuthToken, format!("Bearer {}", made_up("gateway-")), Status::Problem, "the word Bearer"),
        (OauthToken, token, Status::Ok, "an OAuth access token (oat01), 105 characters"),
        (OauthToken, key, Status::Problem, "Move it to ANTHROPIC_API_KEY"),
    ];
    for (name, value, status, words) in cases {
        let mut facts = healthy();
        facts.environment.login.state = LoginState::Missing;
        facts.environment.credentials = vec![variable(name, &value)];
        let seen = found(&facts, "env.credentials");
        assert_eq!(seen.len(), 1);
        assert_eq!(seen[0].0, status, "{name:?} {seen:?}");
        assert!(seen[0].1.contains(words), "{words:?} in {seen:?}");
        assert!(!seen[0].1.contains("FAKE"));
    }
}

#[test]
fn a_gateway_takes_keys_of_its_own() {
    let mut facts = healthy();
    facts.environment.login.state = LoginState::Missing;
    facts.environment.credentials = vec![variable(CredentialVariable::ApiKey, &made_up("gateway-"))];
    let gateway =
        BaseUrlFacts { shown: "https://g.example".to_owned(), https: true, loopback: false, anthropic: false };
    facts.environment.base_url = Some(gateway.clone());
    assert_eq!(statuses(&facts, "env.credentials"), [Status::Ok]);
    assert_eq!(statuses(&facts, "env.base-url"), [Status::Note]);
    // The login's own token is not for it.
    facts.environment.credentials = vec![variable(CredentialVariable::OauthToken, &made_up("sk-ant-oat01-"))];
    assert_eq!(statuses(&facts, "env.base-url"), [Status::Warning]);
    facts.environment.base_url = Some(BaseUrlFacts { https: false, loopback: true, ..gateway });
    facts.environment.credentials = vec![variable(CredentialVariable::ApiKey, &made_up("gateway-"))];
    assert_eq!(statuses(&facts, "env.base-url"), [Status::Note]);
}

#[test]
fn what_is_not_sent_does_no_harm_now() {
    let mut facts = healthy();
    facts.environment.credentials = vec![
        variable(CredentialVariable::ApiKey, &made_up("sk-ant-api03-")),
        variable(CredentialVariable::OauthToken, "your-token"),
    ];
    facts.environment.login.state =
        LoginState::There(private_file(), Box::new(Login { refresh: None, ..login(-MINUTE) }));
    assert_eq!(statuses(&facts, "env.credentials"), [Status::Ok, Status::Warning]);
    assert_eq!(statuses(&facts, "login.access-token"), [Status::Warning]);
    let conflict = found(&facts, "credentials.conflict").pop().unwrap();
    assert_eq!(conflict.0, Status::Warning);
    assert!(conflict.1.starts_with("not used: CLAUDE_CODE_OAUTH_TOKEN and the login in"), "{conflict:?}");
    assert!(conflict.1.contains("To use it, unset ANTHROPIC_API_KEY"), "{conflict:?}");
    assert!(!examine(&facts).has_problem());
}

#[test]
fn a_token_of_the_environment_before_a_login_is_no_surprise() {
    let mut facts = healthy();
    facts.environment.credentials = vec![variable(CredentialVariable::OauthToken, &made_up("sk-ant-oat01-"))];
    assert_eq!(statuses(&facts, "credentials.conflict"), [Status::Note]);
}

#[test]
fn a_login_is_judged_by_its_end_and_by_what_can_renew_it() {
    let mut facts = healthy();
    let mut judge = |login: Login| {
        facts.environment.login.state = LoginState::There(private_file(), Box::new(login));
        found(&facts, "login.access-token").pop().unwrap()
    };
    let is = |judged: (Status, String), status, words: &str| {
        assert!(judged.0 == status && judged.1.contains(words), "{words:?} in {judged:?}");
    };
    is(judge(login(431 * MINUTE)), Status::Ok, "ends in 7 h 11 min");
    is(judge(login(3 * MINUTE)), Status::Ok, "ends in 3 min, and is renewed before");
    is(judge(login(-185 * MINUTE)), Status::Note, "ended 3 h 5 min ago");
    is(judge(Login { refresh: None, ..login(-MINUTE) }), Status::Problem, "no refresh token");
    is(judge(Login { expires: Some(Timestamp::from_unix_ms(0)), ..login(0) }), Status::Warning, "blanked");
    is(judge(Login { expires: None, ..login(0) }), Status::Warning, "when it ends is not kept");
    let blank = Login { access: None, refresh: None, expires: Some(Timestamp::from_unix_ms(0)), ..login(0) };
    is(judge(blank), Status::Problem, "an attempt to renew it was refused");
}

#[test]
fn a_login_file_that_cannot_be_kept_is_a_problem() {
    let mut facts = healthy();
    let mut judge = |file: FileFacts| {
        facts.environment.login.state = LoginState::There(file, Box::new(login(MINUTE * 60)));
        statuses(&facts, "login.file").pop().unwrap()
    };
    assert_eq!(judge(private_file()), Status::Ok);
    assert_eq!(judge(FileFacts { mode: 0o640, ..private_file() }), Status::Warning);
    assert_eq!(judge(FileFacts { own: false, ..private_file() }), Status::Warning);
    assert_eq!(judge(FileFacts { link: true, ..private_file() }), Status::Note);
    assert_eq!(judge(FileFacts { writable: Writable::Denied, ..private_file() }), Status::Problem);
    assert_eq!(judge(FileFacts { writable: Writable::ReadOnlyMount, ..private_file() }), Status::Problem);
}

#[test]
fn scopes_decide_what_a_login_is_good_for() {
    let mut facts = healthy();
    let mut judge = |scopes: &[&'static str]| {
        let scopes = scopes.iter().map(|scope| Redacted::literal(scope)).collect();
        let login = Login { scopes, ..login(MINUTE * 60) };
        facts.environment.login.state = LoginState::There(private_file(), Box::new(login));
        statuses(&facts, "login.scopes").pop().unwrap()
    };
    assert_eq!(judge(&["user:inference", "user:profile"]), Status::Ok);
    assert_eq!(judge(&["user:inference"]), Status::Note);
    assert_eq!(judge(&["user:profile"]), Status::Problem);
    assert_eq!(judge(&[]), Status::Note);
}

#[test]
fn a_cloud_and_a_keychain_take_the_place_of_a_login() {
    let mut facts = healthy();
    facts.environment.login.state = LoginState::Missing;
    assert_eq!(statuses(&facts, "credentials.winner"), [Status::Problem]);
    facts.environment.keychain = Keychain::Unseen;
    assert_eq!(statuses(&facts, "credentials.winner"), [Status::Unknown]);
    facts.environment.keychain = Keychain::Login;
    assert_eq!(statuses(&facts, "credentials.winner"), [Status::Ok]);
    facts.environment.clouds = vec![Switch { name: "CLAUDE_CODE_USE_BEDROCK", origin: Origin::Environment }];
    assert_eq!(statuses(&facts, "credentials.winner"), [Status::Note]);
}

#[test]
fn versions_are_known_for_what_applies_here() {
    let traps = |version: Version, act: fn(&mut Environment)| {
        let mut facts = healthy();
        act(&mut facts.environment);
        facts.client = claude(version, ran(3, 0));
        found(&facts, "client.known-trap")
    };
    assert_eq!(traps(Version(2, 1, 328), |_| ()), []);
    let old = traps(Version(2, 1, 107), |_| ());
    assert!(old.iter().any(|(_, words)| words.contains("before 2.1.117")), "{old:?}");
    assert_eq!(traps(Version(2, 1, 107), |environment| environment.login.state = LoginState::Missing), []);
    assert_eq!(traps(Version(2, 1, 122), |environment| environment.betas_disabled = true)[0].0, Status::Problem);
    let fixed = traps(Version(2, 1, 123), |environment| environment.betas_disabled = true);
    assert!(fixed.iter().all(|(status, _)| *status == Status::Note), "{fixed:?}");
}

#[test]
fn versions_are_read_as_programs_write_them() {
    assert_eq!(Version::parse("2.1.328 (Claude Code)\n"), Some(Version(2, 1, 328)));
    assert_eq!(Version::parse("20.20.2"), Some(Version(20, 20, 2)));
    assert_eq!(Version::parse("2.1.0-beta.3"), Some(Version(2, 1, 0)));
    for none in ["", "claude", "2.1", "v2.1.3", "2.x.1"] {
        assert_eq!(Version::parse(none), None, "{none}");
    }
    assert!(Version(2, 1, 99) < Version(2, 1, 107) && Version(2, 1, 400) < Version(2, 2, 0));
}

#[test]
fn a_trial_is_read_by_what_the_proxy_saw() {
    let judge = |trial: Trial| {
        let facts = Facts { client: claude(Version(2, 1, 328), trial), ..healthy() };
        statuses(&facts, "client.ca").pop().unwrap()
    };
    let silent = Trial::Ran { accepted: 0, refused: 0, others: Vec::new(), messages: 0, end: TrialEnd::Exited(0) };
    let odd = Trial::Ran {
        accepted: 0,
        refused: 0,
        others: vec!["client_not_tls"],
        messages: 0,
        end: TrialEnd::TimedOut(60),
    };
    assert_eq!(judge(ran(3, 0)), Status::Ok);
    assert_eq!(judge(ran(3, 1)), Status::Warning);
    assert_eq!(judge(ran(0, 1)), Status::Problem);
    assert_eq!(judge(silent), Status::Warning);
    assert_eq!(judge(odd), Status::Unknown);
    assert_eq!(judge(Trial::Skipped("settings".to_owned())), Status::Unknown);
    assert_eq!(judge(Trial::NotStarted("permission denied".to_owned())), Status::Problem);
}

#[test]
fn a_clock_may_be_off_by_a_minute() {
    let judge = |ahead: i64| {
        let mut api = answered("api.anthropic.com", Role::Api);
        if let Reach::Answered(answer) = &mut api.reach {
            answer.clock_ahead_ms = Some(ahead);
        }
        statuses(&Facts { upstream: Ok(vec![api]), ..healthy() }, "clock.offset").pop().unwrap()
    };
    assert_eq!([0, 60_000, -60_000].map(judge), [Status::Ok; 3]);
    assert_eq!([61_000, -61_000, 300_000].map(judge), [Status::Warning; 3]);
    assert_eq!([301_000, -301_000, i64::MAX, i64::MIN].map(judge), [Status::Problem; 4]);
    let silent = Facts { upstream: Ok(Vec::new()), ..healthy() };
    assert_eq!(statuses(&silent, "clock.offset"), [Status::Unknown]);
}
