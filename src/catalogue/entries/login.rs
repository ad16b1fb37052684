//! From the login to the first accepted message.

use super::{Code, Entry, Family, fixed, issue, says, thread};

pub(super) static TOKEN_REQUEST_REJECTED: Entry = Entry {
    code: Code::TokenRequestRejected,
    family: Family::Login,
    title: "The token endpoint refuses the request itself",
    meaning: "The login or refresh reached the token endpoint, and what was sent there is not acceptable: a wrong or used \
              code, a missing field, an old address. An old refresh token is not the cause here.",
    wire: &[
        "POST platform.claude.com/v1/oauth/token   grant=authorization_code",
        "  400  (invalid code, missing state, invalid request format)",
        "or",
        "POST console.anthropic.com/v1/oauth/token",
        "  404",
    ],
    causes: &[
        "The wrong thing was pasted: the digits from an e-mail, or the code without the part after `#`.",
        "The code was too old or used already.",
        "Another tool speaks to an address that has moved, or leaves out a field.",
    ],
    remedy: &[
        "Log in again from a terminal and paste the whole code at once, with the part after the #: claude auth login",
        "If the login of an editor extension fails, log in from a terminal; the extension then finds it.",
        "Other tools have to use `platform.claude.com/v1/oauth/token`.",
    ],
    attach: &[
        "how the login was done (browser, pasted code, extension)",
        "client and version",
        "seconds between consent and paste; never the code",
    ],
    evidence: &[
        issue(66360),
        issue(21678),
        issue(86501),
        issue(79703),
        thread("dyndynjyxa/aio-coding-hub", 147),
        thread("NousResearch/hermes-agent", 47692),
    ],
    versions: &[fixed("2.1.108", "pasting into the prompt of /login works again (broken in 2.1.105)")],
    decides: "400, 404 or 422 on the token endpoint that is not invalid_grant for a refresh token.",
    confused_with: &[Code::RefreshTokenInvalid, Code::RequestForbiddenEdge, Code::LoginCallbackNeverArrives],
    wordings: &[
        says(86, &["oauth error", "status code 400"], "the token endpoint refused the login with 400"),
        says(86, &["oauth error", "status code 404"], "the token endpoint is not where it was asked for"),
        says(86, &["couldn't log in", "status code 400"], "the token endpoint refused the login with 400"),
        says(86, &["login failed", "status code 400"], "the token endpoint refused the login with 400"),
        says(78, &["invalid request format"], "the token endpoint does not accept the form of the request"),
        says(76, &["invalid", "authorization code"], "the code of the login is not accepted"),
        says(66, &["couldn't log in"], "the exchange of the login's code failed"),
        says(60, &["login failed"], "the exchange of the login's code failed"),
        says(56, &["oauth error", "invalid code"], "the code of the login is not accepted"),
        says(36, &["invalid_grant"], "also said of a code that is wrong, used or too old"),
    ],
};

pub(super) static LOGIN_CALLBACK_NEVER_ARRIVES: Entry = Entry {
    code: Code::LoginCallbackNeverArrives,
    family: Family::Login,
    title: "The browser's consent never reaches the client",
    meaning: "After consent the browser is sent to an address on localhost, where Claude Code waits for the code. Here the \
              code never arrives, so the client never asks for a token. The browser may show success nevertheless.",
    wire: &[
        "GET api.anthropic.com/api/hello        200    the login has begun",
        "(browser: consent given, http://localhost:PORT/callback; not seen here)",
        "(no POST …/v1/oauth/token for a minute or more)",
    ],
    causes: &[
        "Claude Code runs in a container, in WSL or over SSH, and the port is not forwarded.",
        "It listens on ::1 only, while the forwarded connection comes to 127.0.0.1.",
        "A firewall or the browser blocks the port.",
    ],
    remedy: &[
        "Update Claude Code, start claude auth login again, and paste the code by hand when it offers that.",
        "Forward the port that stands in the printed address, or take `::1 localhost` out of `/etc/hosts`.",
        "On a machine without a browser: `claude setup-token` elsewhere, then set `CLAUDE_CODE_OAUTH_TOKEN`.",
    ],
    attach: &[
        "where Claude Code runs (container, WSL, SSH) and where the browser runs",
        "the port of the callback, and whether `curl localhost:PORT` answers there",
    ],
    evidence: &[issue(44844), issue(20793), issue(31007), issue(60041), issue(9376)],
    versions: &[
        fixed("2.1.108", "pasting into the prompt of /login works again (broken in 2.1.105)"),
        fixed("2.1.126", "claude auth login takes the code pasted by hand"),
    ],
    decides: "A sign of a login, and then a minute without a token POST. It rests on what is missing, so it stays a guess; \
              the way from the browser to localhost does not pass through authtrace.",
    confused_with: &[Code::NoAuthenticatedRequest, Code::TokenRequestRejected, Code::NothingSeen],
    wordings: &[
        says(72, &["localhost", "refused to connect"], "the browser could not reach the waiting client"),
        says(60, &["callback"], "it speaks of the way from the browser back to the client"),
        says(58, &["waiting for", "login"], "the client waits for the browser"),
        says(58, &["paste code here"], "the client waits for the code"),
        says(30, &["not logged in"], "the login may never have been finished"),
    ],
};

