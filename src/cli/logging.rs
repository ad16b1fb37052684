//! authtrace's own log, and what a panic may say.

use authtrace::config::LogFormat;
use std::io::{self, Write};
use std::panic::PanicHookInfo;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::Directive;

/// Targets of dependencies that print bytes of messages at their lower levels.
const LOUD: &[&str] =
    &["hyper=warn", "h2=warn", "rustls=warn", "tokio_rustls=warn", "hyper_util=warn", "rustls_native_certs=warn"];

/// Switches the log on, to standard error. `RUST_LOG` sets the level; whatever it asks for, libraries that see raw
/// bytes stay at warnings.
pub(crate) fn install(format: LogFormat) {
    let mut filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("error"));
    for directive in LOUD.iter().filter_map(|text| text.parse::<Directive>().ok()) {
        filter = filter.add_directive(directive);
    }
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(|| Lines).with_ansi(false);
    // A second subscriber in one process is not an error for the user.
    let _ = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Compact => builder.compact().try_init(),
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
}
