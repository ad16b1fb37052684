//! The table of rooms: which room may know which, where sockets may be, and what the source never does.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Rooms with what they may use. The order is that in which data moves; nothing may use what stands below it but `cli`.
///
/// Besides what follows from the way of an exchange: every room that shows text from a trace knows `redact` for its
/// types (`Redacted`, `Kind`); `export` also shapes what `analyze` found, and `config` makes one small value for each room
/// that it configures.
const ROOMS: &[(&str, &[&str])] = &[
    ("redact", &[]),
    ("wire", &[]),
    ("ca", &[]),
    ("trace", &["redact"]),
    ("facts", &["redact", "trace"]),
    ("import", &["facts", "redact", "trace"]),
    ("record", &["redact", "trace"]),
    ("catalogue", &[]),
    ("analyze", &["catalogue", "redact", "trace"]),
    ("trigger", &["analyze", "catalogue", "record", "redact", "trace"]),
    ("place", &[]),
    ("policy", &["redact"]),
    ("fake", &["policy", "redact", "trace"]),
    ("scenario", &["catalogue", "fake", "place", "policy", "redact", "trace"]),
    ("compare", &["analyze", "catalogue", "policy", "redact", "trace"]),
    ("replay", &["analyze", "catalogue", "compare", "fake", "policy", "redact", "scenario", "trace"]),
    ("check", &["analyze", "catalogue", "compare", "place", "policy", "redact", "trace"]),
    ("case", &["check", "place", "policy"]),
    ("export", &["analyze", "catalogue", "check", "compare", "place", "redact", "trace"]),
    ("proxy", &["ca", "facts", "policy", "redact", "trace", "wire"]),
    ("launch", &["ca"]),
    ("doctor", &["ca", "export", "launch", "place", "redact", "trace"]),
    ("config", &["ca", "launch", "policy", "proxy", "record", "redact", "trigger", "wire"]),
    (
        "harness",
        &[
            "analyze",
            "ca",
            "catalogue",
            "check",
            "config",
            "export",
            "fake",
            "launch",
            "proxy",
            "record",
            "redact",
            "scenario",
            "trace",
        ],
    ),
    (
        "cli",
        &[
            "analyze",
            "ca",
            "case",
            "catalogue",
            "check",
            "compare",
            "config",
            "doctor",
            "export",
            "fake",
            "harness",
            "import",
            "launch",
            "place",
            "policy",
            "proxy",
            "record",
            "redact",
            "replay",
            "scenario",
            "trace",
            "trigger",
        ],
    ),
    ("main", &["cli"]),
    ("lib", &[]),
];

/// Where tokio and hyper may be: whoever holds sockets, processes or signals. Of `fake` the files that serve and dial.
const IO: &[&str] = &[
    "proxy/",
    "launch/",
    "harness/",
    "cli/",
    "doctor/command.rs",
    "doctor/reach.rs",
    "fake/server.rs",
    "fake/tunnel.rs",
    "fake/client.rs",
    "fake/home.rs",
    "fake/session.rs",
    "fake/chosen.rs",
    "fake/pace.rs",
    "fake/error.rs",
    "fake/tests/",
];

/// The longest file in lines, and those that may be longer, with the reason.
const LONGEST: usize = 600;
const LONGER: &[(&str, usize, &str)] = &[("redact/grammar.rs", 1_200, "the table of header fields: data")];

/// Everything that a log line may be given besides literals: our own address, the class of an error, errors of our own files.
const LOGGED: &[&str] = &["address = %session.address()", "kind = %error.kind()", "{error:#}"];

struct Source {
    /// Path below `src`, with `/`.
    path: String,
    /// Its lines without comments.
    code: String,
    lines: usize,
}

impl Source {
    fn room(&self) -> &str {
        self.path.split(['/', '.']).next().unwrap_or_default()
    }

    /// The code that the program consists of.
    fn outside_tests(&self) -> &str {
        if self.path.contains("/tests") {
            return "";
        }
        self.code.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default()
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let code =
                    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
                let path = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
                found.push(Source { path, code, lines: text.lines().count() });
            }
        }
    }
    assert!(found.len() > 100, "only {} files", found.len());
    found
}

