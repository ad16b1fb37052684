//! `completions` and `man`, made from the same definitions as the parser.

use super::args::Cli;
use anyhow::{Context, Result};
use clap::{Command, CommandFactory};
use std::io::Write;
use std::process::ExitCode;

pub(crate) fn completions(shell: clap_complete::Shell) -> Result<ExitCode> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "authtrace", &mut text);
    print(&text)
}

/// One page with a section per command.
pub(crate) fn page() -> Result<ExitCode> {
    let mut text = Vec::new();
    let mut command = Cli::command();
    command.build();
    clap_mangen::Man::new(command.clone()).render(&mut text).context("cannot make the manual page")?;
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        render_command(sub, &mut text)?;
    }
    print(&text)
}

fn render_command(sub: &Command, text: &mut Vec<u8>) -> Result<()> {
    writeln!(text, ".SH \"AUTHTRACE {}\"", sub.get_name().to_uppercase())?;
    let man = clap_mangen::Man::new(sub.clone());
    man.render_description_section(text)?;
    man.render_options_section(text)?;
    Ok(())
}

fn print(text: &[u8]) -> Result<ExitCode> {
    match std::io::stdout().write_all(text) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(error).context("cannot write to standard output")
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}
