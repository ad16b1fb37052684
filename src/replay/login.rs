//! What the clients of a trace were given, as far as the trace tells: which kind of login, in which state, how many.

use super::clients;
use super::elsewhere;
use crate::analyze::{
    CredentialHistory, CredentialOrigin, Diagnosis, Endpoint, Lineage, Provider, Survey, endpoint, matters, provider,
};
use crate::catalogue::versions::compare;
use crate::compare::Route;
use crate::policy::Grant;
use crate::redact::{Fingerprint, Flag, Kind, Length};
use crate::scenario::{Client, Given};
use crate::trace::{Credential, Exchange, Origin, Outcome};
use std::cmp::Ordering;
use std::collections::HashSet;

/// Seconds before the beginning at which an access token ended that the client renews at once.
const ENDED: i64 = -60;
/// A client renews its token so many seconds before the end.
const RENEWED_BEFORE: i64 = 300;
/// What is shorter is no whole credential of Anthropic's, as in the rules of the analysis.
const SHORTEST: u32 = 90;
/// So many keys of a helper are played at most.
const MOST_KEYS: u32 = 16;
/// From this version on Claude Code renews a token that was refused.
const RENEWS_AFTER_REFUSAL: &str = "2.1.117";
/// How Claude Code calls itself.
const CLIENT: &str = "claude-cli/";

const FILE_ONLY: [&str; 2] = ["/api/oauth/profile", "/api/oauth/claude_cli/roles"];

/// What is assumed of the clients.
pub(super) struct Assumed {
    /// What they are given.
    pub(super) client: Client,
    /// What their login is good for, if a grant says so.
    pub(super) scopes: Option<String>,
    /// What was assumed, and why.
    pub(super) why: Vec<String>,
}

/// Reads it off a trace.
pub(super) fn assume(survey: &Survey, Diagnosis { lineage, verdict, .. }: &Diagnosis) -> Assumed {
    let evidence = Evidence::of(survey, lineage);
    let (mut client, reason) = evidence.login();
    let mut why = vec![reason];
    if client.login == Given::File {
        let (expires_in, reason) = evidence.expires_in();
        client.expires_in = expires_in.unwrap_or(client.expires_in);
        why.push(reason);
        client.renewable = evidence.is_renewable();
        if !client.renewable {
            why.push("it has no refresh token: it was refused, and this client would have renewed it".to_owned());
        }
    }
    let clients = clients::count(survey, lineage, verdict.code);
    (client.processes, client.shared_home, client.tasks) = (clients.processes, clients.shared, clients.tasks);
    if client.processes > 1 {
        let login = if client.shared_home { "one login, which they share" } else { "a copy of the same login each" };
        why.push(format!("{} clients were at work at the same time, with {login}", client.processes));
    }
    client.trusts_proxy = !evidence.distrusts();
    why.extend(elsewhere::add(survey, &mut client));
    Assumed { client, scopes: evidence.scopes(), why }
}

/// The facts that tell.
struct Evidence<'a> {
    survey: &'a Survey,
    lineage: &'a Lineage,
    /// Exchanges that matter, by their order; what authtrace answered says as much about the client as any.
    asked: Vec<&'a Exchange>,
    /// The credential that was sent most with what matters, and where it stood; none that a login of the trace issued.
    main: Option<&'a Credential>,
}

impl<'a> Evidence<'a> {
    fn of(survey: &'a Survey, lineage: &'a Lineage) -> Self {
        let asked: Vec<&Exchange> = survey.exchanges().iter().filter(|exchange| matters(exchange)).collect();
        let messages = || asked.iter().copied().filter(|exchange| endpoint(exchange) == Endpoint::Messages);
        let any = || survey.exchanges().iter().filter(|exchange| provider(exchange) == Provider::Anthropic);
        let of_the_client = |sent: &Credential| {
            let origin = lineage.get(sent.credential.fp).map(|history| history.origin);
            matches!(origin, Some(CredentialOrigin::Brought | CredentialOrigin::Refresh { .. }))
        };
        let main = most_used(messages(), of_the_client).or_else(|| most_used(any(), of_the_client));
        Self { survey, lineage, asked, main }
    }

