//! Servers that are not Anthropic's API.

use super::{Code, Entry, Family, fixed, issue, says, thread};

pub(super) static GATEWAY_KEY_REJECTED: Entry = Entry {
    code: Code::GatewayKeyRejected,
    family: Family::Elsewhere,
    title: "A gateway refuses its own key",
    meaning: "The request went to the address in ANTHROPIC_BASE_URL, and that server refused the key. It has users and keys of \
              its own; Anthropic knows nothing of them. Often the key is right and stands in the wrong header.",
    wire: &[
        "POST gateway.example/v1/messages       x-api-key: key-A",
        "  401 or 403, in words that are not Anthropic's",
    ],
    causes: &[
        "The gateway wants a bearer token and gets x-api-key, or the other way round.",
        "A background process does not have the key.",
        "The key of the gateway is wrong or expired.",
    ],
    remedy: &[
        "Use the variable for the header it wants: ANTHROPIC_AUTH_TOKEN sends a bearer token, ANTHROPIC_API_KEY x-api-key.",
        "Look at the gateway's own log for the reason.",
        "Update Claude Code, if it worked with another version.",
    ],
    attach: &["name of the gateway, and its line in the log", "the header that was sent", "version of Claude Code"],
    evidence: &[
        issue(39013),
        issue(52307),
        thread("jwadow/kiro-gateway", 65),
        thread("diegosouzapw/OmniRoute", 8202),
        thread("Alishahryar1/free-claude-code", 559),
    ],
    versions: &[
        fixed("2.1.178", "the key for a gateway goes to the gateway"),
        fixed("2.1.203", "the key for a gateway goes to the gateway (further cases)"),
        fixed("2.1.211", "background jobs keep the gateway's key when they are started again"),
    ],
    decides: "401 or 403 from a host that is not Anthropic's, a cloud's or an MCP server's.",
    confused_with: &[Code::ApikeyhelperStale, Code::GatewayReceivesAnthropicCredential, Code::ApiKeyInvalid],
    wordings: &[
        says(90, &["carry the api secret key"], "the words of a gateway that misses its header"),
        says(70, &["litellm"], "it names a gateway"),
        says(66, &["virtual key"], "the words of a gateway"),
        says(60, &["anthropic_base_url"], "it names the address of a gateway"),
        says(58, &["openrouter"], "it names a gateway"),
        says(56, &["portkey"], "it names a gateway"),
        says(46, &["no auth credentials found"], "the words of a gateway that misses its header"),
        says(36, &["gateway", "401"], "a gateway may have refused its key"),
        says(34, &["empty or malformed response"], "a gateway may have answered in another form"),
        says(30, &["invalid api key"], "gateways use these words, too"),
    ],
};

pub(super) static GATEWAY_RECEIVES_ANTHROPIC_CREDENTIAL: Entry = Entry {
    code: Code::GatewayReceivesAnthropicCredential,
    family: Family::Elsewhere,
    title: "A credential of Anthropic is sent to somebody else",
    meaning: "A token or key of Anthropic went to a host that is not Anthropic's. Whoever runs that host can use it. Treat it \
              as leaked, even if the request failed.",
    wire: &["POST gateway.example/v1/messages       Authorization: Bearer oat-A", "  (any answer)"],
    causes: &[
        "`ANTHROPIC_BASE_URL` points to a gateway while the login of Anthropic is in use.",
        "A gateway passes the client's headers on to another provider.",
        "A fault of a version of Claude Code.",
    ],
    remedy: &[
        "Stop, log out everywhere in the account's settings, delete the key in the Console, and log in anew.",
        "Give the gateway a key of its own in `ANTHROPIC_AUTH_TOKEN`.",
        "Update Claude Code, and report it as a security matter if no setting of yours explains it.",
    ],
    attach: &["the host, version and UTC time; no values"],
    evidence: &[thread("BerriAI/litellm", 42172), thread("BerriAI/litellm", 29190)],
    versions: &[
        fixed("2.1.153", "a gateway no longer receives the OAuth credential of Anthropic"),
        fixed("2.1.203", "credentials of Anthropic and of a gateway are kept apart (further cases)"),
    ],
    decides: "An OAuth token in a header, or a refresh token anywhere, to a host that is not Anthropic's. An API key counts \
              only where the host is not the configured base URL.",
    confused_with: &[Code::GatewayKeyRejected, Code::CredentialInWrongHeader],
    wordings: &[],
};

