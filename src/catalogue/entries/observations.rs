//! Worth knowing beside a verdict.

use super::{Code, Entry, Family, issue, says};

pub(super) static TWO_CREDENTIALS_SENT: Entry = Entry {
    code: Code::TwoCredentialsSent,
    family: Family::Observation,
    title: "Two different credentials on one request",
    meaning: "The request carries `authorization` and `x-api-key` with different values. Which of them counts is the server's \
              decision. Usually one of them is set without being wanted.",
    wire: &[
        "POST api.anthropic.com/v1/messages     Bearer oat-A",
        "                                       x-api-key: key-B",
    ],
    causes: &[
        "`ANTHROPIC_API_KEY` and `ANTHROPIC_AUTH_TOKEN` are both set.",
        "`ANTHROPIC_API_KEY` is set beside an `apiKeyHelper`.",
    ],
    remedy: &["Unset the one you do not want: ANTHROPIC_API_KEY or ANTHROPIC_AUTH_TOKEN."],
    attach: &["names of the variables that are set", "whether an apiKeyHelper is set"],
    evidence: &[],
    versions: &[],
    decides: "Both headers with different fingerprints. With the same value in both it is a key from apiKeyHelper, as planned.",
    confused_with: &[Code::EnvCredentialShadowsLogin, Code::ApikeyhelperStale],
    wordings: &[says(70, &["both", "anthropic_auth_token", "anthropic_api_key"], "two credentials are set")],
};

pub(super) static SUBSCRIPTION_UNUSED: Entry = Entry {
    code: Code::SubscriptionUnused,
    family: Family::Observation,
    title: "An API key is used while a subscription login is there",
    meaning: "There is a login with a plan, but messages are sent with an API key and billed to it. Claude Code says nothing \
              about it. It is no failure, but may cost money.",
    wire: &[
        "GET  api.anthropic.com/api/oauth/profile   Bearer oat-A",
        "POST api.anthropic.com/v1/messages         x-api-key: key-A   200",
    ],
    causes: &["`ANTHROPIC_API_KEY` or an `apiKeyHelper` is set."],
    remedy: &["Unset ANTHROPIC_API_KEY to use the plan; /status shows what is in use."],
    attach: &["what `/status` prints"],
    evidence: &[issue(66392)],
    versions: &[],
    decides: "OAuth calls with a login's token, and accepted messages with a key.",
    confused_with: &[Code::EnvCredentialShadowsLogin, Code::CreditBalanceTooLow],
    wordings: &[],
};

pub(super) static BEARER_WITHOUT_OAUTH_BETA: Entry = Entry {
    code: Code::BearerWithoutOauthBeta,
    family: Family::Observation,
    title: "An OAuth token was sent without its opt-in header, and accepted",
    meaning: "The header anthropic-beta lacks oauth-2025-04-20, and the request worked nevertheless. On messages the API is \
              known to refuse that, so it may stop working. For the profile call it is normal.",
    wire: &["GET  api.anthropic.com/api/oauth/profile   Bearer oat-A   200", "     (no anthropic-beta)"],
    causes: &[
        "A token in `ANTHROPIC_AUTH_TOKEN`, for which Claude Code does not add the header.",
        "A gateway that adds it later.",
    ],
    remedy: &["Put an OAuth token into CLAUDE_CODE_OAUTH_TOKEN instead of ANTHROPIC_AUTH_TOKEN."],
    attach: &["the `anthropic-beta` header as sent"],
    evidence: &[],
    versions: &[],
    decides: "An OAuth token, no opt-in header, and an answer below 400.",
    confused_with: &[Code::OauthBetaHeaderMissing],
    wordings: &[],
};

pub(super) static REFUSED_CREDENTIAL_REPEATED: Entry = Entry {
    code: Code::RefusedCredentialRepeated,
    family: Family::Observation,
    title: "A refused credential is sent again and again",
    meaning: "The client repeats the same request with the same credential after a 401. That cannot succeed, takes minutes, and \
              hides the error behind Retrying. Claude Code does it for API keys and for tokens that it cannot renew.",
    wire: &[
        "POST …/v1/messages   key-A   401      0 s",
        "POST …/v1/messages   key-A   401    0.6 s",
        "POST …/v1/messages   key-A   401    1.7 s   … 11 attempts in about 180 s",
    ],
    causes: &["The client's own loop of retries, which also covers a 401."],
    remedy: &["Stop it and put the credential right; CLAUDE_CODE_MAX_RETRIES=2 makes it say so sooner."],
    attach: &["number of attempts and the time they took", "version of Claude Code"],
    evidence: &[issue(54235), issue(95262)],
    versions: &[],
    decides: "Three or more refusals of one fingerprint in a row on one path.",
    confused_with: &[Code::AccessTokenExpiredNotRefreshed, Code::ApiKeyInvalid],
    wordings: &[
        says(64, &["api_retry", "401"], "the client repeats a request that was refused"),
        says(62, &["attempt", "401", "retry"], "the client repeats a request that was refused"),
        says(50, &["retrying", "401"], "the client repeats a request that was refused"),
    ],
};

