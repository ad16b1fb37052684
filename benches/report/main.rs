//! What a large trace costs to read, to judge and to report.
//!
//! `cargo bench --bench report` makes a trace of 100,000 exchanges in a temporary folder and measures each step in a process
//! of its own; `-- --exchanges N` makes another size, `-- --short` a small one.

#![expect(clippy::print_stdout, reason = "a program for the terminal")]

mod trace;

use anyhow::{Context, Result, bail};
use authtrace::analyze::{self, Survey};
use authtrace::check;
use authtrace::export::check as page;
use authtrace::export::{Style, har, html, json, markdown, svg, text};
use authtrace::trace::Reader;
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// `lines` reads and forgets; `read` keeps what the analysis needs; the others come after it.
const STEPS: [&str; 10] = ["lines", "read", "diagnose", "check", "text", "md", "json", "har", "svg", "html"];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["--step", step, file] => measure(step, Path::new(file)),
        [] => all(100_000),
        ["--short"] => all(2_000),
        ["--exchanges", number] => all(number.parse().context("--exchanges takes a number")?),
        _ => bail!("usage: cargo bench --bench report [-- --short | --exchanges N]"),
    }
}

fn all(exchanges: u64) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("trace.jsonl");
    trace::write(&file, exchanges)?;
    let bytes = std::fs::metadata(&file)?.len();
    println!("{exchanges} exchanges, {} MB\n", bytes / 1_000_000);
    println!("| step | seconds | µs an exchange | most memory |\n|---|---|---|---|");
    for step in STEPS {
        let done = Command::new(std::env::current_exe()?).args(["--step", step]).arg(&file).output()?;
        let told = String::from_utf8_lossy(&done.stdout);
        let (micros, kib) = told
            .trim()
            .split_once(' ')
            .with_context(|| format!("{step} failed: {}", String::from_utf8_lossy(&done.stderr)))?;
        let (micros, kib): (f64, u64) = (micros.parse()?, kib.parse()?);
        println!("| {step} | {:.2} | {:.1} | {} MiB |", micros / 1e6, micros / exchanges as f64, kib / 1024);
    }
    Ok(())
}

/// Does one step and prints its microseconds and the most memory of the process in KiB. What comes before it is not
/// counted as time.
fn measure(step: &str, file: &Path) -> Result<()> {
    let begun = Instant::now();
    let mut reader = Reader::new(BufReader::with_capacity(256 * 1024, File::open(file)?))?;
    if step == "lines" {
        while reader.next_line()?.is_some() {}
        return told(begun);
    }
    let survey = Survey::read(reader);
    if step == "read" {
        return told(begun);
    }
    let begun = Instant::now();
    let diagnosis = analyze::diagnose(&survey);
    if step == "diagnose" {
        return told(begun);
    }
    let expectations = check::read("expectations.toml", include_str!("expectations.toml"))?;
    let begun = Instant::now();
    let mut out = Sink;
    match step {
        "check" => {
            let report = check::evaluate(&survey, &diagnosis, &expectations);
            if report.missed() != 1 {
                bail!("one flow is missed, not {}: {report:?}", report.missed());
            }
            page::report(&survey, &report, &mut out, Style::default())?;
        }
        "text" => text::report(&survey, &diagnosis, &mut out, Style::default())?,
        "md" => markdown::report(&survey, &diagnosis, &mut out)?,
        "json" => json::report(&survey, &diagnosis, &mut out)?,
        "har" => har::write(&survey, &mut out)?,
        "svg" => svg::report(&survey, &diagnosis, &mut out)?,
        _ => html::report(&survey, &diagnosis, &mut out)?,
    }
    told(begun)
}

fn told(begun: Instant) -> Result<()> {
    println!("{} {}", begun.elapsed().as_micros(), most_memory());
    Ok(())
}

/// Takes everything, keeps nothing.
struct Sink;

impl Write for Sink {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `VmHWM` in KiB; 0 where there is no `/proc`.
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
}
