//! Unix time in whole seconds, and the window rule for stable expiries.

use std::fmt;

/// Seconds since 1970-01-01T00:00:00Z. Always an argument in this crate, never read from a clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnixTime(pub u64);

impl UnixTime {
    /// The moment `secs` later, or the last representable one.
    #[must_use]
    pub const fn saturating_add(self, secs: u64) -> Self {
        Self(self.0.saturating_add(secs))
    }

    /// The moment `secs` earlier, or the epoch.
    #[must_use]
    pub const fn saturating_sub(self, secs: u64) -> Self {
        Self(self.0.saturating_sub(secs))
    }

    /// The expiry of a token issued now under the window rule: `(floor(now / W) + 2) * W`.
    ///
    /// A token so made lives between W and 2W seconds, and every token of one window has the same
    /// expiry: the same URL is signed to the same text, so that caches hit and players that match
    /// renditions by their text (hls.js does) find them. A window of zero counts as one second.
    #[must_use]
    pub const fn window_expiry(self, window_secs: u64) -> Self {
        let window = if window_secs == 0 { 1 } else { window_secs };
        Self((self.0 / window).saturating_add(2).saturating_mul(window))
    }
}

impl UnixTime {
    /// Reads a moment with its zone, such as `2026-12-01T00:00:00Z` (RFC 3339), to the second.
    #[must_use]
    pub fn from_rfc3339(text: &str) -> Option<Self> {
        let moment: jiff::Timestamp = text.trim().parse().ok()?;
        u64::try_from(moment.as_second()).ok().map(Self)
    }
}

impl fmt::Display for UnixTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_expiry_is_stable_and_lives_one_to_two_windows() {
        for now in 1_000..1_600 {
            let expiry = UnixTime(now).window_expiry(300);
            assert_eq!(expiry, UnixTime(now / 300 * 300).window_expiry(300));
            let lives = expiry.0 - now;
            assert!((301..=600).contains(&lives), "{lives} s at {now}");
        }
    }

    #[test]
    fn a_window_of_zero_does_not_divide_by_zero() {
        assert_eq!(UnixTime(10).window_expiry(0), UnixTime(12));
    }
}
