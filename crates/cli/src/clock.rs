//! The system's clock, and times as people read them.

use std::time::{Duration, UNIX_EPOCH};

use sluicegate_gateway::{Clock as _, SystemClock};
use sluicegate_token::UnixTime;

/// The current second.
pub(crate) fn now() -> UnixTime {
    SystemClock.now()
}

/// The moment as RFC 3339 writes it, which ends with the year 9999.
pub(crate) fn rfc3339(time: UnixTime) -> Option<String> {
    const END_OF_YEAR_9999: UnixTime = UnixTime(253_402_300_799);
    if time > END_OF_YEAR_9999 {
        return None;
    }
    let time = UNIX_EPOCH.checked_add(Duration::from_secs(time.0))?;
    Some(humantime::format_rfc3339_seconds(time).to_string())
}

/// A span in its two largest units: `11 years 142 days`.
pub(crate) fn approximately(secs: u64) -> String {
    // A year of 365.25 days: the rest in days is off by one at most.
    const UNITS: [(&str, u64); 5] =
        [("year", 31_557_600), ("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)];
    let largest = UNITS.iter().position(|&(_, unit)| secs >= unit).unwrap_or(UNITS.len() - 1);
    let mut rest = secs;
    let mut parts = Vec::new();
    for &(name, unit) in UNITS.iter().skip(largest).take(2) {
        let count = rest / unit;
        rest %= unit;
        if count > 0 || parts.is_empty() {
            parts.push(format!("{count} {name}{}", if count == 1 { "" } else { "s" }));
        }
    }
    parts.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_in_two_units() {
        for (secs, told) in [
            (0, "0 seconds"),
            (1, "1 second"),
            (90, "1 minute 30 seconds"),
            (3_600, "1 hour"),
            (3_601, "1 hour"),
            (86_400 * 30, "30 days"),
            (31_557_600 * 11 + 86_400 * 142 + 5, "11 years 142 days"),
        ] {
            assert_eq!(approximately(secs), told);
        }
    }

    #[test]
    fn moments_are_written_up_to_the_year_9999() {
        assert_eq!(rfc3339(UnixTime(2_147_483_647)).unwrap(), "2038-01-19T03:14:07Z");
        assert_eq!(rfc3339(UnixTime(253_402_300_799)).unwrap(), "9999-12-31T23:59:59Z");
        assert_eq!(rfc3339(UnixTime(253_402_300_800)), None);
        assert_eq!(rfc3339(UnixTime(u64::MAX)), None);
    }
}
