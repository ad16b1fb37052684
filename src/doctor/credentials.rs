//! Which credential wins, what loses against it, and what is odd about each.

use super::check::{Check, Status, Topic};
use super::facts::{
    CredentialSource, CredentialVariable, Environment, FileFacts, Keychain, Login, LoginState, Origin, Writable,
};
use super::precedence::{Choice, Sent, Source};
use crate::redact::{Credential, Flag, Kind, Length, Redacted};
use crate::trace::Timestamp;

const LOG_IN: &str = "Start claude and type /login";
/// The client renews an access token that ends within this time, in milliseconds.
const RENEWED_EARLY: i64 = 5 * 60 * 1000;

pub(super) fn checks(environment: &Environment, now: Timestamp) -> Vec<Check> {
    let choice = Choice::of(environment);
    let sent = choice.decide();
    let mut checks = vec![winner(environment, sent)];
    checks.extend(losers(choice, sent));
    checks.extend(shadowed(environment));
    checks.extend(environment.credentials.iter().map(|source| variable(source, environment, sent)));
    checks.extend(login_file(environment, sent, now));
    checks.extend(keychain(environment.keychain));
    checks.extend(console_key(environment));
    checks.extend(base_url(environment, sent));
    checks.extend(environment.custom_headers.iter().map(|field| custom_header(field)));
    checks
}

fn check(id: &'static str, status: Status, found: impl Into<String>) -> Check {
    Check::new(Topic::Credentials, id, status, found)
}

fn winner(environment: &Environment, sent: Sent<'_>) -> Check {
    const ID: &str = "credentials.winner";
    if let Some(cloud) = environment.clouds.first() {
        let found = format!(
            "{} is on ({}): messages go to that cloud with its own credentials, not with those below",
            cloud.name, cloud.origin
        );
        return check(ID, Status::Note, found)
            .advise("Unset it to use Anthropic's API, or check the cloud's own login");
    }
    match (sent.api_key, sent.bearer) {
        (None, None) if environment.keychain == Keychain::Unseen => {
            let found = "nothing is set, and whether the keychain holds a login cannot be seen from here";
            check(ID, Status::Unknown, found).advise("Run: claude auth status")
        }
        (None, None) => check(ID, Status::Problem, "there is nothing to log in with: no variable, no helper, no login")
            .advise(format!("{LOG_IN}; for scripts, set CLAUDE_CODE_OAUTH_TOKEN or ANTHROPIC_API_KEY")),
        (Some(key), Some(bearer)) if sent.is_double() => {
            let found = format!("two credentials are sent at once: {key} as x-api-key, {bearer} as Bearer");
            check(ID, Status::Warning, found)
                .advise("Unset the one that you do not mean; the server may look at either")
        }
        (Some(key), Some(_)) => {
            check(ID, Status::Ok, format!("{key} wins: sent as x-api-key and as Bearer, the same value"))
        }
        (Some(key), None) => check(ID, Status::Ok, format!("{key} wins: sent as x-api-key")),
        (None, Some(bearer)) => {
            let beta = match bearer {
                Source::Variable(CredentialVariable::AuthToken, _) => "without",
                _ => "with",
            };
            check(ID, Status::Ok, format!("{bearer} wins: sent as Bearer, {beta} the OAuth beta header"))
        }
    }
}

/// What is there and is not sent.
fn losers(choice: Choice<'_>, sent: Sent<'_>) -> Option<Check> {
    let losers: Vec<Source<'_>> =
        choice.sources().filter(|source| !sent.sources().any(|used| used == *source)).collect();
    if losers.is_empty() {
        return None;
    }
    // A login that stands behind a token from the environment is how scripts are set up; all else surprises people.
    let by_token = matches!(sent.bearer, Some(Source::Variable(CredentialVariable::OauthToken, _)));
    let surprising = !by_token && losers.iter().any(|loser| *loser != Source::ConsoleKey);
    let status = if surprising { Status::Warning } else { Status::Note };
    let beat = if sent.is_double() { "beat" } else { "beats" };
    let found = format!("not used: {}; {} {beat} that", listed(losers.into_iter()), listed(sent.sources()));
    let ways: Vec<String> = sent.sources().map(way_out).collect();
    Some(check("credentials.conflict", status, found).advise(format!("To use it, {}", ways.join(", and "))))
}

