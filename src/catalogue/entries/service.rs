//! Between client and API, on the side of the service.

use super::token::API_ERRORS;
use super::{Code, Entry, Family, fixed, issue, says, thread};

pub(super) static REQUEST_FORBIDDEN_EDGE: Entry = Entry {
    code: Code::RequestForbiddenEdge,
    family: Family::Service,
    title: "Refused at the edge, before the API",
    meaning: "The request was turned away before anybody looked at the credential. The usual reason is where it comes from: a \
              country without service, or an address with a bad name. Another login does not help.",
    wire: &[
        "POST api.anthropic.com/v1/messages   (or the token endpoint)",
        "  403  {\"error\":{\"type\":\"forbidden\",\"message\":\"Request not allowed\"}}",
        "  (no outer \"type\":\"error\", no request-id)",
    ],
    causes: &[
        "The terminal goes out directly, past the VPN or proxy that the browser uses.",
        "A region without service, or an address that is flagged.",
        "Console accounts: the role for Claude Code is missing (reported).",
    ],
    remedy: &[
        "See where the terminal comes from: curl -s https://ipinfo.io/country, then set HTTPS_PROXY or change the exit.",
        "Console users: ask the admin for the role Claude Code.",
    ],
    attach: &["country of the address", "`cf-ray` header and UTC time", "names of the proxy variables that are set"],
    evidence: &[issue(50411), issue(453), issue(1613), issue(8007), issue(36660), thread("decolua/9router", 1027)],
    versions: &[],
    decides: "403 with an error object of type forbidden, without the outer type and without a request id. A 403 on \
              telemetry or optional calls is never this.",
    confused_with: &[Code::EdgeChallengeHtml, Code::OauthNotAllowedForOrg, Code::CredentialRestrictedToClaudeCode],
    wordings: &[
        says(96, &["request not allowed"], "the edge turned the request away"),
        says(74, &["oauth error", "status code 403"], "the login was turned away with 403"),
        says(74, &["couldn't log in", "status code 403"], "the login was turned away with 403"),
        says(74, &["login failed", "status code 403"], "the login was turned away with 403"),
        says(50, &["forbidden"], "something on the way said forbidden"),
        says(72, &["unsupported region"], "the service is not offered there"),
        says(72, &["not available in your country"], "the service is not offered there"),
    ],
};

pub(super) static EDGE_CHALLENGE_HTML: Entry = Entry {
    code: Code::EdgeChallengeHtml,
    family: Family::Service,
    title: "A bot challenge came instead of an answer of the API",
    meaning: "The edge sent a page for a browser to solve. A command-line client cannot do that. The credential was not looked \
              at. A proxy that opens TLS changes how the client looks to the edge, and authtrace is one.",
    wire: &[
        "POST platform.claude.com/v1/oauth/token  (or messages, claude.ai)",
        "  403 text/html   server: cloudflare   cf-mitigated: challenge",
        "  <title>Just a moment...</title>",
    ],
    causes: &[
        "An address of a data centre or VPN.",
        "A TLS fingerprint that the edge does not know: also because of a proxy on the way.",
        "Stricter protection during an incident.",
    ],
    remedy: &[
        "Try once without authtrace and any other proxy; if it stays, use another network.",
        "Log in on another machine with `claude setup-token`, and set `CLAUDE_CODE_OAUTH_TOKEN` here.",
        "Use an API key on servers.",
    ],
    attach: &["`cf-ray` header and UTC time", "what kind of network it is", "whether it happens without authtrace"],
    evidence: &[issue(47754), issue(33269), issue(30666), issue(21678), issue(16979), thread("1jehuang/jcode", 80)],
    versions: &[fixed("2.1.80", "WebSockets failed because of bot detection by TLS fingerprint")],
    decides: "HTML with 403, or cf-mitigated: challenge. HTML with 5xx is an outage. Together with a 429 it is still the \
              challenge.",
    confused_with: &[Code::RequestForbiddenEdge, Code::TokenEndpointRateLimited, Code::ServerError],
    wordings: &[
        says(97, &["just a moment"], "the title of a bot challenge"),
        says(95, &["cf-mitigated"], "the mark of a bot challenge"),
        says(80, &["attention required", "cloudflare"], "a page of the edge"),
        says(78, &["sorry, you have been blocked"], "a page of the edge"),
        says(66, &["<!doctype html", "403"], "a page for a browser came instead of an answer"),
        says(60, &["cloudflare"], "it names the edge"),
        says(56, &["oauth error", "status code 403"], "the login may have been answered with a challenge"),
        says(50, &["<!doctype html"], "a page for a browser came instead of an answer"),
        says(50, &["unexpected token '<'"], "a page for a browser came instead of JSON"),
    ],
};

