//! The `authtrace` binary as a user starts it, from an environment of its own, and what is left of a run.

use authtrace::trace::{Connection, Exchange, Line, Note, Outcome, Reader, Record, TraceEnd, TraceHead};
use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// Longest time that something which should happen at once may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A fresh home with the folders of a user, removed at the end.
pub(crate) struct Home {
    dir: tempfile::TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        let home = Self { dir: tempfile::Builder::new().prefix("home").tempdir().unwrap() };
        for folder in ["runtime", "state", "work", ".claude"] {
            std::fs::DirBuilder::new().mode(0o700).create(home.path(folder)).unwrap();
        }
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a private file and gives its path.
    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.path(name);
        let mut options = std::fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&path).unwrap();
        std::io::Write::write_all(&mut file, content.as_bytes()).unwrap();
        path
    }

    /// A command with nothing of this process's environment, in an empty working folder, without input.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", self.dir.path())
            .env("PATH", path_with_node())
            .env("TERM", "xterm")
            .env("XDG_RUNTIME_DIR", self.path("runtime"))
            .env("XDG_STATE_HOME", self.path("state"))
            .current_dir(self.path("work"))
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn authtrace(&self) -> Command {
        self.command(env!("CARGO_BIN_EXE_authtrace"))
    }

    /// Private folders and sockets that runs have left behind, by name.
    pub(crate) fn left_behind(&self) -> Vec<String> {
        let names = |folder: PathBuf| {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect::<Vec<_>>()
        };
        let mut left: Vec<String> =
            names(self.path("runtime")).into_iter().filter(|name| name.starts_with("authtrace-")).collect();
        left.extend(names(self.path("runtime/authtrace")));
        left
    }
}

/// The usual folders, and before them the one with this machine's `node`, if that is elsewhere.
fn path_with_node() -> String {
    let own = std::env::var_os("PATH").unwrap_or_default();
    let node = std::env::split_paths(&own).find(|folder| folder.join("node").is_file());
    node.map_or_else(|| "/usr/bin:/bin".to_owned(), |folder| format!("{}:/usr/bin:/bin", folder.display()))
}

/// How a command ended, and what it wrote.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A running command in a process group of its own, whose output is read as it comes.
pub(crate) struct Live {
    child: Child,
    lines: Receiver<(bool, String)>,
    stdout: String,
    stderr: String,
}

impl Live {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (send, lines) = channel();
        forward(child.stdout.take().unwrap(), false, send.clone());
        forward(child.stderr.take().unwrap(), true, send);
        Self { child, lines, stdout: String::new(), stderr: String::new() }
    }

    pub(crate) fn pid(&self) -> Pid {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).unwrap()
    }

    /// What it has written to standard output so far.
    pub(crate) fn said(&self) -> &str {
        &self.stdout
    }

    /// Waits for a line on either stream that holds this.
    pub(crate) fn until(&mut self, text: &str) {
        let due = Instant::now() + PATIENCE;
        while let Some((stderr, line)) = self.next(due) {
            let found = line.contains(text);
            self.keep(stderr, &line);
            if found {
                return;
            }
        }
        self.kill();
        panic!("{text:?} was not said; {} {}", self.stdout, self.stderr);
    }

    /// Waits for its end; after `patience` its whole group is killed, and the test fails.
    pub(crate) fn finish(mut self, patience: Duration) -> Ended {
        let due = Instant::now() + patience;
        while let Some((stderr, line)) = self.next(due) {
            self.keep(stderr, &line);
        }
        if Instant::now() >= due {
            self.kill();
            panic!("not ended after {patience:?}; it said: {} {}", self.stdout, self.stderr);
        }
        let status = self.child.wait().unwrap();
        Ended {
            code: status.code(),
            stdout: std::mem::take(&mut self.stdout),
            stderr: std::mem::take(&mut self.stderr),
        }
    }

    /// Kills what is left of its group.
    pub(crate) fn kill(&mut self) {
        let _ = kill_process_group(self.pid(), Signal::KILL);
        let _ = self.child.wait();
    }

    /// The next line; none when both streams have ended or the time is up.
    fn next(&self, due: Instant) -> Option<(bool, String)> {
        self.lines.recv_timeout(due.saturating_duration_since(Instant::now())).ok()
    }

    fn keep(&mut self, stderr: bool, line: &str) {
        let kept = if stderr { &mut self.stderr } else { &mut self.stdout };
        kept.push_str(line);
    }
}

