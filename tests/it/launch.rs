//! A child under real signals. The supervising process is this test binary again, as [`driver`], so that each signal goes to a
//! process of its own.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use authtrace::launch::{ChildEnvironment, TempDir, deny_tracing, forbid_core_dumps, spawn};
use rustix::process::{Pid, Resource, Signal, getrlimit, kill_process};

/// Not a test of its own: runs the shell script in `DRIVER_SCRIPT` as `authtrace run` would, with a private folder in `DRIVER_DIR`,
/// and ends with the code of its outcome. Without `DRIVER_SCRIPT` (all ignored tests were asked for) there is nothing to do.
#[test]
#[ignore = "the other tests of this file start it"]
fn driver() {
    let (Some(script), Some(dir)) = (std::env::var_os("DRIVER_SCRIPT"), std::env::var_os("DRIVER_DIR")) else {
        return;
    };
    deny_tracing().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let code = runtime.block_on(async {
        let files = TempDir::create_in(Path::new(&dir)).unwrap();
        files.write("ca.pem", b"certificate").unwrap();
        let arguments: [OsString; 2] = ["-c".into(), script];
        let running = spawn(OsStr::new("sh"), &arguments, &ChildEnvironment::default()).unwrap();
        forbid_core_dumps().unwrap();
        assert_eq!(getrlimit(Resource::Core).current, Some(0));
        running.wait().await.unwrap().exit_code()
    });
    std::process::exit(code.into());
}

/// Not a test of its own: the child of [`driver`] that says what it has inherited.
#[test]
#[ignore = "another test of this file starts it"]
fn reporter() {
    if std::env::var_os("DRIVER_SCRIPT").is_some() {
        println!("\ncore {:?}", getrlimit(Resource::Core).current);
        #[cfg(target_os = "linux")]
        println!("dumpable {:?}", rustix::process::dumpable_behavior().unwrap());
    }
}

/// A session of its own, with the defaults for the signals that somebody may ignore for us (`nohup`, a background job): it makes no
/// difference where the tests run.
const WITHOUT_TERMINAL: [&str; 2] = [
    "-c",
    "import os, signal, sys; os.setsid(); \
     [signal.signal(n, signal.SIG_DFL) for n in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)]; \
     os.execvp(sys.argv[1], sys.argv[1:])",
];

struct Driver {
    process: Child,
    output: BufReader<ChildStdout>,
    dir: tempfile::TempDir,
}

impl Driver {
    /// Without a controlling terminal.
    fn start(script: &str) -> Self {
        Self::start_as(Command::new("python3").args(WITHOUT_TERMINAL), script)
    }

    fn start_as(command: &mut Command, script: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        command.arg(std::env::current_exe().unwrap()).args(["launch::driver", "--exact", "--ignored", "--nocapture"]);
        command.env("DRIVER_SCRIPT", script).env("DRIVER_DIR", dir.path());
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        Self { process, output, dir }
    }

    /// Reads until the script has printed a line that starts with this, and gives the rest of that line.
    fn until(&mut self, start: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "the driver ended before it said {start}");
            if let Some(rest) = line.strip_prefix(start) {
                return rest.trim().to_owned();
            }
        }
    }

    /// The supervising process: the parent of the script, whose number the script printed as `ready PID`.
    fn ready(&mut self) -> Pid {
        Pid::from_raw(self.until("ready ").parse().unwrap()).unwrap()
    }

    fn files(&self) -> usize {
        std::fs::read_dir(self.dir.path()).unwrap().count()
    }

    /// Its exit code and what the script still printed. The private folder must be gone.
    fn end(mut self) -> (ExitStatus, String) {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        let status = self.process.wait().unwrap();
        assert_eq!(self.files(), 0, "the private folder is still there");
        (status, rest)
    }
}

#[test]
fn terminate_and_hangup_are_passed_on_and_the_files_go() {
    if !super::ca::available("python3") {
        return;
    }
    for (name, signal, number) in [("TERM", Signal::TERM, 15), ("HUP", Signal::HUP, 1)] {
        let mut driver = Driver::start(&format!(
            "trap 'echo got {name}; kill $!; exit 40' {name}; sleep 60 >/dev/null & echo ready $PPID; wait"
        ));
        let supervisor = driver.ready();
        assert_eq!(driver.files(), 1);
        kill_process(supervisor, signal).unwrap();
        let (status, rest) = driver.end();
        assert!(rest.contains(&format!("got {name}")), "{rest}");
        assert_eq!(status.code(), Some(40));

        let mut driver = Driver::start("echo ready $PPID; exec sleep 60");
        kill_process(driver.ready(), signal).unwrap();
        assert_eq!(driver.end().0.code(), Some(128 + number));
    }
}

#[test]
fn a_second_terminate_kills_a_child_that_does_not_listen() {
    if !super::ca::available("python3") {
        return;
    }
    let mut driver = Driver::start(
        "trap 'echo ignored' TERM; sleep 60 >/dev/null & sleeper=$!; echo ready $PPID; while :; do wait $sleeper; done",
    );
    let supervisor = driver.ready();
    kill_process(supervisor, Signal::TERM).unwrap();
    driver.until("ignored");
    kill_process(supervisor, Signal::TERM).unwrap();
    assert_eq!(driver.process.wait().unwrap().code(), Some(137));
    assert_eq!(driver.files(), 0);
}