pub(super) static POST_LOGIN_BOOTSTRAP_FAILED: Entry = Entry {
    code: Code::PostLoginBootstrapFailed,
    family: Family::Login,
    title: "The login gave a token, and a call right after it failed",
    meaning: "The token was issued. Before the login counts as done, Claude Code asks for the account's profile and roles, and \
              for Console accounts it creates an API key. One of these calls failed, and with it the login.",
    wire: &[
        "POST platform.claude.com/v1/oauth/token              200  oat-A",
        "GET  api.anthropic.com/api/oauth/profile             200",
        "GET  api.anthropic.com/api/oauth/claude_cli/roles    500",
        "or",
        "POST …/api/oauth/claude_cli/create_api_key         403, or 200 and no key",
    ],
    causes: &[
        "A partial outage of the service.",
        "The role in the Console may not create API keys.",
        "The profile could not be read, so that the plan is not recognised.",
    ],
    remedy: &[
        "Try the login again a few times, some minutes apart: claude auth login",
        "Console accounts: ask the admin for the role Developer or Claude Code.",
        "Look at https://status.claude.com if a 5xx is shown.",
    ],
    attach: &["request id of the call that failed", "organisation id and role", "UTC time"],
    evidence: &[issue(20089), issue(20092), issue(44271), issue(1305), issue(197), issue(115)],
    versions: &[fixed("2.1.69", "a 403 on profile calls no longer counts as an error")],
    decides: "A 200 with a new token, then a refusal or an error on profile, roles or create_api_key with that token.",
    confused_with: &[Code::TokenEndpointOutage, Code::FreshTokenRejected, Code::ScopeInsufficient],
    wordings: &[
        says(
            92,
            &["failed to fetch user roles"],
            "the call for the account's roles failed, after the token was issued",
        ),
        says(92, &["unable to create api key"], "the login of a Console account could not make its API key"),
        says(84, &["create_api_key"], "the login of a Console account makes an API key with this call"),
        says(30, &["couldn't log in"], "a call after the exchange may have failed as well"),
    ],
};

pub(super) static FRESH_TOKEN_REJECTED: Entry = Entry {
    code: Code::FreshTokenRejected,
    family: Family::Login,
    title: "A token issued moments ago is refused",
    meaning: "The login or refresh succeeded and gave a new token, and the API refuses this very token. The machine has done \
              everything right: the cause is on the side of the service or of the account.",
    wire: &[
        "POST platform.claude.com/v1/oauth/token   200  oat-B",
        "POST api.anthropic.com/v1/messages        Bearer oat-B    the new one",
        "  401  Invalid bearer token  (or: Invalid authentication credentials)",
    ],
    causes: &[
        "An incident: new tokens are not known everywhere yet.",
        "The state of the account or plan, or a login with another account than the paying one.",
    ],
    remedy: &[
        "Wait and check https://status.claude.com; reinstalling and further logins do not help.",
        "Log in with the account that has the plan, if you have several.",
        "If it lasts more than a day, contact support with the ids of this report.",
    ],
    attach: &[
        "request ids of the first refusals of the new token",
        "UTC times of issue and refusal",
        "account or organisation id, and the plan",
    ],
    evidence: &[issue(19078), issue(44265), issue(17402), issue(12194), issue(54305), issue(61045)],
    versions: &[],
    decides: "The refused token is the one that the token endpoint issued in this trace, within minutes. If an older token \
              is sent instead, it is new-login-not-used.",
    confused_with: &[
        Code::NewLoginNotUsed,
        Code::UpstreamOutageMixed401,
        Code::StaticTokenRejected,
        Code::EnvCredentialShadowsLogin,
    ],
    wordings: &[
        says(62, &["not found or is malformed"], "seen for new tokens on days of an incident"),
        says(56, &["invalid bearer token"], "seen right after a login that succeeded"),
        says(56, &["access token is invalid"], "seen right after a login that succeeded"),
        says(56, &["invalid authentication credentials"], "seen right after a login that succeeded"),
        says(66, &["login successful", "401"], "the login succeeded, and its token is refused"),
        says(36, &["token has expired"], "seen right after a login that succeeded, on days of an incident"),
    ],
};

