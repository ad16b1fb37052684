//! authtrace: a local HTTPS proxy that shows why Claude Code says 401.

pub mod analyze;
pub mod ca;
pub mod config;
pub mod export;
pub mod facts;
pub mod fake;
pub mod launch;
pub mod proxy;
pub mod record;
pub mod redact;
pub mod trace;
pub mod wire;
