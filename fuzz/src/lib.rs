//! The targets as a fuzzer wants them: bytes in, nothing out, within a time.

pub mod targets;

use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// What one input may cost of a processor's time. Coverage and checks for overflow are in it.
const LONGEST: Duration = Duration::from_millis(100);

/// Makes the program of one target.
#[macro_export]
macro_rules! fuzz {
    ($name:literal) => {
        libfuzzer_sys::fuzz_target!(|data: &[u8]| $crate::within_time($name, data));
    };
}

/// Runs a target, and panics if it took too long: twice, since the first run may have had tables to build.
pub fn within_time(name: &str, data: &[u8]) {
    let run = targets::TARGETS.iter().find(|(known, _)| *known == name).expect("a target of that name").1;
    if took(run, data) > LONGEST {
        let again = took(run, data);
        assert!(again <= LONGEST, "{} bytes took {again:?} of a processor", data.len());
    }
}

fn took(run: fn(&[u8]), data: &[u8]) -> Duration {
    let before = clock_gettime(ClockId::ThreadCPUTime);
    run(data);
    let after = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(after - before).unwrap_or_default()
}
