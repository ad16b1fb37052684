use std::ffi::{OsStr, OsString};
use std::os::unix::process::ExitStatusExt as _;
use std::pin::pin;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use super::signals::{Arrival, Signals, has_terminal, is_stopped, stop_ourselves};
use super::{ChildEnvironment, LaunchError};

/// How long a stopped child is watched before we stop, too: when the terminal stopped the whole group, we were stopped with it,
/// and find the child running again afterwards.
const STOP_SETTLES: Duration = Duration::from_millis(50);

/// How long a child that is ended on purpose may take, until it is killed.
const GRACE: Duration = Duration::from_secs(5);

/// How the child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// With this code.
    Exited(u8),
    /// By this signal.
    Signalled(u8),
}

impl Outcome {
    /// The code that shells report: its own, or 128 and the signal's number.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Exited(code) => code,
            Self::Signalled(number) => number.saturating_add(128),
        }
    }
}

impl From<ExitStatus> for Outcome {
    fn from(status: ExitStatus) -> Self {
        let small = |number: i32| u8::try_from(number & 0xff).unwrap_or(u8::MAX);
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Exited(small(code)),
            (None, Some(number)) => Self::Signalled(small(number)),
            (None, None) => Self::Exited(u8::MAX),
        }
    }
}

/// A child that runs on our terminal.
pub struct Running {
    child: Child,
    signals: Signals,
    terminal: bool,
}

/// Starts the program: same terminal, same process group, same standard streams, our environment with these changes.
///
/// To be called within a tokio runtime. Signals are taken care of from here on, so that none is lost before [`Running::wait`].
///
/// # Errors
/// [`LaunchError::NotFound`], [`LaunchError::NoInterpreter`], [`LaunchError::NotExecutable`], [`LaunchError::Supervise`].
pub fn spawn(program: &OsStr, arguments: &[OsString], environment: &ChildEnvironment) -> Result<Running, LaunchError> {
    let signals = Signals::install().map_err(LaunchError::Supervise)?;
    let mut command = Command::new(program);
    command.args(arguments).envs(environment.set.iter().map(|(name, value)| (name, value)));
    for name in &environment.remove {
        command.env_remove(name);
    }
    let child = command.spawn().map_err(|error| LaunchError::not_started(program, error))?;
    Ok(Running { child, signals, terminal: has_terminal() })
}

impl Running {
    /// The child's process number, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits for the end of the child; once `enough` is ready, it is asked to end, and killed if it does not.
    ///
    /// Terminate and hang-up are passed on to it, and a second terminate kills it. Interrupt and quit are its own matter when a terminal
    /// sends them, since it gets them from there; without one they are passed on. When the child stops itself, we stop as well, so that
    /// the shell comes forward.
    ///
    /// # Errors
    /// [`LaunchError::Supervise`] if the operating system does not let us wait.
    pub async fn wait_until(mut self, enough: impl Future<Output = ()>) -> Result<Outcome, LaunchError> {
        let mut asked_to_end = false;
        let mut enough = pin!(enough);
        let mut last_call = pin!(tokio::time::sleep(Duration::MAX));
        let (mut is_enough, mut is_killed) = (false, false);
        loop {
            let arrival = tokio::select! {
                () = &mut enough, if !is_enough => {
                    is_enough = true;
                    last_call.as_mut().reset(tokio::time::Instant::now() + GRACE);
                    self.send(Signal::TERM);
                    continue;
                }
                () = &mut last_call, if is_enough && !is_killed => {
                    is_killed = true;
                    self.send(Signal::KILL);
                    continue;
                }
                status = self.child.wait() => return status.map(Outcome::from).map_err(LaunchError::Supervise),
                arrival = self.signals.next() => arrival,
            };
            match arrival {
                Arrival::FromKeyboard(signal) if !self.terminal => self.send(signal),
                Arrival::FromKeyboard(_) => {}
                Arrival::ToEnd(Signal::TERM) if asked_to_end => self.send(Signal::KILL),
                Arrival::ToEnd(signal) => {
                    asked_to_end |= signal == Signal::TERM;
                    self.send(signal);
                }
                Arrival::Resumed => self.send(Signal::CONT),
                Arrival::ChildChanged => self.follow_a_stop().await,
            }
        }
    }