pub(super) static NEW_LOGIN_NOT_USED: Entry = Entry {
    code: Code::NewLoginNotUsed,
    family: Family::Login,
    title: "A login succeeded, and the old token is still sent",
    meaning: "There is a new token, but a process goes on with the one that it read at its start. That one is refused. The new \
              login is fine; this process has to take it up.",
    wire: &[
        "process 1  POST …/v1/oauth/token  200  oat-B",
        "process 2  POST …/v1/messages     Bearer oat-A    the old one",
        "  401",
    ],
    causes: &[
        "A session, agent or editor that was started before the login.",
        "`CLAUDE_CODE_OAUTH_TOKEN` is set and wins over every login.",
        "A version that keeps the token of its start in memory.",
    ],
    remedy: &[
        "Quit and restart the process that fails; it takes the new login then.",
        "Unset `CLAUDE_CODE_OAUTH_TOKEN` if `env | grep CLAUDE_CODE` shows it.",
        "Update Claude Code, if sessions do not notice a new login.",
    ],
    attach: &["the processes with their start times", "version and session id", "UTC times of login and 401"],
    evidence: &[issue(95262), issue(15007), issue(17123), issue(12104)],
    versions: &[
        fixed("2.1.117", "/login works in a session whose CLAUDE_CODE_OAUTH_TOKEN has expired"),
        fixed("2.1.118", "after /login the token from CLAUDE_CODE_OAUTH_TOKEN is no longer used"),
    ],
    decides: "A token POST answered 200, and afterwards a refused token that is not the one issued, from a process that is \
              not the one that logged in, or from one that ignores it.",
    confused_with: &[Code::FreshTokenRejected, Code::EnvCredentialShadowsLogin, Code::AccessTokenExpiredNotRefreshed],
    wordings: &[
        says(46, &["token has expired"], "seen in processes that were started before the last login"),
        says(48, &["re-authenticate to continue"], "seen in processes that were started before the last login"),
        says(36, &["invalid authentication credentials"], "seen in processes that were started before the last login"),
    ],
};

pub(super) static NO_AUTHENTICATED_REQUEST: Entry = Entry {
    code: Code::NoAuthenticatedRequest,
    family: Family::Login,
    title: "The client reports a failure without having sent a credential",
    meaning: "Claude Code found no credential that it could send, and said so without asking the API. The server refused \
              nothing. What is missing is on this machine: an empty store, a locked keychain, an empty variable.",
    wire: &[
        "POST platform.claude.com/v1/oauth/token   200   perhaps",
        "GET  api.anthropic.com/…                  without a credential, or nothing",
        "(never POST /v1/messages)",
    ],
    causes: &[
        "Nobody has logged in here, or the store was wiped by an earlier failure.",
        "The keychain is locked (SSH, launchd, CI), or the home folder cannot be read or written.",
        "A secret of the CI is empty, or holds a character that no header may have (a line break).",
    ],
    remedy: &[
        "Log in on this machine and as this user: claude auth login",
        "macOS over SSH: `security unlock-keychain`, then log in again.",
        "CI: check that the secret reaches the step and is not empty, and enter it again without line breaks.",
        "Check the rights of `~/.claude` (yours, writable).",
    ],
    attach: &[
        "what `claude auth status` and `claude doctor` print",
        "where the login is kept, and its mode bits",
        "whether an entry exists; never what is in it",
    ],
    evidence: &[
        issue(79407),
        issue(29816),
        issue(37402),
        issue(72006),
        issue(10158),
        thread("anthropics/claude-code-action", 1316),
    ],
    versions: &[fixed("2.1.94", "a locked keychain on macOS is named at login instead of ending in \"Not logged in\"")],
    decides: "The client failed, and no request with a credential went to the API. claude auth status is no proof either way: \
              it says loggedIn for tokens that are long dead.",
    confused_with: &[
        Code::LoginCallbackNeverArrives,
        Code::BearerMalformed,
        Code::NothingSeen,
        Code::RefreshNetworkFailure,
    ],
    wordings: &[
        says(88, &["not logged in"], "the client found no credential that it could send"),
        says(88, &["missing api key"], "the client found no credential that it could send"),
        says(88, &["could not resolve authentication method"], "the client found no credential that it could send"),
        says(80, &["x-api-key header is required"], "the request carried no credential"),
        says(80, &["has invalid value", "header"], "a credential with a forbidden character cannot be sent"),
        says(62, &["external auth token", "line break"], "a credential with a line break is not sent"),
        says(58, &["headers.append"], "a credential with a forbidden character cannot be sent"),
        says(
            50,
            &["is_error", "true", "num_turns"],
            "a run without a person ended at once, perhaps with an empty secret",
        ),
        says(24, &["please run /login"], "the client may have had nothing to send"),
    ],
};
