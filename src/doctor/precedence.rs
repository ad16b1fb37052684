//! Which credential a message is sent with, when several are there: as Claude Code 2.1.328 and 2.1.107 were seen to decide.

use super::facts::{CredentialSource, CredentialVariable, Environment, Keychain, LoginState, Origin};
use std::fmt;

/// Something that a credential is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source<'a> {
    Variable(CredentialVariable, &'a Origin),
    /// The settings file that names the helper.
    Helper(&'a str),
    Login(&'a str),
    Keychain,
    ConsoleKey,
}

impl fmt::Display for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(variable, Origin::Environment) => f.write_str(variable.name()),
            Self::Variable(variable, Origin::Settings(path)) => write!(f, "{} of {path}", variable.name()),
            Self::Helper(path) => write!(f, "the apiKeyHelper of {path}"),
            Self::Login(path) => write!(f, "the login in {path}"),
            Self::Keychain => f.write_str("the login in the keychain"),
            Self::ConsoleKey => f.write_str("the API key of a Console login"),
        }
    }
}

/// What is sent with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent<'a> {
    pub(super) api_key: Option<Source<'a>>,
    pub(super) bearer: Option<Source<'a>>,
}

impl<'a> Sent<'a> {
    /// What is sent, each source once.
    pub(super) fn sources(self) -> impl Iterator<Item = Source<'a>> {
        let second = self.bearer.filter(|bearer| Some(*bearer) != self.api_key);
        self.api_key.into_iter().chain(second)
    }

    pub(super) fn uses_variable(self, wanted: CredentialVariable) -> bool {
        self.sources().any(|source| matches!(source, Source::Variable(variable, _) if variable == wanted))
    }

    pub(super) fn uses_login(self) -> bool {
        self.sources().any(|source| matches!(source, Source::Login(_)))
    }

    /// Whether two credentials go out that need not be the same.
    pub(super) fn is_double(self) -> bool {
        self.sources().count() == 2
    }
}

/// What there is to choose from.
#[derive(Clone, Copy)]
pub(super) struct Choice<'a> {
    pub(super) api_key: Option<Source<'a>>,
    pub(super) auth_token: Option<Source<'a>>,
    pub(super) helper: Option<Source<'a>>,
    pub(super) oauth_token: Option<Source<'a>>,
    pub(super) login: Option<Source<'a>>,
    pub(super) console_key: Option<Source<'a>>,
}

impl<'a> Choice<'a> {
    pub(super) fn of(environment: &'a Environment) -> Self {
        let variable = |wanted| {
            let source = environment.credentials.iter().find(|source| source.variable == wanted)?;
            let CredentialSource { variable, origin, .. } = source;
            Some(Source::Variable(*variable, origin))
        };
        let helper = environment.settings.iter().rev().find(|file| file.api_key_helper);
        let file = matches!(&environment.login.state, LoginState::There(_, login) if login.access.is_some() || login.refresh.is_some());
        let in_keychain = environment.keychain == Keychain::Login;
        let login =
            if in_keychain { Some(Source::Keychain) } else { file.then_some(Source::Login(&environment.login.path)) };
        Self {
            api_key: variable(CredentialVariable::ApiKey),
            auth_token: variable(CredentialVariable::AuthToken),
            helper: helper.map(|file| Source::Helper(&file.path)),
            oauth_token: variable(CredentialVariable::OauthToken),
            login,
            console_key: environment.console_key.as_ref().map(|_| Source::ConsoleKey),
        }
    }

    /// Everything that is there, in the order in which it is described.
    pub(super) fn sources(self) -> impl Iterator<Item = Source<'a>> {
        [self.api_key, self.auth_token, self.helper, self.oauth_token, self.login, self.console_key]
            .into_iter()
            .flatten()
    }

    /// What is sent by this version: an older one sends the helper's key also beside `ANTHROPIC_AUTH_TOKEN`.
    pub(super) fn decide(self) -> Sent<'a> {
        let keyed = self.api_key.or(if self.auth_token.is_none() { self.helper } else { None });
        let bearer = self.auth_token.or(self.helper);
        if keyed.is_some() || bearer.is_some() {
            return Sent { api_key: keyed, bearer };
        }
        match self.oauth_token.or(self.login) {
            Some(bearer) => Sent { api_key: None, bearer: Some(bearer) },
            None => Sent { api_key: self.console_key, bearer: None },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENVIRONMENT: Origin = Origin::Environment;
    const KEY: Source<'_> = Source::Variable(CredentialVariable::ApiKey, &ENVIRONMENT);
    const AUTH: Source<'_> = Source::Variable(CredentialVariable::AuthToken, &ENVIRONMENT);
    const OAUTH: Source<'_> = Source::Variable(CredentialVariable::OauthToken, &ENVIRONMENT);
    const HELPER: Source<'_> = Source::Helper("settings");
    const LOGIN: Source<'_> = Source::Login("file");

    fn sent(sources: &[Source<'static>]) -> (Option<Source<'static>>, Option<Source<'static>>) {
        let has = |wanted: Source<'static>| sources.contains(&wanted).then_some(wanted);
        let choice = Choice {
            api_key: has(KEY),
            auth_token: has(AUTH),
            helper: has(HELPER),
            oauth_token: has(OAUTH),
            login: has(LOGIN),
            console_key: has(Source::ConsoleKey),
        };
        assert_eq!(choice.sources().count(), sources.len());
        let sent = choice.decide();
        (sent.api_key, sent.bearer)
    }

    /// The rows of what was measured: what is set, what goes out as `x-api-key`, what as `Bearer`.
    #[test]
    fn each_combination_sends_what_was_seen_on_the_wire() {
        assert_eq!(sent(&[]), (None, None));
        assert_eq!(sent(&[KEY]), (Some(KEY), None));
        assert_eq!(sent(&[AUTH]), (None, Some(AUTH)));
        assert_eq!(sent(&[OAUTH]), (None, Some(OAUTH)));
        assert_eq!(sent(&[LOGIN]), (None, Some(LOGIN)));
        assert_eq!(sent(&[HELPER]), (Some(HELPER), Some(HELPER)));
        assert_eq!(sent(&[KEY, AUTH, HELPER, OAUTH, LOGIN]), (Some(KEY), Some(AUTH)));
        assert_eq!(sent(&[KEY, HELPER]), (Some(KEY), Some(HELPER)));
        assert_eq!(sent(&[KEY, OAUTH, LOGIN]), (Some(KEY), None));
        assert_eq!(sent(&[AUTH, OAUTH, LOGIN]), (None, Some(AUTH)));
        assert_eq!(sent(&[AUTH, HELPER]), (None, Some(AUTH)));
        assert_eq!(sent(&[HELPER, OAUTH, LOGIN]), (Some(HELPER), Some(HELPER)));
        assert_eq!(sent(&[OAUTH, LOGIN]), (None, Some(OAUTH)));
        assert_eq!(sent(&[Source::ConsoleKey, LOGIN]), (None, Some(LOGIN)));
        assert_eq!(sent(&[Source::ConsoleKey]), (Some(Source::ConsoleKey), None));
    }
}
