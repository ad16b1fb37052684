//! A program run to its end or to the end of our patience, in a process group of its own, without a terminal.

use rustix::process::{Pid, Signal, kill_process_group};
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

/// How much of what a program says is kept, in bytes.
const KEPT: u64 = 64 * 1024;

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code as shells report it; `None` when it was stopped by us.
    pub code: Option<u8>,
    /// The beginning of its standard output.
    pub output: Vec<u8>,
}

/// Runs a program with exactly this environment and nothing to read. What it says on standard error is dropped. When the
/// time is up, and whenever this future is dropped, its whole process group is killed.
///
/// # Errors
/// When it cannot be started.
pub async fn run(
    program: &OsStr,
    arguments: &[OsString],
    environment: &[(OsString, OsString)],
    folder: &Path,
    patience: Duration,
) -> io::Result<Ended> {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(environment.iter().map(|(name, value)| (name, value)));
    command.current_dir(folder).process_group(0).kill_on_drop(true);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    let group = Group::of(&child);
    let mut stdout = child.stdout.take();
    let mut output = Vec::new();
    let work = async {
        // A grandchild may hold the pipe open after the program itself has ended.
        tokio::select! {
            () = drain(stdout.as_mut(), &mut output) => child.wait().await,
            ended = child.wait() => ended,
        }
    };
    let ended = tokio::time::timeout(patience, work).await;
    drop(group);
    let code = match ended {
        Ok(status) => Some(exit_code(status?)),
        Err(_) => {
            // Reaped here, so that no dead process stays behind.
            child.wait().await?;
            None
        }
    };
    // The whole group is gone, so that the pipe ends now.
    drain(stdout.as_mut(), &mut output).await;
    Ok(Ended { code, output })
}

/// Reads to the end, keeps the beginning.
async fn drain(stream: Option<&mut (impl AsyncRead + Unpin)>, output: &mut Vec<u8>) {
    let Some(stream) = stream else { return };
    let room = KEPT.saturating_sub(u64::try_from(output.len()).unwrap_or(KEPT));
    // What cannot be read is missing from what is shown, and that is all.
    let _ = (&mut *stream).take(room).read_to_end(output).await;
    let _ = tokio::io::copy(stream, &mut tokio::io::sink()).await;
}

fn exit_code(status: ExitStatus) -> u8 {
    let small = |number: i32| u8::try_from(number & 0xff).unwrap_or(u8::MAX);
    match (status.code(), status.signal()) {
        (Some(code), _) => small(code),
        (None, Some(signal)) => small(signal).saturating_add(128),
        (None, None) => u8::MAX,
    }
}

/// Kills the process group when dropped.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            // Nobody is left in it, most of the time.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    async fn shell(script: &str, patience: Duration) -> Ended {
        let environment = [("PATH".into(), "/usr/bin:/bin".into()), ("SEEN".into(), "yes".into())];
        run(OsStr::new("/bin/sh"), &["-c".into(), script.into()], &environment, Path::new("/"), patience).await.unwrap()
    }

    #[tokio::test]
    async fn output_and_code_are_kept_and_the_environment_is_the_given_one() {
        let ended = shell("echo \"$SEEN ${HOME-none} $(pwd)\"; exit 7", Duration::from_secs(60)).await;
        assert_eq!((ended.code, ended.output.as_slice()), (Some(7), b"yes none /\n".as_slice()));
        assert_eq!(shell("kill -9 $$", Duration::from_secs(60)).await.code, Some(137));
    }

    #[tokio::test]
    async fn what_takes_too_long_is_killed_with_all_it_has_started() {
        let begun = Instant::now();
        let ended = shell("sleep 600 & echo begun; sleep 600", Duration::from_millis(500)).await;
        assert_eq!((ended.code, ended.output.as_slice()), (None, b"begun\n".as_slice()));
        // The output ends only when everybody who holds it has.
        assert!(begun.elapsed() < Duration::from_secs(60));
    }

    #[tokio::test]
    async fn a_child_left_behind_does_not_hold_us_up() {
        let begun = Instant::now();
        let ended = shell("sleep 600 & echo done", Duration::from_secs(300)).await;
        assert_eq!((ended.code, ended.output.as_slice()), (Some(0), b"done\n".as_slice()));
        assert!(begun.elapsed() < Duration::from_secs(60));
    }
}
