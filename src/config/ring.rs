//! The options of the flight recorder.

use crate::record::{SMALLEST_RING, Times};
use crate::trigger::{FreezeOn, TriggerError};
use clap::Args;
use serde::{Deserialize, Deserializer};
use std::str::FromStr;
use std::time::Duration;

/// Options of the flight recorder, and the table `[ring]` of `authtrace.toml` (`size`, `freeze-on`, `freeze-after`),
/// which only `proxy` heeds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Args, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub struct RingOptions {
    /// Flight recorder: write no trace but keep the last exchanges in a ring of this size on disk (50MB, 1GB), and write a
    /// trace when a login fails
    #[arg(
        id = "ring",
        long = "ring",
        value_name = "SIZE",
        env = "AUTHTRACE_RING",
        hide_env_values = true,
        help_heading = "Flight recorder"
    )]
    pub size: Option<Size>,

    /// What makes it write a trace: codes of `authtrace explain`, separated by commas [default: auth-failure, which is every
    /// failure of the login]
    #[arg(
        long,
        value_name = "CODE",
        env = "AUTHTRACE_FREEZE_ON",
        hide_env_values = true,
        value_delimiter = ',',
        help_heading = "Flight recorder"
    )]
    pub freeze_on: Vec<String>,

    /// How long it goes on recording what comes of it (0, 30s, 5m) before it writes [default: 30s]
    #[arg(
        long,
        value_name = "TIME",
        env = "AUTHTRACE_FREEZE_AFTER",
        hide_env_values = true,
        help_heading = "Flight recorder"
    )]
    pub freeze_after: Option<Span>,
}

/// The flight recorder, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RingConfig {
    /// Size of the ring, in bytes.
    pub bytes: u64,
    /// What it waits for.
    pub on: FreezeOn,
    /// How long it waits.
    pub times: Times,
}

/// What cannot be used, and what to do instead.
#[derive(Debug, thiserror::Error)]
pub enum RingError {
    /// A size that is none.
    #[error("that is no size; write a number with KB, MB or GB behind it, such as 50MB")]
    Size,
    /// A time that is none.
    #[error("that is no time; write a number with s, m or h behind it, such as 30s")]
    Span,
    /// Too small to hold what led to a failure.
    #[error("a ring of {0} bytes holds next to nothing; the least is 1MB, and 50MB hold some days")]
    TooSmall(u64),
    /// Options that only go with a ring.
    #[error("--freeze-on and --freeze-after say when the flight recorder writes; add --ring SIZE, such as --ring 50MB")]
    WithoutRing,
    /// Two ways to say where the trace goes.
    #[error(
        "--out names one trace, but --ring writes one per failure, into the folder where `authtrace report` looks for the \
         newest; leave out --out (or AUTHTRACE_OUT, or `out` in authtrace.toml)"
    )]
    Out,
    /// Two bounds.
    #[error(
        "--ring has a size of its own; leave out --max-size (or AUTHTRACE_MAX_SIZE, or `max-size` in authtrace.toml)"
    )]
    MaxSize,
    /// `--freeze-on`.
    #[error("--freeze-on: {0}")]
    FreezeOn(#[from] TriggerError),
}

impl RingOptions {
    /// Flags go before what the file says.
    pub(super) fn or(self, file: Self) -> Self {
        Self {
            size: self.size.or(file.size),
            freeze_on: if self.freeze_on.is_empty() { file.freeze_on } else { self.freeze_on },
            freeze_after: self.freeze_after.or(file.freeze_after),
        }
    }

    /// None: no ring is wanted. `has_out`: a file for the trace was named; `has_max_size`: a bound.
    ///
    /// # Errors
    /// The first option that cannot be used.
    pub fn resolve(&self, has_out: bool, has_max_size: bool) -> Result<Option<RingConfig>, RingError> {
        let Some(Size(bytes)) = self.size else {
            let alone = self.freeze_on.is_empty() && self.freeze_after.is_none();
            return if alone { Ok(None) } else { Err(RingError::WithoutRing) };
        };
        if bytes < SMALLEST_RING {
            return Err(RingError::TooSmall(bytes));
        }
        if has_out {
            return Err(RingError::Out);
        }
        if has_max_size {
            return Err(RingError::MaxSize);
        }
        let on = FreezeOn::parse(self.freeze_on.iter().map(|name| name.trim()).filter(|name| !name.is_empty()))?;
        let after = self.freeze_after.map_or(Times::default().after, |Span(after)| after);
        Ok(Some(RingConfig { bytes, on, times: Times { after, ..Times::default() } }))
    }
}