pub(super) static UPSTREAM_OUTAGE_MIXED_401: Entry = Entry {
    code: Code::UpstreamOutageMixed401,
    family: Family::Service,
    title: "401 among 5xx: an incident",
    meaning: "The same token gets errors of the server and 401 within minutes. The service cannot check it properly just now. \
              The 401 says nothing about the login, which should be kept.",
    wire: &[
        "POST api.anthropic.com/v1/messages     Bearer oat-A   503",
        "POST api.anthropic.com/v1/messages     Bearer oat-A   401",
        "POST api.anthropic.com/v1/messages     Bearer oat-A   529",
    ],
    causes: &["An incident of authentication or of the edge."],
    remedy: &[
        "Wait and check https://status.claude.com; log in again only if the 401 stays when the 5xx are gone.",
        "Do not log out and do not delete credentials meanwhile.",
    ],
    attach: &["UTC time of the first 5xx and of the first 401", "request ids", "the incident on the status page"],
    evidence: &[issue(61912), issue(84903), issue(44719), issue(12194), issue(18124)],
    versions: &[],
    decides: "One token gets 5xx and 401 on paths of the API within five minutes. Only the token endpoint failing is \
              token-endpoint-outage.",
    confused_with: &[Code::TokenEndpointOutage, Code::EndpointInconsistent401, Code::ServerError],
    wordings: &[
        says(72, &["401", "503"], "401 and 503 stand side by side"),
        says(70, &["401", "529"], "401 and 529 stand side by side"),
        says(68, &["401", "500"], "401 and 500 stand side by side"),
        says(68, &["401", "502"], "401 and 502 stand side by side"),
        says(38, &["invalid authentication credentials"], "seen during incidents"),
        says(42, &["not found or is malformed"], "seen during incidents"),
    ],
};

pub(super) static ENDPOINT_INCONSISTENT_401: Entry = Entry {
    code: Code::EndpointInconsistent401,
    family: Family::Service,
    title: "One token, accepted here and refused there",
    meaning: "The same token works on one endpoint and is refused on another, or is accepted and refused by turns. Usually it \
              concerns remote sessions while messages work. The servers disagree; a login does not help.",
    wire: &[
        "POST api.anthropic.com/v1/messages                     oat-A   200",
        "POST api.anthropic.com/v1/code/sessions/{id}/bridge    oat-A   401",
        "  Authentication failed",
    ],
    causes: &[
        "Servers of one service that do not know the same.",
        "A rule for that endpoint alone, or an endpoint that wants another token (of the environment or session).",
    ],
    remedy: &[
        "Start the session again, or wait; logging in again does not help.",
        "Use `claude remote-control` on its own, if the remote session of another command fails.",
    ],
    attach: &["status per endpoint, with UTC times and request ids", "version, and the session id (`cse_…`)"],
    evidence: &[issue(78469), issue(78606), issue(78453), issue(30091), issue(24106), issue(95413)],
    versions: &[],
    decides: "One fingerprint with 200 and 401 close together. If another token is used on the refused path, it is not this.",
    confused_with: &[Code::UpstreamOutageMixed401, Code::ScopeInsufficient, Code::ProxyRewritesAuth],
    wordings: &[
        says(66, &["authentication failed"], "the words of the endpoints for remote sessions"),
        says(80, &["authentication failed", "session"], "the words of the endpoints for remote sessions"),
        says(74, &["bridge", "401"], "the bridge of a remote session was refused"),
        says(66, &["remote control", "401"], "a remote session was refused"),
        says(46, &["not found or is malformed"], "seen on endpoints that are polled"),
    ],
};

pub(super) static AUTH_FAILURE_UNEXPLAINED: Entry = Entry {
    code: Code::AuthFailureUnexplained,
    family: Family::Service,
    title: "Refused for a reason of authentication that has no name here",
    meaning: "The server refused a credential, and nothing in the trace fits a known pattern. That is a finding, too: it says \
              which credential was refused, where and when. It may be a new kind of failure.",
    wire: &["POST api.anthropic.com/v1/messages     Bearer oat-A", "  401 or 403, with a message that is not known"],
    causes: &[
        "A new wording or rule of the service.",
        "The trace begins too late to show where the credential came from.",
    ],
    remedy: &[
        "Capture it again from the start with authtrace run -- claude, and open an issue with the report.",
        "Try a new login once: `claude auth login`; if that helps, say so in the issue.",
    ],
    attach: &["the report as Markdown", "request ids and UTC times", "what was done just before"],
    evidence: &[API_ERRORS],
    versions: &[],
    decides: "A refusal on a path that matters, and no other code fits.",
    confused_with: &[Code::TokenRejectedBeforeExpiry, Code::StaticTokenRejected],
    wordings: &[
        says(12, &["authentication_error"], "the server calls it a matter of authentication"),
        says(12, &["permission_error"], "the server calls it a matter of rights"),
        says(12, &["failed to authenticate"], "the client calls it a matter of authentication"),
    ],
};
