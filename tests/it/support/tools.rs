//! Foreign programs.

use std::path::PathBuf;

/// Where a program is; `None`, with a line that says so, if it is not installed.
/// With `AUTHTRACE_REQUIRE_TOOLS=1` a missing program fails the test.
pub(crate) fn tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file());
    if found.is_none() {
        assert!(
            std::env::var_os("AUTHTRACE_REQUIRE_TOOLS").is_none_or(|wanted| wanted != "1"),
            "{name} is not installed"
        );
        println!("skipped: {name} is not installed");
    }
    found
}
