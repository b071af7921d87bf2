//! How a moment is written in a token.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::Offset;
use serde::Deserialize;

use crate::UnixTime;

/// A way to write a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MomentText {
    /// Unix seconds.
    #[default]
    Decimal,
    /// Unix seconds in hexadecimal, lower case.
    Hex,
    /// Unix seconds in hexadecimal, upper case.
    UpperHex,
    /// `YYYYMMDDhhmm` at UTC+8: whole minutes.
    ChinaMinutes,
}

const MINUTES: &str = "%Y%m%d%H%M";
const CHINA: Offset = Offset::constant(8);

impl MomentText {
    /// None if it cannot be written.
    pub(crate) fn write(self, moment: UnixTime) -> Option<String> {
        let secs = i64::try_from(moment.0).ok()?;
        Some(match self {
            Self::Decimal => secs.to_string(),
            Self::Hex => format!("{secs:x}"),
            Self::UpperHex => format!("{secs:X}"),
            Self::ChinaMinutes => {
                let local = CHINA.to_datetime(Timestamp::from_second(secs).ok()?);
                local.strftime(MINUTES).to_string()
            }
        })
    }

    /// None for what is no positive number: nginx takes a zero for no token.
    pub(crate) fn read(self, text: &[u8]) -> Option<UnixTime> {
        let text = std::str::from_utf8(text).ok()?;
        let digits = |radix: u32| {
            let are_digits = !text.is_empty() && text.chars().all(|c| c.is_digit(radix));
            are_digits.then(|| i64::from_str_radix(text, radix).ok()).flatten()
        };
        let secs = match self {
            Self::Decimal => digits(10)?,
            Self::Hex | Self::UpperHex => digits(16)?,
            Self::ChinaMinutes => {
                digits(10).filter(|_| text.len() == 12)?;
                let local = DateTime::strptime(MINUTES, text).ok()?;
                CHINA.to_timestamp(local).ok()?.as_second()
            }
        };
        u64::try_from(secs).ok().filter(|&secs| secs > 0).map(UnixTime)
    }

    /// Whether a text is as long as those of our time, which ends in 2106.
    pub(crate) fn has_usual_length(self, text: &[u8]) -> bool {
        let len = match self {
            Self::Decimal => 10,
            Self::Hex | Self::UpperHex => 8,
            Self::ChinaMinutes => 12,
        };
        let is_of_our_time = self.read(text).is_some_and(|moment| moment.0 <= u32::MAX.into());
        text.len() == len && text[0] != b'0' && is_of_our_time
    }

    /// Whether `byte` can stand in it.
    pub(crate) const fn holds(self, byte: u8) -> bool {
        match self {
            Self::Decimal | Self::ChinaMinutes => byte.is_ascii_digit(),
            Self::Hex | Self::UpperHex => byte.is_ascii_hexdigit(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_and_read_back() {
        for (form, secs, text) in [
            (MomentText::Decimal, 1_800_000_000, "1800000000"),
            (MomentText::Hex, 0x55bb_9b80, "55bb9b80"),
            (MomentText::UpperHex, 0x55CE_8100, "55CE8100"),
            // 2015-08-15 08:00 in China is midnight in UTC.
            (MomentText::ChinaMinutes, 1_439_596_800, "201508150800"),
        ] {
            assert_eq!(form.write(UnixTime(secs)).as_deref(), Some(text));
            assert_eq!(form.read(text.as_bytes()), Some(UnixTime(secs)));
        }
        assert_eq!(
            MomentText::ChinaMinutes.write(UnixTime(1_439_596_859)).unwrap(),
            "201508150800"
        );
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in ["", "0", "-5", "+5", "12a", " 5", "99999999999999999999999"] {
            assert_eq!(MomentText::Decimal.read(text.as_bytes()), None, "{text}");
        }
        for text in ["20150815080", "201513150800", "000000000000"] {
            assert_eq!(MomentText::ChinaMinutes.read(text.as_bytes()), None, "{text}");
        }
        assert_eq!(MomentText::Hex.read(b"xyz"), None);
    }
}
