//! The command line, as clap reads it.

use authtrace::config::{Options, RingOptions};
use authtrace::replay::Speed;
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::ffi::OsString;
use std::net::SocketAddr;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

/// Exit codes, for `--help` and the man page.
const EXIT_CODES: &str = "\
Exit codes:
  0        good
  1        an expectation was missed; `diff --exit-code` found a regression; `doctor` found a problem; `replay` came to another verdict
  2        wrong usage or unreadable input (under `run`: 125)
  125      authtrace itself failed
  126      CMD could not be started
  127      CMD was not found
  128+N    CMD was ended by signal N
  other    CMD's own exit code, under `run` (with --expect FILE: 0 or 1)";

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
    /// Play a failure with a built-in client: no network, no account, real proxy
    Demo(DemoArgs),
    /// Show a trace, or a HAR of another tool: what was asked, what was refused, which ids to quote
    Report(ReportArgs),
    /// Say what a finding means and what helps, or what an error text may stand for
    Explain(ExplainArgs),
    /// Hold a trace against expectations about its auth flow, for CI: exit code 1 if one is missed
    Check(CheckArgs),
    /// Put two traces side by side: what is new, gone, refused, sent elsewhere; with --exit-code, 1 for a regression
    Diff(DiffArgs),
    /// Find the first npm version of the client whose auth flow changes
    Bisect(BisectArgs),
    /// Run cases, for CI: each a scenario, a command, and what is expected of its auth flow
    Test(TestArgs),
    /// Run the fake Anthropic alone, for any client, until Ctrl-C
    Fake(FakeArgs),
    /// The failures that can be played with run --scenario and demo: names, files, whether a file is in order
    #[command(subcommand)]
    Scenario(ScenarioCommand),
    /// Play a trace again: a fake Anthropic answers as it recorded, with made-up tokens
    Replay(ReplayArgs),
    /// Make a HAR of another tool safe to share: credentials become fingerprints, bodies are left out
    Scrub(ScrubArgs),
    /// Look whether everything is in place, and which credential wins; changes nothing
    Doctor(DoctorArgs),
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
    pub(crate) proxy: Options,

    #[command(flatten)]
    pub(crate) scene: SceneArgs,

    #[command(flatten)]
    pub(crate) expect: ExpectArgs,

    #[command(flatten)]
    pub(crate) results: ResultArgs,

    /// Use the proxy and the trace of an authtrace that is running already (NAME: its --lane, if several are)
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true, default_missing_value = "", help_heading = "Trace")]
    pub(crate) join: Option<String>,

    /// Say nothing but what has failed: no start line, no summary
    #[arg(long, short, help_heading = "Trace")]
    pub(crate) quiet: bool,

    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

#[derive(Debug, Args)]
pub(crate) struct SceneArgs {
    /// Play a failure: a name of `authtrace scenario list`, or a file. Every host is then a fake Anthropic inside authtrace,
    /// and the client has a home of its own with a made-up login; a file can also be against live servers
    #[arg(long, value_name = "NAME|FILE", help_heading = "Scenario")]
    pub(crate) scenario: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ProxyArgs {
    #[command(flatten)]
    pub(crate) proxy: Options,

    #[command(flatten)]
    pub(crate) scene: SceneArgs,

    #[command(flatten)]
    pub(crate) ring: RingOptions,

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

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// What is played: a name of `authtrace scenario list`, or a file [default: the 401 that survives a refresh]
    #[arg(value_name = "NAME|FILE")]
    pub(crate) scenario: Option<String>,

    /// Where to write the trace [default: a new file in ~/.local/state/authtrace]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct FakeArgs {
    /// Loopback address for plaintext HTTP, for ANTHROPIC_BASE_URL [default: 127.0.0.1 and a free port]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<SocketAddr>,

    /// Loopback address for HTTPS under any host name, for clients behind a proxy [default: 127.0.0.1 and a free port]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen_tls: Option<SocketAddr>,

    /// What it is like and does wrong: a name of `authtrace scenario list`, or a file [default: it works]
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) scenario: Option<String>,

    /// For which shell the exports are printed
    #[arg(long, value_name = "SHELL", value_enum, default_value_t = ShellSyntax::Sh)]
    pub(crate) env: ShellSyntax,
}

