//! Files: who may read what is written, and traps in folders where everybody may write.

use crate::support::program::{Home, Live, PATIENCE, Trace, run};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Somebody else, who has no name on most machines.
const STRANGER: u32 = 65_533;

/// A home in which a trace was written, and a folder like `/tmp`.
struct Place {
    home: Home,
    shared: PathBuf,
    trace: PathBuf,
    har: PathBuf,
}

impl Place {
    fn new() -> Self {
        let home = Home::new();
        let shared = home.path("shared");
        fs::create_dir(&shared).unwrap();
        fs::set_permissions(&shared, fs::Permissions::from_mode(0o1777)).unwrap();
        let trace = home.path("state/trace.jsonl");
        let har = home.path("work/own.har");
        let demo = run(home.authtrace().args(["demo", "--out"]).arg(&trace), PATIENCE);
        assert_eq!(demo.code, Some(0), "{}", demo.stderr);
        let made = run(home.authtrace().args(["report", "--format", "har", "--out"]).arg(&har).arg(&trace), PATIENCE);
        assert_eq!(made.code, Some(0), "{}", made.stderr);
        Self { home, shared, trace, har }
    }

    /// Every command that writes to a place that the user names.
    fn writers(&self, out: &Path) -> Vec<(&'static str, Command)> {
        let command = |words: &[&str]| {
            let mut command = self.home.authtrace();
            command.args(words);
            command
        };
        let mut all = vec![
            ("run", command(&["run", "--upstream-proxy", "none", "--out"])),
            ("proxy", command(&["proxy", "--upstream-proxy", "none", "--out"])),
            ("demo", command(&["demo", "--out"])),
            ("report", command(&["report", "--format", "html", "--out"])),
            ("scrub", command(&["scrub", "--out"])),
            ("check", command(&["check", "--deny", "refresh-token-invalid", "--out"])),
            ("junit", command(&["check", "--deny", "refresh-token-invalid", "--junit"])),
            ("learn", command(&["check", "--learn"])),
        ];
        for (name, command) in &mut all {
            command.arg(out);
            match *name {
                "run" => drop(command.args(["--", "true"])),
                "proxy" | "demo" => {}
                "scrub" => drop(command.arg(&self.har)),
                _ => drop(command.arg(&self.trace)),
            }
        }
        all
    }
}

/// None of them may hang or say that it has written, and what is precious stays.
fn none_writes(set: impl Fn(&Place, &Path, &Path), but: &[&str]) {
    let place = Place::new();
    let precious = place.home.path("precious");
    fs::write(&precious, "precious").unwrap();
    let out = place.shared.join("out");
    for (name, mut command) in place.writers(&out) {
        let _ = fs::remove_file(&out);
        let _ = fs::remove_dir(&out);
        set(&place, &out, &precious);
        if name == "proxy" {
            // It would go on for ever.
            let mut live = Live::start(&mut command);
            live.until("cannot write the trace");
            live.kill();
        } else {
            let ended = run(&mut command, PATIENCE);
            let refused = ended.code != Some(0) && ended.stderr.contains("authtrace: ");
            assert!(refused != but.contains(&name), "{name}: {:?} {}", ended.code, ended.stderr);
        }
        assert_eq!(fs::read_to_string(&precious).unwrap(), "precious", "{name}");
    }
}

#[test]
fn without_a_trap_they_all_write() {
    let place = Place::new();
    for (name, command) in place.writers(Path::new("")) {
        let out = place.shared.join(name);
        let words: Vec<_> =
            command.get_args().map(|word| if word.is_empty() { out.as_os_str() } else { word }.to_owned()).collect();
        let mut live = Live::start(place.home.authtrace().args(words));
        if name == "proxy" {
            live.until("Ctrl-C ends");
            rustix::process::kill_process(live.pid(), rustix::process::Signal::TERM).unwrap();
        }
        let ended = live.finish(PATIENCE);
        assert_eq!(ended.code, Some(0), "{name}: {}", ended.stderr);
        let mode = fs::symlink_metadata(&out).unwrap().mode() & 0o777;
        assert_eq!(mode & 0o077 == 0, !["check", "junit", "learn"].contains(&name), "{name}: {mode:o}");
    }
}

#[test]
fn a_link_of_another_user_is_not_written_through() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can make files of another user");
        return;
    }
    none_writes(
        |_, out, precious| {
            symlink(precious, out).unwrap();
            std::os::unix::fs::lchown(out, Some(STRANGER), Some(STRANGER)).unwrap();
        },
        &[],
    );
    // One that leads to a place where nothing is yet.
    none_writes(
        |place, out, _| {
            symlink(place.home.path("planted"), out).unwrap();
            std::os::unix::fs::lchown(out, Some(STRANGER), Some(STRANGER)).unwrap();
            assert!(!place.home.path("planted").exists());
        },
        &[],
    );
}

