//! API keys, and which credential is sent.

use super::{Code, Entry, Family, fixed, issue, says, thread};

pub(super) static API_KEY_INVALID: Entry = Entry {
    code: Code::ApiKeyInvalid,
    family: Family::Key,
    title: "The API key is refused",
    meaning: "The request carried an API key, and the API does not know it. A login would not have helped: as long as a key is \
              set, the login is not used. Claude Code tries for about three minutes before it says so.",
    wire: &[
        "POST api.anthropic.com/v1/messages     x-api-key: key-A",
        "  401 authentication_error  invalid x-api-key",
        "(the same up to 11 times, for about three minutes)",
    ],
    causes: &[
        "The key is mistyped, deleted or expired.",
        "A placeholder from an example, or from an `apiKeyHelper` that is not finished.",
        "A second configuration (`.env`, editor, MCP server) has another key.",
    ],
    remedy: &[
        "Make a new key in the Console, or unset ANTHROPIC_API_KEY to use your login.",
        "Find where the key comes from: `/status` in Claude Code, `env | grep ANTHROPIC`, `settings.json`, `.env`.",
        "Run the `apiKeyHelper` by hand and look at what it prints (not where others can see it).",
    ],
    attach: &["request id", "the key's name in the Console; never the key", "organisation id"],
    evidence: &[
        issue(9694),
        issue(6893),
        thread("continuedev/continue", 9399),
        thread("eyaltoledano/claude-task-master", 222),
    ],
    versions: &[],
    decides: "x-api-key with a value that looks like an API key, and 401 invalid x-api-key. Quotes or spaces in it: \
              bearer-malformed; an OAuth token in it: credential-in-wrong-header.",
    confused_with: &[
        Code::CredentialInWrongHeader,
        Code::EnvCredentialShadowsLogin,
        Code::BearerMalformed,
        Code::ApikeyhelperStale,
    ],
    wordings: &[
        says(88, &["invalid x-api-key"], "the server does not know the API key"),
        says(86, &["invalid api key"], "the client was told that the API key is not known"),
        says(84, &["fix external api key"], "the client was told that the key from outside is not known"),
        says(54, &["is_error", "true", "401"], "a run without a person: its key may be refused"),
        says(44, &["invalid authentication credentials"], "the general refusal, also of an API key"),
    ],
};

pub(super) static CREDENTIAL_IN_WRONG_HEADER: Entry = Entry {
    code: Code::CredentialInWrongHeader,
    family: Family::Key,
    title: "The credential stands in the header of another kind",
    meaning: "An OAuth token was sent as an API key, or an API key as a bearer token. Each is good in its own place and refused \
              in the other. It was put into the wrong variable.",
    wire: &[
        "POST api.anthropic.com/v1/messages     x-api-key: oat-A",
        "  401  invalid x-api-key   (also seen: 400  Error)",
        "or",
        "POST api.anthropic.com/v1/messages     Authorization: Bearer key-A",
        "  401  Invalid bearer token",
    ],
    causes: &[
        "A token from `claude setup-token` in `ANTHROPIC_API_KEY`.",
        "An API key in `ANTHROPIC_AUTH_TOKEN` or `CLAUDE_CODE_OAUTH_TOKEN`.",
    ],
    remedy: &[
        "Move the value: sk-ant-oat… belongs in CLAUDE_CODE_OAUTH_TOKEN, sk-ant-api… in ANTHROPIC_API_KEY.",
        "Unset the variable that it was in, so that only one is set.",
    ],
    attach: &["prefix of the value and the header it was in", "names of the variables that are set"],
    evidence: &[
        thread("alpha-omega-security/scrutineer", 121),
        thread("alibaba/open-code-review", 71),
        thread("alibaba/open-code-review", 120),
        thread("anomalyco/opencode", 17910),
        thread("zylos-ai/zylos-core", 344),
    ],
    versions: &[],
    decides: "Kind and header of the credential in the trace. One report contradicts: a bearer API key was accepted on \
              /v1/models.",
    confused_with: &[Code::ApiKeyInvalid, Code::BearerMalformed, Code::OauthBetaHeaderMissing],
    wordings: &[
        says(70, &["invalid x-api-key"], "also said of an OAuth token that was sent as an API key"),
        says(70, &["invalid api key"], "also said of an OAuth token that was sent as an API key"),
        says(64, &["fix external api key"], "also said of an OAuth token that was sent as an API key"),
        says(
            62,
            &["\"message\":\"error\"", "400"],
            "the bare message Error was seen for an OAuth token sent as an API key",
        ),
        says(52, &["invalid bearer token"], "also said of an API key that was sent as a bearer token"),
        says(50, &["fix external auth token"], "also said of an API key that was sent as a bearer token"),
        says(48, &["access token is invalid"], "also said of an API key that was sent as a bearer token"),
    ],
};

