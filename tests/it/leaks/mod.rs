//! No credential is written anywhere: exchanges over every place and every encoding, as raw bytes through the real
//! program at its loudest, and an independent search of everything that it wrote.
//!
//! `places` and `bodies` are the table of what is sent; `AUTHTRACE_LEAK_EXCHANGES=10000` sends more than the usual run,
//! `AUTHTRACE_LEAK_SEED=2` other ones, `SHOW_LEAKS=1` prints the table with what came of it.

mod bodies;
mod detection;
mod drive;
mod encodings;
mod generator;
mod http2;
mod memory;
mod origin;
mod places;
mod runs;
mod scanner;
mod scanner_tests;
mod second_opinion;
mod secrets;
mod sinks;
mod useful;

use drive::{Heard, Proxy};
use generator::Generator;
use origin::Origin;
use scanner::Scanner;
use sinks::Sink;
use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;
use useful::Records;

/// Exchanges of the usual run.
const USUAL: usize = 2_710;

/// No trace of the run has more of them.
const IN_ONE_TRACE: usize = 3_000;

/// The least part of the useful strings that has to survive, in percent.
const LEAST_KEPT: usize = 95;

fn setting(name: &str, usual: usize) -> usize {
    std::env::var(name).map_or(usual, |value| value.parse().unwrap_or_else(|_| panic!("{name}={value} is no number")))
}

/// What came of one category.
#[derive(Default)]
struct Count {
    sent: usize,
    leaks: usize,
    useful: usize,
    lost: usize,
}

#[test]
fn no_secret_is_written_and_what_is_useful_survives() {
    let began = Instant::now();
    let seed = setting("AUTHTRACE_LEAK_SEED", 1) as u64;
    let total = setting("AUTHTRACE_LEAK_EXCHANGES", USUAL);
    let generator = Generator::new(seed);
    let origin = Origin::start();
    let mut counts: Vec<Count> = generator.categories.iter().map(|_| Count::default()).collect();
    let (mut lost, mut leaks, mut bytes) = (BTreeMap::<String, usize>::new(), Vec::new(), 0);
    for from in (0..total).step_by(IN_ONE_TRACE) {
        let numbers = from..total.min(from + IN_ONE_TRACE);
        let mut proxy = Proxy::start(&origin, &[]);
        let heard = proxy.play(&generator, &origin, numbers.clone());
        note(&format!("exchanges {numbers:?} went through"), began);
        assert!(heard.changed.is_empty(), "not the origin's bytes: {:?}", heard.changed);
        let mut scanner = Scanner::new();
        let records = finish(&mut proxy, &generator, numbers.clone(), heard, &mut scanner);
        for number in numbers {
            let exchange = generator.exchange(number);
            let count = &mut counts[exchange.category];
            let missing = records.lost(&exchange);
            count.sent += 1;
            count.useful += exchange.useful.len();
            count.lost += missing.len();
            for text in missing {
                *lost.entry(format!("{}: {text:.60}", generator.name(exchange.category))).or_default() += 1;
            }
        }
        scanner.by_owner().into_iter().for_each(|(category, found)| counts[category].leaks += found);
        leaks.extend(scanner.leaks);
        bytes += scanner.bytes;
    }
    if std::env::var_os("SHOW_LEAKS").is_some() {
        show(&generator, &counts);
        lost.iter().for_each(|(text, times)| println!("lost {times} times: {text}"));
        println!("{total} exchanges, {bytes} bytes searched, {:?}", began.elapsed());
    }
    let told: Vec<String> = leaks
        .iter()
        .map(|leak| format!("{} in {} ({}): …{}…", generator.name(leak.owner), leak.sink, leak.how, leak.around))
        .collect();
    assert!(told.is_empty(), "{} leaks with seed {seed}:\n{}", told.len(), told.join("\n"));
    let useful: usize = counts.iter().map(|count| count.useful).sum();
    let missing: usize = counts.iter().map(|count| count.lost).sum();
    assert!(missing * 100 <= useful * (100 - LEAST_KEPT), "{missing} of {useful} useful strings are lost: {lost:#?}");
    if total >= USUAL {
        assert!(counts.iter().all(|count| count.sent >= 10), "a category is sent less than ten times");
    }
}

/// Ends the proxy and searches everything that it wrote and that is made of it.
fn finish(
    proxy: &mut Proxy,
    generator: &Generator,
    numbers: std::ops::Range<usize>,
    heard: Heard,
    scanner: &mut Scanner,
) -> Records {
    let mut pasted = Vec::new();
    for number in numbers {
        let exchange = generator.exchange(number);
        exchange.secrets.iter().for_each(|secret| scanner.add(exchange.category, secret));
        exchange.useful.iter().for_each(|text| scanner.add_public(text));
        if number % 997 == 3 {
            pasted.push(exchange.answer.concat());
        }
    }
    assert!(!scanner.is_empty());
    let mut search =
        |sinks: &mut dyn Iterator<Item = Sink>| sinks.for_each(|(name, bytes)| scanner.search(&name, &bytes));
    search(&mut sinks::processes(proxy.pid()).into_iter());
    search(&mut sinks::files(proxy.folder.path()).into_iter());
    search(&mut [("answers of the proxy's own".to_owned(), heard.of_the_proxy)].into_iter());
    proxy.end();
    search(&mut proxy.outputs.drain(..));
    // While one command is at work, what the one before it said is searched.
    let (send, said) = std::sync::mpsc::sync_channel(4);
    let (folder, trace) = (proxy.folder.path(), proxy.trace());
    std::thread::scope(|scope| {
        scope.spawn(move || sinks::commands(folder, &trace, &pasted, &mut |sink| send.send(sink).unwrap()));
        search(&mut said.iter());
    });
    search(&mut sinks::files(proxy.folder.path()).into_iter());
    let records = Records::of(&fs::read_to_string(proxy.trace()).unwrap());
    assert!(records.len() > 0);
    records
}

fn note(what: &str, began: Instant) {
    if std::env::var_os("SHOW_LEAKS").is_some() {
        println!("{what} after {:?}", began.elapsed());
    }
}

fn show(generator: &Generator, counts: &[Count]) {
    println!("{:>6} {:>6} {:>7}  category", "sent", "leaks", "kept %");
    for (index, count) in counts.iter().enumerate() {
        let kept = match count.useful {
            0 => "-".to_owned(),
            useful => format!("{:.1}", 100.0 * (useful - count.lost) as f64 / useful as f64),
        };
        println!("{:>6} {:>6} {kept:>7}  {}", count.sent, count.leaks, generator.name(index));
    }
    let sum = |of: fn(&Count) -> usize| counts.iter().map(of).sum::<usize>();
    let (useful, missing) = (sum(|count| count.useful), sum(|count| count.lost));
    let kept = 100.0 * (useful - missing) as f64 / useful.max(1) as f64;
    println!(
        "{:>6} {:>6} {kept:>7.2}  all {} categories",
        sum(|count| count.sent),
        sum(|count| count.leaks),
        counts.len()
    );
}
