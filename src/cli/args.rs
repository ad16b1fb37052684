//! The command line, as clap reads it.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Exit codes, for `--help` and the man page.
const EXIT_CODES: &str = "\
Exit codes:
  0        good
  2        wrong usage or unreadable input (under `run`: 125)
  125      authtrace itself failed
  126      CMD could not be started
  127      CMD was not found
  128+N    CMD was ended by signal N
  other    CMD's own exit code, under `run`";

/// Shows why Claude Code says 401, and never lets a credential out.
///
/// authtrace is a local HTTPS proxy. `authtrace run -- claude` starts Claude Code behind it, records every auth header
/// (as a fingerprint) and every answer of Anthropic's hosts, and writes a trace that can be pasted into a public issue.
#[derive(Debug, Parser)]
#[command(name = "authtrace", version, after_help = EXIT_CODES, after_long_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a command behind the proxy: authtrace run -- claude
    Run(RunArgs),
    /// Run the proxy alone, one line per exchange, until Ctrl-C
    Proxy(ProxyArgs),
    /// Play the 401 that survives a refresh: no network, no account, real proxy
    Demo(DemoArgs),
    /// Show a trace: what was asked, what was refused, which ids to quote
    Report(ReportArgs),
    /// The certificate authority of the proxy
    #[command(subcommand)]
    Ca(CaCommand),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page (roff): authtrace man | man -l -
    Man,
}

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) proxy: ProxyOptions,

    /// Use the proxy and the trace of an authtrace that is running already (NAME: its --lane, if several are)
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true, default_missing_value = "", help_heading = "Sharing a trace")]
    pub(crate) join: Option<String>,

    /// For whom the environment trusts the run's certificate authority, separated by commas
    #[arg(long, value_name = "LIST", env = "AUTHTRACE_TRUST", value_delimiter = ',', help_heading = "Trust")]
    pub(crate) trust: Option<Vec<String>>,

    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct ProxyArgs {
    #[command(flatten)]
    pub(crate) proxy: ProxyOptions,

    /// For which shell the exports are printed
    #[arg(long, value_name = "SHELL", value_enum, default_value_t = ShellSyntax::Sh)]
    pub(crate) env: ShellSyntax,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ShellSyntax {
    Sh,
    Fish,
    Powershell,
}

/// Options of `run` and `proxy`.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ProxyOptions {
    /// Where to write the trace [default: a new file in ~/.local/state/authtrace]
    #[arg(long, short, value_name = "FILE", env = "AUTHTRACE_OUT", help_heading = "Trace")]
    pub(crate) out: Option<PathBuf>,

    /// Name of this client in a trace that several share
    #[arg(long, value_name = "NAME", env = "AUTHTRACE_LANE", help_heading = "Sharing a trace")]
    pub(crate) lane: Option<String>,

    /// A file with 32 random bytes (made if it is not there), so that fingerprints can be compared between traces
    #[arg(long, value_name = "FILE", env = "AUTHTRACE_FINGERPRINT_KEY", help_heading = "Trace")]
    pub(crate) fingerprint_key: Option<PathBuf>,

    /// Loopback address to listen on [default: 127.0.0.1 and a free port]
    #[arg(long, value_name = "ADDR", env = "AUTHTRACE_LISTEN", help_heading = "Proxy")]
    pub(crate) listen: Option<SocketAddr>,

    /// Password that clients must send; `none` asks for nothing [default: made up per run]
    #[arg(long, value_name = "USER:PASS|none", env = "AUTHTRACE_PROXY_AUTH", hide_env_values = true, help_heading = "Proxy")]
    pub(crate) proxy_auth: Option<String>,

    /// Read the traffic of this host and its subdomains, too; '*' means every host, and an unconstrained authority
    #[arg(long, value_name = "HOST", env = "AUTHTRACE_INTERCEPT", value_delimiter = ',', help_heading = "What is read")]
    pub(crate) intercept: Vec<String>,

    /// Never read the traffic of this host and its subdomains (client certificates, pinning)
    #[arg(long, value_name = "HOST", env = "AUTHTRACE_TUNNEL", value_delimiter = ',', help_heading = "What is read")]
    pub(crate) tunnel: Vec<String>,

    /// Connect to HOST2:PORT2 instead of HOST:PORT, as curl's option; an empty HOST or PORT matches any
    #[arg(long, value_name = "HOST:PORT:HOST2:PORT2", env = "AUTHTRACE_CONNECT_TO", value_delimiter = ',', help_heading = "Upstream")]
    pub(crate) connect_to: Vec<String>,

    /// Accept upstream certificates of the authorities in this PEM file, besides the system's
    #[arg(long, value_name = "PEM", env = "AUTHTRACE_UPSTREAM_CA", value_delimiter = ',', help_heading = "Upstream")]
    pub(crate) upstream_ca: Vec<PathBuf>,

    /// Go through this proxy [default: HTTPS_PROXY as it was when authtrace was started]; `none` goes directly
    #[arg(long, value_name = "URL", env = "AUTHTRACE_UPSTREAM_PROXY", hide_env_values = true, help_heading = "Upstream")]
    pub(crate) upstream_proxy: Option<String>,

    /// Keep the certificate authority in this folder (ca.pem, and its key) for later runs
    #[arg(long, value_name = "DIR", env = "AUTHTRACE_CA_DIR", help_heading = "Trust")]
    pub(crate) ca_dir: Option<PathBuf>,

    /// Form of authtrace's own log on standard error; its level is set by RUST_LOG
    #[arg(long, value_name = "FORM", value_enum, env = "AUTHTRACE_LOG_FORMAT", help_heading = "Trace")]
    pub(crate) log_format: Option<LogFormat>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Compact,
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Where to write the trace [default: a new file in ~/.local/state/authtrace]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// The trace [default: the newest one]
    pub(crate) file: Option<PathBuf>,

    /// Form of the report
    #[arg(long, short, value_enum, default_value_t = ReportFormat::Text)]
    pub(crate) format: ReportFormat,

    /// Write it to this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,

    /// Show every exchange, however many there are
    #[arg(long)]
    pub(crate) full: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For a terminal
    Text,
    /// For programs
    Json,
    /// Markdown, to paste into an issue
    Md,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CaCommand {
    /// Show a kept certificate authority: where it is, how long it is valid, for which hosts
    Show {
        /// The folder given as --ca-dir
        #[arg(long, value_name = "DIR", env = "AUTHTRACE_CA_DIR")]
        ca_dir: PathBuf,
    },
}
