//! Other ways to the same codes, and what is no failure at all.

use super::Case;
use crate::support::claude::Stage;
use authtrace::analyze::Survey;
use authtrace::catalogue::Code;
use authtrace::policy::PathPattern;

/// All of them.
pub(super) fn all() -> Vec<Case> {
    vec![
        every("a valid login", "", Code::Healthy),
        every("a valid key", "[client]\nlogin = \"api-key\"\n", Code::Healthy),
        every("a helper's key", "[client]\nlogin = \"helper\"\n", Code::Healthy),
        Case {
            check: one_refresh,
            ..every(
                "one home for three",
                "[client]\nexpires_in = \"-1m\"\nprocesses = 3\nshared_home = true\n",
                Code::Healthy,
            )
        },
        Case {
            // The old version never refreshes what is refused before its time.
            wanted: [Some(Code::Healthy), Some(Code::StaticTokenRejected), Some(Code::Healthy)],
            ..every("refused and refreshed", "[[event]]\nat = \"0s\"\ndo = \"refuse\"\n", Code::Healthy)
        },
        every(
            "revoked in the words of 2025",
            "[server]\nwording = \"2025\"\n[[event]]\nat = \"0s\"\ndo = \"log-out\"\n",
            Code::TokenRevoked,
        ),
        every(
            "not allowed in the words of 2025",
            "[server]\nwording = \"2025\"\norganization = \"oauth-not-allowed\"\n",
            Code::OauthNotAllowedForOrg,
        ),
        every(
            "a code that is refused",
            "[client]\nlogin = \"none\"\ndoes = [\"login\"]\n[[rule]]\nwhen = { grant = \"authorization-code\" }\n\
             answer = { status = 400, type = \"invalid_grant\", message = \"Invalid 'code' in request.\", shape = \"oauth\" }\n",
            Code::TokenRequestRejected,
        ),
        every(
            "a login whose token is refused",
            "[client]\nlogin = \"none\"\ndoes = [\"login\", \"message\"]\n[[rule]]\nwhen = { path = \"/v1/messages*\" }\n\
             answer = { status = 401, type = \"authentication_error\", message = \"Invalid bearer token\" }\n",
            Code::FreshTokenRejected,
        ),
        every(
            "a login by way of a page that challenges",
            "[client]\nexpires_in = \"-1m\"\n[[rule]]\nwhen = { path = \"/v1/oauth/token\" }\n\
             page = { status = 403, title = \"Just a moment...\", challenge = true }\n",
            Code::EdgeChallengeHtml,
        ),
        every(
            "quotes around the key",
            "[client]\nlogin = \"api-key\"\nvalue = '\"sk-ant-api03-FAKE-quoted-0123456789-abcdefghijklmnopqrstuvwxyz\"'\n",
            Code::BearerMalformed,
        ),
        Case {
            // The new version takes the line break out of what it asks at the side, and sends no message.
            wanted: [Some(Code::Healthy), Some(Code::NoAuthenticatedRequest), None],
            ..real(
                "a line break in the token",
                "[client]\nlogin = \"oauth-token\"\n\
                 value = \"sk-ant-oat01-FAKE-torn\\n0123456789-abcdefghijklmnopqrstuvwxyz\"\n",
                Code::NoAuthenticatedRequest,
            )
        },
        Case {
            prepare: |stage| drop(stage.home.write(".claude/.credentials.json", "{\"claudeAiOauth\": FAKE")),
            ..real("a credentials file that cannot be read", "", Code::NoAuthenticatedRequest)
        },
        Case {
            prepare: another_proxy,
            ..real("a settings file that names another proxy", "", Code::NoAuthenticatedRequest)
        },
        Case { arguments: &["--version"], ..real("a command that needs no network", "", Code::NothingSeen) },
    ]
}

/// Played by all three.
fn every(name: &str, text: &str, code: Code) -> Case {
    Case::new(name, format!("format = 1\ntitle = \"{name}\"\n{text}"), [Some(code); 3])
}

/// What lies with the real client: the built-in one has no such parts.
fn real(name: &str, text: &str, code: Code) -> Case {
    Case { wanted: [Some(code), Some(code), None], ..every(name, text, code) }
}

/// The lock of the credentials file works: one refreshes for all.
fn one_refresh(survey: &Survey) {
    let token = PathPattern::Exact("/v1/oauth/token".to_owned());
    let refreshes = survey.exchanges().iter().filter(|one| token.matches(one.request.path.as_str())).count();
    assert_eq!(refreshes, 1);
}

/// A port of ours that nobody listens on: nothing leaves this machine.
fn another_proxy(stage: &Stage) {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    stage.settings(&format!(r#"{{"env":{{"HTTPS_PROXY":"http://{nobody}","https_proxy":"http://{nobody}"}}}}"#));
}
