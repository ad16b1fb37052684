//! What the crate is built from: which compiler it takes, and that the fuzzer tries the same versions.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A package of `cargo metadata`.
#[derive(serde::Deserialize)]
struct Package {
    name: String,
    version: String,
    rust_version: Option<String>,
}

#[derive(serde::Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

/// `1.89` and `1.89.0` are the same version.
fn version(text: &str) -> Vec<u32> {
    let mut parts: Vec<u32> = text.split('.').map(|part| part.parse().unwrap()).collect();
    parts.resize(3, 0);
    parts
}

/// No other compiler is needed to see this; that the crate's own source is no newer, clippy's `incompatible_msrv` looks at.
#[test]
fn no_dependency_asks_for_a_newer_compiler_than_the_crate() {
    let cargo = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
    let packages = serde_json::from_slice::<Metadata>(&cargo.stdout).unwrap().packages;
    assert!(packages.len() > 100);
    let own = version(env!("CARGO_PKG_RUST_VERSION"));
    for Package { name, version: of, rust_version } in &packages {
        let newer = rust_version.as_deref().is_some_and(|needs| version(needs) > own);
        assert!(!newer, "{name} {of} needs Rust {rust_version:?}, and Cargo.toml says {own:?}");
    }
}

/// Names of packages and their versions in a lock file.
fn locked(path: &str) -> BTreeMap<String, Vec<String>> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let value = |line: &str, key: &str| line.strip_prefix(key).map(|rest| rest.trim_matches('"').to_owned());
    for package in text.split("[[package]]").skip(1) {
        let name = package.lines().find_map(|line| value(line, "name = ")).unwrap();
        let version = package.lines().find_map(|line| value(line, "version = ")).unwrap();
        found.entry(name).or_default().push(version);
    }
    found
}

#[test]
fn the_fuzzer_tries_the_versions_that_are_shipped() {
    let (shipped, fuzzed) = (locked("Cargo.lock"), locked("fuzz/Cargo.lock"));
    for (name, versions) in fuzzed.iter().filter(|(name, _)| shipped.contains_key(*name)) {
        let other: Vec<_> = versions.iter().filter(|version| !shipped[name].contains(version)).collect();
        assert!(other.is_empty(), "{name} {other:?} in fuzz/Cargo.lock; copy Cargo.lock to fuzz/ and build there");
    }
}

/// Else `cargo build --locked` refuses to build the fuzzer.
#[test]
fn the_fuzzer_knows_what_the_crate_depends_on() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let section = manifest.split("\n[dependencies]\n").nth(1).and_then(|rest| rest.split("\n[").next()).unwrap();
    let lock = fs::read_to_string(root.join("fuzz/Cargo.lock")).unwrap();
    let entry = lock.split("[[package]]").find(|package| package.contains("\nname = \"authtrace\"\n")).unwrap();
    let names: Vec<&str> = section.lines().filter_map(|line| Some(line.split_once(" = ")?.0)).collect();
    assert!(names.len() > 20, "{names:?}");
    for name in names {
        let listed = |end| entry.contains(&format!("\n \"{name}{end}"));
        assert!(
            listed("\"") || listed(" "),
            "{name} is missing in fuzz/Cargo.lock; run cargo metadata --offline in fuzz"
        );
    }
}
