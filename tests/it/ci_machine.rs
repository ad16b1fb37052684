//! The program on machines as CI has them: read-only homes, no certificate store, no terminal, any user, long paths, several
//! runs at once; and what is left of a run.

use super::support::program::{Ended, Home, Live, PATIENCE, Trace};
use super::support::tool;
use rustix::process::{Signal, kill_process_group};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The program where anybody may start it, and folders that anybody may use. Nothing of this process's environment.
struct Machine {
    dir: tempfile::TempDir,
}

/// A user that nobody has made, as containers run with.
const STRANGER: &str = "54321";

impl Machine {
    fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("ci").tempdir_in("/tmp").unwrap();
        let machine = Self { dir };
        open(machine.dir.path(), 0o755);
        for folder in ["tmp", "work", "state"] {
            std::fs::create_dir(machine.path(folder)).unwrap();
            open(&machine.path(folder), 0o777);
        }
        let program = machine.path("authtrace");
        let built = Path::new(env!("CARGO_BIN_EXE_authtrace"));
        if std::fs::hard_link(built, &program).is_err() {
            std::fs::copy(built, &program).unwrap();
        }
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A program of this machine, with a folder for temporary files and nothing else.
    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("TMPDIR", self.path("tmp"))
            .current_dir(self.path("work"))
            .stdin(std::process::Stdio::null());
        command
    }

    fn authtrace(&self) -> Command {
        self.command(self.path("authtrace"))
    }

    /// The program as another user, or none if this one may not become another.
    fn as_stranger(&self) -> Option<Command> {
        let setpriv = tool("setpriv").filter(|_| rustix::process::geteuid().is_root())?;
        let mut command = self.command(setpriv);
        command.args(["--reuid", STRANGER, "--regid", STRANGER, "--clear-groups"]).arg(self.path("authtrace"));
        Some(command)
    }

    fn left(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path("tmp")).unwrap().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }
}