fn listed<'a>(sources: impl Iterator<Item = Source<'a>>) -> String {
    sources.map(|source| source.to_string()).collect::<Vec<_>>().join(" and ")
}

/// How to take a credential away.
fn way_out(source: Source<'_>) -> String {
    match source {
        Source::Variable(variable, Origin::Environment) => {
            format!("unset {} (your shell's profile may set it)", variable.name())
        }
        Source::Variable(variable, Origin::Settings(path)) => format!("take {} out of {path}", variable.name()),
        Source::Helper(path) => format!("take apiKeyHelper out of {path}"),
        Source::Login(_) | Source::Keychain | Source::ConsoleKey => "log out: claude auth logout".to_owned(),
    }
}

/// The same variable, set in more than one place.
fn shadowed(environment: &Environment) -> impl Iterator<Item = Check> {
    let weaker = |source: &&CredentialSource| !is_strongest(source, environment);
    environment.credentials.iter().filter(weaker).map(|source| {
        let name = source.variable.name();
        let strongest = environment.credentials.iter().find(|other| other.variable == source.variable);
        let over = strongest.map_or_else(String::new, |strongest| strongest.origin.to_string());
        let found = format!("{name} is set in more than one place: {over} beats {}", source.origin);
        check("credentials.shadowed", Status::Note, found)
            .about(name)
            .advise("Keep one of them, so that it is clear which is used")
    })
}

fn is_strongest(source: &CredentialSource, environment: &Environment) -> bool {
    environment.credentials.iter().find(|other| other.variable == source.variable) == Some(source)
}

fn variable(source: &CredentialSource, environment: &Environment, sent: Sent<'_>) -> Check {
    let used =
        sent.uses_variable(source.variable) && is_strongest(source, environment) && environment.clouds.is_empty();
    let name = source.variable.name();
    let seen = format!("{name} ({}): {}", source.origin, describe(&source.credential));
    let faults = shape(&source.credential, source.line_break).into_iter().chain(wrong_kind(source, environment));
    let check = match faults.max_by_key(|fault| fault.status) {
        None => check("env.credentials", Status::Ok, seen),
        Some(fault) => {
            // What is not sent does no harm now.
            let status = if used { fault.status } else { fault.status.min(Status::Warning) };
            check("env.credentials", status, format!("{seen}; {}", fault.what)).advise(fault.advice)
        }
    };
    check.about(name)
}

/// Kind and length, as far as they are public.
fn describe(credential: &Credential) -> String {
    let kind = match credential.kind {
        Kind::OauthAccess => "an OAuth access token",
        Kind::OauthRefresh => "an OAuth refresh token",
        Kind::ApiKey => "an API key",
        Kind::AdminKey => "an administration key",
        Kind::SessionCookie => "a browser's session key",
        Kind::Jwt => "a JSON Web Token",
        Kind::Unknown => "a value of no known kind",
        other => other.as_str(),
    };
    format!("{kind}{}", public_parts(credential))
}

/// The same for a credential whose place says what it should be.
fn describe_as(wanted: Kind, name: &str, credential: &Credential) -> String {
    if credential.kind == wanted && credential.prefix.is_some() {
        format!("{name}{}", public_parts(credential))
    } else {
        format!("{name}: a value that does not begin as one")
    }
}

fn public_parts(credential: &Credential) -> String {
    let prefix = credential.prefix.as_ref().map(|prefix| format!(" ({prefix})")).unwrap_or_default();
    let length = match credential.len {
        Length::Exact(length) => format!(", {length} characters"),
        Length::AtMost(_) => String::new(),
    };
    format!("{prefix}{length}")
}

struct Fault {
    status: Status,
    what: &'static str,
    advice: String,
}

fn fault(status: Status, what: &'static str, advice: impl Into<String>) -> Option<Fault> {
    Some(Fault { status, what, advice: advice.into() })
}

