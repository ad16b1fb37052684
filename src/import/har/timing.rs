//! Points in time as tools write them, and durations.

use super::json::Json;
use crate::trace::{Timestamp, Timing};
use time::format_description::well_known::{Iso8601, Rfc3339};
use time::{OffsetDateTime, PrimitiveDateTime};

/// Reads `startedDateTime`: RFC 3339, also with an offset without a colon, with a space instead of the `T`, or without
/// an offset (taken as UTC).
pub(super) fn timestamp(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    let spaced = text.get(10..11).filter(|between| *between == " ").map(|_| text.replacen(' ', "T", 1));
    let text = spaced.as_deref().unwrap_or(text);
    let at = OffsetDateTime::parse(text, &Rfc3339)
        .or_else(|_| OffsetDateTime::parse(text, &Iso8601::PARSING))
        .or_else(|_| PrimitiveDateTime::parse(text, &Iso8601::PARSING).map(PrimitiveDateTime::assume_utc))
        .ok()?;
    let unix_ms = i64::try_from(at.unix_timestamp_nanos().div_euclid(1_000_000)).ok()?;
    Some(Timestamp::from_unix_ms(unix_ms))
}

/// Where the time of an entry went. HAR counts the TLS handshake into `connect`, and −1 stands for "not known".
pub(super) fn timing(entry: &Json, answered: bool) -> Timing {
    let timings = entry.get("timings");
    let [blocked, dns, connect, ssl, send, wait, receive] =
        ["blocked", "dns", "connect", "ssl", "send", "wait", "receive"].map(|name| timings.get(name).micros());
    // Tools that know no −1 write 0 for what a connection that was kept open did not do again.
    let done = |micros: Option<u64>| micros.filter(|micros| *micros > 0);
    let sum = [blocked, dns, connect, send, wait, receive].into_iter().flatten().fold(0, u64::saturating_add);
    Timing {
        dns_us: done(dns),
        connect_us: done(connect).map(|both| both.saturating_sub(ssl.unwrap_or(0))),
        tls_us: done(ssl),
        send_us: send.unwrap_or(0),
        wait_us: wait.filter(|_| answered),
        first_event_us: None,
        receive_us: receive.filter(|_| answered),
        total_us: entry.get("time").micros().unwrap_or(sum),
        added_us: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_in_every_spelling() {
        for text in [
            "2026-09-01T08:00:00.250Z",
            "2026-09-01T10:00:00.250+02:00",
            "2026-09-01T10:00:00.250+0200",
            "2026-09-01T08:00:00.250123",
            "2026-09-01 08:00:00.250Z",
            "2026-09-01T08:00:00.250123456+00:00",
        ] {
            assert_eq!(timestamp(text).map(Timestamp::unix_ms), Some(1_788_249_600_250), "{text}");
        }
        for wrong in ["", "yesterday", "1788249600", "2026-13-01T08:00:00Z", "日本日本日本日本"] {
            assert_eq!(timestamp(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_not_known_is_absent() {
        let entry = br#"{"time":180.5,"timings":{"blocked":-1,"dns":2,"connect":30.25,"ssl":20.25,"send":-1,"wait":100,"receive":null}}"#;
        let entry = Json::read(entry).unwrap();
        let read = timing(&entry, true);
        assert_eq!((read.dns_us, read.connect_us, read.tls_us), (Some(2_000), Some(10_000), Some(20_250)));
        assert_eq!((read.send_us, read.wait_us, read.receive_us, read.total_us), (0, Some(100_000), None, 180_500));
        assert_eq!(timing(&entry, false).wait_us, None);
        let entry = Json::read(br#"{"time":-5,"timings":{"send":1,"wait":2,"receive":3}}"#).unwrap();
        assert_eq!(timing(&entry, true).total_us, 6_000);
    }
}
