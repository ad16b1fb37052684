//! No failure of authentication, though it may look like one.

use super::token::API_ERRORS;
use super::{Code, Entry, Family, fixed, issue, says};

pub(super) static HEALTHY: Entry = Entry {
    code: Code::Healthy,
    family: Family::Label,
    title: "Nothing is wrong",
    meaning: "What was refused was put right by the client itself, or nothing was refused. A 401, a refresh and a 200 within a \
              minute are how an expired token is meant to be renewed.",
    wire: &[
        "POST …/v1/messages      Bearer oat-A   401",
        "POST …/v1/oauth/token   ort-A          200  oat-B ort-B",
        "POST …/v1/messages      Bearer oat-B   200",
    ],
    causes: &["The access token had expired and was renewed, as planned."],
    remedy: &["Nothing to do."],
    attach: &[],
    evidence: &[issue(87271), issue(36482), issue(84864)],
    versions: &[],
    decides: "No refusal on a path that matters, or each of them followed by a refresh and a 200 within a minute. If the trace \
              ends after the login, no message was tried.",
    confused_with: &[Code::AccessTokenExpiredNotRefreshed, Code::TelemetryNoise],
    wordings: &[says(28, &["token has expired"], "if the client went on working: that is how a token is renewed")],
};

pub(super) static RATE_LIMITED: Entry = Entry {
    code: Code::RateLimited,
    family: Family::Label,
    title: "Too many requests; the login is not the cause",
    meaning: "The API asks to slow down. The credential was accepted. Claude Code waits and tries again by itself, up to about \
              three minutes.",
    wire: &["POST api.anthropic.com/v1/messages     429 rate_limit_error", "  retry-after: 12"],
    causes: &["Many requests at once on this account or key.", "A limit of the service for the moment."],
    remedy: &[
        "Wait and try again; run fewer sessions at once.",
        "See the limits of the key's organisation in the Console.",
    ],
    attach: &["request id", "the `anthropic-ratelimit-` headers"],
    evidence: &[API_ERRORS],
    versions: &[fixed("2.1.108", "limits of the server and limits of the plan are told apart in the message")],
    decides: "429 on /v1/messages without the sign that a plan's usage is used up.",
    confused_with: &[Code::UsageExhausted, Code::TokenEndpointRateLimited, Code::Overloaded],
    wordings: &[
        says(92, &["exceed your account's rate limit"], "the API asks to slow down"),
        says(92, &["temporarily limiting requests"], "the API asks to slow down"),
        says(86, &["request rejected (429)"], "the API asks to slow down"),
        says(76, &["too many requests"], "somebody asks to slow down"),
        says(70, &["rate_limit_error"], "the server asks to slow down"),
        says(60, &["rate limit"], "somebody asks to slow down"),
        says(58, &["rate exceeded"], "somebody asks to slow down"),
    ],
};

pub(super) static OVERLOADED: Entry = Entry {
    code: Code::Overloaded,
    family: Family::Label,
    title: "The API is at capacity",
    meaning: "The service has too much to do. The credential plays no part in it.",
    wire: &["POST api.anthropic.com/v1/messages     529 overloaded_error"],
    causes: &["Load on the service."],
    remedy: &["Wait and try again; check https://status.claude.com if it lasts."],
    attach: &["request id, which may be null", "UTC time"],
    evidence: &[API_ERRORS],
    versions: &[],
    decides: "529, or overloaded_error, also inside a stream after a 200.",
    confused_with: &[Code::ServerError, Code::RateLimited],
    wordings: &[
        says(94, &["overloaded_error"], "the server says that it has too much to do"),
        says(92, &["529", "overloaded"], "the server says that it has too much to do"),
        says(84, &["overloaded"], "the server says that it has too much to do"),
        says(80, &["at capacity"], "the server says that it has too much to do"),
    ],
};

