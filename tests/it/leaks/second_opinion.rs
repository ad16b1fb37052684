//! What the scanners of others find: nothing in what authtrace writes, and a lot in what went over the wire.
//!
//! `.ci/install-secret-scanners` puts them into `target/clients/scanners`; what is not there is skipped, unless
//! `AUTHTRACE_REQUIRE_TOOLS=1`.

use super::drive::Proxy;
use super::generator::Generator;
use super::origin::Origin;
use super::scanner::Scanner;
use super::sinks;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Exchanges for detect-secrets, which weighs every string, and for secretlint, which knows few shapes.
const FEW: usize = 271;
const MORE: usize = 4 * FEW;

fn installed(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients/scanners").join(path);
    if path.is_file() {
        return Some(path);
    }
    assert!(
        std::env::var_os("AUTHTRACE_REQUIRE_TOOLS").is_none_or(|value| value != "1"),
        "{} is missing",
        path.display()
    );
    println!("skipped: {} is missing", path.display());
    None
}

/// What was sent, what was written, and who knows the secrets.
struct Stage {
    folder: tempfile::TempDir,
    scanner: Scanner,
}

impl Stage {
    fn set(exchanges: usize) -> Self {
        let (generator, origin) = (Generator::new(21), Origin::start());
        let folder = tempfile::tempdir().unwrap();
        let (wire, written) = (folder.path().join("wire"), folder.path().join("written"));
        fs::create_dir(&wire).unwrap();
        fs::create_dir(&written).unwrap();
        let mut scanner = Scanner::new();
        for number in 0..exchanges {
            let exchange = generator.exchange(number);
            exchange.secrets.iter().for_each(|secret| scanner.add(number, secret));
            exchange.useful.iter().for_each(|text| scanner.add_public(text));
            let bytes = [exchange.request, exchange.answer.concat()].concat();
            fs::write(wire.join(format!("{number}.txt")), bytes).unwrap();
        }
        let mut proxy = Proxy::start(&origin, &[]);
        proxy.play(&generator, &origin, 0..exchanges);
        proxy.end();
        let mut all: Vec<sinks::Sink> = proxy.outputs.drain(..).collect();
        sinks::commands(proxy.folder.path(), &proxy.trace(), &[], &mut |sink| all.push(sink));
        all.extend(sinks::files(proxy.folder.path()));
        // The exports for another shell hold the proxy's own password, and the key is that of this test.
        all.retain(|(name, _)| !["file key", "standard output"].contains(&name.as_str()));
        for (number, (name, bytes)) in all.iter().enumerate() {
            let name: String = name.chars().filter(char::is_ascii_alphanumeric).take(60).collect();
            fs::write(written.join(format!("{number}-{name}.txt")), bytes).unwrap();
        }
        Self { folder, scanner }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Whether what somebody else found is one of the secrets.
    fn is_ours(&mut self, value: &str) -> bool {
        self.scanner.leaks.clear();
        self.scanner.search("a finding", value.as_bytes());
        !self.scanner.leaks.is_empty()
    }
}

#[test]
fn detect_secrets_finds_nothing_in_what_is_written() {
    let Some(python) = installed("venv/bin/python") else { return };
    let mut stage = Stage::set(FEW);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/foreign/secrets.py");
    let mut find = |folder: &str| -> (Vec<Value>, usize) {
        let output = Command::new(&python).arg(&script).arg(stage.path(folder)).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let lines = String::from_utf8(output.stdout).unwrap();
        let all: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let ours = all.iter().filter(|found| stage.is_ours(found["value"].as_str().unwrap())).count();
        (all, ours)
    };
    let ((wire, secrets_sent), (written, secrets_written)) = (find("wire"), find("written"));
    let mut kinds = BTreeMap::<&str, usize>::new();
    written.iter().for_each(|found| *kinds.entry(found["type"].as_str().unwrap()).or_default() += 1);
    println!(
        "detect-secrets: {} ({secrets_sent} secrets) on the wire; {secrets_written} secrets written, {kinds:?}",
        wire.len()
    );
    assert!(secrets_sent >= 50, "{secrets_sent}");
    assert_eq!(secrets_written, 0, "{written:#?}");
    // By shape there is nothing; request ids and digests are random, which two of its rules take for a sign.
    let by_shape: Vec<_> =
        written.iter().filter(|found| !found["type"].as_str().unwrap().contains("High Entropy")).collect();
    assert!(by_shape.is_empty(), "{by_shape:#?}");
}

#[test]
fn secretlint_finds_nothing_in_what_is_written() {
    let Some(program) = installed("node_modules/.bin/secretlint") else { return };
    let stage = Stage::set(MORE);
    let home = program.parent().unwrap().parent().unwrap().parent().unwrap();
    let settings = stage.path("settings.json");
    fs::write(&settings, r#"{"rules":[{"id":"@secretlint/secretlint-rule-preset-recommend"}]}"#).unwrap();
    let find = |folder: &str| -> Vec<Value> {
        let output = Command::new(&program)
            .current_dir(home)
            .args(["--no-gitignore", "--no-color", "--format", "json", "--secretlintrc"])
            .arg(&settings)
            .arg(format!("{}/*", stage.path(folder).display()))
            .output()
            .unwrap();
        let files: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        files.as_array().unwrap().iter().flat_map(|file| file["messages"].as_array().unwrap().clone()).collect()
    };
    let (wire, written) = (find("wire"), find("written"));
    println!("secretlint: {} on the wire, {} in what is written", wire.len(), written.len());
    assert!(wire.len() >= 20, "{}", wire.len());
    assert!(written.is_empty(), "{written:#?}");
}
