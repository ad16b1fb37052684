//! The form of what is known about one code.

use super::{Code, VersionNote};
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

/// Everything that is known about one code. Commands and names in the texts stand between backticks, but never in
/// [`title`](Self::title) or the first of [`remedy`](Self::remedy), which reports print.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Entry {
    /// Its name.
    pub code: Code,
    /// Where it belongs in a list.
    pub family: Family,
    /// What happened, in at most 70 characters, without a full stop.
    pub title: &'static str,
    /// What that means, in two to four sentences.
    pub meaning: &'static str,
    /// How it looks on the wire: lines of at most 76 columns. `oat-A` is an access token, `ort-A` a refresh token, `key-A`
    /// an API key; what is indented is an answer.
    pub wire: &'static [&'static str],
    /// How it comes about, the most usual first.
    pub causes: &'static [&'static str],
    /// What to do, in this order. The first is one sentence for a report.
    pub remedy: &'static [&'static str],
    /// What a maintainer or support needs to know; never a value of a credential.
    pub attach: &'static [&'static str],
    /// Where it was seen in public.
    pub evidence: &'static [Evidence],
    /// Versions of Claude Code that mended (part of) it, oldest first.
    pub versions: &'static [VersionNote],
    /// How a trace tells it from its neighbours.
    pub decides: &'static str,
    /// The neighbours, the nearest first.
    pub confused_with: &'static [Code],
    /// Words in error texts that point here.
    #[serde(skip)]
    pub wordings: &'static [Wording],
}

impl Entry {
    /// The newest mend that `client` (a version such as `2.1.107`) lacks, if it lacks one.
    #[must_use]
    pub fn fix_for(&self, client: &str) -> Option<&'static VersionNote> {
        self.versions.iter().rev().find(|note| note.affects(client))
    }
}

/// A group of codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// The exchange of an old token for a new one.
    Refresh,
    /// From the login to the first accepted message.
    Login,
    /// OAuth tokens that are refused.
    Token,
    /// API keys, and which credential is chosen.
    Key,
    /// What the account may do.
    Account,
    /// Between the client and the API, on the side of the service.
    Service,
    /// Between the client and the API, on the side of the user.
    Network,
    /// Servers that are not Anthropic's API.
    Elsewhere,
    /// No failure of authentication, though it may look like one.
    Label,
    /// Worth knowing beside a verdict.
    Observation,
}

impl Family {
    /// All of them, in the order of a list.
    pub const ALL: &'static [Self] = &[
        Self::Refresh,
        Self::Login,
        Self::Token,
        Self::Key,
        Self::Account,
        Self::Service,
        Self::Network,
        Self::Elsewhere,
        Self::Label,
        Self::Observation,
    ];

    /// Its heading.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Refresh => "Renewing the access token",
            Self::Login => "Logging in",
            Self::Token => "An OAuth token is refused",
            Self::Key => "API keys, and which credential is sent",
            Self::Account => "What the account may do",
            Self::Service => "Refused at the edge, or by an unwell service",
            Self::Network => "Proxies and certificates on the way",
            Self::Elsewhere => "Gateways, clouds and MCP servers",
            Self::Label => "Not a failure of authentication",
            Self::Observation => "Worth knowing beside a verdict",
        }
    }
}

/// Where something was seen in public.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// A thread on GitHub: repository and number.
    Thread(&'static str, u32),
    /// Any other page: what it is, and its address.
    Page(&'static str, &'static str),
}

impl Evidence {
    /// A short name, for the text of a link.
    #[must_use]
    pub fn label(self) -> String {
        match self {
            Self::Thread(repository, number) => format!("{repository}#{number}"),
            Self::Page(name, _) => name.to_owned(),
        }
    }

    /// Its address.
    #[must_use]
    pub fn url(self) -> String {
        match self {
            Self::Thread(repository, number) => format!("https://github.com/{repository}/issues/{number}"),
            Self::Page(_, url) => url.to_owned(),
        }
    }
}

impl Serialize for Evidence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut shape = serializer.serialize_struct("Evidence", 2)?;
        shape.serialize_field("label", &self.label())?;
        shape.serialize_field("url", &self.url())?;
        shape.end()
    }
}

/// Words that point to a code when all of them stand in an error text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wording {
    /// The words, in lower case, with single spaces and plain quotes.
    pub all: &'static [&'static str],
    /// How strongly they point there, up to 100; 80 and more: hardly anything else says so.
    pub weight: u8,
    /// Why they do, in words of our own.
    pub why: &'static str,
}

/// An issue of Claude Code.
pub(super) const fn issue(number: u32) -> Evidence {
    Evidence::Thread("anthropics/claude-code", number)
}

/// A thread of another project.
pub(super) const fn thread(repository: &'static str, number: u32) -> Evidence {
    Evidence::Thread(repository, number)
}

/// Words that point to a code.
pub(super) const fn says(weight: u8, all: &'static [&'static str], why: &'static str) -> Wording {
    Wording { all, weight, why }
}

/// Mended in a version; earlier ones have it.
pub(super) const fn fixed(fixed_in: &'static str, what: &'static str) -> VersionNote {
    VersionNote { since: None, fixed_in, what }
}

/// Came with one version and was mended in another.
pub(super) const fn between(since: &'static str, fixed_in: &'static str, what: &'static str) -> VersionNote {
    VersionNote { since: Some(since), fixed_in, what }
}