/// The worst of what the value itself shows.
fn shape(credential: &Credential, line_break: bool) -> Option<Fault> {
    const AGAIN: &str = "Set it again without that";
    let has = |flag| credential.has(flag);
    if has(Flag::Empty) {
        return fault(Status::Problem, "it holds nothing but white space or quotation marks", "Set it, or unset it");
    }
    if has(Flag::Placeholder) {
        return fault(Status::Problem, "it looks like a placeholder", "Put the real value there, or unset it");
    }
    if line_break {
        return fault(
            Status::Problem,
            "a line break stands inside, so that nothing can be sent",
            "Copy it again from a wide terminal: it was wrapped",
        );
    }
    if has(Flag::DoubleBearer) {
        return fault(
            Status::Problem,
            "it begins with the word Bearer, which is then sent twice",
            "Set it to the token alone",
        );
    }
    if has(Flag::Quoted) {
        return fault(Status::Problem, "quotation marks are part of the value and are sent with it", AGAIN);
    }
    if has(Flag::InnerSpace) {
        return fault(
            Status::Problem,
            "white space stands inside and is sent with it",
            "Copy it again: it may be two values, or wrapped",
        );
    }
    if has(Flag::NonAscii) {
        return fault(
            Status::Problem,
            "it holds characters that no credential has",
            "Copy it again, not from a formatted text",
        );
    }
    if has(Flag::OddCharacter) {
        let what = "a character stands in it that its kind never has";
        return fault(Status::Problem, what, "Copy it again: something was put in, or two values are in one");
    }
    if has(Flag::Substitute) {
        let what = "it is a stand-in, which a proxy on the way has to replace by the real one";
        return fault(Status::Warning, what, "Right inside the sandbox that made it; elsewhere, set the real value");
    }
    if has(Flag::TruncatedLooking) {
        return fault(Status::Warning, "it looks cut off", "Copy it again as a whole");
    }
    if has(Flag::LeadingSpace) || has(Flag::TrailingNewline) {
        return fault(
            Status::Note,
            "white space around it (Claude Code takes that off, other programs may not)",
            AGAIN,
        );
    }
    None
}

/// Whether a credential of this kind works where it stands.
fn wrong_kind(source: &CredentialSource, environment: &Environment) -> Option<Fault> {
    use CredentialVariable::{ApiKey, AuthToken, OauthRefreshToken, OauthToken};
    let gateway = environment.base_url.as_ref().is_some_and(|url| !url.anthropic);
    match (source.variable, source.credential.kind) {
        (ApiKey, Kind::ApiKey) | (OauthToken, Kind::OauthAccess) => None,
        (OauthRefreshToken, Kind::OauthRefresh) => {
            fault(Status::Note, "it is used by `claude auth login` only, not for messages", "Run: claude auth login")
        }
        (ApiKey, Kind::OauthAccess) => fault(
            Status::Problem,
            "as x-api-key it is refused with 401 `invalid x-api-key`",
            "Move it to CLAUDE_CODE_OAUTH_TOKEN",
        ),
        (AuthToken, Kind::OauthAccess) => fault(
            Status::Warning,
            "from here it is sent without the OAuth beta header that such a token needs",
            "Move it to CLAUDE_CODE_OAUTH_TOKEN",
        ),
        (AuthToken, Kind::ApiKey) if !gateway => fault(
            Status::Problem,
            "as Bearer it is refused with 401 `Invalid bearer token`",
            "Move it to ANTHROPIC_API_KEY",
        ),
        (OauthToken, Kind::ApiKey) => {
            fault(Status::Problem, "an API key is no OAuth token", "Move it to ANTHROPIC_API_KEY")
        }
        (_, Kind::OauthRefresh) => fault(
            Status::Problem,
            "a refresh token is good for renewing a login only",
            "Make a token for this purpose with: claude setup-token",
        ),
        (ApiKey | AuthToken | OauthToken, Kind::SessionCookie) => {
            fault(Status::Problem, "it belongs to a browser", "Make a token for this purpose with: claude setup-token")
        }
        (ApiKey | OauthToken, Kind::AdminKey) => {
            fault(Status::Problem, "it administers an organisation and sends no messages", "Use an API key, or a login")
        }
        (AuthToken, _) => None,
        (ApiKey | OauthToken, _) if gateway => None,
        (ApiKey, _) => fault(
            Status::Warning,
            "an API key of Anthropic's begins with sk-ant-api",
            "If it is for a gateway, set ANTHROPIC_BASE_URL as well",
        ),
        (OauthToken, _) => {
            fault(Status::Warning, "such a token begins with sk-ant-oat", "Make one with: claude setup-token")
        }
        (OauthRefreshToken, _) => {
            fault(Status::Warning, "such a token begins with sk-ant-ort", "Unset it, or log in again")
        }
    }
}

