//! Wall-clock instants as a trace writes them.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};
use time::OffsetDateTime;

/// A point in UTC with millisecond resolution, written as RFC 3339 (`2026-11-20T11:14:02.123Z`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    unix_ms: i64,
}

impl Timestamp {
    /// The machine's clock now.
    #[must_use]
    pub fn now() -> Self {
        Self::from(SystemTime::now())
    }

    /// From milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn from_unix_ms(unix_ms: i64) -> Self {
        Self { unix_ms }
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn unix_ms(self) -> i64 {
        self.unix_ms
    }

    /// `HH:MM:SS.mmm` in UTC, for a screen.
    #[must_use]
    pub fn clock(self) -> String {
        let text = self.to_string();
        text.get(11..23).unwrap_or(&text).to_owned()
    }

    fn date_time(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.unix_ms) * 1_000_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

impl From<SystemTime> for Timestamp {
    fn from(at: SystemTime) -> Self {
        let unix_ms = match at.duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(before) => -i64::try_from(before.duration().as_millis()).unwrap_or(i64::MAX),
        };
        Self { unix_ms }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every line of a trace holds several: written digit by digit.
        let at = self.date_time();
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let mut put = |from: usize, to: usize, mut number: u32| {
            for digit in text.get_mut(from..to).into_iter().flatten().rev() {
                *digit = b'0' + u8::try_from(number % 10).unwrap_or(0);
                number /= 10;
            }
        };
        put(0, 4, at.year().unsigned_abs());
        put(5, 7, u32::from(u8::from(at.month())));
        put(8, 10, u32::from(at.day()));
        put(11, 13, u32::from(at.hour()));
        put(14, 16, u32::from(at.minute()));
        put(17, 19, u32::from(at.second()));
        put(20, 23, u32::from(at.millisecond()));
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let at = OffsetDateTime::parse(&text, &time::format_description::well_known::Rfc3339)
            .map_err(|_| de::Error::custom("not a time of the form 2026-01-31T23:59:59.123Z"))?;
        let unix_ms = i64::try_from(at.unix_timestamp_nanos().div_euclid(1_000_000)).map_err(de::Error::custom)?;
        Ok(Self { unix_ms })
    }
}

#[cfg(test)]
impl schemars::JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "format": "date-time" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reads_as_rfc_3339_with_milliseconds() {
        let at = Timestamp::from_unix_ms(1_795_173_242_007);
        assert_eq!(at.to_string(), "2026-11-20T11:14:02.007Z");
        assert_eq!(at.clock(), "11:14:02.007");
    }

    proptest! {
        #[test]
        fn survives_a_round_trip(unix_ms in 0_i64..4_000_000_000_000) {
            let at = Timestamp::from_unix_ms(unix_ms);
            let text = serde_json::to_string(&at).unwrap();
            prop_assert_eq!(serde_json::from_str::<Timestamp>(&text).unwrap(), at);
        }
    }
}
