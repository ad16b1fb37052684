//! Files as they are found on a disk.

use super::*;
use crate::launch::ParentEnvironment;
use std::fs;
use std::os::unix::fs::PermissionsExt;

struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        fs::create_dir_all(home.0.path().join(".claude")).unwrap();
        fs::create_dir_all(home.0.path().join("work/.claude")).unwrap();
        home
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.0.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn look(&self, variables: &[(&str, &str)]) -> Environment {
        let mut parent: ParentEnvironment = variables.iter().map(|(name, value)| (name.into(), value.into())).collect();
        parent.insert("HOME".into(), self.0.path().into());
        let environment = look::environment(&parent, &self.0.path().join("work"), &Redactor::plain());
        assert!(!format!("{environment:?}").contains("FAKE"));
        environment
    }
}

#[test]
fn a_login_file_is_described_and_not_kept() {
    let home = Home::new();
    assert_eq!(home.look(&[]).login.state, LoginState::Missing);
    home.write(
        ".claude/.credentials.json",
        &format!(
            r#"{{"claudeAiOauth":{{"accessToken":"{}","refreshToken":"{}","expiresAt":1795000000000.0,
            "scopes":["user:inference","FAKE:scope"],"subscriptionType":"FAKE plan","rateLimitTier":"x"}}}}"#,
            made_up("sk-ant-oat01-"),
            made_up("sk-ant-ort01-")
        ),
    );
    let LoginState::There(file, login) = home.look(&[]).login.state else { panic!("not read") };
    assert_eq!(file, private_file());
    assert_eq!((login.expires, login.plan), (Some(Timestamp::from_unix_ms(NOW)), Some("other")));
    assert_eq!(login.scopes[0], "user:inference");
    assert_eq!(login.access.map(|access| access.kind), Some(Kind::OauthAccess));
    let shown = home.look(&[]).login.path;
    assert_eq!(shown, "~/.claude/.credentials.json");
}

#[test]
fn broken_login_files_are_told_apart() {
    let home = Home::new();
    let state = |text: &str| {
        home.write(".claude/.credentials.json", text);
        home.look(&[]).login.state
    };
    for none in ["", "{}", "not JSON FAKE", r#"{"claudeAiOauth":3}"#, r#"{"mcpOAuth":{}}"#] {
        assert_eq!(state(none), LoginState::NoLogin(private_file()), "{none}");
    }
    let blanked = r#"{"claudeAiOauth":{"accessToken":"","refreshToken":"","expiresAt":0}}"#;
    let LoginState::There(_, login) = state(blanked) else { panic!("not read") };
    assert_eq!((login.access, login.refresh), (None, None));
    let path = home.0.path().join(".claude/.credentials.json");
    fs::rename(&path, home.0.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(home.0.path().join("elsewhere"), &path).unwrap();
    let LoginState::There(file, _) = home.look(&[]).login.state else { panic!("not read") };
    assert!(file.link);
    fs::remove_file(home.0.path().join("elsewhere")).unwrap();
    assert_eq!(home.look(&[]).login.state, LoginState::Unreadable("it is a link that leads nowhere"));
}

#[test]
fn settings_beat_the_environment_and_an_empty_value_takes_a_credential_away() {
    let home = Home::new();
    let key = made_up("sk-ant-api03-");
    home.write(
        ".claude/settings.json",
        &format!(
            r#"{{"env":{{"ANTHROPIC_API_KEY":"{key}","CLAUDE_CODE_USE_VERTEX":1,"ANTHROPIC_AUTH_TOKEN":["FAKE"]}},"apiKeyHelper":"/bin/FAKE"}}"#
        ),
    );
    let environment = home.look(&[("ANTHROPIC_API_KEY", &made_up("sk-ant-oat01-")), ("CLAUDE_CODE_USE_BEDROCK", "0")]);
    let origins: Vec<String> = environment.credentials.iter().map(|source| source.origin.to_string()).collect();
    assert_eq!(origins, ["~/.claude/settings.json", "environment"]);
    assert_eq!(environment.credentials[0].credential.kind, Kind::ApiKey);
    let clouds: Vec<_> = environment.clouds.iter().map(|switch| switch.name).collect();
    assert_eq!(clouds, ["CLAUDE_CODE_USE_VERTEX"]);
    assert!(environment.settings[0].api_key_helper);

    home.write("work/.claude/settings.local.json", r#"{"env":{"ANTHROPIC_API_KEY":""}}"#);
    assert_eq!(home.look(&[("ANTHROPIC_API_KEY", &key)]).credentials, []);
}

#[test]
fn proxies_are_read_without_their_passwords() {
    let home = Home::new();
    let environment = home.look(&[
        ("HTTPS_PROXY", "http://me:FAKE@proxy.example:3128/"),
        ("https_proxy", "socks5h://proxy.example"),
        ("http_proxy", "me:FAKEpassword"),
        ("ALL_PROXY", "http://a.example"),
        ("NO_PROXY", "localhost,.anthropic.com,b.example"),
    ]);
    let shape: Vec<_> =
        environment.proxies.iter().map(|one| (one.name, one.scheme, one.address.as_deref(), one.login)).collect();
    assert_eq!(
        shape,
        [
            ("https_proxy", ProxyScheme::Socks, Some("proxy.example"), false),
            ("HTTPS_PROXY", ProxyScheme::Http, Some("proxy.example:3128"), true),
            ("http_proxy", ProxyScheme::Missing, None, false),
        ]
    );
    assert!(environment.proxy_cases_differ && environment.all_proxy);
    assert_eq!(environment.no_proxy, [".anthropic.com"]);
}

#[test]
fn custom_headers_are_known_by_name() {
    let home = Home::new();
    let headers = "X-Team: FAKE\nAUTHORIZATION: Bearer FAKE\r\n x-api-key : FAKE";
    let environment = home.look(&[("ANTHROPIC_CUSTOM_HEADERS", headers)]);
    assert_eq!(environment.custom_headers, ["authorization", "x-api-key"]);
}

#[test]
fn a_certificate_file_is_looked_into() {
    let home = Home::new();
    home.write("notes.pem", "no certificate");
    let path = home.0.path().join("notes.pem");
    let trust = home.look(&[("NODE_EXTRA_CA_CERTS", path.to_str().unwrap()), ("SSL_CERT_FILE", "~/corp.pem")]).trust;
    let extra = trust.extra.unwrap();
    assert_eq!((extra.path.as_str(), &extra.content), ("~/notes.pem", &Certificates::NotPem));
    let file = trust.file.unwrap();
    assert!(file.tilde && file.content == Certificates::Missing);
}

#[test]
fn a_trace_folder_is_not_made_by_looking() {
    let home = Home::new();
    let folder = home.0.path().join("state/authtrace");
    let seen = look::trace_folder(Some(&folder), &ParentEnvironment::new());
    assert!(matches!(seen, TraceFolder::At { exists: false, writable: Writable::Yes, .. }), "{seen:?}");
    assert!(!folder.exists() && !home.0.path().join("state").exists());
    assert_eq!(look::trace_folder(None, &ParentEnvironment::new()), TraceFolder::Nowhere);
}
