//! Which segments a SegmentTemplate names: their numbers and times (5.3.9.5.3 and 5.3.9.6).

use roxmltree::Node;

use super::MAX_URLS;
use super::times::SECOND;
use super::tree::{Inherited, all, integer};

/// When a Period is, in nanoseconds of its own time.
#[derive(Clone, Copy)]
pub(super) struct Extent {
    pub(super) duration: Option<i128>,
    pub(super) window: Window,
}

/// What is there of a presentation.
#[derive(Clone, Copy)]
pub(super) enum Window {
    /// All of it.
    Static,
    /// What ended between these two.
    Live { from: i128, to: i128 },
    /// It is not known what time it is.
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) number: i128,
    /// In units of the timescale.
    pub(super) time: i128,
    /// How many files it has.
    pub(super) parts: i128,
}

/// What attributes say of time, in units of the timescale.
struct Scale {
    timescale: i128,
    /// The media time at which the Period begins.
    offset: i128,
    start_number: i128,
    end_number: Option<i128>,
}

impl Scale {
    /// How many durations fit into a span from `first`, a media time, to `end`, a time of the
    /// Period; one that fits in part counts, or does not.
    fn count(&self, first: i128, end: i128, duration: i128, is_part_counted: bool) -> i128 {
        let span = end * self.timescale - (first - self.offset) * SECOND;
        let each = duration * SECOND;
        let rest = i128::from(is_part_counted && span.rem_euclid(each) != 0);
        (span.div_euclid(each) + rest).max(0)
    }
}

pub(super) fn segments(
    template: &Inherited<'_, '_>,
    extent: Extent,
    early: Option<i128>,
) -> Result<Vec<Segment>, String> {
    let scale = Scale {
        timescale: template.integer("timescale")?.unwrap_or(1).max(1),
        offset: template.integer("presentationTimeOffset")?.unwrap_or(0),
        start_number: template.integer("startNumber")?.unwrap_or(1),
        end_number: template.integer("endNumber")?,
    };
    let mut segments = match template.child("SegmentTimeline") {
        Some(timeline) => told_by_timeline(timeline, &scale, extent)?,
        None => {
            let shift = template.integer("eptDelta")?.unwrap_or(0);
            match template.integer("duration")?.filter(|duration| *duration > 0) {
                Some(duration) => told_by_duration(duration, shift, &scale, extent, early)?,
                // Then there is one, as long as the Period.
                None => vec![Segment {
                    number: scale.start_number,
                    time: scale.offset + shift,
                    parts: 1,
                }],
            }
        }
    };
    segments.retain(|segment| scale.end_number.is_none_or(|end| segment.number <= end));
    Ok(segments)
}

/// Segments of one duration, of which the last ends with the Period.
fn told_by_duration(
    duration: i128,
    shift: i128,
    scale: &Scale,
    extent: Extent,
    early: Option<i128>,
) -> Result<Vec<Segment>, String> {
    let first = scale.offset + shift;
    let whole = extent.duration.map(|end| scale.count(first, end, duration, true));
    let numbered = scale.end_number.map(|end| (end - scale.start_number + 1).max(0));
    let end = [whole, numbered].into_iter().flatten().min();
    let (from, to) = match extent.window {
        Window::Static => (0, end.ok_or("the end of the Period is not known")?),
        Window::Unknown => return Err("what time it is is not known".to_owned()),
        Window::Live { from, to } => {
            let is_over = extent.duration.is_some_and(|end| to >= end);
            // The last one may be shorter than the others, and is there when the Period is over.
            let known = if is_over { whole } else { None };
            let complete = |early| scale.count(first, to + early, duration, false);
            let complete = match (known, early) {
                (Some(known), _) => known,
                (None, Some(early)) => complete(early),
                // All that is to come is there: up to the end, or as far as anybody knows, to now.
                (None, None) => end.unwrap_or_else(|| complete(0)),
            };
            let begins = scale.count(first, from, duration, false);
            (begins, end.map_or(complete, |end| end.min(complete)))
        }
    };
    if to - from > MAX_URLS as i128 {
        return Err("too many segments".to_owned());
    }
    let segment = |index| Segment {
        number: scale.start_number + index,
        time: first + index * duration,
        parts: 1,
    };
    Ok((from..to).map(segment).collect())
}

fn told_by_timeline(
    timeline: Node<'_, '_>,
    scale: &Scale,
    extent: Extent,
) -> Result<Vec<Segment>, String> {
    let entries = all(timeline, "S");
    let mut segments = Vec::new();
    let (mut number, mut time) = (scale.start_number, 0);
    for (at, entry) in entries.iter().enumerate() {
        number = integer(*entry, "n")?.unwrap_or(number);
        time = integer(*entry, "t")?.unwrap_or(time);
        let duration = integer(*entry, "d")?.ok_or("S without @d")?;
        let parts = integer(*entry, "k")?.unwrap_or(1).max(1);
        let repeats = integer(*entry, "r")?.unwrap_or(0);
        let count = if repeats >= 0 {
            repeats + 1
        } else if duration <= 0 {
            return Err("segments without end and without duration".to_owned());
        } else {
            let next = entries.get(at + 1).map_or(Ok(None), |next| integer(*next, "t"))?;
            match next {
                Some(next) => {
                    (next - time).max(0).div_euclid(duration)
                        + i128::from((next - time).max(0).rem_euclid(duration) != 0)
                }
                None => repeated(time, duration, scale, extent)?,
            }
        };
        if count * parts > MAX_URLS as i128 || segments.len() > MAX_URLS {
            return Err("too many segments".to_owned());
        }
        for _ in 0..count {
            segments.push(Segment { number, time, parts });
            number += 1;
            time += duration;
        }
    }
    Ok(segments)
}

/// How many there are until the Period ends, or until now.
fn repeated(time: i128, duration: i128, scale: &Scale, extent: Extent) -> Result<i128, String> {
    match (extent.window, extent.duration) {
        (Window::Live { to, .. }, end) if end.is_none_or(|end| to < end) => {
            Ok(scale.count(time, to, duration, false))
        }
        (Window::Unknown, _) => Err("what time it is is not known".to_owned()),
        (_, Some(end)) => Ok(scale.count(time, end, duration, true)),
        (_, None) => Err("the end of the Period is not known".to_owned()),
    }
}
