//! The runs that look elsewhere: the memory of the program, and its flight recorder.

use super::drive::Proxy;
use super::generator::Generator;
use super::memory::Image;
use super::origin::Origin;
use super::scanner::Scanner;
use super::sinks;
use rustix::process::Signal;
use std::time::{Duration, Instant};

/// Exchanges of each.
const SOME: usize = 600;

/// The private key of the authority, read from the program's own memory, is nowhere else: no file, no output, no export,
/// no environment; and in memory it is only what a signature needs, never text.
#[test]
fn the_authority_s_key_is_in_the_memory_of_the_program_alone() {
    let (generator, origin) = (Generator::new(11), Origin::start());
    let mut proxy = Proxy::start(&origin, &[]);
    let heard = proxy.play(&generator, &origin, 0..SOME);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", proxy.pid())).unwrap_or_default();
    let core = limits.lines().find(|line| line.starts_with("Max core file size"));
    assert!(core.is_none_or(|line| line.split_whitespace().nth(4) == Some("0")), "{core:?}");
    let Some(image) = Image::of(proxy.pid()) else {
        println!("skipped: the system does not let us read the memory of a process");
        return;
    };
    let of_authority = |point: &[u8]| proxy.authority.iter().any(|der| der.windows(64).any(|part| part == point));
    let keys: Vec<_> = image.keys().into_iter().filter(|key| of_authority(&key.point)).collect();
    assert!(!keys.is_empty(), "the key was not found where it has to be");
    let mut sinks = sinks::processes(proxy.pid());
    sinks.extend(sinks::files(proxy.folder.path()));
    proxy.end();
    sinks.append(&mut proxy.outputs);
    sinks.push(("answers of the proxy's own".to_owned(), heard.of_the_proxy));
    sinks::commands(proxy.folder.path(), &proxy.trace(), &[], &mut |sink| sinks.push(sink));
    sinks.extend(sinks::files(proxy.folder.path()));
    for key in &keys {
        let found = key.found_in(&sinks);
        assert!(found.is_empty(), "the key of the authority is in {found:?}");
        for (how, form) in key.forms() {
            let count = image.count(&form);
            assert!(how.starts_with("bytes") || count == 0, "{count} times in memory as {how}");
            if std::env::var_os("SHOW_LEAKS").is_some() && count > 0 {
                println!("key of the authority in memory, {how}: {count} times");
            }
        }
    }
    assert_eq!(image.count(b"-----BEGIN PRIVATE KEY"), 0);
    let mut left = 0;
    let mut sent = 0;
    for number in 0..SOME {
        for secret in generator.exchange(number).secrets {
            sent += 1;
            left += usize::from(image.count(&secret.private[0].as_bytes()[..12]) > 0);
        }
    }
    println!("of {sent} secrets, {left} are somewhere in {} MiB of memory after their exchanges", image.len() >> 20);
}

/// What the flight recorder keeps, while it runs and when it writes.
#[test]
fn a_flight_recorder_keeps_no_secret() {
    let (generator, origin) = (Generator::new(12), Origin::start());
    let mut proxy = Proxy::start(&origin, &["--ring", "1MB", "--freeze-after", "1s"]);
    let mut scanner = Scanner::new();
    for number in 0..SOME {
        let exchange = generator.exchange(number);
        exchange.secrets.iter().for_each(|secret| scanner.add(number, secret));
        exchange.useful.iter().for_each(|text| scanner.add_public(text));
    }
    proxy.play(&generator, &origin, 0..SOME);
    proxy.signal(Signal::USR1);
    let due = Instant::now() + Duration::from_secs(30);
    let frozen =
        |sinks: &[sinks::Sink]| sinks.iter().any(|(name, bytes)| name.ends_with(".jsonl") && bytes.len() > 10_000);
    let mut kept = sinks::files(proxy.folder.path());
    while !frozen(&kept) {
        assert!(
            Instant::now() < due,
            "nothing was frozen: {:?}",
            kept.iter().map(|(name, _)| name).collect::<Vec<_>>()
        );
        std::thread::sleep(Duration::from_millis(50));
        kept = sinks::files(proxy.folder.path());
    }
    proxy.end();
    kept.append(&mut proxy.outputs);
    kept.extend(sinks::files(proxy.folder.path()));
    kept.iter().for_each(|(name, bytes)| scanner.search(name, bytes));
    assert!(scanner.bytes > 500_000, "{}", scanner.bytes);
    assert!(scanner.leaks.is_empty(), "{:#?}", scanner.leaks);
}

/// A smaller trace, played again and made a scenario of.
#[test]
fn what_is_made_of_a_trace_to_play_it_again_holds_no_secret() {
    let (generator, origin) = (Generator::new(13), Origin::start());
    let mut proxy = Proxy::start(&origin, &[]);
    let mut scanner = Scanner::new();
    for number in 0..60 {
        generator.exchange(number * 7).secrets.iter().for_each(|secret| scanner.add(number, secret));
        proxy.play(&generator, &origin, number * 7..number * 7 + 1);
    }
    proxy.end();
    let mut made = sinks::replayed(proxy.folder.path(), &proxy.trace());
    made.extend(sinks::files(proxy.folder.path()));
    made.iter().for_each(|(name, bytes)| scanner.search(name, bytes));
    assert!(scanner.leaks.is_empty(), "{:#?}", scanner.leaks);
}