pub(super) static CLOUD_PROVIDER_CREDENTIALS: Entry = Entry {
    code: Code::CloudProviderCredentials,
    family: Family::Elsewhere,
    title: "Credentials for Bedrock, Vertex or Foundry fail",
    meaning: "Claude Code is set up for a cloud, and that cloud refuses its own credentials. Logging in to Anthropic does not \
              help. Usually a sign-in of the cloud has run out.",
    wire: &[
        "POST bedrock-runtime.REGION.amazonaws.com/…",
        "  403  The security token included in the request is invalid (or expired)",
        "POST oauth2.googleapis.com/token",
        "  400  invalid_grant   invalid_rapt",
    ],
    causes: &[
        "The session of SSO or STS has expired, or the profile or region is wrong.",
        "2.1.207: SSO profiles whose `sso_region` is not that of Bedrock (reported).",
        "Google asks for a new sign-in (`invalid_rapt`).",
        "An Authorization header from other variables breaks the signature.",
    ],
    remedy: &[
        "Sign in to the cloud again: aws sso login, or gcloud auth login --update-adc; then restart Claude Code.",
        "Set `awsAuthRefresh` or `awsCredentialExport` in the settings, so that it is done for you.",
        "Check who you are: `aws sts get-caller-identity`.",
    ],
    attach: &[
        "request id of the cloud (`x-amzn-requestid`)",
        "profile, region and model id",
        "the answer of `aws sts get-caller-identity`",
    ],
    evidence: &[
        issue(18580),
        issue(5737),
        issue(4229),
        issue(76701),
        issue(726),
        thread("anthropics/anthropic-sdk-typescript", 807),
    ],
    versions: &[fixed(
        "2.1.101",
        "an Authorization header from other variables no longer breaks the signature for Bedrock",
    )],
    decides: "The host belongs to a cloud provider.",
    confused_with: &[Code::GatewayKeyRejected, Code::McpOauth],
    wordings: &[
        says(95, &["security token included in the request"], "the words of AWS for credentials that it refuses"),
        says(94, &["invalid_rapt"], "Google asks for a new sign-in"),
        says(92, &["session token not found or invalid"], "the words of AWS SSO for a session that has run out"),
        says(90, &["expiredtoken"], "AWS says that a token has expired"),
        says(88, &["unrecognizedclientexception"], "AWS does not know the credentials"),
        says(88, &["could not load credentials from any providers"], "the AWS SDK found no credentials"),
        says(88, &["could not load the default credentials"], "the Google SDK found no credentials"),
        says(84, &["sso session"], "it speaks of a sign-in of AWS"),
        says(70, &["bedrock"], "it names a cloud"),
        says(70, &["aiplatform"], "it names a cloud"),
        says(66, &["vertex"], "it names a cloud"),
        says(66, &["foundry"], "it names a cloud"),
        says(60, &["permission_denied"], "the words of Google for missing rights"),
        says(84, &["reauth related error"], "Google asks for a new sign-in"),
    ],
};

pub(super) static MCP_OAUTH: Entry = Entry {
    code: Code::McpOauth,
    family: Family::Elsewhere,
    title: "The login to an MCP server fails",
    meaning: "An MCP server has its own login, and that one fails. Calls to Anthropic go on working. Logging in to Claude Code \
              again has no effect on it.",
    wire: &[
        "POST mcp.example/mcp                   Bearer jwt-A",
        "  401  WWW-Authenticate: Bearer …",
        "POST api.anthropic.com/v1/messages     200",
    ],
    causes: &[
        "The token of the server is not renewed, or several sessions renew it at once.",
        "A scope is lost when it is renewed.",
        "The way of its login does not use the proxy (older versions).",
    ],
    remedy: &[
        "Run /mcp in Claude Code and authenticate with that server again.",
        "From a shell: `claude mcp login NAME`.",
        "Update Claude Code, if it has to be done every day.",
    ],
    attach: &["address of the MCP server", "logs of both sides with UTC times"],
    evidence: &[issue(74250), issue(66210), issue(89862), issue(76939), issue(19481), issue(33704)],
    versions: &[
        fixed("2.1.133", "the whole login to MCP servers goes through the proxy"),
        fixed("2.1.136", "refresh tokens survive when several servers renew at once"),
    ],
    decides: "401 from an MCP host, with or without WWW-Authenticate, or a refusal of its token endpoint, while Anthropic \
              answers 200.",
    confused_with: &[Code::RefreshTokenInvalid, Code::GatewayKeyRejected, Code::CloudProviderCredentials],
    wordings: &[
        says(86, &["mcp server", "auth"], "it speaks of an MCP server"),
        says(82, &["www-authenticate"], "the way in which MCP servers ask for a login"),
        says(78, &["mcp", "401"], "an MCP server answered 401"),
        says(74, &["needs auth"], "an MCP server wants a login"),
        says(70, &["mcp", "oauth"], "it speaks of the login to an MCP server"),
        says(60, &["mcp", "token"], "it speaks of an MCP server"),
    ],
};
