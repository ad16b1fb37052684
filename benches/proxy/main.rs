//! What the proxy costs: the same load directly, through a blind tunnel, through a relay that splices decrypted bytes,
//! and through `authtrace proxy` with recording on. See `benches/README.md`.
//!
//! `cargo bench --bench proxy [-- --short] [--rounds N] [--only TEXT]`

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

mod load;
mod measure;
mod message;
mod origin;
mod process;
mod relay;
mod table;

use anyhow::{Context, Result, bail};
use measure::Measure;
use process::Party;
use std::path::Path;
use table::Table;

/// How much of each load; `--short` is for seeing that everything still works.
#[derive(Clone, Copy)]
struct Scale {
    rounds: usize,
    /// 1 for a real run, a fraction of it for a short one.
    divisor: usize,
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // The other processes of a run are this program again, told by its first argument what to be.
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["origin", folder] => runtime()?.block_on(origin::serve(Path::new(folder))),
        ["tunnel", listen, origin] => runtime()?.block_on(relay::tunnel(listen, origin)),
        ["splice", listen, origin, folder] => runtime()?.block_on(relay::splice(listen, origin, Path::new(folder))),
        _ => run(&arguments),
    }
}

/// A virtual machine may have handed free memory back to its host, and who writes next waits for each page to return. That
/// would be us, for the trace: so the pages come back beforehand, for every party.
fn fetch_pages() {
    const BYTES: usize = 64 << 20;
    let mut pages = vec![0_u8; BYTES];
    pages.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
    std::hint::black_box(&pages);
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}

fn run(arguments: &[String]) -> Result<()> {
    let short = arguments.iter().any(|argument| argument == "--short");
    let value =
        |name: &str| arguments.iter().position(|argument| argument == name).and_then(|at| arguments.get(at + 1));
    let rounds = match value("--rounds") {
        Some(text) => text.parse().context("--rounds takes a number")?,
        None if short => 1,
        None => 9,
    };
    let scale = Scale { rounds, divisor: if short { 10 } else { 1 } };
    let only = value("--only").map_or("", String::as_str);
    let folder = tempfile::tempdir()?;
    let origin = process::Origin::start(folder.path())?;
    let mut parties = Party::start_all(folder.path(), &origin)?;
    let runtime = runtime()?;
    let mut table = Table::new(parties.iter().map(|party| party.name).collect());
    for measure in Measure::ALL.into_iter().filter(|measure| measure.name().contains(only)) {
        eprintln!("{} …", measure.name());
        for _ in 0..scale.rounds {
            // One after the other in every round, so that a noisy neighbour troubles all of them alike.
            for party in &mut parties {
                fetch_pages();
                let value = measure.take(&runtime, party, &origin, scale)?;
                table.add(measure, party.name, value);
            }
        }
    }
    println!("{table}");
    let recorded = process::records_in(folder.path())?;
    if recorded == 0 {
        bail!("authtrace recorded nothing");
    }
    println!("authtrace wrote {recorded} records.");
    Ok(())
}
