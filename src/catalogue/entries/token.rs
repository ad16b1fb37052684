//! OAuth tokens that are refused.

use super::{Code, Entry, Evidence, Family, between, fixed, issue, says, thread};

pub(super) static TOKEN_REJECTED_BEFORE_EXPIRY: Entry = Entry {
    code: Code::TokenRejectedBeforeExpiry,
    family: Family::Token,
    title: "A token that worked is refused within its lifetime",
    meaning: "The API accepted this token before and now refuses it, although its lifetime is not over and nobody logged in \
              here in between. Somebody or something ended it on the server. If a refresh follows and works, all is well.",
    wire: &[
        "POST …/v1/oauth/token   200  oat-A  expires_in 28800",
        "POST …/v1/messages      Bearer oat-A   200",
        "POST …/v1/messages      Bearer oat-A   401   long before 8 hours are over",
    ],
    causes: &[
        "Another session or machine with the same login renewed it.",
        "Log-out elsewhere, or a change of password.",
        "An incident that made many tokens invalid at once.",
    ],
    remedy: &[
        "Log in again: claude auth login",
        "If https://status.claude.com shows an incident, or many people report it, wait first.",
        "If it comes back every few hours, give each machine a login of its own.",
    ],
    attach: &[
        "request id of the last 200 and of the first 401 with this token",
        "UTC times of both",
        "other machines on this login",
    ],
    evidence: &[issue(48079), issue(44930), issue(3261), issue(3258), issue(3252)],
    versions: &[fixed("2.1.118", "a token that the server ends early is renewed")],
    decides: "The issue of the token was seen and its expires_in is not over; or the same token is accepted again later. \
              Without either, an hour or more after the last 200, access-token-expired-not-refreshed is likelier.",
    confused_with: &[
        Code::AccessTokenExpiredNotRefreshed,
        Code::RefreshRace,
        Code::TokenRevoked,
        Code::UpstreamOutageMixed401,
    ],
    wordings: &[
        says(62, &["invalid authentication credentials"], "the general refusal, also of a token that worked before"),
        says(54, &["not found or is malformed"], "seen on days when many tokens became invalid at once"),
        says(30, &["please run /login", "401"], "a token that worked may have been ended on the server"),
    ],
};

pub(super) static TOKEN_REVOKED: Entry = Entry {
    code: Code::TokenRevoked,
    family: Family::Token,
    title: "The server says that the token was revoked",
    meaning: "This token was ended on purpose, by a person or by the service, and says so. Renewing it does not help; a new \
              login does, unless the service ends that one as well.",
    wire: &[
        "POST api.anthropic.com/v1/messages     Bearer oat-A",
        "  403 permission_error      OAuth token has been revoked. …  (to early 2026)",
        "  401 authentication_error  OAuth access token has been revoked.   (later)",
    ],
    causes: &[
        "Log-out everywhere, or the app was removed in the account's settings.",
        "A refresh token was used twice, which is said to end the whole login.",
        "The account or organisation changed.",
    ],
    remedy: &[
        "Log in again: claude auth login",
        "If the new token is revoked at once, contact support: no local fix is known for that.",
        "If several machines share a copied login, give each its own.",
    ],
    attach: &[
        "request id, or that there was none",
        "UTC times of login and refusal",
        "whether anybody logged out everywhere",
    ],
    evidence: &[
        issue(9635),
        issue(29497),
        issue(13350),
        issue(5210),
        issue(81937),
        thread("vybestack/llxprt-code", 1123),
    ],
    versions: &[],
    decides: "The message of the answer; it outranks everything that is inferred. The request id may be null.",
    confused_with: &[Code::RefreshRace, Code::FreshTokenRejected, Code::OauthNotAllowedForOrg],
    wordings: &[
        says(96, &["token has been revoked"], "the server says that the token was revoked"),
        says(94, &["oauth token revoked"], "the client was told that the token was revoked"),
        says(70, &["revoked"], "it speaks of something revoked"),
        says(74, &["your account does not have access to claude"], "older versions say this for a revoked token"),
        says(34, &["session expired", "could not be refreshed"], "seen after a token had been revoked"),
    ],
};

