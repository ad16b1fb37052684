//! authtrace's own log, and what a panic may say.

use authtrace::config::LogFormat;
use std::io::Write;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Targets of dependencies that print bytes of messages at their lower levels.
const LOUD: &[(&str, LevelFilter)] = &[
    ("hyper", LevelFilter::WARN),
    ("h2", LevelFilter::WARN),
    ("rustls", LevelFilter::WARN),
    ("tokio_rustls", LevelFilter::WARN),
    ("hyper_util", LevelFilter::WARN),
    ("rustls_native_certs", LevelFilter::WARN),
];

/// Switches the log on, to standard error. `RUST_LOG` sets the level; whatever it asks for, libraries that see raw
/// bytes stay at warnings.
pub(crate) fn install(format: LogFormat) {
    let filter = filter(std::env::var("RUST_LOG").ok().as_deref());
    let layer = tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false);
    // A second subscriber in one process is not an error for the user.
    let _ = match format {
        LogFormat::Text => tracing_subscriber::registry().with(layer.with_filter(filter)).try_init(),
        LogFormat::Compact => tracing_subscriber::registry().with(layer.compact().with_filter(filter)).try_init(),
    };
}

/// What is logged: `TARGET=LEVEL`, or a level for everything, with commas between them.
fn filter(asked: Option<&str>) -> Targets {
    let asked = asked.and_then(|text| text.parse().ok());
    asked.unwrap_or_else(|| Targets::new().with_default(LevelFilter::ERROR)).with_targets(LOUD.iter().copied())
}

/// A panic says where, never what: its message may hold a piece of what was being read.
pub(crate) fn install_panic_hook() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(String::new, |place| format!(" at {}:{}", place.file(), place.line()));
        let _ = writeln!(std::io::stderr(), "authtrace: internal error{place}; please report it with the version");
    }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing::Level;

    #[test]
    fn libraries_that_see_raw_bytes_stay_at_warnings_whatever_is_asked_for() {
        for asked in ["trace", "h2=trace,authtrace=debug", "h2::codec=trace,rustls=trace,debug"] {
            let filter = filter(Some(asked));
            assert!(filter.would_enable("authtrace::proxy", &Level::DEBUG), "{asked}");
            for (target, _) in LOUD {
                assert!(filter.would_enable(target, &Level::WARN), "{asked} {target}");
                assert!(!filter.would_enable(target, &Level::INFO), "{asked} {target}");
            }
        }
        for asked in [None, Some("authtrace=loudly")] {
            let filter = filter(asked);
            assert!(filter.would_enable("authtrace", &Level::ERROR) && !filter.would_enable("authtrace", &Level::WARN));
        }
    }
}