/// The identifier that `text` begins with.
fn word(text: &str) -> &str {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

/// Rooms named behind `root`, also in `root{a, b}`.
fn named(code: &str, root: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices(root) {
        let part_of_a_word = code
            .get(..at)
            .and_then(|before| before.chars().next_back())
            .is_some_and(|c| c.is_alphanumeric() || c == '_');
        let rest = code.get(at + root.len()..).unwrap_or_default();
        if part_of_a_word {
            continue;
        }
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 1;
            let mut start = true;
            for (at, c) in group.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 1 => start = true,
                    c if c.is_alphabetic() && start && depth == 1 => {
                        found.push(word(group.get(at..).unwrap_or_default()).to_owned());
                        start = false;
                    }
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
            }
        } else {
            found.push(word(rest).to_owned());
        }
    }
    found
}

#[test]
fn a_room_knows_only_the_rooms_that_the_table_gives_it() {
    let table: BTreeMap<&str, &[&str]> = ROOMS.iter().copied().collect();
    let mut used: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    let sources = sources();
    for source in &sources {
        let room = source.room();
        let allowed = table.get(room).unwrap_or_else(|| panic!("{} is in no room of the table", source.path));
        for root in ["crate::", "authtrace::"] {
            for other in named(&source.code, root) {
                // The binary's own modules are named from its root.
                if other == room || (room == "cli" && root == "crate::") || !table.contains_key(other.as_str()) {
                    continue;
                }
                assert!(allowed.contains(&other.as_str()), "{} uses {other}", source.path);
                used.entry(room).or_default().push(other);
            }
        }
        let outward = source.code.lines().filter(|line| line.contains("super::")).any(|line| {
            let levels = line.matches("super::").count();
            levels > source.path.matches('/').count()
                && !source.code.contains("mod tests {")
                && source.path.contains('/')
        });
        assert!(!outward, "{} leaves its room through super", source.path);
    }
    for (room, allowed) in ROOMS {
        for other in *allowed {
            let real = *room == "main" || used.get(room).is_some_and(|used| used.iter().any(|used| used == other));
            assert!(real, "the table lets {room} use {other}, and it does not");
        }
    }
}

#[test]
fn no_room_is_used_by_one_that_it_uses() {
    let table: BTreeMap<&str, &[&str]> = ROOMS.iter().copied().collect();
    for (room, allowed) in ROOMS {
        let (mut seen, mut next) = (Vec::new(), allowed.to_vec());
        while let Some(other) = next.pop() {
            assert_ne!(other, *room, "{room} uses itself by a detour");
            if !seen.contains(&other) {
                seen.push(other);
                next.extend(table.get(other).copied().unwrap_or_default());
            }
        }
    }
}

#[test]
fn sockets_are_in_the_io_rooms_alone() {
    for source in sources() {
        let io = ["tokio", "hyper", "hyper_util", "tokio_rustls", "tokio_util"]
            .iter()
            .any(|name| source.code.contains(&format!("{name}::")));
        if io {
            assert!(IO.iter().any(|place| source.path.starts_with(place)), "{} uses tokio or hyper", source.path);
        }
    }
    for place in IO {
        assert!(sources().iter().any(|source| source.path.starts_with(place)), "{place} is gone");
    }
}

#[test]
fn nothing_is_printed_past_the_console() {
    for source in sources() {
        for (name, what) in [
            ("println!", "prints"),
            ("dbg!", "debugs"),
            ("todo!", "is unfinished"),
            ("unimplemented!", "is unfinished"),
        ] {
            let inside = source.outside_tests().match_indices(name).any(|(at, _)| {
                let before = source.outside_tests().get(..at).unwrap_or_default();
                !before.ends_with(|c: char| c.is_alphanumeric() || c == '_')
            });
            assert!(!inside, "{} {what}: {name}", source.path);
        }
        assert!(!source.outside_tests().contains("eprint"), "{} prints", source.path);
    }
}