    fn login(&self) -> (Client, String) {
        let file = self.file();
        match self.main {
            Some(sent) if sent.place == *"x-api-key" => match file {
                Some(_) => {
                    let variables = [("ANTHROPIC_API_KEY".to_owned(), made_up(sent))].into();
                    let why =
                        "a key in x-api-key, and OAuth calls beside it: a login file, and ANTHROPIC_API_KEY over it";
                    (Client { variables, ..Client::default() }, why.to_owned())
                }
                None => match self.keys_in_turn() {
                    0 | 1 if !self.is_doubled(sent) => {
                        (variable(Given::ApiKey, sent), "a key in x-api-key: ANTHROPIC_API_KEY".to_owned())
                    }
                    keys => {
                        let why = format!(
                            "{keys} key(s) in x-api-key, one after the other or in two headers: an apiKeyHelper"
                        );
                        let stale = u32::try_from(keys.saturating_sub(1)).unwrap_or(0).min(MOST_KEYS);
                        (Client { login: Given::Helper, stale, ..Client::default() }, why)
                    }
                },
            },
            Some(sent) if self.belongs_to_file(sent, file) => {
                (Client::default(), format!("a login file: {}", file.unwrap_or_default()))
            }
            Some(sent) => {
                let (given, why) = self.variable_of(sent);
                if file.is_none() {
                    let mut client = variable(given, sent);
                    let beside = self.key_beside(sent).map(|key| ("ANTHROPIC_API_KEY".to_owned(), made_up(key)));
                    client.variables.extend(beside);
                    return (client, why);
                }
                let name = if given == Given::OauthToken { "CLAUDE_CODE_OAUTH_TOKEN" } else { "ANTHROPIC_AUTH_TOKEN" };
                let variables = [(name.to_owned(), made_up(sent))].into();
                (Client { variables, ..Client::default() }, format!("{why}, over a login file"))
            }
            None if file.is_none() && self.distrusts() => {
                (Client { login: Given::ApiKey, ..Client::default() }, "nothing was sent: any login will do".to_owned())
            }
            None if file.is_some() => (Client::default(), format!("a login file: {}", file.unwrap_or_default())),
            None => {
                let why = "no credential was sent: the client is given none".to_owned();
                (Client { login: Given::None, ..Client::default() }, why)
            }
        }
    }

