//! The certificate authority of a run.
//!
//! In: the names that may be intercepted ([`Scope`]) and the time. Out: a root certificate for clients to trust ([`Root`]), a
//! leaf certificate with its key per host ([`LeafStore`]), and PEM bundles in which the root stands beside the roots that a
//! client trusts anyway ([`bundle`]).
//!
//! Never: a leaf for a name outside the scope, for an IP address or for a wildcard; a key in a log, a `Debug` output or, unless
//! [`Root::persisted`] is asked for, on disk; a change to a system trust store.

pub mod bundle;
mod error;
mod files;
mod leaf;
mod persisted;
mod root;
mod scope;

pub use error::CaError;
pub use leaf::LeafStore;
pub use persisted::{Kept, Persisted, Persistence, RemadeBecause};
pub use root::Root;
pub use scope::{Pattern, Scope};
