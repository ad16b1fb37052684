//! `scenario`: what can be played, one of them as a file, and whether a file is in order.

use super::args::ScenarioCommand;
use super::{console, exit};
use anyhow::{Context, Result};
use authtrace::harness::{self, SceneError};
use authtrace::scenario::{self, ScenarioError, describe};
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

pub(crate) fn run(command: ScenarioCommand) -> Result<ExitCode> {
    match command {
        ScenarioCommand::List => list().map(|()| ExitCode::SUCCESS),
        ScenarioCommand::Show { scenario } => show(&scenario).map(|()| ExitCode::SUCCESS),
        ScenarioCommand::From { trace, out, trials } => super::replay::scenario_from(trace, out, trials),
        ScenarioCommand::Validate { files } => validate(&files),
    }
}

/// The built-in ones with their titles; their names are codes of `authtrace explain`, but for flows that are no failure.
fn list() -> Result<()> {
    let style = console::stdout_style(false);
    let mut out = BufWriter::new(io::stdout().lock());
    let names = scenario::builtins().iter().map(|one| one.name.len()).max().unwrap_or_default();
    for one in scenario::builtins() {
        let title = scenario::read(one.text).map(|scenario| scenario.title).unwrap_or_default();
        writeln!(out, "{:names$}  {title}", one.name)?;
    }
    writeln!(out, "\nfound beside another verdict:")?;
    for (code, of) in scenario::beside() {
        writeln!(out, "{:names$}  play {of}", code.as_str())?;
    }
    writeln!(out, "\nnot played:")?;
    for (code, why) in scenario::not_played() {
        writeln!(out, "{:names$}  {why}", code.as_str())?;
    }
    writeln!(out)?;
    let how = "Play one with the real client: authtrace run --scenario NAME -- claude -p hi; with a built-in client: \
               authtrace demo NAME. As a file to change: authtrace scenario show NAME > my.toml";
    out.write_all(style.paragraph(how).as_bytes())?;
    out.flush().context("cannot write to standard output")
}

fn show(named: &str) -> Result<()> {
    let text = harness::text(named)?;
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).context("cannot write to standard output")
}

/// Looks at each file, and says what is wrong with all of them before it fails.
fn validate(files: &[String]) -> Result<ExitCode> {
    let mut out = BufWriter::new(io::stdout().lock());
    let mut wrong = false;
    for file in files {
        let read = harness::text(file).and_then(|text| {
            scenario::read(&text).map_err(|source: ScenarioError| SceneError::Wrong { path: file.into(), source })
        });
        match read {
            Ok(scenario) => {
                writeln!(out, "{file}: good\n{}", indented(&describe(&scenario)))?;
                for warning in &scenario.warnings {
                    writeln!(out, "{file}: {warning}")?;
                }
            }
            Err(error) => {
                wrong = true;
                out.flush()?;
                console::error(&error.into());
            }
        }
    }
    out.flush().context("cannot write to standard output")?;
    Ok(ExitCode::from(if wrong { exit::USAGE } else { exit::GOOD }))
}

fn indented(text: &str) -> String {
    text.lines().map(|line| if line.is_empty() { "\n".to_owned() } else { format!("  {line}\n") }).collect()
}