    /// Why there was a login file, if there was one.
    fn file(&self) -> Option<&'static str> {
        let brought_refresh = self.brought().any(|history| history.credential.kind == Kind::OauthRefresh);
        if brought_refresh {
            return Some("a refresh token was brought along");
        }
        let beside = |history: &CredentialHistory| {
            let main = self.main.is_some_and(|sent| sent.credential.fp == history.credential.fp);
            history.credential.kind == Kind::OauthAccess && !main
        };
        if self.main.is_some() && self.brought().any(beside) {
            return Some("another OAuth token was sent beside what the messages carry");
        }
        let asks = |exchange: &&Exchange| FILE_ONLY.contains(&Route::of(exchange).path.as_str());
        let with_token = |exchange: &Exchange| access_tokens(exchange).any(|sent| self.is_brought(sent.credential.fp));
        let mut asked = self.survey.exchanges().iter().filter(asks);
        asked.any(with_token).then_some("its profile was asked for, which a token of a variable is not used for")
    }

    /// Whether the credential came out of the login file rather than out of a variable beside it.
    fn belongs_to_file(&self, sent: &Credential, file: Option<&str>) -> bool {
        if file.is_none() || sent.credential.kind != Kind::OauthAccess || !sent.credential.flags.is_empty() {
            return false;
        }
        let history = self.lineage.get(sent.credential.fp);
        let renewed = history.is_some_and(|history| {
            !matches!(history.origin, CredentialOrigin::Brought) || history.replaced_by.is_some()
        });
        let asks_profile = self
            .survey
            .exchanges()
            .iter()
            .filter(|exchange| FILE_ONLY.contains(&Route::of(exchange).path.as_str()))
            .any(|exchange| access_tokens(exchange).any(|one| one.credential.fp == sent.credential.fp));
        // A token beside a refresh token is of the same file, unless a variable is known to be set.
        renewed
            || asks_profile
            || !self.has_variable("CLAUDE_CODE_OAUTH_TOKEN") && !self.has_variable("ANTHROPIC_AUTH_TOKEN")
    }

    fn variable_of(&self, sent: &Credential) -> (Given, String) {
        let named = |given, name: &str| (given, format!("a bearer that was never renewed, and {name} was set"));
        if self.has_variable("ANTHROPIC_AUTH_TOKEN") {
            return named(Given::AuthToken, "ANTHROPIC_AUTH_TOKEN");
        }
        if self.has_variable("CLAUDE_CODE_OAUTH_TOKEN") {
            return named(Given::OauthToken, "CLAUDE_CODE_OAUTH_TOKEN");
        }
        match self.with_opt_in(sent.credential.fp) {
            true => {
                (Given::OauthToken, "a bearer with the OAuth opt-in, never renewed: CLAUDE_CODE_OAUTH_TOKEN".to_owned())
            }
            false => (Given::AuthToken, "a bearer without the OAuth opt-in: ANTHROPIC_AUTH_TOKEN".to_owned()),
        }
    }

    fn with_opt_in(&self, fp: Fingerprint) -> bool {
        let sends = |exchange: &&&Exchange| exchange.credentials.iter().any(|sent| sent.credential.fp == fp);
        let opts_in = |exchange: &&Exchange| {
            let fields = exchange.request.headers.iter();
            let mut betas = fields.filter(|field| field.name.as_str().eq_ignore_ascii_case("anthropic-beta"));
            betas.any(|field| field.value.as_str().contains("oauth-"))
        };
        self.asked.iter().filter(sends).any(opts_in)
    }

    /// When the access token of the file ends, if not in the usual time, and why that is assumed.
    fn expires_in(&self) -> (Option<i64>, String) {
        let refresh = |exchange: &&&Exchange| Route::of(exchange).grant == Some(Grant::RefreshToken);
        let Some(first) = self.asked.first() else {
            return (None, "its access token is good for hours, as nothing says otherwise".to_owned());
        };
        let Some(renewal) = self.asked.iter().find(refresh) else {
            return (None, "its access token seemed good to the client, which did not renew it".to_owned());
        };
        if renewal.id == first.id {
            return (Some(ENDED), "its access token has run out: a refresh was the first that mattered".to_owned());
        }
        let before = self.asked.iter().take_while(|exchange| exchange.id != renewal.id);
        if before.clone().any(|exchange| exchange.is_auth_failure()) {
            return (None, "its access token seemed good to the client until it was refused".to_owned());
        }
        let seconds = (renewal.at.unix_ms().saturating_sub(first.at.unix_ms())).max(0) / 1_000;
        let why = format!("its access token runs out so that it is renewed {seconds} s after the beginning");
        (Some(seconds.saturating_add(RENEWED_BEFORE)), why)
    }

    /// Whether the same value stands in both header fields, as a helper's does.
    fn is_doubled(&self, key: &Credential) -> bool {
        let same = |sent: &Credential| sent.place == *"authorization" && sent.credential.fp == key.credential.fp;
        self.asked.iter().any(|exchange| exchange.credentials.iter().any(same))
    }

    /// A key in x-api-key of the requests that have another value as their bearer.
    fn key_beside(&self, bearer: &Credential) -> Option<&'a Credential> {
        let is_key = |sent: &&Credential| sent.place == *"x-api-key" && sent.credential.fp != bearer.credential.fp;
        self.asked.iter().find_map(|exchange| exchange.credentials.iter().find(is_key))
    }

    /// How many keys the same client sent in x-api-key.
    fn keys_in_turn(&self) -> usize {
        let key = |exchange: &&Exchange| exchange.credentials.iter().find(|sent| sent.place == *"x-api-key").cloned();
        let keys: HashSet<Fingerprint> = self.asked.iter().filter_map(key).map(|sent| sent.credential.fp).collect();
        keys.len()
    }

    /// Whether the login file has a refresh token, as far as the client's doing without one tells.
    fn is_renewable(&self) -> bool {
        let refresh = |exchange: &&Exchange| Route::of(exchange).grant == Some(Grant::RefreshToken);
        if self.asked.iter().any(refresh) {
            return true;
        }
        let refused = self.asked.iter().any(|exchange| {
            exchange.status() == Some(401)
                && exchange.origin == Origin::Upstream
                && access_tokens(exchange).next().is_some()
        });
        let agents = self.asked.iter().flat_map(|exchange| &exchange.request.headers);
        let mut agents = agents.filter(|field| field.name.as_str().eq_ignore_ascii_case("user-agent"));
        let renews = agents.any(|field| {
            let version = field.value.as_str().split_once(CLIENT).and_then(|(_, behind)| behind.split(' ').next());
            version.and_then(|version| compare(version, RENEWS_AFTER_REFUSAL)).is_some_and(Ordering::is_ge)
        });
        !(refused && renews)
    }

    /// Whether the client broke off every handshake with authtrace.
    fn distrusts(&self) -> bool {
        let connections = self.survey.connections();
        let distrusts = connections.iter().any(|one| one.end.outcome == Outcome::ClientDistrustsCa);
        distrusts && self.survey.exchanges().is_empty()
    }

    fn scopes(&self) -> Option<String> {
        let granted = self.asked.iter().find_map(|exchange| exchange.oauth.as_ref()?.scope_granted.as_ref());
        granted.map(|scopes| scopes.to_string()).filter(|scopes| !scopes.is_empty() && !scopes.contains('‹'))
    }

    fn brought(&self) -> impl Iterator<Item = &'a CredentialHistory> {
        let lineage = self.lineage;
        lineage.credentials.iter().filter(|history| matches!(history.origin, CredentialOrigin::Brought))
    }

    fn is_brought(&self, fp: Fingerprint) -> bool {
        self.brought().any(|history| history.credential.fp == fp)
    }

    fn has_variable(&self, name: &str) -> bool {
        self.survey.head().is_some_and(|head| head.variables.iter().any(|set| set == name))
    }
}

