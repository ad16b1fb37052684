//! What the account may do.

use super::token::API_ERRORS;
use super::{Code, Entry, Family, fixed, issue, says, thread};

pub(super) static OAUTH_NOT_ALLOWED_FOR_ORG: Entry = Entry {
    code: Code::OauthNotAllowedForOrg,
    family: Family::Account,
    title: "The organisation may not use OAuth",
    meaning: "The token is known, but the account or organisation behind it may not use Claude Code with a login. An admin \
              switched it off, or there is no paid plan any more. Logging in again does not change that.",
    wire: &[
        "POST api.anthropic.com/v1/messages     Bearer oat-A",
        "  403 permission_error  OAuth authentication is currently not allowed for",
        "                        this organization.     x-should-retry: false",
        "  (2025: 401 authentication_error with the same text)",
    ],
    causes: &[
        "The subscription lapsed, or a payment is due.",
        "An admin switched it off, or the wrong organisation was picked at login.",
        "The account is banned; now and then an error of the service.",
    ],
    remedy: &[
        "Check plan and payment at https://claude.ai/settings/billing, and that you logged in to the right organisation.",
        "Ask the admin of the organisation to allow it, or use an API key.",
        "If the account was banned, use the appeal form.",
    ],
    attach: &["request id and organisation id", "the plan, and whether claude.ai works in the browser at that minute"],
    evidence: &[issue(65714), issue(65101), issue(63685), issue(90875), issue(6752), issue(6312)],
    versions: &[fixed("2.1.126", "the client points to the admin instead of showing the login again")],
    decides: "The message; the status may be 401 or 403. The profile tells whether there is a plan. It can also flip for one \
              credential within seconds, which points to the service.",
    confused_with: &[Code::OauthBetaHeaderMissing, Code::OrganizationDisabled, Code::TokenRevoked],
    wordings: &[
        says(97, &["not allowed for this organization"], "the server says that OAuth is not allowed there"),
        says(97, &["oauth_org_not_allowed"], "the client's name for that answer"),
        says(94, &["disabled claude subscription access"], "the client was told that OAuth is not allowed there"),
        says(92, &["can't use your claude subscription"], "the client was told that OAuth is not allowed there"),
        says(
            90,
            &["your organization does not have access to claude"],
            "older versions say this when OAuth is not allowed",
        ),
        says(76, &["your account does not have access to claude code"], "reported; its answer was never quoted"),
        says(
            56,
            &["your account does not have access to claude"],
            "the account may not use it, or its token was revoked",
        ),
        says(64, &["organization has disabled api key authentication"], "reported; its answer was never quoted"),
        says(62, &["payment is past due"], "the plan may have lapsed"),
    ],
};

pub(super) static ORGANIZATION_DISABLED: Entry = Entry {
    code: Code::OrganizationDisabled,
    family: Family::Account,
    title: "The organisation is disabled",
    meaning: "The credential belongs to an organisation that is closed or banned. Very often it is not your own but that of an \
              API key that was forgotten in the environment. The status is 400, although it is a matter of the account.",
    wire: &[
        "POST api.anthropic.com/v1/messages     x-api-key: key-A",
        "  400 invalid_request_error  This organization has been disabled.",
    ],
    causes: &[
        "`ANTHROPIC_API_KEY` of an old employer or project is still set.",
        "The organisation was closed or banned.",
    ],
    remedy: &[
        "Unset ANTHROPIC_API_KEY, start Claude Code anew and use your login.",
        "If it is your own organisation, write to support or use the appeal form.",
    ],
    attach: &["request id and organisation id header", "which kind of credential was sent"],
    evidence: &[issue(19028), issue(60648), issue(9941), issue(8327), issue(5088)],
    versions: &[],
    decides: "The message, with 400. If the same process uses a login for other calls, env-credential-shadows-login is the \
              cause, and this its detail.",
    confused_with: &[Code::EnvCredentialShadowsLogin, Code::OauthNotAllowedForOrg],
    wordings: &[
        says(95, &["organization has been disabled"], "the server says that the organisation is disabled"),
        says(95, &["disabled organization"], "the client was told that the organisation is disabled"),
        says(60, &["organization", "disabled"], "it speaks of an organisation and of something disabled"),
    ],
};

pub(super) static CREDIT_BALANCE_TOO_LOW: Entry = Entry {
    code: Code::CreditBalanceTooLow,
    family: Family::Account,
    title: "The prepaid credit is used up",
    meaning: "The request was billed to an organisation whose prepaid credit is too low. A Pro or Max plan does not count \
              here: with an API key the credit of the key's organisation is used. The status is 400.",
    wire: &[
        "POST api.anthropic.com/v1/messages     x-api-key: key-A",
        "  400 invalid_request_error  Your credit balance is too low to access the",
        "                             Anthropic API. …",
    ],
    causes: &[
        "An API key is set, although you have a plan.",
        "The credit was bought in another organisation than the key's.",
        "The credit is really used up.",
    ],
    remedy: &[
        "If you have a plan, unset ANTHROPIC_API_KEY and log in: claude auth login",
        "Otherwise add credit in the organisation of this very key.",
    ],
    attach: &["organisation id", "the key's name in the Console; never the key", "request id"],
    evidence: &[issue(54566), issue(867), issue(85675), issue(55469), issue(5300), API_ERRORS],
    versions: &[],
    decides: "The message, with 400. If the same process uses a login for other calls, env-credential-shadows-login is the \
              cause, and this its detail.",
    confused_with: &[Code::EnvCredentialShadowsLogin, Code::UsageExhausted, Code::SubscriptionUnused],
    wordings: &[
        says(97, &["credit balance is too low"], "the server says that the credit is too low"),
        says(70, &["billing_error"], "the server names a matter of billing"),
        says(60, &["plans & billing"], "it speaks of billing"),
    ],
};

pub(super) static CREDENTIAL_RESTRICTED_TO_CLAUDE_CODE: Entry = Entry {
    code: Code::CredentialRestrictedToClaudeCode,
    family: Family::Account,
    title: "The server does not take the caller for Claude Code",
    meaning: "A token of a subscription is for Claude Code alone. The server took this request for that of another program, \
              because it was one, or because something changed what Claude Code sends. The status is 400.",
    wire: &[
        "POST api.anthropic.com/v1/messages     Bearer oat-A",
        "  400 invalid_request_error  This credential is only authorized for use",
        "                             with Claude Code and cannot be used for …",
    ],
    causes: &[
        "Another program uses the token of the subscription.",
        "Claude Code with a changed system prompt or output style, or behind a proxy that rewrites bodies.",
    ],
    remedy: &[
        "Other programs need an API key; in Claude Code take out prompt overrides and output styles, and update.",
        "Try once without the gateway or proxy that touches bodies.",
    ],
    attach: &["request id", "the `user-agent` and `x-app` headers as sent", "output style and prompt options in use"],
    evidence: &[issue(8046), issue(8052), issue(11252), issue(24690), thread("RooCodeInc/Roo-Code", 10566)],
    versions: &[],
    decides: "The message, with 400. A 401 on a usage call may stand beside it and is not the cause.",
    confused_with: &[Code::RequestForbiddenEdge, Code::ScopeInsufficient],
    wordings: &[
        says(97, &["only authorized for use with claude code"], "the server takes the caller for another program"),
        says(70, &["cannot be used for other api requests"], "the server takes the caller for another program"),
    ],
};
