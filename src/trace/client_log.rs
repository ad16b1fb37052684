//! What the debug log of Claude Code says of itself, as far as it is understood. Not part of a trace file: it is read
//! beside one.

use super::time::Timestamp;
use crate::redact::Redacted;
use serde::Serialize;

/// A debug log (`claude --debug-file FILE`), reduced to what concerns connections and credentials.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ClientLog {
    /// Lines read.
    pub lines: u64,
    /// Lines that became an event.
    pub understood: u64,
    /// Lines of level `ERROR` that did not.
    pub errors_not_understood: u64,
    /// Lines without a time of their own, which continue the one before.
    pub continued: u64,
    /// Events beyond the bound, which are not in `events`.
    pub left_out: u64,
    /// The first time in it.
    pub from: Option<Timestamp>,
    /// The last time in it.
    pub to: Option<Timestamp>,
    /// The session, if the log or its file name tells it.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub session: Option<Redacted>,
    /// What was understood, in the order of the lines.
    pub events: Vec<ClientEvent>,
}

/// One line of a debug log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ClientEvent {
    /// Number of the line, from 1.
    pub line: u64,
    /// Its time, by the client's clock.
    pub at: Timestamp,
    /// What it says.
    #[serde(flatten)]
    pub kind: ClientEventKind,
}

/// The families of lines that are understood.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum ClientEventKind {
    /// A request is about to be sent.
    Request {
        /// Its path.
        #[cfg_attr(test, schemars(with = "String"))]
        path: Redacted,
        /// Its `x-client-request-id`.
        #[cfg_attr(test, schemars(with = "Option<String>"))]
        client_id: Option<Redacted>,
        /// What it is for, such as `sdk`, if that is a known word.
        #[cfg_attr(test, schemars(with = "Option<String>"))]
        purpose: Option<Redacted>,
    },
    /// An attempt failed; another one may follow.
    AttemptFailed {
        /// Which attempt, from 1.
        attempt: u32,
        /// Of how many at most.
        of: u32,
        /// Why.
        failure: ClientFailure,
    },
    /// The client gave up; this is what it shows to its user.
    GaveUp {
        /// Why.
        failure: ClientFailure,
    },
    /// The request on which it gave up.
    GaveUpOn {
        /// Its `x-client-request-id`.
        #[cfg_attr(test, schemars(with = "String"))]
        client_id: Redacted,
    },
    /// The code behind a "connection error".
    ConnectionFailed {
        /// Why.
        failure: ClientFailure,
    },
    /// A streamed answer broke off or held an error; the client asks again without a stream.
    StreamFailed {
        /// Why.
        failure: ClientFailure,
    },
    /// The client begins to look whether its token has to be renewed.
    TokenCheckBegun,
    /// It has a token that it takes for usable.
    TokenCheckEnded,
    /// Renewing the access token failed.
    RenewalFailed {
        /// Why.
        failure: ClientFailure,
    },
    /// Something about the lock that keeps processes from renewing at the same time.
    RenewalLock {
        /// What.
        trouble: LockTrouble,
    },
    /// A refused login could not be wiped from the client's store.
    LoginNotWiped,
    /// A refused token is kept, and sent again.
    RefusedTokenKept {
        /// Why.
        because: KeptBecause,
    },
    /// The client waits for its host to hand it a new token.
    AwaitsToken,
    /// The account's profile could not be read.
    ProfileFailed {
        /// Why.
        failure: ClientFailure,
    },
    /// A request of the start-up failed.
    StartUpFailed {
        /// What for.
        what: StartUp,
        /// Why.
        failure: ClientFailure,
    },
    /// The command that makes API keys failed.
    ApiKeyHelperFailed,
    /// Which certificate stores are to be read, and which file besides.
    CertificateStores {
        /// `bundled`, `system`.
        #[cfg_attr(test, schemars(with = "Vec<String>"))]
        stores: Vec<Redacted>,
        /// The file that `NODE_EXTRA_CA_CERTS` names.
        extra: ExtraFile,
    },
    /// Roots were loaded from a store.
    RootsLoaded {
        /// `bundled` or `system`.
        #[cfg_attr(test, schemars(with = "String"))]
        store: Redacted,
        /// How many.
        count: u64,
    },
    /// The system's store could not be read, or was empty.
    SystemStoreMissing,
    /// What became of the file with further certificates.
    ExtraCertificates {
        /// What.
        state: ExtraState,
    },
    /// A proxy refused a tunnel, or could not be used.
    ProxyTrouble {
        /// The status of its answer.
        status: Option<u16>,
    },
}

/// Why something failed, in the client's words reduced to a class.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ClientFailure {
    /// The class.
    pub class: FailureClass,
    /// The status of the answer.
    pub status: Option<u16>,
    /// `error.type`, or the OAuth error code.
    #[serde(rename = "type")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub kind: Option<Redacted>,
    /// `error.message` of the answer.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub message: Option<Redacted>,
    /// `request_id` in the body of the answer.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub request_id: Option<Redacted>,
    /// The code of a failed connection, such as `ECONNRESET`, if it is a known one.
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub code: Option<Redacted>,
}

/// Classes of failures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// A server answered.
    Answered,
    /// The connection failed.
    Connection,
    /// The certificate of the other side was not trusted.
    Untrusted,
    /// The client has no login left that it could use.
    LoginGone,
    /// The client has no credential to send.
    NoCredential,
    /// Anything else.
    #[default]
    Other,
}

/// What can happen to the lock of the renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum LockTrouble {
    /// Another process took it over while the renewal ran.
    Compromised,
    /// It could not be had.
    NotAcquired,
    /// It could not be given back.
    NotReleased,
    /// Anything else.
    Other,
}

/// Why a refused token is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum KeptBecause {
    /// The user gave it by `CLAUDE_CODE_OAUTH_TOKEN`.
    Environment,
    /// The stored login may be another account's.
    OtherAccount,
    /// Anything else.
    Other,
}

/// Requests of the start-up that the log names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum StartUp {
    /// Settings that an organisation manages.
    RemoteSettings,
    /// Limits that an organisation sets.
    PolicyLimits,
}

/// The file with further certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ExtraFile {
    /// None is named.
    None,
    /// One that authtrace made.
    Authtrace,
    /// Another one.
    Other,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ExtraState {
    /// Its certificates are trusted.
    Loaded,
    /// It could not be read.
    Unreadable,
    /// It was passed over.
    Skipped,
}
