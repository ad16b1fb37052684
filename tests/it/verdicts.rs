//! The failures met live: the real Claude Code, behind `authtrace run`, against a fake that plays them. Each has to get the
//! verdict that the captures of the same failure get.

use super::real_client::{Stage, Version};
use authtrace::analyze::{self, Diagnosis, Severity, Survey};
use authtrace::catalogue::Code;
use authtrace::policy::{
    ApiError, Coding, Cut, Envelope, Grant, HtmlPage, RawAnswer, RequestIdShape, Rule, Script, Then, TokenOutcome, When,
};
use authtrace::trace::{Reader, Timestamp};

const MESSAGES: &str = "/v1/messages";
const TOKEN: &str = "/v1/oauth/token";
const EXPIRED: &str = "OAuth token has expired. Please obtain a new token or refresh your existing token.";
/// As long as a token of its kind is, and of nobody.
const STRANGER: &str =
    "sk-ant-oat01-FAKE-token-of-nobody-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ-9876543210";

/// What the client is given to log in with.
#[derive(Clone, Copy)]
enum Given {
    Nothing,
    ApiKey,
    /// `ANTHROPIC_API_KEY` with this value.
    AsApiKey(&'static str),
    /// `ANTHROPIC_AUTH_TOKEN` with this value.
    AuthToken(&'static str),
    /// `CLAUDE_CODE_OAUTH_TOKEN` with this value.
    OauthToken(&'static str),
    /// The login of the fake, in the credentials file.
    File,
    /// The same, with a token whose time is up.
    ExpiredFile,
}

fn diagnose(
    version: Version,
    rules: Vec<Rule>,
    given: Given,
    options: &[&str],
    more: &[(&str, &str)],
) -> Option<Diagnosis> {
    let mut stage = Stage::set(version, Script { rules })?;
    let key = stage.api_key.clone();
    let mut variables: Vec<(&str, &str)> = more.to_vec();
    match given {
        Given::Nothing => {}
        Given::ApiKey => variables.push(("ANTHROPIC_API_KEY", &key)),
        Given::AsApiKey(value) => variables.push(("ANTHROPIC_API_KEY", value)),
        Given::AuthToken(value) => variables.push(("ANTHROPIC_AUTH_TOKEN", value)),
        Given::OauthToken(value) => variables.push(("CLAUDE_CODE_OAUTH_TOKEN", value)),
        Given::File => {}
        Given::ExpiredFile => stage.login = stage.fake.with_model(|model| model.log_in(Timestamp::now(), -60)),
    }
    if let Given::AsApiKey(value) | Given::AuthToken(value) | Given::OauthToken(value) = given {
        stage.strangers.push(value.to_owned());
    }
    let stage = match given {
        Given::File | Given::ExpiredFile => stage.with_credentials_file(),
        _ => stage,
    };
    let seance = stage.play(options, &variables);
    let survey = Survey::read(Reader::new(seance.trace.text.as_bytes()).unwrap());
    let diagnosis = analyze::diagnose(&survey);
    println!("{version:?} {given}: {:#?}", diagnosis.verdict, given = seance.ended.stderr);
    for finding in &diagnosis.findings {
        for id in &finding.exchanges {
            assert!(survey.exchanges().iter().any(|exchange| exchange.id == *id), "{finding:?}");
        }
    }
    Some(diagnosis)
}

fn on(path: &str, then: Then) -> Vec<Rule> {
    vec![Rule::always(When::path(path), then)]
}

fn refuse(status: u16, kind: &str, message: &str) -> Vec<Rule> {
    on(MESSAGES, Then::Error(ApiError::new(status, kind, message)))
}

fn unauthorized(message: &str) -> Vec<Rule> {
    refuse(401, "authentication_error", message)
}

fn both(mut one: Vec<Rule>, mut other: Vec<Rule>) -> Vec<Rule> {
    one.append(&mut other);
    one
}

/// Plays it with both versions, and looks at what comes out.
fn expect(version: Version, rules: Vec<Rule>, given: Given, wanted: Code) {
    expect_with(version, rules, given, &[], &[], wanted);
}

fn expect_with(
    version: Version,
    rules: Vec<Rule>,
    given: Given,
    options: &[&str],
    more: &[(&str, &str)],
    wanted: Code,
) {
    let Some(diagnosis) = diagnose(version, rules, given, options, more) else { return };
    let codes: Vec<Code> = diagnosis.findings.iter().map(|finding| finding.code).collect();
    assert_eq!(diagnosis.verdict.code, wanted, "{:#?}\n{codes:?}", diagnosis.verdict);
    let top = diagnosis.findings.iter().find(|finding| finding.code == wanted);
    assert!(wanted == Code::Healthy || top.is_some_and(|top| top.severity >= Severity::Warning), "{codes:?}");
}

fn api_key_invalid(version: Version) {
    expect(version, unauthorized("invalid x-api-key"), Given::ApiKey, Code::ApiKeyInvalid);
}

fn credential_in_wrong_header(version: Version) {
    expect(version, unauthorized("invalid x-api-key"), Given::AsApiKey(STRANGER), Code::CredentialInWrongHeader);
}

fn bearer_malformed(version: Version) {
    let broken =
        "sk-ant-oat01-FAKE-torn at the end of a line-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUV";
    expect(version, unauthorized("Invalid bearer token"), Given::AuthToken(broken), Code::BearerMalformed);
}

fn static_token_rejected(version: Version) {
    expect(version, unauthorized("Invalid bearer token"), Given::OauthToken(STRANGER), Code::StaticTokenRejected);
}

fn oauth_beta_header_missing(version: Version) {
    let rules = unauthorized("OAuth authentication is currently not supported.");
    expect(version, rules, Given::AuthToken(STRANGER), Code::OauthBetaHeaderMissing);
}

fn token_revoked(version: Version) {
    let rules = refuse(403, "permission_error", "OAuth token has been revoked. Please obtain a new token.");
    expect(version, rules, Given::File, Code::TokenRevoked);
}

fn token_revoked_in_new_words(version: Version) {
    let error = ApiError::unauthorized("OAuth access token has been revoked.").with_request_id(RequestIdShape::Null);
    expect(version, on(MESSAGES, Then::Error(error)), Given::OauthToken(STRANGER), Code::TokenRevoked);
}

fn oauth_not_allowed_for_org(version: Version) {
    let rules = refuse(403, "permission_error", "OAuth authentication is currently not allowed for this organization.");
    expect(version, rules, Given::File, Code::OauthNotAllowedForOrg);
}

fn organization_disabled(version: Version) {
    let rules = refuse(400, "invalid_request_error", "This organization has been disabled.");
    expect(version, rules, Given::ApiKey, Code::OrganizationDisabled);
}

fn credit_balance_too_low(version: Version) {
    let rules = refuse(
        400,
        "invalid_request_error",
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits.",
    );
    expect(version, rules, Given::ApiKey, Code::CreditBalanceTooLow);
}

fn credential_restricted_to_claude_code(version: Version) {
    let rules = refuse(
        400,
        "invalid_request_error",
        "This credential is only authorized for use with Claude Code and cannot be used for other API requests.",
    );
    expect(version, rules, Given::OauthToken(STRANGER), Code::CredentialRestrictedToClaudeCode);
}

fn scope_insufficient(version: Version) {
    let rules = refuse(403, "permission_error", "OAuth token does not meet scope requirement any_of(user:inference)");
    expect(version, rules, Given::OauthToken(STRANGER), Code::ScopeInsufficient);
}

fn request_forbidden_edge(version: Version) {
    let error = ApiError::new(403, "forbidden", "Request not allowed")
        .with_envelope(Envelope::Untyped)
        .with_request_id(RequestIdShape::Missing);
    expect(version, on(MESSAGES, Then::Error(error)), Given::File, Code::RequestForbiddenEdge);
}

fn edge_challenge_html(version: Version) {
    let page = HtmlPage { status: 403, title: "Just a moment...".to_owned(), challenge: true };
    expect(version, on(MESSAGES, Then::Html(page)), Given::File, Code::EdgeChallengeHtml);
}

fn access_token_expired_not_refreshed(version: Version) {
    expect(version, unauthorized(EXPIRED), Given::OauthToken(STRANGER), Code::AccessTokenExpiredNotRefreshed);
}

fn a_401_a_refresh_and_a_200(version: Version) {
    let Some(stage) = Stage::set(version, Script::default()) else { return };
    stage.fake.with_model(|model| model.refuse(0));
    let seance = stage.with_credentials_file().play(&[], &[]);
    let survey = Survey::read(Reader::new(seance.trace.text.as_bytes()).unwrap());
    let verdict = analyze::diagnose(&survey).verdict;
    match version {
        Version::New => assert_eq!(verdict.code, Code::Healthy, "{verdict:#?}"),
        // It never refreshes a token that is refused before its time.
        Version::Old => assert_ne!(verdict.code, Code::Healthy, "{verdict:#?}"),
    }
}

fn refresh_token_invalid(version: Version) {
    let rules = both(on(TOKEN, Then::Token(TokenOutcome::InvalidGrant)), unauthorized(EXPIRED));
    expect(version, rules, Given::ExpiredFile, Code::RefreshTokenInvalid);
}

fn refresh_result_lost(version: Version) {
    let lost = Rule::once(When::grant(Grant::RefreshToken), Then::Token(TokenOutcome::Lost(Cut::Reset)));
    let rules = both(both(vec![lost], on(TOKEN, Then::Token(TokenOutcome::InvalidGrant))), unauthorized(EXPIRED));
    expect(version, rules, Given::ExpiredFile, Code::RefreshResultLost);
}

fn refresh_network_failure(version: Version) {
    let rules = both(on(TOKEN, Then::Cut(Cut::Reset)), unauthorized(EXPIRED));
    expect(version, rules, Given::ExpiredFile, Code::RefreshNetworkFailure);
}

fn token_endpoint_rate_limited(version: Version) {
    let error = ApiError::new(429, "rate_limit_error", "Rate limited. Please try again later.")
        .with_envelope(Envelope::Untyped)
        .with_request_id(RequestIdShape::Missing);
    let rules = both(on(TOKEN, Then::Error(error)), unauthorized(EXPIRED));
    expect(version, rules, Given::ExpiredFile, Code::TokenEndpointRateLimited);
}

fn token_endpoint_outage(version: Version) {
    let answer = RawAnswer {
        status: 503,
        content_type: "text/plain".to_owned(),
        headers: Vec::new(),
        body: b"upstream connect error or disconnect/reset before headers. reset reason: connection timeout".to_vec(),
        coding: Coding::Identity,
    };
    let rules = both(on(TOKEN, Then::Raw(answer)), unauthorized(EXPIRED));
    expect(version, rules, Given::ExpiredFile, Code::TokenEndpointOutage);
}

fn token_request_rejected(version: Version) {
    let error = ApiError::new(400, "invalid_request_error", "Invalid request format");
    let rules = both(on(TOKEN, Then::Error(error)), unauthorized(EXPIRED));
    expect(version, rules, Given::ExpiredFile, Code::TokenRequestRejected);
}

fn fresh_token_rejected(version: Version) {
    expect(version, unauthorized("Invalid bearer token"), Given::ExpiredFile, Code::FreshTokenRejected);
}

fn upstream_outage_mixed_401(version: Version) {
    let busy = || Then::Error(ApiError::new(503, "overloaded_error", "Overloaded"));
    let refused = || Then::Error(ApiError::unauthorized("Invalid bearer token"));
    let alternate = [busy(), refused(), busy(), refused(), busy(), refused(), busy(), refused()];
    let rules = alternate.into_iter().map(|then| Rule::once(When::path(MESSAGES), then)).collect();
    expect(version, rules, Given::OauthToken(STRANGER), Code::UpstreamOutageMixed401);
}

fn rate_limited(version: Version) {
    let rules =
        refuse(429, "rate_limit_error", "This request would exceed your account's rate limit. Please try again later.");
    expect(version, rules, Given::ApiKey, Code::RateLimited);
}

fn overloaded(version: Version) {
    expect(version, refuse(529, "overloaded_error", "Overloaded"), Given::ApiKey, Code::Overloaded);
}

fn server_error(version: Version) {
    expect(version, refuse(500, "api_error", "Internal server error"), Given::ApiKey, Code::ServerError);
}

fn tls_interception_untrusted(version: Version) {
    expect_with(
        version,
        Vec::new(),
        Given::ApiKey,
        &["--trust", "none"],
        &[("CLAUDE_CODE_MAX_RETRIES", "0")],
        Code::TlsInterceptionUntrusted,
    );
}

fn no_authenticated_request(version: Version) {
    expect(version, Vec::new(), Given::Nothing, Code::NoAuthenticatedRequest);
}

fn gateway_key_rejected(version: Version) {
    let answer = RawAnswer {
        status: 401,
        content_type: "application/json".to_owned(),
        headers: Vec::new(),
        body: br#"{"error":{"message":"login fail: Please carry the API secret key in the 'Authorization' field"}}"#
            .to_vec(),
        coding: Coding::Identity,
    };
    let key = Given::AuthToken("FAKE-key-of-a-gateway-0123456789abcdefghijklmnop");
    let base = [("ANTHROPIC_BASE_URL", "https://gateway.example.com")];
    expect_with(version, on(MESSAGES, Then::Raw(answer)), key, &[], &base, Code::GatewayKeyRejected);
}

fn gateway_receives_anthropic_credential(version: Version) {
    let base = [("ANTHROPIC_BASE_URL", "https://gateway.example.com")];
    let given = Given::AuthToken(STRANGER);
    expect_with(version, unauthorized("invalid api key"), given, &[], &base, Code::GatewayReceivesAnthropicCredential);
}

fn apikeyhelper_stale(version: Version) {
    let refused = Rule::once(When::path(MESSAGES), Then::Error(ApiError::unauthorized("invalid x-api-key")));
    // The old version asks for a title beside the message: the same key twice.
    let count = if version == Version::Old { 2 } else { 1 };
    let Some(stage) = Stage::set(version, Script { rules: vec![Rule { times: Some(count), ..refused }] }) else {
        return;
    };
    let (stale, good) = (
        "sk-ant-api03-FAKE-of-yesterday-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ-0123456789AA",
        &stage.api_key,
    );
    let script =
        format!("#!/bin/sh\nif [ -e \"$HOME/asked\" ]; then echo {good}; else : > \"$HOME/asked\"; echo {stale}; fi\n");
    let helper = stage.home.write("helper.sh", &script);
    stage.settings(&format!(r#"{{"apiKeyHelper":"sh {}"}}"#, helper.display()));
    let seance = stage.play(&[], &[]);
    let survey = Survey::read(Reader::new(seance.trace.text.as_bytes()).unwrap());
    let verdict = analyze::diagnose(&survey).verdict;
    match version {
        // Asks the helper anew after each 401.
        Version::New => assert_eq!((verdict.code, verdict.recovered), (Code::ApikeyhelperStale, true), "{verdict:#?}"),
        Version::Old => {
            assert!(
                matches!(
                    verdict.code,
                    Code::ApikeyhelperStale
                        | Code::EndpointInconsistent401
                        | Code::TokenRejectedBeforeExpiry
                        | Code::ApiKeyInvalid
                ),
                "{verdict:#?}"
            );
        }
    }
}

fn healthy_runs(version: Version) {
    expect(version, Vec::new(), Given::File, Code::Healthy);
    expect(version, Vec::new(), Given::ExpiredFile, Code::Healthy);
    expect(version, Vec::new(), Given::ApiKey, Code::Healthy);
}

macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        mod new {
            $(#[test] fn $name() { super::$name(super::Version::New); })*
        }
        mod old {
            $(#[test] fn $name() { super::$name(super::Version::Old); })*
        }
    };
}

cases! {
    a_401_a_refresh_and_a_200,
    access_token_expired_not_refreshed,
    api_key_invalid,
    apikeyhelper_stale,
    bearer_malformed,
    credential_in_wrong_header,
    credential_restricted_to_claude_code,
    credit_balance_too_low,
    edge_challenge_html,
    fresh_token_rejected,
    gateway_key_rejected,
    gateway_receives_anthropic_credential,
    healthy_runs,
    no_authenticated_request,
    oauth_beta_header_missing,
    oauth_not_allowed_for_org,
    organization_disabled,
    overloaded,
    rate_limited,
    refresh_network_failure,
    refresh_result_lost,
    refresh_token_invalid,
    request_forbidden_edge,
    scope_insufficient,
    server_error,
    static_token_rejected,
    tls_interception_untrusted,
    token_endpoint_outage,
    token_endpoint_rate_limited,
    token_request_rejected,
    token_revoked,
    token_revoked_in_new_words,
    upstream_outage_mixed_401,
}