fn login_file(environment: &Environment, sent: Sent<'_>, now: Timestamp) -> Vec<Check> {
    let path = &environment.login.path;
    let used = sent.uses_login() && environment.clouds.is_empty();
    let (file, login) = match &environment.login.state {
        LoginState::Missing => return vec![check("login.file", Status::Note, format!("no login in {path}"))],
        LoginState::Unreadable(why) => {
            let found = format!("{path} cannot be used: {why}");
            let advice = format!("Look at its owner and mode: ls -lL {path}");
            return vec![check("login.file", Status::Problem, found).advise(advice)];
        }
        LoginState::NoLogin(_) => {
            let found = format!("{path} is there, and holds no login that can be read");
            return vec![check("login.file", Status::Warning, found).advise(LOG_IN)];
        }
        LoginState::There(file, login) => (file, login),
    };
    let mut checks = vec![place(path, file)];
    let blanked = login.access.is_none() && login.refresh.is_none();
    if blanked {
        let found = "the login was blanked: an attempt to renew it was refused";
        let status = if sent.sources().next().is_some() { Status::Warning } else { Status::Problem };
        checks.push(check("login.access-token", status, found).advise(LOG_IN));
        return checks;
    }
    checks.extend([access_token(login, now), refresh_token(login), scopes(login)]);
    if !used {
        for check in &mut checks {
            check.status = check.status.min(Status::Warning);
        }
    }
    checks
}

fn place(path: &str, file: &FileFacts) -> Check {
    let id = "login.file";
    match file {
        FileFacts { writable: Writable::ReadOnlyMount, .. } => {
            let found = format!("{path} lies on a read-only file system: a renewed login cannot be kept");
            check(id, Status::Problem, found)
                .advise("Mount it writable: the old refresh token is void after its first use")
        }
        FileFacts { writable: Writable::Denied, .. } => {
            let found = format!("{path} or its folder may not be written: a renewed login cannot be kept");
            check(id, Status::Problem, found).advise("Make both writable for this user: chmod u+w")
        }
        FileFacts { own: false, .. } => check(id, Status::Warning, format!("{path} belongs to another user"))
            .advise("Was claude once run with sudo? Give the file back: sudo chown $USER"),
        FileFacts { mode, .. } if mode & 0o077 != 0 => {
            let found = format!("{path} may be read by others (mode {mode:04o})");
            check(id, Status::Warning, found).advise(format!("chmod 600 {path}"))
        }
        FileFacts { link: true, .. } => check(id, Status::Note, format!("{path} is a symbolic link"))
            .advise("A client that replaces the file replaces the link; two homes then hold different logins"),
        FileFacts { mode, .. } => check(id, Status::Ok, format!("{path}: yours, mode {mode:04o}")),
    }
}

fn access_token(login: &Login, now: Timestamp) -> Check {
    let id = "login.access-token";
    let renewable = login.refresh.is_some();
    let Some(access) = &login.access else {
        return check(id, Status::Warning, "no access token is kept").advise(LOG_IN);
    };
    let what = describe_as(Kind::OauthAccess, "access token", access);
    if let Some(fault) = shape(access, false) {
        return check(id, fault.status, format!("{what}; {}", fault.what)).advise(LOG_IN);
    }
    let Some(expires) = login.expires else {
        return check(id, Status::Warning, format!("{what}; when it ends is not kept")).advise(LOG_IN);
    };
    let left = expires.unix_ms().saturating_sub(now.unix_ms());
    match left {
        _ if expires.unix_ms() == 0 => {
            check(id, Status::Warning, format!("{what}; its end was blanked by a failed renewal")).advise(LOG_IN)
        }
        ..=0 if renewable => check(id, Status::Note, format!("{what}; ended {} ago", span(left)))
            .advise("claude renews it at its next start; nothing to do"),
        ..=0 => check(id, Status::Problem, format!("{what}; ended {} ago, and there is no refresh token", span(left)))
            .advise(LOG_IN),
        ..=RENEWED_EARLY if renewable => {
            check(id, Status::Ok, format!("{what}; ends in {}, and is renewed before", span(left)))
        }
        _ => check(id, Status::Ok, format!("{what}; ends in {}", span(left))),
    }
}

