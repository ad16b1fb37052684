//! Which header names may be shown, and what their values must look like to be shown: data only.
//!
//! Sources: RFC 9110, RFC 9111, RFC 6265, RFC 6455, RFC 6750, Fetch; the headers that Claude Code and the Anthropic
//! SDKs send; the documented response headers of the Claude API; request-id headers of common gateways.

/// What the whole value of a header must be to stand verbatim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Grammar {
    /// Never verbatim.
    Opaque,
    /// A credential, with no scheme in front.
    Credential,
    /// Scheme and credential (RFC 9110 §11.6.2).
    Authorization,
    /// `name=value; name=value` (RFC 6265 §4.2).
    Cookie,
    /// One cookie with attributes (RFC 6265 §4.1).
    SetCookie,
    /// Digits.
    Integer,
    /// Digits, one optional point.
    Decimal,
    /// One of these words, in any case.
    Word(&'static [&'static str]),
    /// A comma-separated list of these words, each with an optional `;q=` weight or `=` and digits.
    Words(&'static [&'static str]),
    /// An HTTP date (RFC 9110 §5.6.7).
    HttpDate,
    /// A date and time (RFC 3339).
    Timestamp,
    /// An HTTP date or a number of seconds.
    RetryAfter,
    /// `req_…`, a UUID or 32 hex digits.
    RequestId,
    /// A UUID or 32 hex digits.
    SessionId,
    /// A comma-separated list of `name-2025-04-20` or `name-20250219`.
    Beta,
    /// `2023-06-01`.
    Date,
    /// Products and versions from a closed list (RFC 9110 §10.1.5).
    UserAgent,
    /// A type from a closed list with known parameters (RFC 9110 §8.3).
    MediaType,
    /// A comma-separated list of media ranges.
    Accept,
    /// Dotted digits, optionally with a leading `v` and a pre-release word.
    Version,
    /// Host and port.
    Host,
    /// A URL or a path.
    Location,
    /// Challenges (RFC 9110 §11.6.1).
    Challenge,
    /// Sixteen hex digits and an airport.
    CfRay,
    /// Protocol and a pseudonym from a closed list (RFC 9110 §7.6.3).
    Via,
    /// W3C Trace Context `traceparent`.
    TraceParent,
    /// A model's name.
    Model,
}

/// On which side a header may stand verbatim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Request,
    Response,
    Both,
}