#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// A trace or a HAR (also with gzip), or `-` for standard input; it is only read
    pub(crate) trace: PathBuf,

    /// So many times as fast as recorded; 0 or max: without the recorded waits. What nobody answered is not hurried
    #[arg(long, value_name = "X", default_value = "1", value_parser = speed)]
    pub(crate) speed: Speed,

    /// Look for the smallest scenario that still gives the verdict, and write that; CMD is run many times
    #[arg(long)]
    pub(crate) minimise: bool,

    /// So many plays at most for --minimise [default: 300, with CMD 60]
    #[arg(long, value_name = "COUNT", requires = "minimise")]
    pub(crate) trials: Option<usize>,

    /// Write the scenario to this file, or to standard output (`-`) [default with --minimise: standard output]
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,

    /// Where to write the trace of what is played [default: a new file in ~/.local/state/authtrace]
    #[arg(long, value_name = "FILE", conflicts_with = "minimise")]
    pub(crate) trace_out: Option<PathBuf>,

    /// The command and its arguments [default: a built-in client, which asks for one message as `claude -p` does]
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

fn speed(text: &str) -> Result<Speed, String> {
    match text.parse::<f64>() {
        _ if text == "max" => Ok(Speed::Unwaited),
        Ok(0.0) => Ok(Speed::Unwaited),
        Ok(factor) if factor.is_finite() && factor > 0.0 => Ok(Speed::Times(factor)),
        _ => Err("a number such as 10 or 0.5 is expected, or max".to_owned()),
    }
}

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// A trace or a HAR (also with gzip), `-` for standard input [default: the newest trace]
    pub(crate) file: Option<PathBuf>,

    /// Form of the report
    #[arg(long, short, value_enum, default_value_t = ReportFormat::Text)]
    pub(crate) format: ReportFormat,

    /// Write it to this file instead of standard output (`-`)
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,

    /// Put the debug log of Claude Code (claude --debug-file LOG) beside it: what the client believed
    #[arg(long, value_name = "LOG")]
    pub(crate) client_log: Option<PathBuf>,

    /// Show every exchange, however many there are
    #[arg(long)]
    pub(crate) full: bool,
}

/// What is expected of a trace; docs/expectations.md describes the files.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Expectations")]
pub(crate) struct ExpectArgs {
    /// A file of expectations (TOML), or one request in short: 'POST /v1/messages 200', 'GET api.anthropic.com/* 2xx'
    #[arg(long, value_name = "FILE|REQUEST")]
    pub(crate) expect: Vec<String>,

    /// A finding that must not be there: a code of `authtrace explain`, or auth-failure for every failure; CODE:medium
    /// overlooks findings of low certainty
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    pub(crate) deny: Vec<String>,

    /// At most so many refusals for a reason of authentication (401, 403, 407), telemetry aside
    #[arg(long, value_name = "COUNT")]
    pub(crate) max_auth_failures: Option<u64>,
}

/// Files for CI systems, written besides what is shown; also if an expectation is missed.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Results")]
pub(crate) struct ResultArgs {
    /// Write the result as JUnit XML to this file, too
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,

    /// Write the result as SARIF 2.1.0 to this file, too
    #[arg(long, value_name = "FILE")]
    pub(crate) sarif: Option<PathBuf>,

    /// Write the result in any form to a file, too: tap=FILE, json=FILE, md=FILE, junit=FILE, sarif=FILE, github=FILE
    #[arg(long, value_name = "FORM=FILE", value_parser = ResultFile::parse)]
    pub(crate) report: Vec<ResultFile>,
}

/// A form and where it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResultFile {
    pub(crate) form: ResultForm,
    pub(crate) file: PathBuf,
}

impl ResultFile {
    fn parse(text: &str) -> Result<Self, String> {
        let usage = "expected FORM=FILE, such as tap=result.tap; the forms are junit, sarif, github, tap, json and md";
        let (form, file) = text.split_once('=').ok_or(usage)?;
        let form = ResultForm::from_str(form, false).map_err(|_| usage)?;
        if file.is_empty() {
            return Err(usage.to_owned());
        }
        Ok(Self { form, file: file.into() })
    }
}

/// A form of results for other programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ResultForm {
    /// JUnit XML
    Junit,
    /// SARIF 2.1.0
    Sarif,
    /// Annotations of GitHub Actions
    Github,
    /// TAP 14
    Tap,
    /// JSON
    Json,
    /// Markdown
    Md,
}

