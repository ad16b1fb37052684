//! Ranges and times as people write them.

pub use super::duration;

use super::Span;
use std::time::Duration;

/// Reads a time that may lie before now: `-5m`, `+10m`, `8h`. In seconds.
///
/// # Errors
/// What was expected instead.
pub fn signed_seconds(text: &str) -> Result<i64, String> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let seconds = i64::try_from(duration(rest)?.as_secs()).unwrap_or(i64::MAX);
    Ok(sign * seconds)
}

/// Reads `3`, `2..4` (both included), `2..`, `..4`.
///
/// # Errors
/// What was expected instead.
pub fn numbers(text: &str) -> Result<Span<u32>, String> {
    range(text, 1, |part| {
        part.parse().ok().filter(|number| *number > 0).ok_or_else(|| {
            format!("{text:?} is not a range of numbers; expected \"3\", \"2..4\", \"2..\" or \"..4\", from 1 on")
        })
    })
}

/// Reads the same as counts: from 0 on, and `..4` is at most four.
///
/// # Errors
/// What was expected instead.
pub fn counts(text: &str) -> Result<Span<u32>, String> {
    range(text, 0, |part| {
        part.parse()
            .map_err(|_| format!("{text:?} is not a range of counts; expected \"3\", \"2..4\", \"2..\" or \"..4\""))
    })
}

/// Reads `30s..`, `..30s`, `10s..30s`.
///
/// # Errors
/// What was expected instead.
pub fn times(text: &str) -> Result<Span<Duration>, String> {
    if !text.contains("..") {
        return Err(format!("{text:?} is not a range of times; expected \"30s..\", \"..30s\" or \"10s..30s\""));
    }
    range(text, Duration::ZERO, duration)
}

fn range<T: PartialOrd + Copy>(
    text: &str,
    least: T,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<Span<T>, String> {
    let span = match text.split_once("..") {
        None => Span::just(read(text.trim())?),
        Some((from, to)) => {
            let from = Some(from.trim()).filter(|from| !from.is_empty()).map_or(Ok(least), &read)?;
            let to = Some(to.trim()).filter(|to| !to.is_empty()).map(&read).transpose()?;
            Span { from, to }
        }
    };
    match span.to {
        Some(to) if to < span.from => Err(format!("{text:?} ends before it begins")),
        _ => Ok(span),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_before_now_has_a_sign() {
        assert_eq!((signed_seconds("-5m"), signed_seconds("+5m"), signed_seconds("5m")), (Ok(-300), Ok(300), Ok(300)));
    }

    #[test]
    fn ranges_include_both_ends() {
        assert_eq!(numbers("3"), Ok(Span::just(3)));
        assert_eq!(numbers("2.."), Ok(Span::since(2)));
        assert_eq!(counts("..4"), Ok(Span { from: 0, to: Some(4) }));
        assert!(counts("0..1").is_ok() && numbers("0..1").is_err());
        assert_eq!(numbers("..4"), Ok(Span { from: 1, to: Some(4) }));
        assert!(numbers("4..2").is_err() && numbers("x").is_err() && times("30s").is_err());
        assert_eq!(times("10s..30s").map(|span| span.holds(Duration::from_secs(30))), Ok(true));
    }
}