fn refresh_token(login: &Login) -> Check {
    let id = "login.refresh-token";
    let Some(refresh) = &login.refresh else {
        let found = "no refresh token: when the access token ends, so does the login";
        return check(id, Status::Warning, found).advise(LOG_IN);
    };
    let what = describe_as(Kind::OauthRefresh, "refresh token", refresh);
    match shape(refresh, false) {
        Some(fault) => check(id, fault.status, format!("{what}; {}", fault.what)).advise(LOG_IN),
        None => check(id, Status::Ok, what),
    }
}

fn scopes(login: &Login) -> Check {
    let id = "login.scopes";
    let names = login.scopes.iter().map(Redacted::as_str).collect::<Vec<_>>().join(", ");
    let plan = login.plan.map(|plan| format!("; plan: {plan}")).unwrap_or_default();
    let has = |wanted: &str| login.scopes.iter().any(|scope| scope == wanted);
    if login.scopes.is_empty() {
        return check(id, Status::Note, format!("no scopes are kept{plan}"));
    }
    if !has("user:inference") {
        let found = format!("the login may send no messages (no user:inference): {names}{plan}");
        return check(id, Status::Problem, found).advise(LOG_IN);
    }
    if !has("user:profile") {
        let found = format!("scopes: {names}{plan}; without user:profile, /usage and the profile answer 403");
        return check(id, Status::Note, found).advise("Harmless for messages");
    }
    check(id, Status::Ok, format!("scopes: {names}{plan}"))
}

fn keychain(keychain: Keychain) -> Option<Check> {
    let id = "login.keychain";
    match keychain {
        Keychain::None => None,
        Keychain::Login => {
            Some(check(id, Status::Ok, "the keychain holds a login; what it is cannot be seen from here"))
        }
        Keychain::Empty => Some(check(id, Status::Note, "the keychain holds no login")),
        Keychain::Unseen => Some(
            check(id, Status::Unknown, "whether the keychain holds a login cannot be seen from here")
                .advise("If it is locked: security unlock-keychain"),
        ),
    }
}

fn console_key(environment: &Environment) -> Option<Check> {
    let key = environment.console_key.as_ref()?;
    Some(check("login.console-key", Status::Note, format!("a Console login has left {}", describe(key))))
}

fn base_url(environment: &Environment, sent: Sent<'_>) -> Option<Check> {
    let url = environment.base_url.as_ref()?;
    let id = "env.base-url";
    let shown = &url.shown;
    let login = sent.uses_login() || sent.uses_variable(CredentialVariable::OauthToken);
    if !url.https && !url.loopback {
        let found = format!("messages go to {shown} without TLS: the credential can be read on the way");
        return Some(check(id, Status::Warning, found).advise("Give the gateway TLS, or reach it over a tunnel"));
    }
    if !url.anthropic && login {
        let found = format!("messages go to {shown}, which then receives the credential of your Claude login");
        return Some(check(id, Status::Warning, found).advise("Set ANTHROPIC_AUTH_TOKEN to the gateway's own key"));
    }
    let rest = "; other requests still go to api.anthropic.com";
    Some(check(id, Status::Note, format!("ANTHROPIC_BASE_URL: messages go to {shown}{rest}")))
}

fn custom_header(field: &str) -> Check {
    let found = format!("ANTHROPIC_CUSTOM_HEADERS sets {field} beside what Claude Code sends itself");
    check("env.custom-headers", Status::Warning, found)
        .about(field.to_owned())
        .advise("Take it out, unless a gateway asks for it")
}

/// Milliseconds, of either sign, for people.
pub(super) fn span(ms: i64) -> String {
    let seconds = ms.unsigned_abs() / 1000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..172_800 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} days", seconds / 86_400),
    }
}
