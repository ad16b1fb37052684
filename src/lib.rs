//! authtrace: a local HTTPS proxy that shows why Claude Code says 401.

pub mod ca;
pub mod launch;
