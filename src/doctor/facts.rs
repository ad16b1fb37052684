//! What is known of a machine: names, kinds, states. No value of a credential fits into any of these types.

use crate::redact::{Credential, Redacted};
use crate::trace::Timestamp;
use std::fmt;

/// Variables, settings and files, as a client started here would find them.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Credentials in variables, of the environment and of settings files; for each variable the one that counts first.
    pub credentials: Vec<CredentialSource>,
    /// Switches to cloud providers that are on.
    pub clouds: Vec<Switch>,
    /// The settings files that are there.
    pub settings: Vec<Settings>,
    /// Where `ANTHROPIC_BASE_URL` points to.
    pub base_url: Option<BaseUrlFacts>,
    /// Header fields that carry credentials and are set by `ANTHROPIC_CUSTOM_HEADERS`.
    pub custom_headers: Vec<&'static str>,
    /// Whether `CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS` is on.
    pub betas_disabled: bool,
    /// The file that a login leaves.
    pub login: LoginFile,
    /// An API key that a Console login left in `.claude.json`.
    pub console_key: Option<Credential>,
    /// The keychain of macOS.
    pub keychain: Keychain,
    /// The proxy variables that are set, in the order in which clients look at them.
    pub proxies: Vec<ProxyVariable>,
    /// Whether `https_proxy` and `HTTPS_PROXY` are set and differ.
    pub proxy_cases_differ: bool,
    /// Whether `ALL_PROXY` or `all_proxy` is set.
    pub all_proxy: bool,
    /// Entries of `NO_PROXY` that cover a host of Claude Code or of the base URL.
    pub no_proxy: Vec<String>,
    /// What says which certificates are trusted.
    pub trust: Trust,
}

/// A variable that carries a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CredentialVariable {
    /// `ANTHROPIC_API_KEY`.
    ApiKey,
    /// `ANTHROPIC_AUTH_TOKEN`.
    AuthToken,
    /// `CLAUDE_CODE_OAUTH_TOKEN`.
    OauthToken,
    /// `CLAUDE_CODE_OAUTH_REFRESH_TOKEN`.
    OauthRefreshToken,
}

impl CredentialVariable {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::ApiKey, Self::AuthToken, Self::OauthToken, Self::OauthRefreshToken];

    /// The name of the variable.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ApiKey => "ANTHROPIC_API_KEY",
            Self::AuthToken => "ANTHROPIC_AUTH_TOKEN",
            Self::OauthToken => "CLAUDE_CODE_OAUTH_TOKEN",
            Self::OauthRefreshToken => "CLAUDE_CODE_OAUTH_REFRESH_TOKEN",
        }
    }
}

/// Where a variable was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// In the environment of authtrace.
    Environment,
    /// Under `env` in this settings file; that beats the environment.
    Settings(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment => f.write_str("environment"),
            Self::Settings(path) => f.write_str(path),
        }
    }
}

/// A credential in a variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CredentialSource {
    /// Which variable.
    pub variable: CredentialVariable,
    /// Where it is set.
    pub origin: Origin,
    /// What its value looks like.
    pub credential: Credential,
    /// Whether a line break stands inside the value.
    pub line_break: bool,
}

/// A switch that is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Switch {
    /// Its variable.
    pub name: &'static str,
    /// Where it is set.
    pub origin: Origin,
}

/// A settings file that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where it is, with `~` for the home folder.
    pub path: String,
    /// Whether an administrator has set it up.
    pub managed: bool,
    /// Whether it names a program that gives the API key.
    pub api_key_helper: bool,
    /// Variables about proxies and certificates that it sets over the environment.
    pub overrides: Vec<String>,
    /// Why nothing could be read out of it.
    pub problem: Option<&'static str>,
}

/// Where `ANTHROPIC_BASE_URL` points to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BaseUrlFacts {
    /// Scheme, host and port; nothing else of it.
    pub shown: String,
    /// Whether it is `https`.
    pub https: bool,
    /// Whether it is this machine.
    pub loopback: bool,
    /// Whether it is a host of Anthropic's.
    pub anthropic: bool,
}