pub(super) static STATIC_TOKEN_REJECTED: Entry = Entry {
    code: Code::StaticTokenRejected,
    family: Family::Token,
    title: "A fixed token is refused from the first request on",
    meaning: "The token comes from outside (a variable, a CI secret) and cannot be renewed. The API refuses it at once and \
              each time. Retrying cannot help; the token has to be replaced.",
    wire: &[
        "POST api.anthropic.com/v1/messages     Bearer oat-A   never issued here",
        "  401",
        "POST api.anthropic.com/v1/messages     Bearer oat-A",
        "  401",
        "(no POST …/v1/oauth/token at all)",
    ],
    causes: &[
        "The token was made on another account than the paying one.",
        "Its year is over, or it was revoked.",
        "It was cut or wrapped when it was stored (then bearer-malformed would be the better name).",
    ],
    remedy: &[
        "Make a new token with claude setup-token, logged in to the right account, and store it on one line.",
        "In CI, use an API key instead, if you have one.",
        "`claude auth status` cannot tell whether a token works: it reads local files and says loggedIn either way.",
    ],
    attach: &[
        "request id of a 401",
        "length and prefix of the token; never more of it",
        "plan of the account, and the image of the CI",
    ],
    evidence: &[
        issue(84903),
        issue(65320),
        thread("anthropics/claude-code-action", 1613),
        thread("anthropics/claude-code-action", 1614),
        thread("Morrison-Lab/rpt", 180),
    ],
    versions: &[fixed("2.1.225", "a long-lived token is not replaced by a short-lived one after a single 401")],
    decides: "One bearer token that was never issued in the trace, refused by the first answer, no token POST, and nothing \
              odd about its shape.",
    confused_with: &[Code::BearerMalformed, Code::AccessTokenExpiredNotRefreshed, Code::EnvCredentialShadowsLogin],
    wordings: &[
        says(66, &["invalid bearer token"], "usual for a fixed token that is not accepted"),
        says(66, &["access token is invalid"], "usual for a fixed token that is not accepted"),
        says(50, &["invalid authentication credentials"], "also said of a fixed token"),
        says(70, &["is_error", "true", "401", "num_turns"], "a run without a person ended at its first request"),
        says(70, &["is_error", "true", "api_error_status", "401"], "a run without a person ended at a 401"),
        says(64, &["authentication_failed"], "the name that a run without a person gives to a 401"),
        says(54, &["invalid auth token"], "the client calls its fixed token invalid"),
    ],
};

pub(super) static BEARER_MALFORMED: Entry = Entry {
    code: Code::BearerMalformed,
    family: Family::Token,
    title: "The credential is damaged",
    meaning: "What stands in the header is no complete credential: empty, cut, with a space, a quote or a line break in it, \
              or something else altogether. It was damaged before Claude Code got it. The account is fine.",
    wire: &[
        "POST api.anthropic.com/v1/messages     Authorization: Bearer",
        "                                 or    Authorization: Bearer oat-A, 79 long",
        "                                 or    x-api-key: \"key-A\"   with quotes",
        "  401  Invalid bearer token  (or: invalid x-api-key)",
    ],
    causes: &[
        "The terminal wrapped the output of `claude setup-token`, and only one line was copied.",
        "The code of the login (with a `#`) was stored instead of a token.",
        "Quotes or a line break became part of the value in a secret store or `.env` file.",
    ],
    remedy: &[
        "Copy the credential again from a wide terminal, as one line, without quotes.",
        "Check its length, not its value: `printf %s \"$CLAUDE_CODE_OAUTH_TOKEN\" | wc -c` (a token measured on the wire had 108).",
        "Take line breaks out when storing: `tr -d '\\n'`.",
    ],
    attach: &["length and prefix of the value", "where it is stored, and how it got there", "never the value"],
    evidence: &[issue(54738), issue(40860), issue(77048), issue(65320), thread("openclaw/openclaw", 23538)],
    versions: &[],
    decides: "The shape of the credential in the trace: empty, quoted, with a space or `#`, doubled `Bearer`, not ASCII, or an \
              unusual length (about 80 was the sign of a cut token).",
    confused_with: &[Code::StaticTokenRejected, Code::CredentialInWrongHeader, Code::ApiKeyInvalid],
    wordings: &[
        says(94, &["line break"], "the client found a line break in the credential"),
        says(93, &["headers.append"], "the credential holds a character that no header may have"),
        says(78, &["has invalid value", "header"], "the credential holds a character that no header may have"),
        says(84, &["invalid character in header"], "the credential holds a character that no header may have"),
        says(84, &["err_invalid_char"], "the credential holds a character that no header may have"),
        says(74, &["fix external auth token"], "the client calls the token from outside invalid"),
        says(64, &["invalid bearer token"], "usual for a token that was cut or wrapped"),
        says(62, &["access token is invalid"], "usual for a token that was cut or wrapped"),
        says(60, &["not found or is malformed"], "the server does not take it for a token"),
        says(56, &["is_error", "true", "401"], "a run without a person: its secret may be cut or wrapped"),
        says(48, &["invalid x-api-key"], "also said of a key with quotes or a piece missing"),
        says(48, &["invalid api key"], "also said of a key with quotes or a piece missing"),
    ],
};