#[derive(Debug, Args)]
pub(crate) struct CheckArgs {
    /// A trace or a HAR (also with gzip), `-` for standard input [default: the newest trace]
    pub(crate) file: Option<PathBuf>,

    /// Form of the result
    #[arg(long, short, value_enum, default_value_t = CheckFormat::Human)]
    pub(crate) format: CheckFormat,

    /// Write it to this file instead of standard output (`-`)
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,

    /// Write what the trace shows to a new file, as a draft of expectations to read and loosen, instead of holding it
    /// against any
    #[arg(long, value_name = "FILE", conflicts_with_all = ["format", "out", "expect", "deny", "max_auth_failures", "junit", "sarif", "report"])]
    pub(crate) learn: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) expect: ExpectArgs,

    /// A good trace or HAR: nothing may be worse than there (docs/comparing.md says what that is)
    #[arg(long, value_name = "TRACE", help_heading = "Expectations")]
    pub(crate) baseline: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) results: ResultArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckFormat {
    /// For a terminal and a log
    Human,
    /// JUnit XML, for Jenkins, GitLab and others
    Junit,
    /// SARIF 2.1.0, for code scanning
    Sarif,
    /// Annotations of GitHub Actions; there, they come by themselves
    Github,
    /// TAP 14
    Tap,
    /// For programs (authtrace-check/1; of `test`, authtrace-test/1)
    Json,
    /// Markdown, for a comment or a job summary
    Md,
}

impl CheckFormat {
    /// The form for other programs, if it is one.
    pub(crate) fn form(self) -> Option<ResultForm> {
        match self {
            Self::Human => None,
            Self::Junit => Some(ResultForm::Junit),
            Self::Sarif => Some(ResultForm::Sarif),
            Self::Github => Some(ResultForm::Github),
            Self::Tap => Some(ResultForm::Tap),
            Self::Json => Some(ResultForm::Json),
            Self::Md => Some(ResultForm::Md),
        }
    }
}

/// Exit codes of `test`, for its help.
const EXIT_CODES_OF_TEST: &str = "\
Exit codes:
  0        every case is as expected
  1        an expectation was missed, or a command took too long
  2        a case cannot be read or its command not be started; the others were run
  125      authtrace itself failed
  130      ended by Ctrl-C (143: by SIGTERM); what had not been run is named";

/// A case is a file of TOML: a scenario, a command, what is expected; docs/cases.md describes it.
#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES_OF_TEST, after_long_help = EXIT_CODES_OF_TEST)]
pub(crate) struct TestArgs {
    /// Folders, of which every NAME.toml is a case (folders in them are not looked into), or single cases
    #[arg(required = true, value_name = "DIR|FILE")]
    pub(crate) paths: Vec<PathBuf>,

    /// So many cases at the same time [default: the number of processors]
    #[arg(long, short, value_name = "N")]
    pub(crate) jobs: Option<NonZeroUsize>,

    /// Run each case so many times: one that is sometimes missed is found so
    #[arg(long, value_name = "N", default_value = "1")]
    pub(crate) repeat: NonZeroU32,

    /// Write the observed flow of each case that is missed, or that expects nothing yet, as a file of expectations for
    /// review: observed/NAME.toml beside the case
    #[arg(long)]
    pub(crate) update: bool,

    /// Keep the traces of all cases in this folder, as NAME.jsonl [default: those of failed cases, in a folder for
    /// temporary files, which is named]
    #[arg(long, value_name = "DIR")]
    pub(crate) traces: Option<PathBuf>,

    /// Form of the result on standard output
    #[arg(long, short, value_enum, default_value_t = CheckFormat::Human)]
    pub(crate) format: CheckFormat,

    #[command(flatten)]
    pub(crate) results: ResultArgs,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// What it was like: a trace or a HAR (also with gzip), or `-` for standard input
    #[arg(value_name = "A")]
    pub(crate) before: PathBuf,

    /// What it is like now
    #[arg(value_name = "B")]
    pub(crate) after: PathBuf,

    /// End with 1 if B is worse than A: more refusals, a new failure, a credential to a new host … (docs/comparing.md)
    #[arg(long)]
    pub(crate) exit_code: bool,

    /// Form of the comparison
    #[arg(long, short, value_enum, default_value_t = DiffFormat::Human)]
    pub(crate) format: DiffFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiffFormat {
    /// For a terminal
    Human,
    /// For programs
    Json,
    /// Markdown, to paste into an issue
    Md,
}

#[derive(Debug, Args)]
pub(crate) struct BisectArgs {
    /// A version that does what is wanted
    #[arg(long, value_name = "VERSION")]
    pub(crate) good: String,