pub(super) static SERVER_ERROR: Entry = Entry {
    code: Code::ServerError,
    family: Family::Label,
    title: "The server failed",
    meaning: "The service could not answer. The credential plays no part in it, even where the client mentions /login nearby.",
    wire: &["POST api.anthropic.com/v1/messages     500 api_error  (502, 503, 504)"],
    causes: &["An error or incident of the service.", "A gateway on the way that cannot reach it."],
    remedy: &["Wait and try again; check https://status.claude.com if it lasts."],
    attach: &["request id", "UTC time"],
    evidence: &[API_ERRORS],
    versions: &[],
    decides: "5xx alone. Together with 401 for the same token: upstream-outage-mixed-401; on the token endpoint: \
              token-endpoint-outage.",
    confused_with: &[Code::UpstreamOutageMixed401, Code::TokenEndpointOutage, Code::Overloaded],
    wordings: &[
        says(90, &["internal server error"], "the server says that it failed"),
        says(88, &["bad gateway"], "the server behind the edge did not answer"),
        says(88, &["service unavailable"], "the server says that it is not there just now"),
        says(86, &["gateway timeout"], "the server behind the edge did not answer in time"),
        says(84, &["server-side issue"], "the client takes it for a failure of the server"),
        says(80, &["api_error", "500"], "the server says that it failed"),
        says(66, &["timeout_error"], "the server did not finish in time"),
        says(56, &["upstream connect error"], "the edge could not reach the server"),
    ],
};

pub(super) static USAGE_EXHAUSTED: Entry = Entry {
    code: Code::UsageExhausted,
    family: Family::Label,
    title: "The plan's usage is used up",
    meaning: "The plan has a limit per time, and it is reached. The login is fine. It goes on at the time that Claude Code \
              names.",
    wire: &[
        "POST api.anthropic.com/v1/messages     429",
        "  anthropic-ratelimit-unified-status: rejected",
        "  anthropic-ratelimit-unified-reset: …",
    ],
    causes: &["The limit of five hours or of the week is reached.", "Long context needs extra usage."],
    remedy: &["Wait until the time that Claude Code names, or switch extra usage on.", "Look at `/usage`."],
    attach: &["the `anthropic-ratelimit-unified-` headers"],
    evidence: &[API_ERRORS],
    versions: &[],
    decides: "429 with anthropic-ratelimit-unified-status: rejected, or the message about extra usage.",
    confused_with: &[Code::RateLimited, Code::CreditBalanceTooLow],
    wordings: &[
        says(94, &["you've hit your", "limit"], "the limit of the plan is reached"),
        says(92, &["extra usage is required"], "the plan needs extra usage for this"),
        says(88, &["usage limit reached"], "the limit of the plan is reached"),
        says(84, &["5-hour limit"], "the limit of the plan is reached"),
        says(84, &["weekly limit"], "the limit of the plan is reached"),
        says(80, &["session limit"], "the limit of the plan is reached"),
        says(60, &["limit", "resets"], "a limit that ends at a time"),
    ],
};

pub(super) static TELEMETRY_NOISE: Entry = Entry {
    code: Code::TelemetryNoise,
    family: Family::Label,
    title: "Only telemetry was refused",
    meaning: "Events about the use of the client were refused. Nothing that you asked for depends on them. Some of these calls \
              carry no credential by design.",
    wire: &["POST api.anthropic.com/api/event_logging/v2/batch     401"],
    causes: &["Telemetry without a credential, or with one that may not send it."],
    remedy: &["Ignore it, or switch it off: DISABLE_TELEMETRY=1."],
    attach: &[],
    evidence: &[issue(14407)],
    versions: &[],
    decides: "401 or 403 on event logging alone. It is set aside before anything else is judged.",
    confused_with: &[Code::Healthy, Code::ScopeInsufficient],
    wordings: &[
        says(92, &["event logging", "failed to export"], "telemetry could not be sent"),
        says(88, &["event_logging"], "the path of telemetry"),
        says(70, &["events failed to export"], "telemetry could not be sent"),
        says(60, &["telemetry"], "it speaks of telemetry"),
    ],
};

pub(super) static NOTHING_SEEN: Entry = Entry {
    code: Code::NothingSeen,
    family: Family::Label,
    title: "Nothing was seen that could be judged",
    meaning: "The trace has no exchange with an API. Either nothing was asked, or the client went past authtrace.",
    wire: &["(no exchange)"],
    causes: &[
        "The client was closed before it asked for anything.",
        "Settings of Claude Code set `HTTPS_PROXY` or `NO_PROXY` and win over the environment.",
        "The client failed before it reached the network.",
    ],
    remedy: &[
        "Send one message while it runs under authtrace; if it stays empty, look for HTTPS_PROXY and NO_PROXY in settings.json.",
    ],
    attach: &["the summary of authtrace", "names of the proxy variables and settings"],
    evidence: &[],
    versions: &[],
    decides: "No exchange at all. If the client is known to have failed, it is no-authenticated-request.",
    confused_with: &[Code::NoAuthenticatedRequest, Code::PartlyProxied, Code::TlsInterceptionUntrusted],
    wordings: &[says(80, &["made no connection through authtrace"], "authtrace's own words")],
};