pub(super) static RETRY_AFTER_IGNORED: Entry = Entry {
    code: Code::RetryAfterIgnored,
    family: Family::Observation,
    title: "The client came back sooner than the server asked",
    meaning: "The answer named a time to wait, and the next request came before that. It can prolong a limit. Claude Code \
              keeps to it on messages, but not on the token endpoint.",
    wire: &["POST …/v1/oauth/token   429   retry-after: 60", "POST …/v1/oauth/token          2 s later"],
    causes: &[
        "The refresh has a rhythm of its own, without a look at the header.",
        "Several processes that know nothing of each other.",
    ],
    remedy: &["Stop the client for the time that the server named, then start it once."],
    attach: &["the value of `retry-after`, and the time between the two requests"],
    evidence: &[],
    versions: &[],
    decides: "retry-after on an answer, and the next request of this kind to this host before its end.",
    confused_with: &[Code::TokenEndpointRateLimited, Code::RateLimited],
    wordings: &[],
};

pub(super) static REFRESH_FAILURE_HIDDEN: Entry = Entry {
    code: Code::RefreshFailureHidden,
    family: Family::Observation,
    title: "A refresh failed, and the client shows another error",
    meaning: "The token endpoint answered with an error, and what the user sees is the 401 of the message after it. The words \
              of the client are then about expiry, while the cause is what the token endpoint said.",
    wire: &[
        "POST …/v1/oauth/token   429, 500, reset …",
        "POST …/v1/messages      Bearer oat-A   401  OAuth token has expired. …",
    ],
    causes: &["Claude Code prints the last refusal of messages; the refusal of the refresh stays in its debug log."],
    remedy: &["Read the answer of the token endpoint in this report; it is the cause."],
    attach: &["UTC time and status of the refused refresh"],
    evidence: &[],
    versions: &[],
    decides: "A refresh without a 200, and after it a 401 with the old token.",
    confused_with: &[Code::AccessTokenExpiredNotRefreshed, Code::TokenEndpointOutage, Code::TokenEndpointRateLimited],
    wordings: &[],
};

pub(super) static HTTPS_ABSOLUTE_FORM: Entry = Entry {
    code: Code::HttpsAbsoluteForm,
    family: Family::Observation,
    title: "The client sent a credential to the proxy in the clear",
    meaning: "Instead of asking for a tunnel, the client gave the proxy a whole https request, with its credential, without \
              encryption. Every proxy on that way could read it. Claude Code does that when only ALL_PROXY is set.",
    wire: &["GET https://api.anthropic.com/api/…  HTTP/1.1     (no CONNECT, no TLS)", "    x-api-key: key-A"],
    causes: &["`ALL_PROXY` or `all_proxy` is set, and `HTTPS_PROXY` is not."],
    remedy: &["Set HTTPS_PROXY instead of ALL_PROXY; if that proxy is not yours, replace the credential."],
    attach: &["names of the proxy variables that are set"],
    evidence: &[],
    versions: &[],
    decides: "A request line with an https address, outside of a tunnel.",
    confused_with: &[Code::PartlyProxied],
    wordings: &[],
};

pub(super) static PARTLY_PROXIED: Entry = Entry {
    code: Code::PartlyProxied,
    family: Family::Observation,
    title: "Part of the client's traffic went past the proxy",
    meaning: "Some calls that always belong together are missing. The trace then shows half of the story, and a verdict may be \
              wrong.",
    wire: &["POST …/v1/oauth/token   200  oat-B", "(and no message, although the client answered)"],
    causes: &[
        "`NO_PROXY` covers a host of the API, or only `ALL_PROXY` is set.",
        "`settings.json` sets proxy variables of its own.",
        "An editor or a background process that was started before.",
    ],
    remedy: &["Take the API's hosts out of NO_PROXY, in the environment and in settings.json, and restart the client."],
    attach: &["names of the proxy variables and settings"],
    evidence: &[],
    versions: &[],
    decides: "Calls that the client makes in every run are missing, or a new credential appears that was never issued here.",
    confused_with: &[Code::NothingSeen, Code::NoAuthenticatedRequest],
    wordings: &[],
};

pub(super) static CLOCK_SKEW: Entry = Entry {
    code: Code::ClockSkew,
    family: Family::Observation,
    title: "The clocks of client and server differ",
    meaning: "The Date of the server's answers is more than a few minutes off this machine's clock. A client that goes by its \
              own clock then renews too early or too late. By itself it breaks nothing at once.",
    wire: &["  200   Date: Fri, 20 Nov 2026 21:53:10 GMT", "  (local clock: 09:40:02 UTC)"],
    causes: &["WSL2 or a virtual machine after sleep.", "No time service."],
    remedy: &["Set the clock right (WSL: wsl --shutdown; Linux: timedatectl set-ntp true)."],
    attach: &["local UTC time beside the `Date` header of the same answer"],
    evidence: &[],
    versions: &[],
    decides: "The difference between Date and the local clock, taken over all answers.",
    confused_with: &[Code::LocalExpiryMisjudged],
    wordings: &[says(60, &["clock skew"], "it speaks of clocks that differ")],
};