    /// A version that does not; it may also be the older one
    #[arg(long, value_name = "VERSION")]
    pub(crate) bad: String,

    /// What is played to each version: a name of `authtrace scenario list`, or a file
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) scenario: String,

    /// The npm package
    #[arg(long, value_name = "NAME", default_value = "@anthropic-ai/claude-code")]
    pub(crate) package: String,

    /// Where versions are installed, and what came of them is kept [default: ~/.cache/authtrace/clients]
    #[arg(long, value_name = "DIR")]
    pub(crate) cache: Option<PathBuf>,

    /// Seconds after which a version that has not ended is left out
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout: u64,

    /// Forget what came of these versions before
    #[arg(long)]
    pub(crate) fresh: bool,

    /// Arguments of the client [default: -p hi]
    #[arg(last = true, value_name = "ARGS")]
    pub(crate) arguments: Vec<OsString>,

    /// What good is; without any of these, what the good version does
    #[command(flatten)]
    pub(crate) expect: ExpectArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ScrubArgs {
    /// The HAR (also with gzip), or `-` for standard input; it is only read
    pub(crate) file: PathBuf,

    /// Write the clean HAR to this file instead of standard output (`-`)
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For a terminal
    Text,
    /// For programs
    Json,
    /// Markdown, to paste into an issue
    Md,
    /// HAR 1.2, for the network panel of a browser
    Har,
    /// A page with picture, findings and every exchange, in one file
    Html,
    /// The picture of the auth flow alone
    Svg,
}

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// A code, or an error text in quotes; `-` reads the text from standard input [default: the list of codes]
    #[arg(value_name = "CODE|TEXT")]
    pub(crate) what: Vec<String>,

    /// Form of the answer
    #[arg(long, short, value_enum, default_value_t = ExplainFormat::Text)]
    pub(crate) format: ExplainFormat,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExplainFormat {
    /// For a terminal
    Text,
    /// For programs
    Json,
    /// Markdown
    Md,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// Form of the list
    #[arg(long, short, value_enum, default_value_t = DoctorFormat::Text)]
    pub(crate) format: DoctorFormat,

    /// Leave the network alone: do not look whether Anthropic's hosts answer
    #[arg(long)]
    pub(crate) offline: bool,

    /// Connect to HOST2:PORT2 instead of HOST:PORT, as `run` would
    #[arg(long, value_name = "HOST:PORT:HOST2:PORT2", value_delimiter = ',', help_heading = "Upstream")]
    pub(crate) connect_to: Vec<String>,

    /// Accept upstream certificates of the authorities in this PEM file, besides the system's
    #[arg(long, value_name = "PEM", value_delimiter = ',', help_heading = "Upstream")]
    pub(crate) upstream_ca: Vec<PathBuf>,

    /// Go through this proxy, or `none` [default: HTTPS_PROXY as authtrace was started with]
    #[arg(long, value_name = "URL", help_heading = "Upstream")]
    pub(crate) upstream_proxy: Option<String>,

    /// The program to try, with a made-up key, against a server inside authtrace [default: claude]
    #[arg(last = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DoctorFormat {
    /// For a terminal
    Text,
    /// For programs
    Json,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ScenarioCommand {
    /// The built-in scenarios, by the verdict that each leads to
    List,
    /// Print a scenario as a file, to be changed and played
    Show {
        /// A name of the list, or a file
        #[arg(value_name = "NAME|FILE")]
        scenario: String,
    },
    /// The smallest scenario that gives the verdict of a trace, as a file to attach to a bug; with CMD of `replay --minimise`,
    /// it is found with a client of your own
    From {
        /// A trace or a HAR (also with gzip), or `-` for standard input
        trace: PathBuf,
        /// Write it to this file instead of standard output (`-`)
        #[arg(long, short, value_name = "FILE")]
        out: Option<PathBuf>,
        /// So many plays at most
        #[arg(long, value_name = "COUNT", default_value_t = 300)]
        trials: usize,
    },
    /// Look whether files are in order; mistakes are shown in their place
    Validate {
        /// The files
        #[arg(required = true, value_name = "FILE")]
        files: Vec<String>,
    },
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
