//! Every seed of every fuzz target, as the fuzzer would begin with them. What it once found is among them.

#[expect(unreachable_pub, reason = "the library of the fuzzer")]
#[path = "../../fuzz/src/targets/mod.rs"]
mod targets;

use std::fs;
use std::path::{Path, PathBuf};

fn seeds() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap()
}

#[test]
fn every_seed_keeps_what_its_target_promises() {
    for (target, run) in targets::TARGETS {
        let seeds = entries(&seeds().join(target));
        assert!(seeds.len() >= 3, "{target} has {} seeds", seeds.len());
        for seed in seeds {
            let data = fs::read(&seed).unwrap();
            // Whole, and as a reader finds it that comes too early.
            for end in [data.len(), data.len() / 2] {
                if std::panic::catch_unwind(|| run(&data[..end])).is_err() {
                    panic!("{target}: {} of {} bytes of {}", end, data.len(), seed.display());
                }
            }
        }
    }
}

#[test]
fn every_target_has_a_program_and_a_folder_of_seeds() {
    let known: Vec<&str> = targets::TARGETS.iter().map(|(name, _)| *name).collect();
    assert!(known.is_sorted());
    let folders = entries(&seeds());
    assert_eq!(folders.iter().map(|path| name(path)).collect::<Vec<_>>(), known);
    let programs = entries(&seeds().with_file_name("fuzz_targets"));
    assert_eq!(programs.iter().map(|path| name(path).trim_end_matches(".rs")).collect::<Vec<_>>(), known);
    let manifest = fs::read_to_string(seeds().with_file_name("Cargo.toml")).unwrap();
    for name in known {
        assert!(manifest.contains(&format!("name = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"")), "{name}");
        let program = fs::read_to_string(seeds().with_file_name("fuzz_targets").join(format!("{name}.rs"))).unwrap();
        assert!(program.contains(&format!("fuzz!(\"{name}\")")), "{name}");
    }
}

#[test]
fn the_seeds_are_few_bytes_and_hold_no_token_that_looks_real() {
    let mut bytes = 0;
    for (target, _) in targets::TARGETS {
        for seed in entries(&seeds().join(target)) {
            let data = fs::read(&seed).unwrap();
            bytes += data.len();
            let text = String::from_utf8_lossy(&data).into_owned();
            for mark in ["sk-ant-", "ghp_", "AKIA", "eyJ"] {
                for (at, _) in text.match_indices(mark) {
                    let value: String = text[at..]
                        .chars()
                        .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
                        .collect();
                    assert!(value.len() < 30 || value.contains("FAKE"), "{}: {value}", seed.display());
                }
            }
        }
    }
    assert!(bytes < 1_000_000, "{bytes} bytes of seeds");
}
