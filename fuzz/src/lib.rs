//! The targets as a fuzzer wants them: bytes in, nothing out, within a time.

pub mod targets;

use std::fs;
use std::time::{Duration, Instant};

/// What one input may cost of a processor's time. Coverage and checks for overflow are in it.
const LONGEST: Duration = Duration::from_millis(100);

/// Makes the program of one target.
#[macro_export]
macro_rules! fuzz {
    ($name:literal) => {
        libfuzzer_sys::fuzz_target!(|data: &[u8]| $crate::within_time($name, data));
    };
}

/// Runs a target, and panics if it took too long: measured once more, by what the processor did for it alone, since the
/// first run may have had tables to build, and the machine may have had other things to do.
pub fn within_time(name: &str, data: &[u8]) {
    let run = targets::TARGETS.iter().find(|(known, _)| *known == name).expect("a target of that name").1;
    let start = Instant::now();
    run(data);
    if start.elapsed() > LONGEST {
        let (start, before) = (Instant::now(), processor_time());
        run(data);
        let took = processor_time().zip(before).map_or(start.elapsed(), |(after, before)| after - before);
        assert!(took <= LONGEST, "{} bytes took {took:?} of a processor", data.len());
    }
}

/// What this thread has had of a processor so far, where the system tells (proc(5), `schedstat`).
fn processor_time() -> Option<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
}
