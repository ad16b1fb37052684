//! What a large trace costs to read, to judge and to report.
//!
//! `cargo bench --bench report` makes a trace of 100,000 exchanges in a temporary folder and measures each step in a process
//! of its own; `-- --exchanges N` makes another size, `-- --short` a small one.

mod trace;

use authtrace::analyze::{self, Survey};
use authtrace::export::{json, markdown, text};
use authtrace::trace::Reader;
use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

const STEPS: [&str; 5] = ["read", "diagnose", "text", "md", "json"];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [step, file] = arguments.as_slice()
        && let Some(step) = step.strip_prefix("--step=")
    {
        return measure(step, Path::new(file));
    }
    let exchanges = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => 100_000,
        ["--short"] => 2_000,
        ["--exchanges", number] => number.parse().expect("a number of exchanges"),
        _ => panic!("usage: cargo bench --bench report [-- --short | --exchanges N]"),
    };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("trace.jsonl");
    trace::write(&file, exchanges).expect("a trace written");
    let bytes = std::fs::metadata(&file).expect("the trace").len();
    println!("{exchanges} exchanges, {} MB\n", bytes / 1_000_000);
    println!("| step | seconds | µs an exchange | most memory |\n|---|---|---|---|");
    for step in STEPS {
        let own = std::env::current_exe().expect("this program");
        let done = Command::new(own).arg(format!("--step={step}")).arg(&file).output().expect("a step");
        let told = String::from_utf8_lossy(&done.stdout);
        let mut told = told.split_whitespace();
        let (Some(micros), Some(kib)) = (told.next(), told.next()) else {
            panic!("{step} failed: {}", String::from_utf8_lossy(&done.stderr));
        };
        let micros: f64 = micros.parse().expect("microseconds");
        let kib: u64 = kib.parse().expect("KiB");
        println!("| {step} | {:.2} | {:.1} | {} MiB |", micros / 1e6, micros / exchanges as f64, kib / 1024);
    }
}

/// Does one step and prints its microseconds and the most memory of the process in KiB. What comes before it is not
/// counted as time.
fn measure(step: &str, file: &Path) {
    let begun = Instant::now();
    let survey = Survey::read(Reader::new(BufReader::with_capacity(256 * 1024, File::open(file).unwrap())).unwrap());
    let mut taken = begun.elapsed();
    if step != "read" {
        let begun = Instant::now();
        let diagnosis = analyze::diagnose(&survey);
        taken = begun.elapsed();
        if step != "diagnose" {
            let begun = Instant::now();
            let mut out = Sink;
            match step {
                "text" => text::report(&survey, &diagnosis, &mut out, authtrace::export::Style::default()).unwrap(),
                "md" => markdown::report(&survey, &diagnosis, &mut out).unwrap(),
                _ => json::report(&survey, &diagnosis, &mut out).unwrap(),
            }
            taken = begun.elapsed();
        }
    }
    println!("{} {}", taken.as_micros(), most_memory());
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