fn open(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

fn ended(command: &mut Command) -> Ended {
    Live::start(command).finish(PATIENCE)
}

/// Plays, and shows what the command was given.
fn plays(command: &mut Command, script: &str) -> Ended {
    ended(command.args(["run", "--scenario", "healthy", "--", "sh", "-c", script]))
}

#[test]
fn a_home_that_cannot_be_written_is_told_and_another_place_works() {
    let machine = Machine::new();
    let Some(mut stranger) = machine.as_stranger() else { return };
    let home = machine.path("home");
    std::fs::create_dir(&home).unwrap();
    open(&home, 0o555);
    let refused = plays(stranger.env("HOME", &home), "touch started");
    assert_eq!(refused.code, Some(125));
    let said = &refused.stderr;
    assert!(
        said.contains("cannot write the trace") && said.contains("--out") && said.contains("XDG_STATE_HOME"),
        "{said}"
    );
    assert!(!machine.path("work/started").exists(), "the command was started although nothing could be recorded");
    let mut stranger = machine.as_stranger().unwrap();
    let played = plays(stranger.env("HOME", &home).env("XDG_STATE_HOME", machine.path("state")), "echo $HOME");
    assert_eq!(played.code, Some(0), "{}", played.stderr);
    assert!(
        played.stdout.starts_with(machine.path("tmp").to_str().unwrap()),
        "the command's own home: {}",
        played.stdout
    );
    assert_eq!(machine.left(), [""; 0]);
}

#[test]
fn without_any_home_the_trace_has_to_be_named() {
    let machine = Machine::new();
    let Some(mut stranger) = machine.as_stranger() else { return };
    let refused = plays(&mut stranger, "true");
    assert_eq!(refused.code, Some(125));
    assert!(refused.stderr.contains("--out"), "{}", refused.stderr);
    let mut stranger = machine.as_stranger().unwrap();
    let trace = machine.path("state/trace.jsonl");
    let played = ended(stranger.args([
        "run",
        "--scenario",
        "healthy",
        "--out",
        trace.to_str().unwrap(),
        "--",
        "sh",
        "-c",
        "exit 7",
    ]));
    assert_eq!(played.code, Some(7), "{}", played.stderr);
    assert!(trace.is_file());
    assert_eq!(machine.left(), [""; 0]);
}

/// A machine without a certificate store: the folders where systems have one are empty.
fn without_store(machine: &Machine, arguments: &str) -> Option<Command> {
    let unshare = tool("unshare")?;
    let able = Command::new(&unshare).args(["-rm", "true"]).output().is_ok_and(|tried| tried.status.success());
    if !able {
        println!("skipped: no user namespaces here");
        return None;
    }
    let hide = "for folder in /etc/ssl /etc/pki /usr/share/ca-certificates /usr/local/share/certs /var/lib/ca-certificates; do \
                [ ! -d $folder ] || mount -t tmpfs none $folder || exit 99; done";
    let mut command = machine.command(unshare);
    command.env("XDG_STATE_HOME", machine.path("state"));
    command.args(["-rm", "sh", "-c", &format!("{hide}; exec {} {arguments}", machine.path("authtrace").display())]);
    Some(command)
}

#[test]
fn without_a_certificate_store_a_scenario_can_be_played() {
    let machine = Machine::new();
    let Some(curl) = tool("curl") else { return };
    let ask = format!("{} -sS -o /dev/null -w \"%{{http_code}}\" https://api.anthropic.com/v1/models", curl.display());
    let trace = machine.path("state/t.jsonl");
    let arguments = format!("run --scenario healthy --out {} -- {ask}", trace.display());
    let Some(mut command) = without_store(&machine, &arguments) else { return };
    let played = ended(&mut command);
    assert_eq!((played.code, played.stdout.as_str()), (Some(0), "401"), "{}", played.stderr);
    assert_eq!(Trace::read(&trace).exchanges.len(), 1);
}

#[test]
fn a_store_that_is_named_and_not_there_does_not_matter_to_a_scenario() {
    let Some(curl) = tool("curl") else { return };
    let machine = Machine::new();
    let run = |options: &[&str]| {
        let mut command = machine.authtrace();
        command.env("XDG_STATE_HOME", machine.path("state")).env("SSL_CERT_FILE", "/nonexistent/ca.pem");
        command.env("CURL_CA_BUNDLE", "/nonexistent/ca.pem").arg("run").args(options).arg("--").arg(&curl);
        ended(command.args(["-sS", "-o", "/dev/null", "-w", "%{http_code}", "https://api.anthropic.com/v1/models"]))
    };
    let played = run(&["--scenario", "healthy"]);
    assert_eq!((played.code, played.stdout.as_str()), (Some(0), "401"), "{}", played.stderr);
    assert!(!played.stderr.contains("cannot be read"), "{}", played.stderr);
    let refused = run(&["--connect-to", "::127.0.0.1:9"]);
    assert_eq!(refused.code, Some(125));
    assert!(refused.stderr.contains("/nonexistent/ca.pem"), "{}", refused.stderr);
}

#[test]
fn without_a_certificate_store_live_traffic_is_refused_with_what_helps() {
    let machine = Machine::new();
    let Some(mut command) = without_store(&machine, "run -- true") else { return };
    let refused = ended(&mut command);
    assert_eq!(refused.code, Some(125));
    assert!(refused.stderr.contains("no usable root certificates"), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("ca-certificates") && refused.stderr.contains("--upstream-ca"),
        "{}",
        refused.stderr
    );
}

#[test]
fn a_long_path_for_temporary_files_leaves_room_for_joining() {
    let machine = Machine::new();
    let long = machine.path("tmp").join("x".repeat(120));
    std::fs::create_dir(&long).unwrap();
    let own = machine.path("authtrace");
    // By name: what is too long is replaced by a folder that all runs of this user share.
    let lane = format!("long-{}", std::process::id());
    let inner = format!("{} run --join={lane} -- echo joined", own.display());
    let mut command = machine.authtrace();
    command.env("TMPDIR", &long).env("XDG_STATE_HOME", machine.path("state")).env("AUTHTRACE_LANE", lane);
    let played = plays(&mut command, &inner);
    assert_eq!((played.code, played.stdout.as_str()), (Some(0), "joined\n"), "{}", played.stderr);
    assert_eq!(std::fs::read_dir(&long).unwrap().count(), 0);
}

#[test]
fn several_runs_at_once_do_not_disturb_each_other() {
    let machine = Machine::new();
    let runs: Vec<Live> = (0..6)
        .map(|number| {
            let mut command = machine.authtrace();
            command.env("XDG_STATE_HOME", machine.path("state")).args([
                "run",
                "--scenario",
                "healthy",
                "--",
                "sh",
                "-c",
            ]);
            Live::start(command.arg(format!("echo $HOME $HTTPS_PROXY; exit {number}")))
        })
        .collect();
    let mut given = std::collections::BTreeSet::new();
    for (number, run) in runs.into_iter().enumerate() {
        let Ended { code, stdout, stderr } = run.finish(PATIENCE);
        assert_eq!(code, i32::try_from(number).ok(), "{stderr}");
        given.extend(stdout.split_whitespace().map(str::to_owned));
    }
    assert_eq!(given.len(), 12, "{given:?}");
    let traces = std::fs::read_dir(machine.path("state/authtrace")).unwrap().count();
    assert_eq!(traces, 6);
    assert_eq!(machine.left(), [""; 0]);
}

#[test]
fn nothing_is_left_of_a_run_however_it_ends() {
    let machine = Machine::new();
    let run = |script: &str| {
        let mut command = machine.authtrace();
        command.env("XDG_STATE_HOME", machine.path("state"));
        plays(&mut command, script)
    };
    assert_eq!(run("exit 0").code, Some(0));
    assert_eq!(machine.left(), [""; 0], "after success");
    assert_eq!(run("exit 3").code, Some(3));
    assert_eq!(run("kill -9 $$").code, Some(137));
    assert_eq!(machine.left(), [""; 0], "after failures");
    let mut command = machine.authtrace();
    command.env("XDG_STATE_HOME", machine.path("state")).args(["run", "--scenario", "healthy", "--"]);
    assert_eq!(ended(command.arg("no-such-program")).code, Some(127));
    assert_eq!(machine.left(), [""; 0], "after a command that is not there");
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut command = machine.authtrace();
        command.env("XDG_STATE_HOME", machine.path("state")).args(["run", "--scenario", "healthy", "--"]);
        let mut live = Live::start(command.args(["sh", "-c", "echo started; exec sleep 600"]));
        live.until("started");
        kill_process_group(live.pid(), signal).unwrap();
        assert_eq!(live.finish(PATIENCE).code, Some(code));
        assert_eq!(machine.left(), [""; 0], "after {signal:?}");
    }
}