pub(super) static OAUTH_BETA_HEADER_MISSING: Entry = Entry {
    code: Code::OauthBetaHeaderMissing,
    family: Family::Token,
    title: "An OAuth token is sent without its opt-in header",
    meaning: "The API takes OAuth tokens only together with the header anthropic-beta: oauth-2025-04-20. Without it even a \
              good token is refused. Somebody left the header out or took it away; the login is fine.",
    wire: &[
        "POST api.anthropic.com/v1/messages     Bearer oat-A",
        "     anthropic-beta: …                 without oauth-2025-04-20",
        "  401 authentication_error  OAuth authentication is currently not supported.",
    ],
    causes: &[
        "`CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS=1` with 2.1.121 or 2.1.122.",
        "The token stands in `ANTHROPIC_AUTH_TOKEN`: Claude Code adds the header only for `CLAUDE_CODE_OAUTH_TOKEN` and for a \
         login.",
        "A proxy or gateway drops the header, or another tool never sends it.",
    ],
    remedy: &[
        "Unset CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS, and update Claude Code.",
        "Put an OAuth token into `CLAUDE_CODE_OAUTH_TOKEN`, not into `ANTHROPIC_AUTH_TOKEN`.",
        "Let the gateway pass `anthropic-beta` on.",
    ],
    attach: &["the `anthropic-beta` header as sent", "version of Claude Code", "gateway or proxy on the way"],
    evidence: &[
        issue(54235),
        issue(6131),
        issue(5983),
        issue(13741),
        thread("chatml/chatml", 780),
        thread("anthropics/anthropic-sdk-python", 988),
    ],
    versions: &[
        between("1.0.83", "1.0.88", "the header is sent in all sessions again"),
        between(
            "2.1.121",
            "2.1.123",
            "CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS no longer takes the header of the login away",
        ),
    ],
    decides: "The message, and `anthropic-beta` of the refused request. If the header is there as sent, something behind \
              authtrace drops it, or the server errs. An OAuth token in x-api-key is credential-in-wrong-header.",
    confused_with: &[Code::OauthNotAllowedForOrg, Code::CredentialInWrongHeader, Code::ProxyRewritesAuth],
    wordings: &[
        says(
            96,
            &["oauth authentication is currently not supported"],
            "the server saw an OAuth token without its opt-in header",
        ),
        says(80, &["oauth", "not supported"], "the server does not take the OAuth token"),
    ],
};

pub(super) static SCOPE_INSUFFICIENT: Entry = Entry {
    code: Code::ScopeInsufficient,
    family: Family::Token,
    title: "The token lacks a scope",
    meaning: "The token is good but may not do this. If only usage or profile are refused, that is cosmetic: messages work. \
              If messages are refused, the login did not ask for the right to send them.",
    wire: &[
        "GET  api.anthropic.com/api/oauth/usage     Bearer oat-A",
        "  403 permission_error  OAuth token does not meet scope requirement",
        "                        user:profile",
        "POST api.anthropic.com/v1/messages         Bearer oat-A",
        "  200",
    ],
    causes: &[
        "A token from `claude setup-token` has the scope `user:inference` only, by design.",
        "The login asked for too little, or is older than the scope.",
    ],
    remedy: &[
        "If messages work, ignore it; otherwise log in again: claude auth login",
        "For `/usage` and the plan's name, use a full login instead of a token from `claude setup-token`.",
    ],
    attach: &["the path that was refused, and its request id", "the scopes that were given with the token"],
    evidence: &[issue(22450), issue(12020), issue(24654), issue(13334), thread("apache/maka", 2949)],
    versions: &[
        fixed("2.1.69", "a 403 on profile calls is no longer logged as an error"),
        fixed("2.1.129", "managed settings also apply to a login without user:inference"),
    ],
    decides: "The message names the scope; the path says whether it matters; the scopes given with the token stand in the \
              answer of the token endpoint.",
    confused_with: &[Code::SessionStaleElevation, Code::OauthNotAllowedForOrg, Code::TelemetryNoise],
    wordings: &[
        says(96, &["scope requirement"], "the server names a scope that the token lacks"),
        says(80, &["insufficient_scope"], "the server says that a scope is missing"),
        says(66, &["user:profile"], "it names a scope"),
        says(62, &["user:inference"], "it names a scope"),
        says(74, &["org:create_api_key"], "it names a scope that a Console login needs"),
    ],
};

pub(super) static SESSION_STALE_ELEVATION: Entry = Entry {
    code: Code::SessionStaleElevation,
    family: Family::Token,
    title: "The web session is too old for what is asked",
    meaning: "The desktop app wants more rights than its session in the browser may still give. The service asks for a fresh \
              sign-in first. It concerns the app; the terminal's login may go on working.",
    wire: &[
        "POST …/authorize                          cookie sid-A",
        "  403 permission_error  Session is not fresh enough to grant elevated",
        "                        access. …   error_code session_stale_relogin",
    ],
    causes: &["A refresh failed, and the app falls back to asking for consent again, with more scopes than before."],
    remedy: &[
        "Sign out of the desktop app and sign in again; it may come back after a day or two.",
        "If it does, use `claude` in a terminal meanwhile: `claude auth login`.",
    ],
    attach: &["request id", "version of the app", "plugins that are switched on"],
    evidence: &[issue(93366), issue(84033), issue(89812), issue(93014)],
    versions: &[],
    decides: "The message or the code session_stale_relogin, on an authorize call; often a refused refresh stands before it.",
    confused_with: &[Code::RefreshTokenInvalid, Code::ScopeInsufficient],
    wordings: &[
        says(98, &["session_stale_relogin"], "the server's own name for it"),
        says(97, &["not fresh enough"], "the server says that the session is too old"),
        says(60, &["elevated access"], "the server speaks of rights that need a fresh sign-in"),
    ],
};

/// The official list of errors of the API.
pub(super) const API_ERRORS: Evidence =
    Evidence::Page("API errors, official documentation", "https://platform.claude.com/docs/en/api/errors");
