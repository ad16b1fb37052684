//! The processes of a run, and what the kernel says about the proxy's.

use crate::client::{Way, connector};
use crate::message::HOST;
use crate::origin;
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a process may take to be ready.
const PATIENCE: Duration = Duration::from_secs(20);

/// A process that ends with its value.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    _process: Running,
}

impl Origin {
    pub(crate) fn start(folder: &Path) -> Result<Self> {
        origin::make_certificates(folder)?;
        let mut command = Command::new(std::env::current_exe()?);
        let mut process = Running(command.arg("origin").arg(folder).stdout(Stdio::piped()).spawn()?);
        let mut line = String::new();
        BufReader::new(process.0.stdout.take().context("no output")?).read_line(&mut line)?;
        Ok(Self { address: SocketAddr::from((Ipv4Addr::LOCALHOST, line.trim().parse()?)), _process: process })
    }

    /// Past the proxy: for the blind tunnel, whose client meets the origin's own certificate.
    pub(crate) fn way(&self, folder: &Path) -> Result<Way> {
        Ok(Way {
            address: self.address,
            http1: connector(&folder.join(origin::ROOT), b"http/1.1")?,
            http2: connector(&folder.join(origin::ROOT), b"h2")?,
        })
    }
}

/// `authtrace proxy`, recording.
pub(crate) struct Proxy {
    pub(crate) way: Way,
    process: Running,
    err: PathBuf,
}

/// What it holds at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    /// Resident memory in bytes.
    pub(crate) resident: u64,
    /// Open descriptors; none if the system does not show them (the proxy shields itself from users other than root).
    pub(crate) descriptors: Option<usize>,
    pub(crate) threads: usize,
}

impl Proxy {
    pub(crate) fn start(folder: &Path, upstream: SocketAddr) -> Result<Self> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let folder_of_it = tempfile::tempdir_in(folder)?.keep();
        let output = folder_of_it.join("output");
        let err = folder_of_it.join("err");
        let binary = std::env::var_os("AUTHTRACE_BINARY")
            .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_authtrace")), PathBuf::from);
        let mut command = Command::new(binary);
        command.args([
            "proxy",
            "--proxy-auth",
            "bench:FAKE",
            "--listen",
            &address.to_string(),
            "--upstream-proxy",
            "none",
        ]);
        command.args(["--connect-to", &format!("::{upstream}"), "--max-size", "64MB", "--out"]);
        command.arg(folder_of_it.join("trace.jsonl")).arg("--upstream-ca").arg(folder.join(origin::ROOT));
        command.env_clear().env("HOME", &folder_of_it).stdin(Stdio::null());
        let process = Running(command.stdout(File::create(&output)?).stderr(File::create(&err)?).spawn()?);
        let begun = Instant::now();
        let roots = loop {
            let text = fs::read_to_string(&output)?;
            let named =
                |line: &str| Some(line.strip_prefix("export NODE_EXTRA_CA_CERTS='")?.strip_suffix('\'')?.to_owned());
            if let Some(roots) = text.lines().find_map(named).filter(|_| TcpStream::connect(address).is_ok()) {
                break PathBuf::from(roots);
            }
            if begun.elapsed() > PATIENCE {
                bail!("the proxy is not ready: {}", fs::read_to_string(&err)?);
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        let way = Way { address, http1: connector(&roots, b"http/1.1")?, http2: connector(&roots, b"h2")? };
        Ok(Self { way, process, err })
    }

    pub(crate) fn held(&self) -> Result<Held> {
        let folder = PathBuf::from(format!("/proc/{}", self.process.0.id()));
        let status = fs::read_to_string(folder.join("status"))?;
        let number = |name: &str| -> Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name}"))?;
            Ok(line.trim().trim_end_matches(" kB").parse()?)
        };
        Ok(Held {
            resident: number("VmRSS:")? * 1_024,
            descriptors: fs::read_dir(folder.join("fd")).ok().map(Iterator::count),
            threads: usize::try_from(number("Threads:")?)?,
        })
    }

    /// Whether it said something that it should not.
    pub(crate) fn complaint(&self) -> Result<Option<String>> {
        let text = fs::read_to_string(&self.err)?;
        let bad = ["internal error", "trace_degraded", "could not be written"];
        Ok(text.lines().find(|line| bad.iter().any(|bad| line.contains(bad))).map(str::to_owned))
    }

    /// The host that every request is for.
    pub(crate) const TARGET: &str = HOST;
}
