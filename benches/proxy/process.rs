//! The processes of a run, and what the kernel says about them.

use crate::load::{self, Way};
use crate::message::HOST;
use crate::origin;
use anyhow::{Context, Result, bail, ensure};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a process may take to listen.
const PATIENCE: Duration = Duration::from_secs(10);

/// A process that ends with its value.
pub(crate) struct Running(Child);

impl Running {
    fn spawn(command: &mut Command) -> Result<Self> {
        Ok(Self(command.spawn().with_context(|| format!("cannot start {}", command.get_program().display()))?))
    }

    /// CPU time of all its threads so far.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let mut total = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.0.id()))? {
            // The first number is the time on a processor in nanoseconds: finer than the ticks of `stat`.
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            total += text.split(' ').next().context("no schedstat")?.parse::<u64>()?;
        }
        Ok(Duration::from_nanos(total))
    }

    /// Resident memory in bytes.
    pub(crate) fn resident(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse::<u64>()? * 1024)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The origin, serving.
pub(crate) struct Origin {
    address: SocketAddr,
    folder: PathBuf,
    _process: Running,
}

impl Origin {
    pub(crate) fn start(folder: &Path) -> Result<Self> {
        origin::make_certificates(folder)?;
        let mut command = Command::new(std::env::current_exe()?);
        let mut process = Running::spawn(command.arg("origin").arg(folder).stdout(Stdio::piped()))?;
        let mut line = String::new();
        BufReader::new(process.0.stdout.take().context("no output")?).read_line(&mut line)?;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, line.trim().parse()?));
        Ok(Self { address, folder: folder.to_owned(), _process: process })
    }
}

/// Which way the load goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Direct,
    Tunnel,
    Splice,
    Authtrace,
}

/// One of those compared.
pub(crate) struct Party {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) way: Way,
    pub(crate) process: Option<Running>,
}

impl Party {
    pub(crate) fn start_all(folder: &Path, origin: &Origin) -> Result<Vec<Self>> {
        let all = [
            ("direct", Kind::Direct),
            ("tunnel", Kind::Tunnel),
            ("splice", Kind::Splice),
            ("authtrace", Kind::Authtrace),
        ];
        all.into_iter().map(|(name, kind)| Self::start(name, kind, folder, origin)).collect()
    }

    fn start(name: &'static str, kind: Kind, folder: &Path, origin: &Origin) -> Result<Self> {
        let root = folder.join(origin::ROOT);
        if kind == Kind::Direct {
            let way = Way { address: origin.address, connect: false, connector: load::connector(&[root])? };
            return Ok(Self { name, kind, way, process: None });
        }
        let started = spawn(kind, folder, origin)?;
        let way = started.way(kind, folder)?;
        Ok(Self { name, kind, way, process: Some(started.process) })
    }

    /// Starts another one of the kind; none: there is nothing to start.
    pub(crate) fn another(&self, origin: &Origin) -> Result<Option<Another>> {
        if self.kind == Kind::Direct {
            return Ok(None);
        }
        let folder = tempfile::tempdir_in(&origin.folder)?;
        for file in [origin::ROOT, "origin-leaf.pem", "origin-key.pem"] {
            fs::copy(origin.folder.join(file), folder.path().join(file))?;
        }
        let started = spawn(self.kind, folder.path(), origin)?;
        Ok(Some(Another { kind: self.kind, started, folder }))
    }
}

/// A process beside the one that is measured otherwise.
pub(crate) struct Another {
    kind: Kind,
    started: Started,
    folder: TempDir,
}

impl Another {
    /// How long it took until it accepted connections.
    pub(crate) fn after(&self) -> Duration {
        self.started.after
    }

    pub(crate) fn process(&self) -> &Running {
        &self.started.process
    }

    /// The way by it.
    pub(crate) fn way(&self) -> Result<Way> {
        self.started.way(self.kind, self.folder.path())
    }
}

struct Started {
    process: Running,
    address: SocketAddr,
    output: PathBuf,
    after: Duration,
}

impl Started {
    fn way(&self, kind: Kind, folder: &Path) -> Result<Way> {
        let root = if kind == Kind::Authtrace { trusted(&self.output)? } else { folder.join(origin::ROOT) };
        Ok(Way { address: self.address, connect: true, connector: load::connector(&[root])? })
    }
}

fn spawn(kind: Kind, folder: &Path, origin: &Origin) -> Result<Started> {
    let address = free_address()?;
    let upstream = origin.address.to_string();
    let mut command = match kind {
        Kind::Authtrace => Command::new(binary()),
        _ => Command::new(std::env::current_exe()?),
    };
    match kind {
        Kind::Direct => bail!("nothing to start"),
        Kind::Tunnel => command.args(["tunnel", &address.to_string(), &upstream]),
        Kind::Splice => command.args(["splice", &address.to_string(), &upstream]).arg(folder),
        Kind::Authtrace => command
            .args(["proxy", "--proxy-auth", "bench:FAKE", "--listen", &address.to_string()])
            .args(["--connect-to", &format!("{HOST}:443:{upstream}")])
            .arg("--upstream-ca")
            .arg(folder.join(origin::ROOT))
            .arg("--out")
            .arg(folder.join(TRACE))
            .env_clear()
            .env("HOME", folder),
    };
    let output = folder.join(format!("output-{}", address.port()));
    command.stdin(Stdio::null()).stdout(File::create(&output)?).stderr(File::create(output.with_extension("err"))?);
    let begun = Instant::now();
    let process = Running::spawn(&mut command)?;
    while TcpStream::connect(address).is_err() {
        if begun.elapsed() > PATIENCE {
            bail!("{}", fs::read_to_string(output.with_extension("err"))?);
        }
        std::thread::sleep(Duration::from_micros(100));
    }
    Ok(Started { process, address, output, after: begun.elapsed() })
}

const TRACE: &str = "trace.jsonl";

/// The binary measured: the one built with this benchmark, or the one that `AUTHTRACE_BINARY` names.
fn binary() -> PathBuf {
    std::env::var_os("AUTHTRACE_BINARY").map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_authtrace")), PathBuf::from)
}

fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// The certificate file that a client of this proxy is told to trust.
fn trusted(output: &Path) -> Result<PathBuf> {
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        let text = fs::read_to_string(output)?;
        let line = text.lines().find_map(|line| line.strip_prefix("export NODE_EXTRA_CA_CERTS='")?.strip_suffix('\''));
        if let Some(path) = line {
            return Ok(PathBuf::from(path));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    bail!("the proxy named no certificate to trust")
}

/// Lines in the trace.
/// None may be missing: who records less is faster.
pub(crate) fn records_in(folder: &Path) -> Result<usize> {
    let mut records = 0;
    for line in BufReader::new(File::open(folder.join(TRACE))?).split(b'\n') {
        ensure!(!line?.starts_with(br#"{"record":"gap""#), "authtrace lost records");
        records += 1;
    }
    Ok(records)
}
