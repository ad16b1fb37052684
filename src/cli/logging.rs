//! authtrace's own log, and what a panic may say.

use authtrace::config::LogFormat;
use std::io::{self, Write};
use std::panic::PanicHookInfo;
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
    let layer = tracing_subscriber::fmt::layer().with_writer(|| Lines).with_ansi(false);
    // A second subscriber in one process is not an error for the user.
    let _ = match format {
        LogFormat::Text => tracing_subscriber::registry().with(layer.with_filter(filter)).try_init(),
        LogFormat::Compact => tracing_subscriber::registry().with(layer.compact().with_filter(filter)).try_init(),
    };
}

/// Whole lines to the console.
struct Lines;

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        super::console::put(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What is logged: `TARGET=LEVEL`, or a level for everything, with commas between them.
fn filter(asked: Option<&str>) -> Targets {
    let asked: Option<Targets> = asked.and_then(|text| text.parse().ok());
    let asked = asked.unwrap_or_else(|| Targets::new().with_default(LevelFilter::ERROR));
    let quiet = Targets::new().with_targets(asked.iter().filter(|(target, _)| !is_loud(target)));
    quiet.with_default(asked.default_level().unwrap_or(LevelFilter::OFF)).with_targets(LOUD.iter().copied())
}

/// A loud target or one inside it: the most exact directive would win over ours.
fn is_loud(target: &str) -> bool {
    LOUD.iter().any(|(loud, _)| target.starts_with(loud))
}

/// A panic says where, never what: its message may hold a piece of what was being read.
pub(crate) fn install_panic_hook() {
    std::panic::set_hook(Box::new(|panic| super::console::put(&line(panic))));
}

fn line(panic: &PanicHookInfo<'_>) -> String {
    let place = panic.location().map_or_else(String::new, |place| format!(" at {}:{}", place.file(), place.line()));
    format!("authtrace: internal error{place}; please report it with the version\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use tracing::Level;

    #[test]
    fn a_panic_says_where_and_never_what() {
        let (send, lines) = channel();
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| drop(send.send(line(panic)))));
        let panicked = std::panic::catch_unwind(|| panic!("said {}", "FAKE-credential"));
        std::panic::set_hook(before);
        assert!(panicked.is_err());
        let said: Vec<String> = lines.try_iter().collect();
        let own = said.iter().find(|line| line.contains(file!())).unwrap_or_else(|| panic!("{said:?}"));
        assert!(own.starts_with("authtrace: internal error at ") && !own.contains("FAKE"), "{own}");
    }

    #[test]
    fn libraries_that_see_raw_bytes_stay_at_warnings_whatever_is_asked_for() {
        for asked in ["trace", "h2=trace,authtrace=debug", "h2::codec=trace,rustls=trace,debug"] {
            let filter = filter(Some(asked));
            assert!(filter.would_enable("authtrace::proxy", &Level::DEBUG), "{asked}");
            for target in LOUD.iter().map(|(target, _)| *target).chain(["h2::codec", "h2::codec::framed_read"]) {
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