/// Name in lower case, side, grammar of the value.
pub(super) type Rule = (&'static str, Side, Grammar);

use Grammar::{
    Accept, Authorization, Beta, CfRay, Challenge, Cookie, Date, Decimal, HttpDate, Integer, Location, MediaType,
    Opaque, RequestId, RetryAfter, SessionId, SetCookie, Timestamp, TraceParent, UserAgent, Version, Via, Word, Words,
};
use Side::{Both, Request, Response};

const SECRET: Grammar = Grammar::Credential;
const BOOLEAN: Grammar = Word(&["true", "false", "0", "1"]);
const CODINGS: Grammar =
    Words(&["gzip", "deflate", "br", "zstd", "identity", "compress", "x-gzip", "*", "chunked", "trailers", "aws-chunked"]);
const CONNECTION: Grammar = Words(&[
    "close", "keep-alive", "upgrade", "te", "http2-settings", "transfer-encoding", "proxy-connection", "websocket", "h2c",
    "timeout", "max",
]);
const CACHE: Grammar = Words(&[
    "no-cache", "no-store", "no-transform", "private", "public", "must-revalidate", "proxy-revalidate", "immutable",
    "max-age", "s-maxage", "stale-while-revalidate", "stale-if-error", "only-if-cached",
]);
const VARY: Grammar = Words(&["*", "accept-encoding", "accept", "origin", "cookie", "authorization", "user-agent", "accept-language"]);
const STATUS: Grammar = Word(&["allowed", "allowed_warning", "rejected", "queued", "not_applicable"]);
const CLAIM: Grammar = Word(&["five_hour", "seven_day", "seven_day_opus", "seven_day_sonnet", "overage", "unknown"]);

/// Servers and proxies by the names they give themselves; a version may follow.
pub(super) const SERVERS: &[&str] = &[
    "cloudflare", "nginx", "openresty", "envoy", "istio-envoy", "awselb", "amazons3", "cloudfront", "gws", "esf", "gfe",
    "uvicorn", "hypercorn", "gunicorn", "litellm", "kong", "caddy", "apache", "traefik", "haproxy", "squid", "mitmproxy",
    "google", "vercel", "microsoft-iis", "kestrel", "server", "granian", "bedrock", "varnish", "akamaighost", "zscaler",
    "github.com", "granian", "werkzeug", "python", "node", "express", "bun", "deno", "authtrace", "scaffolding", "on",
];

/// Programs that name themselves in `user-agent`.
pub(super) const PRODUCTS: &[&str] = &[
    "claude-cli", "claude-code", "claude-code-action", "claude-vscode", "claude-desktop", "anthropic", "anthropic-sdk",
    "axios", "node", "node-fetch", "undici", "bun", "deno", "git", "curl", "wget", "npm", "pnpm", "yarn", "python-httpx",
    "python-requests", "python-urllib3", "python-urllib", "python", "aiohttp", "go-http-client", "google-api-nodejs-client",
    "aws-sdk-js", "aws-sdk-go", "aws-sdk-rust", "aws-cli", "boto3", "botocore", "ruby", "java", "okhttp", "litellm",
    "openai", "modelcontextprotocol", "mcp", "claude-user", "authtrace", "gl-node", "gccl", "grpc", "gh", "uv", "pip", "cargo",
    "workspaces", "npm-cli", "got", "mozilla", "applewebkit", "chrome", "safari", "firefox", "gecko", "electron", "code",
    "anthropic/js", "anthropic/python", "ua", "os", "lang", "md", "api", "exec-env", "m", "cfg", "agent-sdk", "client-app",
    "claude-agent-sdk", "claude-agent-sdk-py", "claude-agent-sdk-ts", "ci", "linux", "macos", "windows", "darwin", "workload",
];

/// Words that may stand in a comment of `user-agent`.
pub(super) const COMMENTS: &[&str] = &[
    "external", "internal", "ant", "cli", "sdk-cli", "sdk-py", "sdk-ts", "sdk", "vscode", "claude-vscode", "jetbrains",
    "desktop", "claude-desktop", "remote", "local-agent", "mcp", "github-action", "claude-code-github-action", "bun", "node",
    "linux", "darwin", "win32", "windows", "macos", "x64", "arm64", "x86_64", "aarch64", "amd64", "khtml,", "like", "gecko",
    "nt", "win64", "x11", "macintosh", "intel", "mac", "os", "x", "compatible", "interactive", "headless", "agent-sdk",
];

/// Media types that stand verbatim.
pub(super) const MEDIA_TYPES: &[&str] = &[
    "application/json", "application/x-www-form-urlencoded", "text/event-stream", "text/html", "text/plain", "text/css",
    "application/octet-stream", "application/problem+json", "application/xml", "text/xml", "application/x-ndjson",
    "application/jsonl", "application/x-amz-json-1.0", "application/x-amz-json-1.1", "application/vnd.amazon.eventstream",
    "application/grpc", "application/grpc-web", "application/x-protobuf", "application/protobuf", "multipart/form-data",
    "application/javascript", "text/javascript", "image/png", "image/svg+xml", "application/pdf", "application/gzip",
    "application/vnd.npm.install-v1+json", "application/x-git-upload-pack-advertisement", "application/*", "text/*", "*/*",
    "application/x-git-upload-pack-result", "application/problem+xml", "application/xhtml+xml", "image/*", "application/zip",
    "application/x-git-upload-pack-request", "application/ld+json", "image/webp", "image/avif", "text/markdown",
];

/// Authentication schemes, and scheme-like words in front of a credential.
pub(super) const SCHEMES: &[&str] = &[
    "Bearer", "Basic", "Digest", "AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256", "Negotiate", "NTLM", "DPoP", "Token", "ApiKey",
    "Api-Key", "Key", "HOBA", "Mutual", "OAuth", "SCRAM-SHA-256", "SharedKey", "GNAP", "PrivateToken", "Hawk",
];

/// Names of authentication parameters.
pub(super) const AUTH_PARAMS: &[&str] = &[
    "realm", "scope", "error", "error_description", "error_uri", "resource_metadata", "authorization_uri", "charset", "nonce",
    "algorithm", "qop", "opaque", "stale", "domain", "username", "uri", "response", "cnonce", "nc", "credential",
    "signedheaders", "signature", "algs", "resource", "userhash", "client_id", "issuer", "as_uri",
];

/// Values of authentication parameters that stand verbatim.
pub(super) const AUTH_VALUES: &[&str] = &[
    "invalid_token", "invalid_request", "insufficient_scope", "invalid_client", "invalid_grant", "unauthorized", "utf-8", "md5",
    "sha-256", "auth", "auth-int", "true", "false", "oauth", "mcp", "api", "es256", "rs256", "anthropic", "claude",
    "insufficient_user_authentication", "use_dpop_nonce", "corp", "proxy",
];

/// Names of cookies and of cookie attributes.
pub(super) const COOKIES: &[&str] = &[
    "sessionkey", "__cf_bm", "cf_clearance", "_cfuvid", "__cflb", "__cfruid", "__cfwaitingroom", "lastactiveorg",
    "activitysessionid", "anthropic-device-id", "routinghint", "awsalb", "awsalbcors", "awsalbtg", "awsalbtgcors", "session", "sid", "_ga", "_gid",
    "intercom-device-id", "ch-prefers-color-scheme", "user-sidebar-visible-on-load", "jsessionid", "csrftoken", "xsrf-token", "sessionid", "connect.sid",
    "__host-session", "__secure-session", "next-auth.session-token", "__stripe_mid", "__stripe_sid", "gclb", "nid",
];

/// The headers that this program knows.
pub(super) const RULES: &[Rule] = &[
    // Credentials, and what is bound to one person or machine.
    ("authorization", Both, Authorization),
    ("proxy-authorization", Both, Authorization),
    ("cf-aig-authorization", Both, Authorization),
    ("helicone-auth", Both, Authorization),
    ("x-goog-iam-authorization-token", Both, SECRET),
    ("x-goog-authenticated-user-email", Both, Opaque),
    ("x-api-key", Both, SECRET),
    ("api-key", Both, SECRET),
    ("apikey", Both, SECRET),
    ("x-goog-api-key", Both, SECRET),
    ("x-amz-security-token", Both, SECRET),
    ("x-amz-sso_bearer_token", Both, SECRET),
    ("x-amz-content-sha256", Both, Opaque),
    ("cf-access-client-id", Both, SECRET),
    ("cf-access-client-secret", Both, SECRET),
    ("cf-access-jwt-assertion", Both, SECRET),
    ("cf-access-token", Both, SECRET),
    ("x-portkey-api-key", Both, SECRET),
    ("x-portkey-virtual-key", Both, SECRET),
    ("x-litellm-api-key", Both, SECRET),
    ("x-litellm-key", Both, SECRET),
    ("x-auth-token", Both, SECRET),
    ("x-access-token", Both, SECRET),
    ("x-amzn-oidc-data", Both, SECRET),
    ("x-amzn-oidc-accesstoken", Both, SECRET),
    ("x-vercel-protection-bypass", Both, SECRET),
    ("x-csrf-token", Both, SECRET),
    ("x-xsrf-token", Both, SECRET),
    ("x-organization-uuid", Both, Opaque),
    ("x-trusted-device-token", Both, SECRET),
    ("private-token", Both, SECRET),
    ("mcp-session-id", Both, SECRET),
    ("sec-websocket-key", Both, Opaque),
    ("sec-websocket-accept", Both, Opaque),
    ("sec-websocket-protocol", Both, SECRET),
    ("cookie", Both, Cookie),
    ("set-cookie", Both, SetCookie),
    ("anthropic-organization-id", Both, Opaque),
    ("anthropic-workspace-id", Both, Opaque),
    ("x-forwarded-for", Both, Opaque),
    ("x-real-ip", Both, Opaque),
    ("forwarded", Both, Opaque),
    ("from", Both, Opaque),
    ("etag", Both, Opaque),
    ("if-none-match", Both, Opaque),
    ("if-match", Both, Opaque),
    // Message and connection.
    ("accept", Request, Accept),
    ("accept-encoding", Both, CODINGS),
    ("accept-language", Request, Words(&["*", "en", "en-us", "en-gb", "de", "fr", "es", "ja", "zh", "zh-cn", "ko", "pt-br", "it"])),
    ("accept-ranges", Response, Words(&["bytes", "none"])),
    ("age", Response, Integer),
    ("allow", Response, Words(&["get", "head", "post", "put", "patch", "delete", "options", "connect", "trace"])),
    ("alt-svc", Response, Opaque),
    ("cache-control", Both, CACHE),
    ("connection", Both, CONNECTION),
    ("proxy-connection", Both, CONNECTION),
    ("keep-alive", Both, CONNECTION),
    ("content-disposition", Both, Opaque),
    ("content-encoding", Both, CODINGS),
    ("content-language", Both, Words(&["en", "en-us"])),
    ("content-length", Both, Integer),
    ("content-location", Both, Location),
    ("content-range", Both, Opaque),
    ("content-security-policy", Response, Opaque),
    ("content-type", Both, MediaType),
    ("cross-origin-opener-policy", Response, Word(&["same-origin", "unsafe-none", "same-origin-allow-popups"])),
    ("cross-origin-resource-policy", Response, Word(&["same-origin", "same-site", "cross-origin"])),
    ("cross-origin-embedder-policy", Response, Word(&["require-corp", "unsafe-none", "credentialless"])),
    ("date", Both, HttpDate),
    ("dnt", Both, BOOLEAN),
    ("expect", Both, Words(&["100-continue"])),
    ("expires", Both, HttpDate),
    ("host", Both, Grammar::Host),
    (":authority", Both, Grammar::Host),
    (":method", Both, Word(&["get", "head", "post", "put", "patch", "delete", "options", "connect", "trace"])),
    (":path", Both, Location),
    (":scheme", Both, Word(&["http", "https"])),
    (":status", Both, Integer),
    (":protocol", Both, Word(&["websocket"])),
    ("http2-settings", Both, Opaque),
    ("if-modified-since", Both, HttpDate),
    ("if-unmodified-since", Both, HttpDate),
    ("last-modified", Both, HttpDate),
    ("link", Response, Opaque),
    ("location", Both, Location),
    ("max-forwards", Both, Integer),
    ("mcp-protocol-version", Both, Date),
    ("nel", Response, Opaque),
    ("origin", Both, Location),
    ("pragma", Both, CACHE),
    ("priority", Both, Words(&["u=0", "u=1", "u=2", "u=3", "u=4", "u=5", "u=6", "u=7", "i"])),
    ("proxy-authenticate", Both, Challenge),
    ("range", Both, Opaque),
    ("referer", Both, Location),
    ("referrer-policy", Response, Words(&["no-referrer", "same-origin", "origin", "strict-origin", "strict-origin-when-cross-origin"])),
    ("refresh", Response, Opaque),
    ("report-to", Response, Opaque),
    ("retry-after", Both, RetryAfter),
    ("retry-after-ms", Both, Decimal),
    ("sec-fetch-dest", Both, Word(&["empty", "document", "script", "style", "image", "websocket"])),
    ("sec-fetch-mode", Both, Word(&["cors", "no-cors", "navigate", "same-origin", "websocket"])),
    ("sec-fetch-site", Both, Word(&["none", "same-origin", "same-site", "cross-site"])),
    ("sec-fetch-user", Both, Word(&["?1"])),
    ("sec-websocket-version", Both, Integer),
    ("sec-websocket-extensions", Both, Opaque),
    ("server", Response, Grammar::Via),
    ("server-timing", Response, Opaque),
    ("strict-transport-security", Response, Opaque),
    ("te", Both, CODINGS),
    ("trailer", Both, Words(&["grpc-status", "grpc-message", "x-checksum", "server-timing"])),
    ("transfer-encoding", Both, CODINGS),
    ("upgrade", Both, CONNECTION),
    ("upgrade-insecure-requests", Both, BOOLEAN),
    ("user-agent", Both, UserAgent),
    ("vary", Response, VARY),
    ("via", Both, Via),
    ("warning", Both, Opaque),
    ("www-authenticate", Both, Challenge),
    ("access-control-allow-origin", Response, Location),
    ("access-control-allow-credentials", Response, BOOLEAN),
    ("access-control-allow-headers", Response, Opaque),
    ("access-control-allow-methods", Response, Words(&["get", "head", "post", "put", "patch", "delete", "options", "*"])),
    ("access-control-expose-headers", Response, Words(&["request-id", "retry-after", "mcp-session-id", "x-request-id", "*"])),
    ("access-control-max-age", Response, Integer),
    ("x-content-type-options", Response, Word(&["nosniff"])),
    ("x-frame-options", Response, Word(&["deny", "sameorigin"])),
    ("x-xss-protection", Response, Opaque),
    ("x-robots-tag", Response, Words(&["none", "noindex", "nofollow"])),
    ("x-powered-by", Response, Via),
    // Claude Code and the SDKs.
    ("anthropic-beta", Request, Beta),
    ("anthropic-version", Both, Date),
    ("anthropic-dangerous-direct-browser-access", Request, BOOLEAN),
    ("anthropic-client-version", Request, Version),
    ("anthropic-client-platform", Request, Word(&["cli", "desktop", "web", "vscode", "unknown", "claude_code", "claude-code", "sdk"])),
    ("anthropic-client-name", Request, Word(&["claude-code", "claude-cli"])),
    ("x-app", Request, Word(&["cli", "cli-bg", "desktop", "web", "vscode"])),
    ("x-stainless-arch", Request, Word(&["x64", "x32", "arm64", "arm", "ia32", "other", "unknown", "other:unknown"])),
    ("x-stainless-lang", Request, Word(&["js", "python", "go", "java", "ruby", "rust", "csharp", "php", "kotlin"])),
    ("x-stainless-os", Request, Word(&["linux", "macos", "windows", "freebsd", "openbsd", "ios", "android", "unknown"])),
    ("x-stainless-package-version", Request, Version),
    ("x-stainless-runtime", Request, Word(&["node", "bun", "deno", "edge", "cpython", "pypy", "browser", "unknown"])),
    ("x-stainless-runtime-version", Request, Version),
    ("x-stainless-retry-count", Request, Integer),
    ("x-stainless-timeout", Request, Decimal),
    ("x-stainless-helper-method", Request, Word(&["stream", "beta.stream", "create"])),
    ("x-stainless-read-timeout", Request, Decimal),
    ("x-stainless-async", Request, Word(&["false", "async:asyncio", "async:trio"])),
    ("x-client-request-id", Both, RequestId),
    ("x-claude-code-session-id", Request, SessionId),
    ("x-claude-code-agent-id", Request, SessionId),
    ("x-claude-code-parent-agent-id", Request, SessionId),
    ("x-claude-code-prompt-id", Request, SessionId),
    ("x-claude-code-request-class", Request, Word(&["main", "auxiliary"])),
    ("x-claude-1p-request-class", Request, Word(&["main", "auxiliary", "interactive", "background", "foreground"])),
    ("x-claude-code-sandy-plover", Request, BOOLEAN),
    ("x-claude-remote-container-id", Request, Opaque),
    ("x-claude-remote-session-id", Request, Opaque),
    ("x-anthropic-additional-protection", Request, BOOLEAN),
    ("x-anthropic-billing-header", Request, Opaque),
    ("x-service-name", Request, Word(&["claude-code"])),
    ("x-environment-runner-version", Request, Version),
    // The API's answers.
    ("request-id", Both, RequestId),
    ("x-request-id", Both, RequestId),
    ("x-correlation-id", Both, RequestId),
    ("anthropic-ratelimit-requests-limit", Response, Integer),
    ("anthropic-ratelimit-requests-remaining", Response, Integer),
    ("anthropic-ratelimit-requests-reset", Response, Timestamp),
    ("anthropic-ratelimit-tokens-limit", Response, Integer),
    ("anthropic-ratelimit-tokens-remaining", Response, Integer),
    ("anthropic-ratelimit-tokens-reset", Response, Timestamp),
    ("anthropic-ratelimit-input-tokens-limit", Response, Integer),
    ("anthropic-ratelimit-input-tokens-remaining", Response, Integer),
    ("anthropic-ratelimit-input-tokens-reset", Response, Timestamp),
    ("anthropic-ratelimit-output-tokens-limit", Response, Integer),
    ("anthropic-ratelimit-output-tokens-remaining", Response, Integer),
    ("anthropic-ratelimit-output-tokens-reset", Response, Timestamp),
    ("anthropic-ratelimit-unified-status", Response, STATUS),
    ("anthropic-ratelimit-unified-reset", Response, Integer),
    ("anthropic-ratelimit-unified-representative-claim", Response, CLAIM),
    ("anthropic-ratelimit-unified-fallback", Response, Word(&["available", "unavailable"])),
    ("anthropic-ratelimit-unified-fallback-percentage", Response, Decimal),
    ("anthropic-ratelimit-unified-upgrade-paths", Response, Words(&["upgrade_plan", "overage", "extra_usage"])),
    ("anthropic-ratelimit-unified-5h-status", Response, STATUS),
    ("anthropic-ratelimit-unified-5h-reset", Response, Integer),
    ("anthropic-ratelimit-unified-5h-utilization", Response, Decimal),
    ("anthropic-ratelimit-unified-5h-surpassed-threshold", Response, Decimal),
    ("anthropic-ratelimit-unified-7d-status", Response, STATUS),
    ("anthropic-ratelimit-unified-7d-reset", Response, Integer),
    ("anthropic-ratelimit-unified-7d-utilization", Response, Decimal),
    ("anthropic-ratelimit-unified-7d-surpassed-threshold", Response, Decimal),
    ("anthropic-ratelimit-unified-7d_opus-status", Response, STATUS),
    ("anthropic-ratelimit-unified-7d_opus-reset", Response, Integer),
    ("anthropic-ratelimit-unified-7d_opus-utilization", Response, Decimal),
    ("anthropic-ratelimit-unified-overage-status", Response, STATUS),
    ("anthropic-ratelimit-unified-overage-reset", Response, Integer),
    ("anthropic-ratelimit-unified-overage-utilization", Response, Decimal),
    (
        "anthropic-ratelimit-unified-overage-disabled-reason",
        Response,
        Word(&["org_level_disabled", "org_level_disabled_until", "out_of_credits", "user_level_disabled", "not_enabled"]),
    ),
    ("x-should-retry", Response, BOOLEAN),
    ("x-envoy-upstream-service-time", Response, Integer),
    ("x-envoy-decorator-operation", Response, Opaque),
    ("x-envoy-ratelimited", Response, BOOLEAN),
    ("cf-ray", Both, CfRay),
    ("cf-mitigated", Response, Word(&["challenge", "block", "js_challenge", "managed_challenge"])),
    (
        "cf-cache-status",
        Response,
        Word(&["dynamic", "hit", "miss", "bypass", "expired", "stale", "none", "revalidated", "updating"]),
    ),
    ("cf-aig-cache-status", Response, Word(&["hit", "miss", "bypass"])),
    ("cf-aig-log-id", Response, Opaque),
    ("cf-aig-step", Response, Integer),
    ("x-cache", Response, Opaque),
    ("x-proxy-error", Response, Opaque),
    ("x-squid-error", Response, Opaque),
    // Clouds and gateways.
    ("x-amzn-requestid", Both, RequestId),
    ("x-amzn-request-id", Both, RequestId),
    ("x-amz-request-id", Both, RequestId),
    ("x-amz-cf-id", Response, Opaque),
    ("x-amz-cf-pop", Response, Opaque),
    ("x-amz-id-2", Response, Opaque),
    ("x-amz-date", Request, Opaque),
    ("x-amz-target", Request, Opaque),
    ("x-amz-user-agent", Request, UserAgent),
    ("x-amzn-trace-id", Both, Opaque),
    (
        "x-amzn-errortype",
        Response,
        Word(&[
            "unrecognizedclientexception", "unauthorizedexception", "accessdeniedexception", "expiredtokenexception", "throttlingexception",
            "invalidsignatureexception", "validationexception", "servicequotaexceededexception", "modelnotreadyexception",
            "internalserverexception", "serviceunavailableexception", "resourcenotfoundexception", "missingauthenticationtokenexception",
            "modeltimeoutexception", "modelerrorexception", "incompletesignatureexception", "expiredtoken",
        ]),
    ),
    ("x-amzn-bedrock-invocation-latency", Response, Integer),
    ("x-amzn-bedrock-input-token-count", Response, Integer),
    ("x-amzn-bedrock-output-token-count", Response, Integer),
    ("x-amzn-bedrock-cache-read-input-token-count", Response, Integer),
    ("x-amzn-bedrock-cache-write-input-token-count", Response, Integer),
    ("amz-sdk-invocation-id", Request, RequestId),
    ("amz-sdk-request", Request, Opaque),
    ("apim-request-id", Response, RequestId),
    ("x-ms-region", Response, Opaque),
    ("x-ms-request-id", Both, RequestId),
    ("x-goog-user-project", Both, Opaque),
    ("x-goog-api-client", Both, UserAgent),
    ("x-goog-request-params", Both, Opaque),
    ("x-cloud-trace-context", Both, Opaque),
    ("traceparent", Both, TraceParent),
    ("tracestate", Both, Opaque),
    ("baggage", Both, Opaque),
    ("x-b3-traceid", Both, RequestId),
    ("x-litellm-call-id", Response, RequestId),
    ("x-litellm-version", Response, Version),
    ("x-litellm-model-id", Response, Opaque),
    ("x-litellm-model-group", Response, Grammar::Model),
    ("x-litellm-key-spend", Response, Decimal),
    ("x-litellm-response-cost", Response, Decimal),
    ("x-litellm-response-duration-ms", Response, Decimal),
    ("x-litellm-overhead-duration-ms", Response, Decimal),
    ("x-litellm-attempted-retries", Response, Integer),
    ("x-litellm-attempted-fallbacks", Response, Integer),
    ("helicone-id", Response, RequestId),
    ("helicone-status", Response, Word(&["success", "failed"])),
    ("helicone-cache", Response, Word(&["hit", "miss"])),
    ("x-portkey-trace-id", Both, RequestId),
    ("x-portkey-provider", Both, Word(&["anthropic", "bedrock", "vertex-ai", "openai"])),
    ("x-portkey-retry-attempt-count", Response, Integer),
    ("x-kong-request-id", Response, RequestId),
    ("x-kong-upstream-latency", Response, Integer),
    ("x-kong-proxy-latency", Response, Integer),
    ("x-kong-response-latency", Response, Integer),
    ("x-vercel-id", Response, Opaque),
    ("x-vercel-cache", Response, Word(&["hit", "miss", "bypass", "stale"])),
    ("x-github-request-id", Response, Opaque),
    ("x-served-by", Response, Opaque),
    ("x-timer", Response, Opaque),
    ("x-runtime", Response, Decimal),
    ("x-response-time", Response, Opaque),
    ("x-mitm-trace", Response, Opaque),
    ("x-authtrace", Both, Word(&["synthetic", "1"])),
];
