//! Segments of one duration, by @duration.

use super::schedule::Extent;
use super::{Segment, count, too_many};

/// What a template with @duration says.
pub(super) struct ByDuration {
    pub(super) duration: i128,
    pub(super) start_number: u64,
    pub(super) end_number: Option<u64>,
    /// Time of the first segment of the Period.
    pub(super) first: i128,
    pub(super) extent: Extent,
}

impl ByDuration {
    pub(super) fn segments(&self, limit: usize) -> Result<Vec<Segment>, String> {
        let Self { duration, first, extent: Extent { live_from, end, is_over }, .. } = *self;
        if duration <= 0 {
            return Err("it has neither @duration nor a SegmentTimeline".to_owned());
        }
        let by_end = end.map(|end| i128::from(count(end - first, duration, is_over)));
        let by_number =
            self.end_number.map(|last| i128::from(last) - i128::from(self.start_number) + 1);
        let count = match (by_end, by_number) {
            (Some(a), Some(b)) => a.min(b),
            (Some(count), None) | (None, Some(count)) => count,
            (None, None) => return Err("its end is not known".to_owned()),
        };
        // The one that is half in the window, too.
        let skipped = live_from.map_or(0, |start| ((start - first) / duration).max(0));
        if count - skipped > limit as i128 {
            return Err(too_many(limit));
        }
        let segment = |at: i128| {
            let time = first + at * duration;
            // The last one ends with its Period.
            let ends = end.filter(|_| is_over).unwrap_or(i128::MAX);
            Some(Segment {
                number: self.start_number.checked_add(u64::try_from(at).ok()?)?,
                time: u64::try_from(time).ok()?,
                duration: u64::try_from(duration.min(ends - time).max(1)).ok()?,
            })
        };
        (skipped..count)
            .map(|at| segment(at).ok_or_else(|| "a time is out of range".to_owned()))
            .collect()
    }
}