/// The file that a login leaves, `.credentials.json`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginFile {
    /// Where it is or would be, with `~` for the home folder.
    pub path: String,
    /// What is there.
    pub state: LoginState,
}

/// What is at the place of the login file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginState {
    /// Nothing, or no home folder.
    Missing,
    /// Something that cannot be read.
    Unreadable(&'static str),
    /// Something that is not the expected JSON, or has no login in it.
    NoLogin(FileFacts),
    /// A login.
    There(FileFacts, Box<Login>),
}

/// A private file, from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFacts {
    /// Permission bits.
    pub mode: u32,
    /// Whether it belongs to this user.
    pub own: bool,
    /// Whether it is a symbolic link.
    pub link: bool,
    /// Whether it can be written.
    pub writable: Writable,
}

/// Whether a client could replace a file; a later one is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Writable {
    /// As far as permissions tell.
    Yes,
    /// The file, or its folder, may not be written.
    Denied,
    /// The file system is mounted read-only.
    ReadOnlyMount,
}

/// What a login file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// The access token.
    pub access: Option<Credential>,
    /// The refresh token.
    pub refresh: Option<Credential>,
    /// When the access token ends; 1970 where a failed refresh has blanked it.
    pub expires: Option<Timestamp>,
    /// What it may be used for.
    pub scopes: Vec<Redacted>,
    /// The plan, from a closed list.
    pub plan: Option<&'static str>,
}

/// The keychain of macOS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keychain {
    /// Not macOS.
    None,
    /// It holds a login of Claude Code.
    Login,
    /// It holds none.
    Empty,
    /// It did not say.
    Unseen,
}

/// The scheme of a proxy's URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyScheme {
    /// `http://`.
    Http,
    /// `https://`.
    Https,
    /// `socks…://`.
    Socks,
    /// None at all.
    Missing,
    /// Something else.
    Other,
}

/// A proxy variable that is set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProxyVariable {
    /// Its name.
    pub name: &'static str,
    /// The scheme of its URL.
    pub scheme: ProxyScheme,
    /// Host and port; `None` if they cannot be told apart from the rest.
    pub address: Option<String>,
    /// Whether user and password are given.
    pub login: bool,
}

/// What says which certificates are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// `NODE_EXTRA_CA_CERTS`.
    pub extra: Option<CertificateFile>,
    /// `SSL_CERT_FILE`.
    pub file: Option<CertificateFile>,
    /// `SSL_CERT_DIR`.
    pub folder: Option<CertificateFile>,
    /// Whether `CLAUDE_CODE_CERT_STORE` leaves the system's store out.
    pub bundled_only: bool,
    /// Whether `NODE_TLS_REJECT_UNAUTHORIZED` is `0`.
    pub verification_off: bool,
    /// `CLAUDE_CODE_CLIENT_CERT`.
    pub client_certificate: bool,
}

/// A file, or a folder of files, with certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFile {
    /// Where, with `~` for the home folder.
    pub path: String,
    /// Whether the path depends on the working folder.
    pub relative: bool,
    /// Whether it begins with a `~` that nothing expands.
    pub tilde: bool,
    /// What is there.
    pub content: Certificates,
}

/// What is in such a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Certificates {
    /// Nothing is there.
    Missing,
    /// It cannot be read.
    Unreadable,
    /// It can be read, and holds no certificate in PEM.
    NotPem,
    /// So many certificates, of which so many can be used now.
    Found {
        /// All of them.
        all: usize,
        /// Those whose time is over.
        expired: usize,
        /// Those whose time has not come.
        not_yet: usize,
        /// Those that are no X.509 certificates.
        broken: usize,
    },
}

/// A version of Claude Code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// The first `N.N.N` at the start of a text.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let word = text.split_whitespace().next()?;
        let mut numbers = word.splitn(3, '.').map(|part| {
            let digits = part.find(|c: char| !c.is_ascii_digit()).map_or(part, |end| part.get(..end).unwrap_or(""));
            digits.parse::<u32>().ok()
        });
        Some(Self(numbers.next()??, numbers.next()??, numbers.next()??))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// How a program is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientForm {
    /// A program of this system.
    Native,
    /// A script for Node, and Node's version.
    Node(Option<Version>),
    /// Another script.
    Script,
    /// Something else.
    Other,
}