#[test]
fn without_a_terminal_an_interrupt_is_passed_on() {
    if !super::ca::available("python3") {
        return;
    }
    let mut driver =
        Driver::start("trap 'echo interrupted; kill $!; exit 41' INT; sleep 60 >/dev/null & echo ready $PPID; wait");
    kill_process(driver.ready(), Signal::INT).unwrap();
    let (status, rest) = driver.end();
    assert!(rest.contains("interrupted"), "{rest}");
    assert_eq!(status.code(), Some(41));
}

#[cfg(target_os = "linux")]
#[test]
fn a_signal_that_was_ignored_before_stays_so_in_the_child() {
    if !super::ca::available("python3") {
        return;
    }
    let script = "grep SigIgn /proc/$$/status; echo ready $PPID; read -r _ < \"$DRIVER_DIR/go\"; exit 5";
    let mut nohup = Command::new("python3");
    nohup.args(WITHOUT_TERMINAL);
    nohup.args(["sh", "-c", "trap '' HUP; mkfifo \"$DRIVER_DIR/go\"; exec \"$@\"", "sh"]);
    let mut driver = Driver::start_as(&mut nohup, script);
    let mask = u64::from_str_radix(&driver.until("SigIgn:"), 16).unwrap();
    assert_eq!(mask & 1, 1, "the child lost its ignored hang-up");
    assert_eq!(mask & 0b1_0000_0000_0110, 0, "interrupt, quit and broken pipe must have their defaults");
    kill_process(driver.ready(), Signal::HUP).unwrap();
    let pipe = driver.dir.path().join("go");
    std::fs::write(&pipe, "\n").unwrap();
    std::fs::remove_file(&pipe).unwrap();
    assert_eq!(driver.end().0.code(), Some(5));
}

#[test]
fn the_child_keeps_the_users_core_limit_and_may_be_traced() {
    let limit = getrlimit(Resource::Core);
    let wanted = limit.maximum.map_or(4096, |maximum| maximum.min(4096));
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit -S -c {}; exec \"$@\"", wanted / 512), "sh"]);
    let exe = std::env::current_exe().unwrap();
    let mut driver =
        Driver::start_as(&mut shell, &format!("'{}' launch::reporter --exact --ignored --nocapture", exe.display()));
    assert_eq!(driver.until("core "), format!("{:?}", Some(wanted / 512 * 512)));
    #[cfg(target_os = "linux")]
    assert_eq!(driver.until("dumpable "), "Dumpable");
    assert_eq!(driver.end().0.code(), Some(0));
}

/// A shell with job control in small, on a terminal of its own: starts the driver as a job, stops it (by the stop key, or the child
/// stops itself), and says what the job did.
const JOB_CONTROL: &str = r#"
import os, pty, signal, sys
signal.alarm(60)
how, argv = sys.argv[1], sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    job = os.fork()
    if job == 0:
        os.setpgid(0, 0)
        os.tcsetpgrp(0, os.getpid())
        signal.signal(signal.SIGTTOU, signal.SIG_DFL)
        os.execv(argv[0], argv)
    _, status = os.waitpid(job, os.WUNTRACED)
    print('job stopped', os.WIFSTOPPED(status), flush=True)
    os.tcsetpgrp(0, os.getpgrp())
    os.tcsetpgrp(0, job)
    os.killpg(job, signal.SIGCONT)
    _, status = os.waitpid(job, os.WUNTRACED)
    print('job ended', os.WIFEXITED(status) and os.WEXITSTATUS(status), flush=True)
    os._exit(0)
seen, sent = b'', False
while True:
    try:
        data = os.read(terminal, 4096)
    except OSError:
        break
    if not data:
        break
    seen += data
    if how == 'key' and not sent and b'ready ' in seen:
        os.write(terminal, b'\x1a')
        sent = True
sys.stdout.write(seen.decode().replace('\r', ''))
os.waitpid(pid, 0)
"#;

#[test]
fn child_and_supervisor_stop_and_go_on_together() {
    if !super::ca::available("python3") {
        return;
    }
    // Stopped by the key, the script goes on in the sleep; stopping itself, after it. Both then say that they resumed.
    for (how, script) in [
        (
            "key",
            "trap 'echo resumed; kill $!; exit 42' CONT; sleep 60 >/dev/null & echo ready $PPID; while :; do wait; done",
        ),
        ("itself", "echo ready $PPID; kill -STOP $$; echo resumed; exit 42"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let output = Command::new("python3")
            .args(["-c", JOB_CONTROL, how])
            .arg(std::env::current_exe().unwrap())
            .args(["launch::driver", "--exact", "--ignored", "--nocapture"])
            .env("DRIVER_SCRIPT", script)
            .env("DRIVER_DIR", dir.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        for expected in ["job stopped True", "resumed", "job ended 42"] {
            assert!(said.contains(expected), "{how}: {said} {}", String::from_utf8_lossy(&output.stderr));
        }
    }
}
