//! The child of `authtrace run -- CMD…`: its environment, the trust files it is pointed to, its start and its end.
//!
//! In: the environment that we were started with, where the proxy listens, which names are intercepted, the root's certificate.
//! Out: what to set and what to remove in the child's environment ([`environment`]), private files that live as long as the run
//! ([`TempDir`], [`TrustFiles`]), a running child on our terminal ([`spawn`]), and how it ended ([`Outcome`]).
//!
//! Never: a change to a file of the user's, to a shell profile or to a settings file (these are only read, see [`settings`]); a value
//! of a credential kept from any of them; a private key written to disk.

mod base_url;
mod environment;
mod error;
mod group;
mod harden;
mod kept_dir;
mod leftovers;
mod no_proxy;
pub mod settings;
mod signals;
mod spawn;
mod stripped;
mod temp_dir;
mod trust;
mod variables;

pub use base_url::BaseUrl;
pub use environment::{ChildEnvironment, Login, Notice, ParentEnvironment, Plan, environment, names_seen};
pub use error::LaunchError;
pub use group::Group;
pub use harden::{deny_tracing, forbid_core_dumps, raise_descriptor_limit};
pub use kept_dir::KeptDir;
pub use leftovers::Leftovers;
pub use signals::{has_terminal, ignores};
pub use spawn::{Outcome, Running, spawn};
pub use stripped::{looks_like_credential, without_credentials};
pub use temp_dir::TempDir;
pub use trust::{Trust, TrustFiles, TrustFolder, without_unreadable_trust};
pub use variables::{Effect, TRUST_VARIABLES, TrustGroup, TrustVariable};