/// The program to be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Client {
    /// No command was given, and there is no `claude`.
    NotInstalled,
    /// No such program.
    NotFound(String),
    /// It is there.
    Found {
        /// As it was given.
        program: String,
        /// Where it is, with `~` for the home folder.
        path: String,
        /// How it is built.
        form: ClientForm,
        /// Whether it is Claude Code by its own word, or by its name.
        claude: bool,
        /// Which version it says it is.
        version: Option<Version>,
        /// How the trial went.
        trial: Trial,
    },
}

/// What a trial of the program behind authtrace's proxy has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trial {
    /// There was none, and why.
    Skipped(String),
    /// It could not be started, and why.
    NotStarted(String),
    /// It ran.
    Ran {
        /// Connections over which it sent a request.
        accepted: u64,
        /// Connections that it closed when it saw the certificate.
        refused: u64,
        /// How other connections to intercepted hosts ended.
        others: Vec<&'static str>,
        /// Messages to the model that were answered.
        messages: u64,
        /// How it ended.
        end: TrialEnd,
    },
}

/// How a trial ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrialEnd {
    /// With this exit code.
    Exited(u8),
    /// It was stopped after these seconds.
    TimedOut(u64),
}

/// What a host is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Messages.
    Api,
    /// Tokens.
    Authorization,
    /// Messages, by `ANTHROPIC_BASE_URL`.
    BaseUrl,
}

/// A host that a login needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// Its name, with a port that is not 443.
    pub host: String,
    /// What for.
    pub role: Role,
    /// The proxy on the way.
    pub via: Option<String>,
    /// How far we came.
    pub reach: Reach,
}

/// How far an attempt came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// No connection: one sentence about the cause, and the status of the proxy that refused.
    Unreached {
        /// Why.
        why: String,
        /// What a proxy on the way answered.
        proxy_status: Option<u16>,
    },
    /// A connection, and no TLS that can be trusted.
    NotTrusted {
        /// Why.
        why: String,
        /// Who signed the certificate that was shown.
        issuer: Option<Issuer>,
    },
    /// TLS, and no answer.
    NoAnswer {
        /// Why.
        why: String,
        /// Who signed the certificate.
        issuer: Issuer,
    },
    /// An answer.
    Answered(Answer),
}

/// What an answer to a request without credentials has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Who signed the certificate.
    pub issuer: Issuer,
    /// How far this machine's clock is ahead of the answer's `Date`, in milliseconds.
    pub clock_ahead_ms: Option<i64>,
    /// Whether it is a challenge for a browser (`cf-mitigated`).
    pub challenge: bool,
    /// From the first byte of the handshake to the end of the answer's head, in milliseconds.
    pub elapsed_ms: u64,
}

/// Who signed a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issuer {
    /// Its organisation, or else its name; made harmless for a screen.
    pub name: String,
    /// Whether the chain ends in a root that browsers trust (Mozilla's list), not only this machine.
    pub public: bool,
}

/// authtrace's own matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Own {
    /// The configuration.
    pub config: ConfigState,
    /// Variables of ours that are set, sorted.
    pub variables: Vec<String>,
    /// Variables with our prefix that mean nothing.
    pub unknown_variables: Vec<String>,
    /// Where traces go.
    pub traces: TraceFolder,
    /// Lanes of runs that are going on and could be joined.
    pub running: Vec<String>,
}

/// Whether the options resolve.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigState {
    /// Yes; from this file, if there is one.
    Good(Option<String>),
    /// No, and why.
    Bad(String),
}

/// Where traces go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TraceFolder {
    /// There is no home folder.
    Nowhere,
    /// The folder, or the one in which it would be made.
    At {
        /// Where, with `~` for the home folder.
        path: String,
        /// Whether it is there already.
        exists: bool,
        /// Whether files can be made there.
        writable: Writable,
        /// Whether other users may read in it.
        open: bool,
    },
}
