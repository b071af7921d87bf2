//! Durations and moments as XML Schema writes them, in nanoseconds.

use jiff::civil::DateTime;
use jiff::fmt::temporal::SpanParser;
use jiff::tz::Offset;
use jiff::{SpanRelativeTo, Timestamp};

pub(super) const NANOS: i128 = 1_000_000_000;

/// An ISO 8601 duration in nanoseconds; a day has 24 hours. Months and years have no length.
pub(crate) fn duration(text: &str) -> Result<i128, String> {
    let wrong = |_| format!("'{text}' is no duration");
    // Writers print floating-point numbers; nobody plays picoseconds.
    let mut exact = text.trim().to_owned();
    if let Some(point) = exact.find(['.', ',']) {
        let digits = exact[point + 1..].bytes().take_while(u8::is_ascii_digit).count();
        exact.replace_range(point + 1 + digits.min(9)..point + 1 + digits, "");
    }
    let span = SpanParser::new().parse_span(&exact).map_err(wrong)?;
    let whole = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(wrong)?;
    Ok(whole.as_nanos())
}

/// A moment in nanoseconds since 1970; without a zone it is UTC.
pub(super) fn moment(text: &str) -> Result<i128, String> {
    let text = text.trim();
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment.as_nanosecond());
    }
    let wrong = |_| format!("'{text}' is no date and time");
    let local: DateTime = text.parse().map_err(wrong)?;
    Ok(Offset::UTC.to_timestamp(local).map_err(wrong)?.as_nanosecond())
}

/// A decimal number of seconds in nanoseconds.
pub(super) fn seconds(text: &str) -> Option<i128> {
    duration(&format!("PT{text}S")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_moments_are_read() {
        for (text, nanos) in [
            ("PT1H2M3.5S", 3_723_500_000_000),
            ("P1DT1S", 86_401_000_000_000),
            ("PT0S", 0),
            ("PT634.566S", 634_566_000_000),
            ("PT604.0399780273438S", 604_039_978_027),
        ] {
            assert_eq!(duration(text), Ok(nanos), "{text}");
        }
        assert!(duration("P1M").is_err() && duration("1 h").is_err());
        for text in ["2020-01-01T00:00:00Z", "2020-01-01T00:00:00", "2020-01-01T01:00:00+01:00"] {
            assert_eq!(moment(text), Ok(1_577_836_800 * NANOS), "{text}");
        }
        assert_eq!(moment("1970-01-01T00:00:00Z"), Ok(0));
    }
}
