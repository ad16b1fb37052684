//! Times as people write them.

use std::time::Duration;

/// The longest time that a scenario may name: a year and a day, so that sums stay far from any limit.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 3_600);

/// Reads `500ms`, `30s`, `5m`, `8h`, `2d`.
///
/// # Errors
/// What was expected instead.
pub fn duration(text: &str) -> Result<Duration, String> {
    let expected = || {
        format!("{text:?} is not a time; expected a number with a unit, such as \"500ms\", \"30s\", \"5m\" or \"8h\"")
    };
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(expected)?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| expected())?;
    let millis = match unit.trim() {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(expected()),
    };
    let duration = Duration::from_millis(number.checked_mul(millis).ok_or_else(expected)?);
    if duration > LONGEST {
        return Err(format!("{text:?} is longer than a year"));
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("8h"), Ok(Duration::from_secs(28_800)));
        for bad in ["", "5", "s", "-5s", "5 years", "1.5s", "9999999999999999999s", "400d"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
