//! How the proxy lives: many connections, long streams, large bodies, slow sides, and days of mixed traffic in an hour.
//! Nothing may fail and nothing may grow. See `benches/README.md`.
//!
//! `cargo bench --bench life [-- --short] [--only NAME] [--minutes N] [--gib N] [--clients N]`

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

#[expect(dead_code, reason = "shared with the other benchmark, which needs more of it")]
#[path = "../proxy/message.rs"]
mod message;
#[expect(dead_code, reason = "shared with the other benchmark, which needs more of it")]
#[path = "../proxy/origin.rs"]
mod origin;

mod client;
mod measure;
mod process;
mod server;
mod soak;
mod watch;

use anyhow::{Context, Result, bail};
use measure::{Measure, Stage};
use process::Proxy;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::path::Path;

/// How much of each load.
#[derive(Clone, Copy)]
struct Scale {
    /// CONNECTs in a row.
    connects: usize,
    /// Connections at once.
    at_once: usize,
    /// Streams of events.
    streams: usize,
    /// Streams with a side that does not move.
    stalled: usize,
    /// Bytes each way.
    bulk: usize,
    /// Clients of the mixed traffic.
    clients: usize,
    /// How long streams and mixed traffic go on, in seconds.
    seconds: u64,
}

fn main() -> Result<()> {
    // Each connection takes two descriptors of the proxy's and one of each other process.
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(65_536).min(65_536);
    setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum: limit.maximum })?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["origin", folder] => runtime()?.block_on(server::serve(Path::new(folder))),
        _ => run(&arguments),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

fn run(arguments: &[String]) -> Result<()> {
    let short = arguments.iter().any(|argument| argument == "--short");
    let value =
        |name: &str| arguments.iter().position(|argument| argument == name).and_then(|at| arguments.get(at + 1));
    let number = |name: &str, usual: usize| match value(name) {
        Some(text) => text.parse().with_context(|| format!("{name} takes a number")),
        None => Ok(usual),
    };
    let mut scale = Scale {
        connects: 10_000,
        at_once: 1_000,
        streams: 500,
        stalled: 200,
        bulk: number("--gib", 10)? << 30,
        clients: number("--clients", 16)?,
        seconds: number("--minutes", 10)? as u64 * 60,
    };
    if short {
        scale =
            Scale { connects: 500, at_once: 200, streams: 100, stalled: 50, bulk: 128 << 20, clients: 16, seconds: 6 };
    }
    let only = value("--only").map_or("", String::as_str);
    let folder = tempfile::tempdir()?;
    let runtime = runtime()?;
    let origin = process::Origin::start(folder.path())?;
    let (mut failed, mut taken) = (Vec::new(), 0);
    println!("{}", measure::HEADINGS);
    for measure in Measure::ALL.into_iter().filter(|measure| measure.name().contains(only)) {
        eprintln!("{} …", measure.name());
        // A proxy of its own for each, so that what one leaves is not the next one's.
        let proxy = Proxy::start(folder.path(), origin.address)?;
        let stage = Stage { way: proxy.way.clone(), proxy, direct: origin.way(folder.path())?, scale };
        let outcome = runtime.block_on(measure.take(&stage))?;
        println!("{}", outcome.row(measure.name()));
        taken += 1;
        failed.extend(outcome.complaints(measure).into_iter().map(|what| format!("{}: {what}", measure.name())));
    }
    if taken == 0 {
        bail!("no measure has {only:?} in its name");
    }
    if !failed.is_empty() {
        bail!("{}", failed.join("; "));
    }
    Ok(())
}
