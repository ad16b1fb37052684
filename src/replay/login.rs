//! What the clients of a trace were given, as far as the trace tells: which kind of login, in which state, how many.

use super::route::{MADE_UP_HOST, Route, matters};
use crate::analyze::{CredentialHistory, CredentialOrigin, Endpoint, Lineage, Provider, Survey, endpoint, provider};
use crate::policy::Grant;
use crate::redact::{Fingerprint, Flag, Kind, Length};
use crate::scenario::{Client, Given};
use crate::trace::{Credential, Exchange, Origin, Timestamp};

/// Seconds before the beginning at which an access token ended that the client renews at once.
const ENDED: i64 = -60;
/// A client renews its token so many seconds before the end.
const RENEWED_BEFORE: i64 = 300;
/// Clients that are at work within so many milliseconds of each other were so at the same time.
const TOGETHER_MS: i64 = 10_000;
/// So many clients are played at most.
const MOST_CLIENTS: u32 = 16;

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
pub(super) fn assume(survey: &Survey, lineage: &Lineage) -> Assumed {
    let evidence = Evidence::of(survey, lineage);
    let (mut client, reason) = evidence.login();
    let mut why = vec![reason];
    if client.login == Given::File {
        let (expires_in, reason) = evidence.expires_in();
        client.expires_in = expires_in.unwrap_or(client.expires_in);
        why.push(reason);
    }
    let (processes, reason) = evidence.processes();
    client.processes = processes;
    why.extend(reason);
    if let Some(host) = evidence.gateway() {
        why.push(format!(
            "requests for the model went to another host than Anthropic's: ANTHROPIC_BASE_URL names {host}"
        ));
        client.variables.insert("ANTHROPIC_BASE_URL".to_owned(), format!("https://{host}"));
    }
    Assumed { client, scopes: evidence.scopes(), why }
}

/// The facts that tell.
struct Evidence<'a> {
    survey: &'a Survey,
    lineage: &'a Lineage,
    /// Exchanges that matter, by their order; what authtrace answered says as much about the client as any.
    asked: Vec<&'a Exchange>,
    /// The credential that was sent most with what matters, and where it stood.
    main: Option<&'a Credential>,
}

impl<'a> Evidence<'a> {
    fn of(survey: &'a Survey, lineage: &'a Lineage) -> Self {
        let asked: Vec<&Exchange> = survey.exchanges().iter().filter(|exchange| matters(exchange)).collect();
        let messages = || asked.iter().copied().filter(|exchange| endpoint(exchange) == Endpoint::Messages);
        let any = || survey.exchanges().iter().filter(|exchange| provider(exchange) == Provider::Anthropic);
        let main = most_used(messages()).or_else(|| most_used(any()));
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
                None => (variable(Given::ApiKey, sent), "a key in x-api-key: ANTHROPIC_API_KEY".to_owned()),
            },
            Some(sent) if self.belongs_to_file(sent, file) => {
                (Client::default(), format!("a login file: {}", file.unwrap_or_default()))
            }
            Some(sent) => {
                let (given, why) = self.variable_of(sent);
                if file.is_none() {
                    return (variable(given, sent), why);
                }
                let name = if given == Given::OauthToken { "CLAUDE_CODE_OAUTH_TOKEN" } else { "ANTHROPIC_AUTH_TOKEN" };
                let variables = [(name.to_owned(), made_up(sent))].into();
                (Client { variables, ..Client::default() }, format!("{why}, over a login file"))
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

    /// How many clients were at work at the same time.
    fn processes(&self) -> (u32, Option<String>) {
        let mut spans: Vec<Option<(Timestamp, Timestamp)>> = vec![None; self.lineage.processes.len()];
        let uses = self.brought().flat_map(|history| &history.uses);
        let of_interest = |id: u64| self.asked.iter().any(|exchange| exchange.id == id);
        for one in uses.filter(|one| of_interest(one.exchange)) {
            if let Some(span) = spans.get_mut(one.process) {
                let (from, to) = span.unwrap_or((one.at, one.at));
                *span = Some((from.min(one.at), to.max(one.at)));
            }
        }
        let known = |process: usize| self.lineage.process(process).is_some_and(|process| process.peer.is_some());
        let any_known = (0..spans.len()).any(known);
        let spans: Vec<(Timestamp, Timestamp)> = spans
            .into_iter()
            .enumerate()
            .filter_map(|(process, span)| span.filter(|_| known(process) || !any_known))
            .collect();
        let overlapping = |at: Timestamp| {
            let open = |(from, to): &&(Timestamp, Timestamp)| {
                from.unix_ms() <= at.unix_ms() && at.unix_ms() <= to.unix_ms().saturating_add(TOGETHER_MS)
            };
            spans.iter().filter(open).count()
        };
        let together = spans.iter().map(|(from, _)| overlapping(*from)).max().unwrap_or(1).max(1);
        let count = u32::try_from(together).unwrap_or(MOST_CLIENTS).min(MOST_CLIENTS);
        let why = (count > 1).then(|| format!("{count} clients were at work at the same time, with the same login"));
        (count, why)
    }

    fn gateway(&self) -> Option<String> {
        let is_gateway = |exchange: &&&Exchange| {
            provider(exchange) == Provider::Gateway && endpoint(exchange) == Endpoint::Messages
                || Route::of(exchange).host == MADE_UP_HOST && endpoint(exchange) == Endpoint::Messages
        };
        self.asked.iter().find(is_gateway).map(|exchange| Route::of(exchange).host)
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

/// The credential in a header field that most of these carry; the first of equals.
fn most_used<'a>(exchanges: impl Iterator<Item = &'a Exchange>) -> Option<&'a Credential> {
    let mut counts: Vec<(&Credential, usize)> = Vec::new();
    let in_head = |sent: &&Credential| sent.place == *"x-api-key" || sent.place == *"authorization";
    for exchange in exchanges.filter(|exchange| exchange.origin != Origin::UpstreamProxy) {
        let Some(sent) = exchange.credentials.iter().find(in_head) else { continue };
        match counts.iter_mut().find(|(known, _)| known.credential.fp == sent.credential.fp) {
            Some((_, count)) => *count += 1,
            None => counts.push((sent, 1)),
        }
    }
    let most = counts.iter().map(|(_, count)| *count).max()?;
    counts.into_iter().find(|(_, count)| *count == most).map(|(sent, _)| sent)
}

fn variable(login: Given, sent: &Credential) -> Client {
    let credential = &sent.credential;
    let usual = match login {
        Given::ApiKey => credential.kind == Kind::ApiKey,
        _ => credential.kind == Kind::OauthAccess,
    };
    let value = (!usual || !credential.flags.is_empty()).then(|| made_up(sent));
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
