//! Which part of a file a Range header asks for (RFC 9110 section 14).

use axum::http::HeaderValue;

/// What is to be sent of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it.
    Whole,
    /// A part; `len` is at least 1 and within the file.
    Part { start: u64, len: u64 },
    /// The range lies beyond the end.
    Nothing,
}

impl Wanted {
    /// Reads a header for a file of `file_len` bytes. Several ranges, and what is malformed, stand
    /// for the whole file, as section 14.2 allows.
    pub(super) fn of(header: &HeaderValue, file_len: u64) -> Self {
        let Some((first, last)) = header.to_str().ok().and_then(one_range) else {
            return Self::Whole;
        };
        let (start, end) = match (first, last) {
            (Some(first), Some(last)) if first > last => return Self::Whole,
            (Some(first), Some(last)) => (first, last.saturating_add(1).min(file_len)),
            (Some(first), None) => (first, file_len),
            // More than the file has stands for all of it.
            (None, Some(suffix)) => (file_len.saturating_sub(suffix), file_len),
            (None, None) => return Self::Whole,
        };
        if start < end { Self::Part { start, len: end - start } } else { Self::Nothing }
    }
}

/// The first and the last position of the only range, either of which may be absent.
fn one_range(text: &str) -> Option<(Option<u64>, Option<u64>)> {
    let (unit, range) = text.split_once('=')?;
    let (first, last) = range.trim().split_once('-')?;
    unit.trim().eq_ignore_ascii_case("bytes").then_some(())?;
    Some((position(first)?, position(last)?))
}

fn position(text: &str) -> Option<Option<u64>> {
    match text {
        "" => Some(None),
        _ if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            // What does not fit is beyond every end.
            Some(Some(text.parse().unwrap_or(u64::MAX)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_rfc_9110_says() {
        for (header, start, end) in [
            ("bytes=0-0", 0, 1),
            ("bytes=0-9", 0, 10),
            ("bytes=90-", 90, 100),
            ("bytes=99-99", 99, 100),
            ("bytes=90-500", 90, 100),
            ("bytes=5-99999999999999999999", 5, 100),
            ("bytes=-1", 99, 100),
            ("bytes=-100", 0, 100),
            ("bytes=-500", 0, 100),
            ("Bytes=0-9", 0, 10),
        ] {
            let part = Wanted::Part { start, len: end - start };
            assert_eq!(Wanted::of(&HeaderValue::from_static(header), 100), part, "{header}");
        }
        for header in ["bytes=100-", "bytes=100-200", "bytes=-0", "bytes=99999999999999999999-"] {
            let wanted = Wanted::of(&HeaderValue::from_static(header), 100);
            assert_eq!(wanted, Wanted::Nothing, "{header}");
        }
        for header in [
            "bytes=0-9,20-29",
            "bytes=0-9,",
            "bytes=9-0",
            "bytes=-",
            "bytes=",
            "bytes",
            "bytes=a-b",
            "bytes=+1-2",
            "bytes=0x1-2",
            "bytes=1--2",
            "lines=0-9",
            "",
        ] {
            let wanted = Wanted::of(&HeaderValue::from_static(header), 100);
            assert_eq!(wanted, Wanted::Whole, "{header}");
        }
        assert_eq!(Wanted::of(&HeaderValue::from_static("bytes=-5"), 0), Wanted::Nothing);
    }
}
