//! Exit codes, and which error gets which.

use super::trial::Interrupted;
use authtrace::fake::FakeError;
use authtrace::harness::{HarnessError, SceneError};
use authtrace::launch::LaunchError;
use authtrace::proxy::ProxyError;
use std::process::ExitCode;

/// Everything went well.
pub(crate) const GOOD: u8 = 0;
/// Ended by Ctrl-C.
pub(crate) const INTERRUPTED: u8 = 130;
/// Ended by SIGTERM.
pub(crate) const TERMINATED: u8 = 143;
/// An expectation was missed; `diff` found a regression; `doctor` found something that will fail; `replay` came to another verdict.
pub(crate) const PROBLEM: u8 = 1;
/// Wrong usage, or unreadable input.
pub(crate) const USAGE: u8 = 2;
/// authtrace itself failed (under `run` also for wrong usage, so that CMD's own 1 and 2 stay its own).
pub(crate) const FAILED: u8 = 125;

/// The code for an error of any command but `run`.
pub(crate) fn code_of(error: &anyhow::Error) -> ExitCode {
    if let Some(launch) = error.downcast_ref::<LaunchError>() {
        return ExitCode::from(launch.exit_code());
    }
    if let Some(interrupted) = error.downcast_ref::<Interrupted>() {
        return ExitCode::from(interrupted.code);
    }
    let usage = error.is::<authtrace::config::ConfigError>()
        || error.is::<super::explain::UnknownName>()
        || error.is::<super::bisect::BisectError>()
        || error.is::<super::diff::DiffError>()
        || error.is::<super::expect::ExpectError>()
        || error.is::<super::input::InputError>()
        || error.is::<SceneError>()
        || matches!(error.downcast_ref(), Some(super::results::ResultError::Place { .. }))
        || error.is::<authtrace::replay::ReplayError>()
        || matches!(error.downcast_ref(), Some(HarnessError::Fake(FakeError::NotLoopback(_))))
        || matches!(
            error.downcast_ref(),
            Some(HarnessError::Proxy(ProxyError::NotLoopback(_) | ProxyError::UpstreamCa { .. }))
        )
        || matches!(error.downcast_ref(), Some(ProxyError::NotLoopback(_) | ProxyError::UpstreamCa { .. }));
    ExitCode::from(if usage { USAGE } else { FAILED })
}

/// The code for an error of `run`.
pub(crate) fn code_of_run(error: &anyhow::Error) -> ExitCode {
    ExitCode::from(error.downcast_ref::<LaunchError>().map_or(FAILED, LaunchError::exit_code))
}