/// Bytes, as people write them: `50MB` is 50 000 000 and `64MiB` 67 108 864.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = RingError;

    fn from_str(text: &str) -> Result<Self, RingError> {
        let (number, unit) = split(text);
        let factor = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => Some(1),
            "k" | "kb" => Some(1_000),
            "m" | "mb" => Some(1_000_000),
            "g" | "gb" => Some(1_000_000_000),
            "kib" => Some(1 << 10),
            "mib" => Some(1 << 20),
            "gib" => Some(1 << 30),
            _ => None,
        };
        let bytes = number.and_then(|number| number.checked_mul(factor?));
        bytes.map(Self).ok_or(RingError::Size)
    }
}

/// A time, as people write it: `30s`, `5m`, `1h`, `0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = RingError;

    fn from_str(text: &str) -> Result<Self, RingError> {
        let seconds = match split(text) {
            (Some(0), "") => Some(0),
            (Some(number), "s") => Some(number),
            (Some(number), "m" | "min") => number.checked_mul(60),
            (Some(number), "h") => number.checked_mul(3_600),
            _ => None,
        };
        // A day is more than anybody means, and far from what a clock can hold.
        let seconds = seconds.filter(|seconds| *seconds <= 86_400).ok_or(RingError::Span)?;
        Ok(Self(Duration::from_secs(seconds)))
    }
}

fn split(text: &str) -> (Option<u64>, &str) {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    (number.parse().ok(), unit.trim_start())
}

macro_rules! read_as_text {
    ($($type:ty)*) => {$(
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

read_as_text! { Size Span }

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Options;

    #[test]
    fn sizes_and_times_are_read_as_people_write_them() {
        for (text, bytes) in
            [("50MB", 50_000_000), ("64 MiB", 67_108_864), ("1g", 1_000_000_000), ("1000000", 1_000_000)]
        {
            assert_eq!(text.parse::<Size>().unwrap(), Size(bytes));
        }
        for text in ["", "MB", "-1MB", "1.5MB", "50 megs", "99999999999GB"] {
            assert!(matches!(text.parse::<Size>(), Err(RingError::Size)), "{text}");
        }
        for (text, seconds) in [("30s", 30), ("5m", 300), ("1h", 3_600), ("0", 0), ("0s", 0)] {
            assert_eq!(text.parse::<Span>().unwrap(), Span(Duration::from_secs(seconds)));
        }
        for text in ["", "30", "s", "-1s", "2d", "99999999999h", "25h"] {
            assert!(matches!(text.parse::<Span>(), Err(RingError::Span)), "{text}");
        }
    }

    #[test]
    fn the_file_has_a_table_and_flags_go_first() {
        let file = "[ring]\nsize = \"20MB\"\nfreeze-on = [\"refresh-race\"]\nfreeze-after = \"1m\"\n";
        let file: Options = toml::from_str(file).unwrap();
        let flags = Options {
            ring: RingOptions { size: Some(Size(5_000_000)), ..RingOptions::default() },
            ..Options::default()
        };
        let ring = flags.or(file).ring.resolve(false, false).unwrap().unwrap();
        assert_eq!((ring.bytes, ring.times.after), (5_000_000, Duration::from_secs(60)));
        assert_eq!(ring.on, FreezeOn::parse(["refresh-race"]).unwrap());
        let error = toml::from_str::<Options>("[ring]\nsize = \"lots\"\n").unwrap_err();
        assert!(error.message().contains("such as 50MB"), "{error}");
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        let ring = |size| RingOptions { size: Some(Size(size)), ..RingOptions::default() };
        assert_eq!(RingOptions::default().resolve(true, true).unwrap(), None);
        assert!(matches!(ring(999_999).resolve(false, false), Err(RingError::TooSmall(999_999))));
        assert!(matches!(ring(50_000_000).resolve(true, false), Err(RingError::Out)));
        assert!(matches!(ring(50_000_000).resolve(false, true), Err(RingError::MaxSize)));
        let alone = RingOptions { freeze_on: vec!["refresh-race".to_owned()], ..RingOptions::default() };
        assert!(matches!(alone.resolve(false, false), Err(RingError::WithoutRing)));
        let unknown = RingOptions { freeze_on: vec!["healthy".to_owned()], ..ring(50_000_000) };
        assert!(matches!(unknown.resolve(false, false), Err(RingError::FreezeOn(_))));
    }
}
