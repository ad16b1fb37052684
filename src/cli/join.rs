//! `--join`: a second `run` uses the first one's proxy and trace.
//!
//! The first listens on a Unix socket in a private folder (0700). Whoever connects, and is this user, is given a lane of
//! its own: user and password for the proxy, the certificate, and where things are. Nothing of it is written to disk.

use super::console;
use super::session::{Login, Session, lane_name};
use anyhow::{Context, Result, bail};
use authtrace::ca::{Authority, Scope};
use authtrace::launch::{self, Outcome, ParentEnvironment, Plan, TempDir, Trust, TrustFiles, environment};
use authtrace::proxy::{Access, Lane, Peers};
use authtrace::redact::Redactor;
use rustix::io::Errno;
use rustix::process::{Pid, test_kill_process};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::UCred;
use tokio::net::{UnixListener, UnixStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use zeroize::Zeroizing;

/// Longest line of either side.
const LONGEST_LINE: u64 = 256 * 1024;
/// So often the folder of the sockets is made anew.
const TRIALS: usize = 8;
/// The longest path of a folder in which a socket's name has room: 108 bytes with the name and a zero (unix(7)), 104 on
/// macOS; a lane has 24 at most, a process number 10.
const LONGEST_FOLDER: usize = 62;
/// How long the other side may take for its line.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a joining run asks.
#[derive(Serialize, Deserialize)]
struct Request {
    lane: Option<String>,
}

/// What it is given.
#[derive(Serialize, Deserialize)]
struct Invitation {
    proxy: SocketAddr,
    user: Option<String>,
    password: Option<Zeroizing<String>>,
    root_pem: String,
    scope: Vec<String>,
    trust: String,
    trace: PathBuf,
}

/// The first run's side.
pub(crate) struct Host {
    path: PathBuf,
    accepting: JoinHandle<()>,
    guests: Arc<Guests>,
}

#[derive(Default)]
struct Guests {
    present: AtomicUsize,
    changed: Notify,
}

struct Reception {
    access: Access,
    peers: Peers,
    redactor: Arc<Redactor>,
    asks_password: bool,
    proxy: SocketAddr,
    authority: Arc<Authority>,
    scope: Vec<String>,
    trust: String,
    trace: PathBuf,
    lanes: AtomicUsize,
}

impl Host {
    /// Begins to listen. `None` (and a word to the user's log) where no private folder can be had: then nobody can join.
    pub(crate) fn open(
        parent: &ParentEnvironment,
        lane: &str,
        session: &Session,
        scope: &Scope,
        trust: &Trust,
    ) -> Option<Self> {
        let (path, listener) = match listen(parent, lane) {
            Ok(listening) => listening,
            Err(error) => {
                tracing::warn!("nobody can --join: {error:#}");
                return None;
            }
        };
        let guests = Arc::new(Guests::default());
        let reception = Arc::new(Reception {
            access: session.access.clone(),
            peers: session.proxy.peers().clone(),
            redactor: Arc::clone(&session.redactor),
            asks_password: session.login.is_some(),
            proxy: session.address(),
            authority: Arc::clone(&session.authority),
            scope: scope.to_string().split(", ").map(str::to_owned).collect(),
            trust: trust.to_list(),
            trace: session.trace_path().to_owned(),
            lanes: AtomicUsize::new(2),
        });
        let accepting = tokio::spawn(accept(listener, reception, Arc::clone(&guests)));
        Some(Self { path, accepting, guests })
    }

    /// Waits until those who joined have ended; Ctrl-C and SIGTERM end the waiting.
    pub(crate) async fn wait_for_others(&self) {
        if self.guests.present.load(Ordering::Acquire) == 0 {
            return;
        }
        // Before it is said, since whoever reads it may answer at once.
        let mut signals = EndSignals::watch();
        console::say("the command has ended; waiting for the runs that joined this one (Ctrl-C ends their proxy now)");
        let gone = async {
            loop {
                let changed = self.guests.changed.notified();
                if self.guests.present.load(Ordering::Acquire) == 0 {
                    return;
                }
                changed.await;
            }
        };
        tokio::select! {
            () = gone => {}
            () = signals.arrive() => {}
        }
    }
}

/// The signals that end the waiting, watched from when they were asked for.
struct EndSignals {
    interrupt: Option<Signal>,
    terminate: Option<Signal>,
    hangup: Option<Signal>,
}

impl EndSignals {
    fn watch() -> Self {
        let watch = |kind| signal(kind).ok();
        Self {
            interrupt: watch(SignalKind::interrupt()),
            terminate: watch(SignalKind::terminate()),
            hangup: watch(SignalKind::hangup()),
        }
    }

    /// Ready when one of them has arrived; never where none can be watched.
    async fn arrive(&mut self) {
        async fn one(arrivals: &mut Option<Signal>) {
            match arrivals {
                Some(arrivals) => drop(arrivals.recv().await),
                None => std::future::pending().await,
            }
        }
        tokio::select! {
            () = one(&mut self.interrupt) => {}
            () = one(&mut self.terminate) => {}
            () = one(&mut self.hangup) => {}
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.accepting.abort();
        let _ = fs::remove_file(&self.path);
        // If nobody else has a socket there.
        let _ = self.path.parent().map(fs::remove_dir);
    }
}

/// Opens the socket of this process in its private folder.
fn listen(parent: &ParentEnvironment, lane: &str) -> Result<(PathBuf, UnixListener)> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for _ in 0..TRIALS {
        let folder = private_folder(parent)?;
        remove_dead_sockets(&folder);
        let path = folder.join(format!("{lane}-{}.sock", std::process::id()));
        let _ = fs::remove_file(&path);
        match UnixListener::bind(&path) {
            Ok(listener) => {
                // The folder is private already, and who connects is asked for; a third lock costs nothing.
                fs::set_permissions(&path, fs::Permissions::from_mode(0o600))
                    .with_context(|| format!("cannot make {} private", path.display()))?;
                return Ok((path, listener));
            }
            // A run that ended in this moment took the empty folder with it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => last = error,
            Err(error) => return Err(error).with_context(|| format!("cannot listen at {}", path.display())),
        }
    }
    Err(last).context("the folder of the sockets does not stay")
}

async fn accept(listener: UnixListener, reception: Arc<Reception>, guests: Arc<Guests>) {
    while let Ok((stream, _)) = listener.accept().await {
        let Some(peer) = own_peer(&stream) else { continue };
        if let Some(pid) = peer.pid().and_then(|pid| u32::try_from(pid).ok()) {
            reception.peers.expect(pid);
        }
        let (reception, guests) = (Arc::clone(&reception), Arc::clone(&guests));
        tokio::spawn(async move {
            guests.present.fetch_add(1, Ordering::AcqRel);
            if let Err(error) = receive(stream, &reception).await {
                tracing::debug!("a run could not join: {error:#}");
            }
            guests.present.fetch_sub(1, Ordering::AcqRel);
            guests.changed.notify_waiters();
        });
    }
}

/// Answers one joining run, and stays until it is gone.
async fn receive(stream: UnixStream, reception: &Reception) -> Result<()> {
    let mut stream = BufReader::new(stream);
    let request: Request = read_line(&mut stream).await?;
    let number = reception.lanes.fetch_add(1, Ordering::Relaxed);
    let lane = request.lane.filter(|lane| is_plain(lane)).unwrap_or_else(|| format!("lane-{number}"));
    let login = Login::made_up(&lane)?;
    if reception.asks_password {
        reception.redactor.learn(login.password.as_bytes());
        let name = lane_name(&reception.redactor, &lane);
        reception.access.add(Lane::new(name, login.user.clone(), login.password.clone()));
    }
    let invitation = Invitation {
        proxy: reception.proxy,
        user: reception.asks_password.then_some(login.user),
        password: reception.asks_password.then_some(login.password),
        root_pem: reception.authority.certificates_pem(),
        scope: reception.scope.clone(),
        trust: reception.trust.clone(),
        trace: reception.trace.clone(),
    };
    let mut line = Zeroizing::new(serde_json::to_vec(&invitation)?);
    line.push(b'\n');
    stream.write_all(&line).await?;
    let mut rest = [0_u8; 64];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

fn is_plain(lane: &str) -> bool {
    lane.len() <= 24
        && lane.starts_with(|first: char| first.is_ascii_alphabetic())
        && lane.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The joining run's side: the command behind the other's proxy.
pub(crate) async fn run(
    name: &str,
    command: &[OsString],
    parent: &ParentEnvironment,
    lane: Option<&str>,
) -> Result<ExitCode> {
    let (program, arguments) =
        command.split_first().context("no command given; for example: authtrace run --join -- claude")?;
    let mut stream = BufReader::new(find_host(parent, name).await?);
    let mut line = serde_json::to_vec(&Request { lane: lane.map(str::to_owned) })?;
    line.push(b'\n');
    stream.write_all(&line).await.context("the other authtrace went away")?;
    let invitation: Invitation = read_line(&mut stream).await.context("the other authtrace did not answer")?;
    let scope = Scope::from_patterns(invitation.scope.iter().map(String::as_str))?;
    let facts = super::run::read_settings(parent)?;
    let base_url = facts.base_url(parent);
    let files = TempDir::create(parent)?;
    let trust_files = TrustFiles::write(&files, &invitation.root_pem, &Trust::parse(&invitation.trust)?, parent)?;
    let login = invitation.user.as_deref().zip(invitation.password.as_ref());
    let plan = Plan {
        proxy: invitation.proxy,
        login: login.map(|(user, password)| launch::Login { user, password }),
        scope: &scope,
        base_url: base_url.as_ref(),
        trust: &trust_files,
    };
    let environment = environment(parent, &plan);
    console::say(&format!("joined; trace: {}", invitation.trace.display()));
    for notice in &environment.notices {
        console::say(&notice.to_string());
    }
    let running = launch::spawn(program, arguments, &environment)?;
    launch::forbid_core_dumps().context("cannot switch core dumps off")?;
    let outcome = running.wait().await?;
    drop(stream);
    Ok(ExitCode::from(Outcome::exit_code(outcome)))
}

/// Who is at the other end, if it is the same user.
fn own_peer(stream: &UnixStream) -> Option<UCred> {
    stream.peer_cred().ok().filter(|peer| peer.uid() == rustix::process::geteuid().as_raw())
}

/// The socket of that name, or the only one.
async fn find_host(parent: &ParentEnvironment, name: &str) -> Result<UnixStream> {
    let folder = private_folder(parent)?;
    let mut living = Vec::new();
    for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|extension| extension != "sock") {
            continue;
        }
        match UnixStream::connect(&path).await {
            Ok(stream) if own_peer(&stream).is_some() => living.push((path, stream)),
            // Somebody else listens there.
            Ok(_) => {}
            // Nobody listens: its run was killed.
            Err(_) => drop(fs::remove_file(&path)),
        }
    }
    if !name.is_empty() {
        living.retain(|(path, _)| lane_of(path).is_some_and(|lane| lane == name));
    }
    match living.len() {
        0 if name.is_empty() => {
            bail!("no authtrace is running that could be joined; start one with: authtrace run -- claude")
        }
        0 => bail!("no authtrace with that lane is running; what is named is the --lane of its run"),
        1 => living.pop().map(|(_, stream)| stream).context("no authtrace is running"),
        _ => {
            let lanes: Vec<&str> = living.iter().filter_map(|(path, _)| lane_of(path)).collect();
            let are_told_apart = lanes.iter().collect::<HashSet<_>>().len() == lanes.len();
            let next = match are_told_apart {
                true => "name one: --join=NAME (its --lane)",
                false => "start each with a --lane of its own, so that one can be named: --join=NAME",
            };
            bail!("several authtrace are running ({}); {next}", lanes.join(", "))
        }
    }
}

fn lane_of(path: &Path) -> Option<&str> {
    name_of(path).map(|(lane, _)| lane)
}

/// Lane and process number that a socket's name carries.
fn name_of(path: &Path) -> Option<(&str, &str)> {
    path.file_stem()?.to_str()?.rsplit_once('-')
}

/// Removes what killed runs have left. A socket whose process is there stays, whether it is that run's or not.
fn remove_dead_sockets(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let owner = name_of(&path).and_then(|(_, number)| number.parse().ok()).and_then(Pid::from_raw);
        if owner.is_some_and(|pid| test_kill_process(pid) == Err(Errno::SRCH)) {
            let _ = fs::remove_file(&path);
        }
    }
}

