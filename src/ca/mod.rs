//! The certificate authority of a run.
//!
//! In: the names that may be intercepted ([`Scope`]) and the time. Out: a root certificate for clients to trust ([`Root`]), a
//! leaf certificate with its key per host ([`LeafStore`]), and PEM bundles in which the root stands beside the roots that a
//! client trusts anyway ([`bundle`]). Of a foreign certificate: who signed it ([`issuer`]).
//!
//! An [`Authority`] lasts longer than one root: each root gets a successor in the second half of its life, which clients that
//! start from then on trust as well, and which signs when the root is about to end. `certs/README.md` says what that
//! means for a client.
//!
//! Never: a leaf for a name outside the scope, for an IP address or for a wildcard; a key in a log, a `Debug` output or, unless
//! [`Root::persisted`] is asked for, on disk; a change to a system trust store.

mod authority;
pub mod bundle;
mod error;
mod files;
pub mod issuer;
mod leaf;
mod persisted;
mod root;
mod scope;

pub use authority::{Authority, RollOver};
pub use error::CaError;
pub use leaf::LeafStore;
pub use persisted::{Kept, Persisted, Persistence, RemadeBecause};
pub use root::Root;
pub use scope::{Pattern, Scope};
