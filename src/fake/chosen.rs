//! Which credential a client sends, of all that it has (WIRE §4).

use super::home::Home;
use super::setup::ClientSetup;

/// What goes into the header fields of a message.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) api_key: Option<String>,
    pub(super) bearer: Option<String>,
    pub(super) source: Source,
}

/// Where the deciding one is from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Source {
    /// There is none.
    #[default]
    Nowhere,
    /// `ANTHROPIC_API_KEY` or `ANTHROPIC_AUTH_TOKEN`.
    Variable,
    /// `apiKeyHelper`.
    Helper,
    /// `CLAUDE_CODE_OAUTH_TOKEN`.
    OauthToken,
    /// The credentials file.
    File,
}

impl Source {
    /// Whether it is a login of Anthropic's, which goes with the opt-in.
    pub(super) fn is_oauth(self) -> bool {
        matches!(self, Self::OauthToken | Self::File)
    }
}

/// Chooses. A helper is asked for a value each time.
pub(super) async fn choose(setup: &ClientSetup, home: &Home) -> Chosen {
    let api_key = setup.variable("ANTHROPIC_API_KEY").map(str::to_owned);
    let auth_token = setup.variable("ANTHROPIC_AUTH_TOKEN").map(str::to_owned);
    let helper = home.ask_helper().await;
    if api_key.is_some() || auth_token.is_some() {
        return Chosen { api_key, bearer: auth_token.or(helper), source: Source::Variable };
    }
    if helper.is_some() {
        return Chosen { api_key: helper.clone(), bearer: helper, source: Source::Helper };
    }
    if let Some(token) = setup.variable("CLAUDE_CODE_OAUTH_TOKEN") {
        return Chosen { api_key: None, bearer: Some(token.to_owned()), source: Source::OauthToken };
    }
    match home.login().await {
        Some(login) => Chosen { api_key: None, bearer: Some(login.access_token), source: Source::File },
        None => Chosen::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::setup::Handed;
    use super::super::{Model, Seed};
    use super::*;
    use crate::trace::Timestamp;

    async fn chosen(handed: Handed, variables: &[(&str, &str)]) -> (Option<String>, Option<String>, Source) {
        let mut setup = ClientSetup::new(handed);
        setup.variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let home = Home::new(&setup.handed);
        let Chosen { api_key, bearer, source } = choose(&setup, &home).await;
        (api_key, bearer, source)
    }

    #[tokio::test]
    async fn what_stands_above_what() {
        let text = |text: &str| Some(text.to_owned());
        let login = Model::new(Seed::fixed(1)).log_in(Timestamp::from_unix_ms(0), 60);
        let file = || Handed::File(login.clone());
        let (key, token) = (("ANTHROPIC_API_KEY", "key"), ("ANTHROPIC_AUTH_TOKEN", "token"));
        assert_eq!(chosen(file(), &[]).await, (None, Some(login.access_token.clone()), Source::File));
        assert_eq!(chosen(file(), &[key]).await, (text("key"), None, Source::Variable));
        assert_eq!(chosen(file(), &[token]).await, (None, text("token"), Source::Variable));
        assert_eq!(chosen(file(), &[key, token]).await, (text("key"), text("token"), Source::Variable));
        let helper = || Handed::Helper(vec!["helped".to_owned()]);
        assert_eq!(chosen(helper(), &[]).await, (text("helped"), text("helped"), Source::Helper));
        assert_eq!(chosen(helper(), &[key]).await, (text("key"), text("helped"), Source::Variable));
        let oauth = ("CLAUDE_CODE_OAUTH_TOKEN", "oauth");
        assert_eq!(chosen(file(), &[oauth]).await, (None, text("oauth"), Source::OauthToken));
        assert_eq!(chosen(Handed::Nothing, &[("ANTHROPIC_API_KEY", " ")]).await, (None, None, Source::Nowhere));
    }

    #[tokio::test]
    async fn a_helper_gives_its_last_value_for_ever() {
        let setup = ClientSetup::new(Handed::Helper(vec!["one".to_owned(), "two".to_owned()]));
        let home = Home::new(&setup.handed);
        let mut given = Vec::new();
        for _ in 0..3 {
            given.push(choose(&setup, &home).await.api_key.unwrap());
        }
        assert_eq!(given, ["one", "two", "two"]);
    }
}