/// Sends each line with its end on, from a thread of its own.
fn forward(stream: impl Read + Send + 'static, stderr: bool, send: Sender<(bool, String)>) {
    std::thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream.read_until(b'\n', &mut line).is_ok_and(|count| count > 0) {
            if send.send((stderr, String::from_utf8_lossy(&line).into_owned())).is_err() {
                return;
            }
            line.clear();
        }
    });
}

pub(crate) fn run(command: &mut Command, patience: Duration) -> Ended {
    Live::start(command).finish(patience)
}

/// A trace as it lies on disk, read with the library.
pub(crate) struct Trace {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
    pub(crate) head: TraceHead,
    pub(crate) connections: Vec<Connection>,
    pub(crate) exchanges: Vec<Exchange>,
    pub(crate) notes: Vec<Note>,
    pub(crate) end: Option<TraceEnd>,
}

impl Trace {
    pub(crate) fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut reader = Reader::new(BufReader::new(text.as_bytes())).unwrap();
        let mut trace = Self {
            path: path.to_owned(),
            head: reader.head().clone(),
            connections: Vec::new(),
            exchanges: Vec::new(),
            notes: Vec::new(),
            end: None,
            text: String::new(),
        };
        // What is read back is what was written: nothing is lost by redacting it again.
        let mut written = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        assert_eq!(written.next(), serde_json::to_value(Record::Trace(Box::new(trace.head.clone()))).ok());
        while let Some(line) = reader.next_line().unwrap() {
            if let Line::Record(record) = &line {
                assert_eq!(serde_json::to_value(record).ok(), written.next());
            }
            match line {
                Line::Record(Record::Connection(one)) => trace.connections.push(*one),
                Line::Record(Record::Exchange(one)) => trace.exchanges.push(Arc::unwrap_or_clone(one)),
                Line::Record(Record::Note(note)) => trace.notes.push(note),
                Line::Record(Record::End(end)) => trace.end = Some(end),
                Line::Record(Record::Request(_)) => {}
                other => panic!("{other:?}"),
            }
        }
        trace.text = text;
        trace
    }

    /// The only trace in the default folder of this home.
    pub(crate) fn of(home: &Home) -> Self {
        let folder = std::fs::read_dir(home.path("state/authtrace")).unwrap();
        let traces: Vec<PathBuf> = folder.map(|entry| entry.unwrap().path()).collect();
        assert_eq!(traces.len(), 1, "{traces:?}");
        Self::read(&traces[0])
    }

    /// The exchanges whose path begins so, in the order of their requests.
    pub(crate) fn on(&self, path: &str) -> Vec<&Exchange> {
        let mut found: Vec<&Exchange> =
            self.exchanges.iter().filter(|one| one.request.path.as_str().starts_with(path)).collect();
        found.sort_by_key(|one| one.id);
        found
    }

    /// The statuses of these, in order; 0 for none.
    pub(crate) fn statuses(&self, path: &str) -> Vec<u16> {
        self.on(path).iter().map(|one| one.status().unwrap_or(0)).collect()
    }

    pub(crate) fn outcomes(&self) -> Vec<Outcome> {
        self.connections.iter().map(|one| one.end.outcome).collect()
    }
}

/// Fails if a value, or a piece of it from behind its public prefix, stands in the text.
pub(crate) fn assert_without(text: &str, secrets: &[String], what: &str) {
    for secret in secrets {
        let tail =
            secret.strip_prefix("sk-ant-").and_then(|rest| rest.split_once('-')).map_or(&**secret, |(_, tail)| tail);
        let characters: Vec<char> = tail.chars().collect();
        for piece in characters.chunks_exact(12) {
            let piece: String = piece.iter().collect();
            assert!(!text.contains(&piece), "{what} holds a piece of a credential");
        }
    }
}