async fn read_line<T: serde::de::DeserializeOwned>(stream: &mut BufReader<UnixStream>) -> Result<T> {
    let mut line = Zeroizing::new(Vec::new());
    let mut bounded = stream.take(LONGEST_LINE);
    tokio::time::timeout(PATIENCE, bounded.read_until(b'\n', &mut line)).await.context("no answer in time")??;
    // The message of a parse error may quote the line.
    serde_json::from_slice(&line).ok().context("not understood (another version of authtrace?)")
}

/// Lanes of the runs that could be joined now. Looks only.
pub(crate) fn running(parent: &ParentEnvironment) -> Vec<String> {
    let sockets = fs::read_dir(socket_folder(parent)).into_iter().flatten().flatten().map(|entry| entry.path());
    let sockets = sockets.filter(|path| path.extension().is_some_and(|extension| extension == "sock"));
    let alive = |number: &str| {
        let owner = number.parse().ok().and_then(Pid::from_raw);
        owner.is_some_and(|pid| test_kill_process(pid) != Err(Errno::SRCH))
    };
    let lanes =
        sockets.filter_map(|path| name_of(&path).filter(|(_, number)| alive(number)).map(|(lane, _)| lane.to_owned()));
    let mut lanes: Vec<String> = lanes.collect();
    lanes.sort();
    lanes
}