pub(super) static ENV_CREDENTIAL_SHADOWS_LOGIN: Entry = Entry {
    code: Code::EnvCredentialShadowsLogin,
    family: Family::Key,
    title: "A credential of the environment is used instead of the login",
    meaning: "There is a login, but a key or token from the environment or from settings takes precedence, and that one is \
              refused. Logging in again changes nothing while it is set. Claude Code does not fall back by itself.",
    wire: &[
        "GET  api.anthropic.com/api/oauth/profile   Bearer oat-A      200",
        "POST api.anthropic.com/v1/messages         x-api-key: key-A  401 or 400",
    ],
    causes: &[
        "`ANTHROPIC_API_KEY` or `ANTHROPIC_AUTH_TOKEN` in a shell profile, `.env`, Windows user variables or an editor.",
        "`apiKeyHelper` or `env` in a `settings.json`, also a managed one.",
    ],
    remedy: &[
        "Unset ANTHROPIC_API_KEY and ANTHROPIC_AUTH_TOKEN and start Claude Code anew; /status then shows the login.",
        "Find where it comes from: `env | grep -o '^ANTHROPIC[A-Z_]*'`, shell profiles, `settings.json`.",
        "Start editors from a shell without it; they inherit the environment.",
    ],
    attach: &[
        "what `/status` prints",
        "names (never values) of the ANTHROPIC variables that are set",
        "organisation id of both kinds of call",
    ],
    evidence: &[
        issue(34826),
        issue(8327),
        issue(44559),
        issue(66392),
        thread("andrepimenta/claude-code-chat", 68),
        thread("cline/cline", 4690),
    ],
    versions: &[fixed("2.1.118", "after /login the token from CLAUDE_CODE_OAUTH_TOKEN is no longer used")],
    decides: "One process makes OAuth calls with the login's token, and sends another credential with messages, which is \
              refused. Without the first kind of call, the code of the message applies.",
    confused_with: &[
        Code::ApiKeyInvalid,
        Code::OrganizationDisabled,
        Code::CreditBalanceTooLow,
        Code::NewLoginNotUsed,
        Code::SubscriptionUnused,
    ],
    wordings: &[
        says(78, &["anthropic_api_key belongs to a disabled organization"], "a key of the environment was used"),
        says(58, &["invalid api key"], "a key is used, perhaps without being wanted"),
        says(60, &["fix external api key"], "a key from outside is used, perhaps without being wanted"),
        says(56, &["credit balance is too low"], "a key is billed, perhaps without being wanted"),
        says(50, &["organization has been disabled"], "often the key of an old employer that is still set"),
        says(52, &["fix external auth token"], "a token from outside is used, perhaps without being wanted"),
        says(46, &["invalid x-api-key"], "a key is used, perhaps without being wanted"),
        says(46, &["invalid bearer token"], "a token of the environment may have been used instead of the login"),
        says(62, &["auth conflict"], "the client itself warns of two credentials"),
    ],
};

pub(super) static APIKEYHELPER_STALE: Entry = Entry {
    code: Code::ApikeyhelperStale,
    family: Family::Key,
    title: "A key from apiKeyHelper had expired",
    meaning: "The key that the helper script gave was kept longer than it is good for. The first request after a pause is \
              refused, the helper runs again, and its new key works. Or the script itself fails.",
    wire: &[
        "POST …/v1/messages     x-api-key: key-A and Bearer key-A   401",
        "(helper runs)",
        "POST …/v1/messages     x-api-key: key-B and Bearer key-B   200",
    ],
    causes: &[
        "The keys live shorter than the time for which Claude Code keeps them.",
        "The script fails, and the last key is used on.",
    ],
    remedy: &[
        "Set CLAUDE_CODE_API_KEY_HELPER_TTL_MS below the lifetime of the keys.",
        "Run the script by hand and look at its exit code; do not show its output to others.",
        "Update Claude Code: newer versions show the script's own error.",
    ],
    attach: &["exit code and duration of the script", "the TTL that is set", "the refusal of the gateway"],
    evidence: &[issue(43436)],
    versions: &[fixed("2.1.208", "a failing apiKeyHelper is named within three attempts, not hidden behind a 401")],
    decides: "A refused key and then a new one that works, without any call to the token endpoint.",
    confused_with: &[Code::ApiKeyInvalid, Code::GatewayKeyRejected, Code::TwoCredentialsSent],
    wordings: &[
        says(90, &["apikeyhelper"], "it names the helper"),
        says(86, &["api key helper"], "it names the helper"),
        says(44, &["invalid api key"], "also said when a helper's key is too old"),
        says(40, &["missing api key"], "also said when a helper gives no key"),
    ],
};