#[test]
fn what_a_killed_run_left_is_removed_by_the_next() {
    let machine = Machine::new();
    let mut command = machine.authtrace();
    command.env("XDG_STATE_HOME", machine.path("state")).args(["run", "--scenario", "healthy", "--"]);
    let mut live = Live::start(command.args(["sh", "-c", "echo started; exec sleep 600"]));
    live.until("started");
    kill_process_group(live.pid(), Signal::KILL).unwrap();
    live.finish(PATIENCE);
    assert!(!machine.left().is_empty());
    let mut command = machine.authtrace();
    command.env("XDG_STATE_HOME", machine.path("state"));
    assert_eq!(plays(&mut command, "true").code, Some(0));
    assert_eq!(machine.left(), [""; 0]);
}

#[test]
fn a_run_needs_no_terminal_and_colours_nothing_without_one() {
    let home = Home::new();
    let Some(setsid) = tool("setsid") else { return };
    let mut detached = home.command(setsid);
    detached.env_remove("TERM").arg("--wait").arg(env!("CARGO_BIN_EXE_authtrace"));
    detached.args(["run", "--scenario", "token-revoked", "--max-auth-failures", "0", "--", "true"]);
    let run = ended(&mut detached);
    assert_eq!(run.code, Some(1), "nothing was observed: {}", run.stderr);
    assert!(!run.stderr.contains('\u{1b}') && !run.stdout.contains('\u{1b}'), "{}", run.stderr);
}

#[test]
fn what_a_command_leaves_running_in_a_made_up_home_ends_with_it() {
    let machine = Machine::new();
    let mut command = machine.authtrace();
    command.env("XDG_STATE_HOME", machine.path("state"));
    let script = "setsid sleep 600 >/dev/null 2>&1 & sleep 600 >/dev/null 2>&1 & echo $! started; exit 0";
    let played = plays(&mut command, script);
    assert_eq!(played.code, Some(0), "{}", played.stderr);
    let pid = played.stdout.split_whitespace().next().unwrap();
    let tmp = machine.path("tmp").display().to_string();
    let is_left = |path: &Path| {
        // What is dead and has not been waited for has no environment any more.
        std::fs::read(path.join("environ")).is_ok_and(|variables| String::from_utf8_lossy(&variables).contains(&tmp))
    };
    assert!(!is_left(&Path::new("/proc").join(pid)));
    let left = std::fs::read_dir("/proc").unwrap().flatten().filter(|entry| is_left(&entry.path())).count();
    assert_eq!(left, 0);
}