#[test]
fn a_file_of_another_user_is_not_written_into() {
    if !rustix::process::geteuid().is_root() {
        println!("skipped: only root can make files of another user");
        return;
    }
    none_writes(
        |_, out, _| {
            fs::write(out, "").unwrap();
            fs::set_permissions(out, fs::Permissions::from_mode(0o666)).unwrap();
            std::os::unix::fs::chown(out, Some(STRANGER), Some(STRANGER)).unwrap();
        },
        &[],
    );
}

#[test]
fn a_second_name_of_a_file_is_not_written_into() {
    // What gets its name when it is whole takes the place of that name alone.
    none_writes(|_, out, precious| fs::hard_link(precious, out).unwrap(), &["report", "scrub", "check", "junit"]);
}

#[test]
fn a_pipe_and_a_folder_hold_nobody_up() {
    let mkfifo = |out: &Path| rustix::fs::mkfifoat(rustix::fs::CWD, out, rustix::fs::Mode::from(0o666)).unwrap();
    if rustix::process::geteuid().is_root() {
        none_writes(
            |_, out, _| {
                mkfifo(out);
                std::os::unix::fs::chown(out, Some(STRANGER), Some(STRANGER)).unwrap();
            },
            &[],
        );
    }
    none_writes(|_, out, _| fs::create_dir(out).unwrap(), &[]);
}

/// Whatever stands below it with the modes of files and folders.
fn modes(folder: &Path) -> Vec<(PathBuf, u32)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let meta = fs::symlink_metadata(entry.path()).unwrap();
        found.push((entry.path(), meta.mode() & 0o777));
        if meta.is_dir() {
            found.extend(modes(&entry.path()));
        }
    }
    found
}

/// With a umask that takes nothing away.
#[test]
fn what_a_run_writes_is_for_this_user_alone() {
    let home = Home::new();
    let script = "umask 0; exec \"$0\" \"$@\"";
    for kind in ["trace", "ring", "kept"] {
        let mut command = home.command("sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_authtrace"), "proxy", "--upstream-proxy", "none"]);
        match kind {
            "trace" => command.args(["--out", home.path("state/new/trace.jsonl").to_str().unwrap()]),
            "ring" => command.args(["--ring", "1MB"]),
            _ => command
                .args(["--ca-dir", home.path("state/ca").to_str().unwrap(), "--fingerprint-key"])
                .arg(home.path("state/fingerprint-key")),
        };
        let mut live = Live::start(&mut command);
        live.until("Ctrl-C ends");
        let found: Vec<_> = ["state", "runtime"].iter().flat_map(|folder| modes(&home.path(folder))).collect();
        assert!(found.len() >= 4, "{kind}: {found:?}");
        for (path, mode) in &found {
            assert_eq!(mode & 0o077, 0, "{kind}: {} has the mode {mode:o}", path.display());
        }
        rustix::process::kill_process(live.pid(), rustix::process::Signal::TERM).unwrap();
        assert_eq!(live.finish(PATIENCE).code, Some(0));
    }
    assert_eq!(home.left_behind(), [""; 0]);
}

/// Where programs look for roots, and where a shell, a client or a user keeps settings.
const NOT_OURS: [&str; 8] = [
    ".bashrc",
    ".profile",
    ".claude/settings.json",
    ".config/authtrace/authtrace.toml",
    ".npmrc",
    ".pki/nssdb/cert9.db",
    ".local/share/ca-certificates/own.pem",
    "work/.env",
];

/// A run writes its trace, and nothing that outlives it besides: no profile, no settings, no store of certificates.
#[test]
fn a_run_leaves_nothing_but_its_trace() {
    let home = Home::new();
    for name in NOT_OURS {
        fs::create_dir_all(home.path(name).parent().unwrap()).unwrap();
        home.write(name, "# ours\n");
    }
    let before = modes(&home.path(""));
    let command =
        ["run", "--upstream-proxy", "none", "--out", "trace.jsonl", "--", "sh", "-c", "test -r \"$SSL_CERT_FILE\""];
    let ended = run(home.authtrace().args(command), PATIENCE);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let after = modes(&home.path(""));
    let new: Vec<_> = after.iter().filter(|one| !before.contains(one)).map(|(path, _)| path.clone()).collect();
    assert_eq!(new, [home.path("work/trace.jsonl")]);
    for name in NOT_OURS {
        assert_eq!(fs::read_to_string(home.path(name)).unwrap(), "# ours\n", "{name}");
    }
}

/// A trace whose name is given away while it is written goes on in the file that was opened.
#[test]
fn a_trace_that_is_moved_and_replaced_stays_the_file_it_was() {
    let home = Home::new();
    let (out, moved) = (home.path("work/trace.jsonl"), home.path("work/moved.jsonl"));
    let script = "mv trace.jsonl moved.jsonl; echo planted > precious; ln -s precious trace.jsonl";
    let ended = run(
        home.authtrace().args(["run", "--upstream-proxy", "none", "--out"]).arg(&out).args(["--", "sh", "-c", script]),
        PATIENCE,
    );
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(fs::read_to_string(home.path("work/precious")).unwrap(), "planted\n");
    assert_eq!(Trace::read(&moved).end.unwrap().exit_code, Some(0));
}
