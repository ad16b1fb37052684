//! `explain`: what a code means, or what an error text may stand for.

use super::args::{ExplainArgs, ExplainFormat};
use super::console;
use anyhow::{Context, Result};
use authtrace::catalogue::{self, Code};
use authtrace::export::explain::{Answer, json, markdown, text};
use std::fmt;
use std::io::{self, BufWriter, IsTerminal, Read, Write};
use std::process::ExitCode;
use zeroize::Zeroizing;

/// The most that is read from standard input, in bytes.
const LONGEST: u64 = 1024 * 1024;

/// What was given looks like a code and is none. It is not repeated: it might be a credential.
#[derive(Debug, thiserror::Error)]
#[error("no code has that name{}; authtrace explain lists all", Meant(.nearest))]
pub(crate) struct UnknownName {
    nearest: Vec<Code>,
}

struct Meant<'a>(&'a [Code]);

impl fmt::Display for Meant<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, code) in self.0.iter().enumerate() {
            write!(f, "{}{code}", if at == 0 { "; near it: " } else { ", " })?;
        }
        Ok(())
    }
}

pub(crate) fn run(args: &ExplainArgs) -> Result<ExitCode> {
    let asked = asked(&args.what)?;
    let mut out = BufWriter::new(io::stdout().lock());
    match print(&asked, args.format, &mut out).and_then(|()| Ok(out.flush()?)) {
        Err(error) if super::is_broken_pipe(&error) => Ok(ExitCode::SUCCESS),
        result => result.map(|()| ExitCode::SUCCESS),
    }
}

/// The arguments; or standard input, if that is asked for or is not a terminal.
fn asked(what: &[String]) -> Result<Zeroizing<String>> {
    let wanted = matches!(what, [dash] if dash == "-");
    if !wanted && (!what.is_empty() || io::stdin().is_terminal()) {
        return Ok(Zeroizing::new(what.join(" ")));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    io::stdin().lock().take(LONGEST).read_to_end(&mut bytes).context("cannot read standard input")?;
    Ok(Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned()))
}

fn print(asked: &str, format: ExplainFormat, out: &mut impl Write) -> Result<()> {
    let style = console::stdout_style(false);
    if asked.trim().is_empty() {
        match format {
            ExplainFormat::Text => text::list(out, style)?,
            ExplainFormat::Md => markdown::list(out)?,
            ExplainFormat::Json => json::list(out)?,
        }
        return Ok(());
    }
    if let Some(code) = code(asked) {
        let entry = catalogue::entry(code);
        match format {
            ExplainFormat::Text => text::one(entry, out, style)?,
            ExplainFormat::Md => markdown::one(entry, out)?,
            ExplainFormat::Json => json::one(entry, out)?,
        }
        return Ok(());
    }
    let (candidates, nearest) = (catalogue::candidates(asked), catalogue::nearest(asked));
    let holds_credential = catalogue::holds_credential(asked);
    if candidates.is_empty() && is_name(asked) && !holds_credential {
        return Err(UnknownName { nearest }.into());
    }
    let answer = Answer { candidates: &candidates, nearest: &nearest, holds_credential };
    match format {
        ExplainFormat::Text => text::answer(&answer, out, style)?,
        ExplainFormat::Md => markdown::answer(&answer, out)?,
        ExplainFormat::Json => json::answer(&answer, out)?,
    }
    Ok(())
}

/// The code of that name, however it is spelled.
fn code(asked: &str) -> Option<Code> {
    asked.trim().trim_matches('`').to_lowercase().replace('_', "-").parse().ok()
}

/// Whether it can only be meant as the name of a code: one word of letters, digits and hyphens.
fn is_name(asked: &str) -> bool {
    asked.trim().bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}