/// What stands between the brackets that `text` begins with.
fn arguments(text: &str) -> &str {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return text.get(1..at).unwrap_or_default();
        }
    }
    text
}

#[test]
fn log_lines_hold_literals_and_listed_values() {
    let mut seen = 0;
    for source in sources() {
        for level in
            ["trace", "debug", "info", "warn", "error", "event", "span", "trace_span", "debug_span", "info_span"]
        {
            for root in ["tracing::", ""] {
                let name = format!("{root}{level}!(");
                for (at, _) in source.code.match_indices(&name) {
                    let before = source.code.get(..at).and_then(|before| before.chars().next_back());
                    if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                        continue;
                    }
                    let mut rest = arguments(source.code.get(at + name.len() - 1..).unwrap_or_default()).to_owned();
                    for allowed in LOGGED {
                        rest = rest.replace(allowed, "");
                    }
                    let rest = rest.trim().trim_start_matches(',').trim();
                    let literal = rest.len() >= 2
                        && rest.starts_with('"')
                        && rest.ends_with('"')
                        && rest.matches('"').count() == 2;
                    assert!(literal && !rest.contains('{'), "{} logs {rest}", source.path);
                    seen += 1;
                }
            }
        }
        assert!(
            !source.code.contains("#[instrument") && !source.code.contains("tracing::instrument"),
            "{}",
            source.path
        );
        let silent = ["redact", "wire", "facts", "trace", "ca"].contains(&source.room());
        assert!(!silent || !source.code.contains("tracing::"), "{} logs", source.path);
    }
    assert!(seen >= 3, "{seen} log lines found");
}

/// SECURITY.md says which tests hold which promise: they are there, and each promise has some.
#[test]
fn the_tests_that_hold_the_promises_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let mut promises = 0;
    let tables = text.split("| promise | held by |").skip(1).map(|table| table.split("\n\n").next().unwrap());
    for line in tables.flat_map(str::lines).filter(|line| line.starts_with("| ") && line.contains('`')) {
        let held_by = line.trim_end_matches('|').rsplit('|').next().unwrap();
        let tests = held_by.split('`').skip(1).step_by(2).filter(|name| has_tests(root, name)).count();
        assert!(tests > 0, "no test holds: {line}");
        promises += 1;
    }
    assert!(promises > 25, "{promises} promises found");
}

/// `src/…`, a module of these tests, or a function in one. What is named and not there is a mistake; the one without tests
/// holds no promise by itself.
fn has_tests(root: &Path, name: &str) -> bool {
    let is_place = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '/' | '.'));
    if !is_place || name.starts_with("ProxyError") {
        return false;
    }
    let code = match name.starts_with("src/") {
        true => code_below(&root.join(name)),
        false => code_below(&root.join("tests/it").join(name.replace("::", "/"))),
    };
    if !code.is_empty() {
        return ["#[test]", "#[tokio::test", "cases!("].iter().any(|mark| code.contains(mark));
    }
    let (module, function) = name.rsplit_once("::").unwrap_or_else(|| panic!("{name} is not there"));
    let code = code_below(&root.join("tests/it").join(module.replace("::", "/")));
    assert!(code.contains(&format!("fn {function}(")), "{name} is not there");
    true
}

/// The code of a file, or of a module or folder with all below it.
fn code_below(path: &Path) -> String {
    let mut code =
        fs::read_to_string(path).or_else(|_| fs::read_to_string(path.with_extension("rs"))).unwrap_or_default();
    for entry in fs::read_dir(path).into_iter().flatten().flatten() {
        code += &code_below(&entry.path());
    }
    code
}

#[test]
fn files_are_short() {
    let sources = sources();
    for source in &sources {
        let bound = LONGER.iter().find(|(path, ..)| *path == source.path).map_or(LONGEST, |(_, bound, _)| *bound);
        assert!(source.lines <= bound, "{} has {} lines", source.path, source.lines);
    }
    for (path, ..) in LONGER {
        let source = sources.iter().find(|source| source.path == *path).unwrap_or_else(|| panic!("{path} is gone"));
        assert!(source.lines > LONGEST, "{path} is no exception any more");
    }
}