/// `$XDG_RUNTIME_DIR/authtrace`, else a folder of this user's in `$TMPDIR`, or in `/tmp` where those paths are too long
/// for a socket.
fn socket_folder(parent: &ParentEnvironment) -> PathBuf {
    let own = rustix::process::geteuid().as_raw();
    let runtime = parent.get(OsStr::new("XDG_RUNTIME_DIR")).map(PathBuf::from).filter(|path| path.is_dir());
    let of_user = format!("authtrace-{own}");
    let own_folder = runtime.map_or_else(|| std::env::temp_dir().join(&of_user), |runtime| runtime.join("authtrace"));
    if own_folder.as_os_str().len() <= LONGEST_FOLDER { own_folder } else { Path::new("/tmp").join(of_user) }
}

/// The folder of the sockets, made if it is not there: 0700 and this user's own, or not used.
fn private_folder(parent: &ParentEnvironment) -> Result<PathBuf> {
    let own = rustix::process::geteuid().as_raw();
    let folder = socket_folder(parent);
    match fs::DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            return Err(error).with_context(|| format!("cannot make {}", folder.display()));
        }
        _ => {}
    }
    let metadata = fs::symlink_metadata(&folder).with_context(|| format!("cannot look at {}", folder.display()))?;
    if !metadata.is_dir() || metadata.uid() != own || metadata.mode() & 0o077 != 0 {
        bail!("{} is not a private folder of yours", folder.display());
    }
    Ok(folder)
}