    /// Waits for the end of the child, as [`Self::wait_until`] does.
    ///
    /// # Errors
    /// [`LaunchError::Supervise`] if the operating system does not let us wait.
    pub async fn wait(self) -> Result<Outcome, LaunchError> {
        self.wait_until(std::future::pending()).await
    }

    async fn follow_a_stop(&self) {
        let Some(child) = self.pid().filter(|child| self.terminal && is_stopped(*child)) else {
            return;
        };
        tokio::time::sleep(STOP_SETTLES).await;
        if is_stopped(child) {
            stop_ourselves();
        }
    }

    /// The child's number; none once its end was noticed, so that no other process gets its signals.
    fn pid(&self) -> Option<Pid> {
        self.child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw)
    }

    fn send(&self, signal: Signal) {
        if let Some(child) = self.pid() {
            // It may have ended in between; then its end is what comes next.
            let _ = kill_process(child, signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn environment(set: &[(&str, &str)], remove: &[&str]) -> ChildEnvironment {
        ChildEnvironment {
            set: set.iter().map(|(name, value)| (name.into(), value.into())).collect(),
            remove: remove.iter().map(OsString::from).collect(),
            ..ChildEnvironment::default()
        }
    }

    fn shell(script: &str, environment: &ChildEnvironment) -> Running {
        spawn(OsStr::new("sh"), &["-c".into(), script.into()], environment).unwrap()
    }

    #[tokio::test]
    async fn the_child_has_our_environment_with_the_changes() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("environment");
        let environment = environment(
            &[("HTTPS_PROXY", "http://u:FAKE@127.0.0.1:1"), ("OUT", file.to_str().unwrap())],
            &["CARGO_MANIFEST_DIR"],
        );
        assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
        let outcome = shell("env > \"$OUT\"; exit 7", &environment).wait().await.unwrap();
        assert_eq!((outcome, outcome.exit_code()), (Outcome::Exited(7), 7));
        let seen = std::fs::read_to_string(file).unwrap();
        assert!(seen.lines().any(|line| line == "HTTPS_PROXY=http://u:FAKE@127.0.0.1:1"));
        assert!(seen.lines().any(|line| line.starts_with("PATH=")));
        assert!(!seen.contains("CARGO_MANIFEST_DIR="));
    }

    #[tokio::test]
    async fn a_child_that_dies_of_a_signal_is_reported_as_shells_do() {
        let outcome = shell("kill -KILL $$", &ChildEnvironment::default()).wait().await.unwrap();
        assert_eq!((outcome, outcome.exit_code()), (Outcome::Signalled(9), 137));
    }

    #[tokio::test]
    async fn a_child_that_is_to_end_is_told_so() {
        let shell = shell("trap 'exit 9' TERM; while :; do sleep 0.05; done", &ChildEnvironment::default());
        let enough = tokio::time::sleep(Duration::from_millis(300));
        assert_eq!(shell.wait_until(enough).await.unwrap(), Outcome::Exited(9));
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_child_that_stops_and_goes_on_is_waited_for() {
        let script =
            "(while ! grep -q '^State:.*T' /proc/$$/status; do :; done; kill -CONT $$) & kill -STOP $$; exit 3";
        let mut running = shell(script, &ChildEnvironment::default());
        // With a terminal the whole test would stop with it.
        running.terminal = false;
        assert_eq!(running.wait().await.unwrap(), Outcome::Exited(3));
    }

    #[tokio::test]
    async fn what_cannot_be_started_says_why() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &str, mode: u32| {
            let path = dir.path().join(name);
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            path.into_os_string()
        };
        let failure = |program: &OsStr| spawn(program, &[], &ChildEnvironment::default()).err().unwrap();
        let missing = failure(OsStr::new("no-such-program-of-anyone"));
        assert!(matches!(missing, LaunchError::NotFound { .. }) && missing.exit_code() == 127);
        let plain = failure(&file("plain", "text", 0o644));
        assert!(matches!(plain, LaunchError::NotExecutable { .. }) && plain.exit_code() == 126, "{plain}");
        let orphan = failure(&file("orphan", "#!/no/such/interpreter\n", 0o755));
        assert!(matches!(orphan, LaunchError::NoInterpreter { .. }) && orphan.exit_code() == 126, "{orphan}");
        let folder = failure(dir.path().as_os_str());
        assert!(matches!(folder, LaunchError::NotExecutable { .. }), "{folder}");
    }
}
