use std::io;
use std::path::PathBuf;

/// Why a certificate was not made, or a certificate file not used.
///
/// Hosts that come from clients are not repeated in the messages; paths and patterns that the user named are.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaError {
    /// An entry of the scope is not a name that certificates can be constrained to.
    #[error("'{pattern}' cannot be intercepted: {reason}")]
    Pattern {
        /// The entry as the user wrote it.
        pattern: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The scope names nothing. A root for it would be an unconstrained one, so none is made.
    #[error("the list of hosts to intercept is empty")]
    EmptyScope,
    /// A leaf was asked for a host outside the scope.
    #[error("the host is not on the list of hosts to intercept")]
    OutOfScope,
    /// A leaf was asked for an IP address; the root excludes all of them.
    #[error("a host given by its IP address cannot be intercepted over TLS; use its name")]
    Address,
    /// A leaf was asked for something that is not a host name.
    #[error("not a host name: {0}")]
    Host(&'static str),
    /// The root is past its end, or not yet valid.
    #[error("the root certificate is no longer valid; start authtrace again to have a new one")]
    Expired,
    /// A certificate was not encoded or signed.
    #[error("a certificate could not be made")]
    Certificate(#[from] rcgen::Error),
    /// The leaf key was not accepted by the TLS library.
    #[error("the TLS library does not accept the leaf key")]
    Tls(#[from] rustls::Error),
    /// The operating system gave no random bytes.
    #[error("no random bytes from the operating system")]
    Random,
    /// A file or folder could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file or folder is open to other users, or belongs to one, or is not of the expected kind.
    #[error("{}: {problem}; {remedy}", path.display())]
    Unsafe {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
        /// What the user can do.
        remedy: &'static str,
    },
    /// A persisted root is there but cannot be used, and is not replaced because it may be somebody else's.
    #[error("{}: {problem}; move the files away, and a new root will be made", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: &'static str,
    },
}

impl CaError {
    pub(super) fn io(path: impl Into<PathBuf>, source: impl Into<io::Error>) -> Self {
        Self::Io { path: path.into(), source: source.into() }
    }
}
