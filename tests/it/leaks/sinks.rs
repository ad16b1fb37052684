//! Everything that authtrace writes about a trace: files, and what every command says.

use super::drive::environment;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// A sink and what it holds.
pub(crate) type Sink = (String, Vec<u8>);

/// The files below `folder`, each with its name.
pub(crate) fn files(folder: &Path) -> Vec<Sink> {
    let mut sinks = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.to_string_lossy().into_owned();
        if path.is_symlink() {
            continue;
        } else if path.is_dir() {
            sinks.extend(files(&path));
        } else if path.is_file() {
            let mut all = format!("{name}\n").into_bytes();
            all.extend(fs::read(&path).unwrap());
            sinks.push((format!("file {}", path.file_name().unwrap().to_string_lossy()), all));
        }
    }
    sinks
}

/// What the world can see of this process, and of every other one that it may have started.
pub(crate) fn processes(pid: u32) -> Vec<Sink> {
    let mut sinks = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(number) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let status = fs::read_to_string(entry.path().join("status")).unwrap_or_default();
        let parent = status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse::<u32>().ok());
        if number != pid && parent != Some(pid) && parent != Some(std::process::id()) {
            continue;
        }
        for file in ["environ", "cmdline", "comm", "status"] {
            // Not there any more, or not to be read by us: nothing to be seen.
            if let Ok(bytes) = fs::read(entry.path().join(file)) {
                sinks.push((format!("/proc {file}"), bytes));
            }
        }
    }
    sinks
}

/// Forms of a result, each to a file.
const CHECKS: [&str; 6] = [
    "junit=result.xml",
    "sarif=result.sarif",
    "github=result.txt",
    "tap=result.tap",
    "json=result.json",
    "md=result.md",
];

/// Every command that reads a trace, over this one; `pasted` are error texts as a user pastes them.
pub(crate) fn commands(home: &Path, trace: &Path, pasted: &[Vec<u8>], take: &mut dyn FnMut(Sink)) {
    let trace = trace.to_str().unwrap();
    let mut say = |arguments: &[&str], input: &[u8], codes: &[i32]| {
        let shown = arguments.iter().filter(|argument| !argument.contains('/')).copied().collect::<Vec<_>>().join(" ");
        let began = Instant::now();
        let (code, stdout, stderr) = run(home, arguments, input);
        let told = String::from_utf8_lossy(&stderr).into_owned();
        assert!(code.is_some_and(|code| codes.contains(&code)), "{shown}: {code:?} {told:.2000}");
        assert!(!told.contains("internal error"), "{shown}: {told}");
        if std::env::var_os("SHOW_LEAKS").is_some() {
            println!("{shown}: {} bytes in {:?}", stdout.len(), began.elapsed());
        }
        take((format!("{shown}, standard output"), stdout));
        take((format!("{shown}, standard error"), stderr));
    };
    for form in ["text", "json", "md", "html", "svg"] {
        say(&["report", "--full", "--format", form, trace], b"", &[0]);
    }
    say(&["report", "--full", "--format", "har", "--out", "exported.har", trace], b"", &[0]);
    let mut check = vec!["check", "--deny", "auth-failure", "--expect", "GET /v1/models 200"];
    CHECKS.iter().for_each(|form| check.extend(["--report", form]));
    say(&[&check[..], &[trace]].concat(), b"", &[1]);
    say(&["check", "--learn", "draft.toml", trace], b"", &[0]);
    say(&["scrub", "exported.har"], b"", &[0]);
    say(&["report", "--format", "md", "exported.har"], b"", &[0]);
    let text = fs::read_to_string(trace).unwrap();
    let beginning: Vec<&str> = text.lines().take(200).collect();
    fs::write(home.join("beginning.jsonl"), beginning.join("\n")).unwrap();
    for form in ["human", "json", "md"] {
        say(&["diff", "--format", form, "beginning.jsonl", trace], b"", &[0, 1]);
    }
    for form in ["text", "json", "md"] {
        for text in pasted {
            say(&["explain", "--format", form, "-"], text, &[0, 2]);
        }
    }
}

/// What is played again from a trace, and the scenario that is made of it.
pub(crate) fn replayed(home: &Path, trace: &Path) -> Vec<Sink> {
    let trace = trace.to_str().unwrap();
    let mut all = Vec::new();
    for arguments in [
        &["scenario", "from", trace][..],
        &["replay", "--speed", "0", "--out", "again.toml", "--trace-out", "again.jsonl", trace],
    ] {
        let (code, stdout, stderr) = run(home, arguments, b"");
        let told = String::from_utf8_lossy(&stderr);
        // A mixture of everything need not have a scenario; what is said of that is a sink like any other.
        assert!(code.is_some_and(|code| [0, 1, 2].contains(&code)), "{code:?} {told}");
        all.push((format!("{}, standard output", arguments[0]), stdout));
        all.push((format!("{}, standard error", arguments[0]), stderr));
    }
    all
}

fn run(home: &Path, arguments: &[&str], input: &[u8]) -> (Option<i32>, Vec<u8>, Vec<u8>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_authtrace"));
    let command = environment(&mut command, home).args(arguments).current_dir(home);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Whoever reads nothing closes it.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    (output.status.code(), output.stdout, output.stderr)
}