fn access_tokens(exchange: &Exchange) -> impl Iterator<Item = &Credential> {
    exchange.credentials.iter().filter(|sent| sent.credential.kind == Kind::OauthAccess)
}

/// The credential in a header field that most of these carry, of those that count; the first of equals. A bearer is taken
/// before a key, unless it is the same.
fn most_used<'a>(
    exchanges: impl Iterator<Item = &'a Exchange>,
    counts: impl Fn(&Credential) -> bool,
) -> Option<&'a Credential> {
    let mut used: Vec<(&Credential, usize)> = Vec::new();
    for exchange in exchanges.filter(|exchange| exchange.origin != Origin::UpstreamProxy) {
        let at = |place: &str| exchange.credentials.iter().find(|sent| sent.place == *place && counts(sent));
        let (bearer, key) = (at("authorization"), at("x-api-key"));
        let same = matches!((bearer, key), (Some(bearer), Some(key)) if bearer.credential.fp == key.credential.fp);
        let Some(sent) = bearer.filter(|_| !same).or(key) else { continue };
        match used.iter_mut().find(|(known, _)| known.credential.fp == sent.credential.fp) {
            Some((_, count)) => *count += 1,
            None => used.push((sent, 1)),
        }
    }
    let most = used.iter().map(|(_, count)| *count).max()?;
    used.into_iter().find(|(_, count)| *count == most).map(|(sent, _)| sent)
}

fn variable(login: Given, sent: &Credential) -> Client {
    let credential = &sent.credential;
    let usual = match login {
        Given::ApiKey => credential.kind == Kind::ApiKey,
        _ => credential.kind == Kind::OauthAccess,
    };
    let torn = matches!(credential.len, Length::Exact(length) if length < SHORTEST);
    let value = (!usual || torn || !credential.flags.is_empty()).then(|| made_up(sent));
    Client { login, issued: value.is_none(), value, ..Client::default() }
}

/// A made-up value of the same kind, length and oddities.
fn made_up(sent: &Credential) -> String {
    const FILLING: &str = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    let credential = &sent.credential;
    let prefix = credential.prefix.as_ref().map(|prefix| format!("sk-ant-{prefix}-")).unwrap_or_default();
    let length = match credential.len {
        Length::Exact(length) => length,
        Length::AtMost(most) => most / 4 * 3,
    };
    let length = usize::try_from(length).unwrap_or(usize::MAX).min(4_096);
    let mut value = format!("{prefix}FAKE");
    let missing = length.saturating_sub(value.len());
    value.extend(FILLING.chars().cycle().take(missing));
    let middle = value.len() / 2;
    let put = |value: &mut String, c: char| value.insert(middle.max(prefix.len() + 4).min(value.len()), c);
    for flag in &credential.flags {
        match flag {
            Flag::Quoted => value = format!("\"{value}\""),
            Flag::InnerSpace => put(&mut value, ' '),
            Flag::LeadingSpace => value.insert(0, ' '),
            Flag::TrailingNewline => value.push('\n'),
            Flag::DoubleBearer => value = format!("Bearer {value}"),
            Flag::NonAscii => put(&mut value, 'é'),
            Flag::OddCharacter => put(&mut value, '+'),
            Flag::TruncatedLooking if prefix.is_empty() => value.push_str("..."),
            Flag::Substitute => value.push_str("-proxy-managed"),
            // The kind, or the length, says it already; a placeholder that says FAKE is as good as any.
            Flag::TruncatedLooking | Flag::WrongKindForHeader | Flag::Placeholder | Flag::Empty => {}
        }
    }
    value
}
