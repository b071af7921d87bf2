//! Which segments a template stands for (clauses 5.3.9.5.3 and 5.3.9.6): numbers and times.

use std::borrow::Cow;
use std::ops::Range;

use self::by_duration::ByDuration;
use self::schedule::Extent;
pub(crate) use self::schedule::Schedule;
use self::time::NANOS;
use super::carriers::SegmentsKind;
use super::tree::{Level, Segments};

mod by_duration;
mod runs;
mod schedule;
pub(crate) mod time;

/// A media segment of a Representation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    /// In units of the timescale.
    pub(crate) time: u64,
    pub(crate) duration: u64,
}

/// What the segments of a Representation are told by.
#[derive(Clone, Copy)]
pub(crate) struct Told<'t> {
    pub(crate) schedule: &'t Schedule<'t>,
    /// The Representation's level.
    pub(crate) leaf: u32,
    /// The templates that hold for it, the nearest first.
    pub(crate) chain: &'t [&'t Segments],
    /// The most that there may be.
    pub(crate) limit: usize,
}

impl Told<'_> {
    /// How many elements are read to tell the segments.
    pub(crate) fn runs(&self) -> usize {
        let timeline = self.chain.iter().find_map(|segments| segments.timeline.clone());
        let runs = timeline.and_then(|span| self.schedule.runs(span, self.limit).ok());
        runs.map_or(0, |runs| runs.len())
    }

    /// All segments in order.
    ///
    /// # Errors
    /// Why they cannot be told, as text that goes on from "cannot be written out: ".
    pub(crate) fn segments(&self) -> Result<Vec<Segment>, String> {
        let is_list = |level: &Level| level.segments_of_kind(SegmentsKind::List).is_some();
        if self.schedule.tree.line(self.leaf).any(|(_, level)| is_list(level)) {
            return Err("it would inherit from another SegmentList".to_owned());
        }
        let number = |name, default| self.number(name, default);
        // The specification gives it 32 bits, and products of it stay within their own bounds then.
        let timescale = number("timescale", 1)?;
        if timescale > u64::from(u32::MAX) {
            return Err("@timescale is out of range".to_owned());
        }
        let timescale = i128::from(timescale.max(1));
        let start_number = number("startNumber", 1)?;
        let end_number = self.attribute("endNumber").map(|_| number("endNumber", 0)).transpose()?;
        let offset = i128::from(number("presentationTimeOffset", 0)?);
        let extent = || self.extent(timescale, offset);
        let mut segments = match self.chain.iter().find_map(|segments| segments.timeline.clone()) {
            Some(timeline) => self.timeline(timeline, start_number, &extent)?,
            None => {
                let shift = self.attribute("eptDelta").map_or(Ok(0), |text| {
                    text.trim().parse::<i64>().map_err(|_| "@eptDelta is no number".to_owned())
                })?;
                let by_duration = ByDuration {
                    duration: i128::from(number("duration", 0)?),
                    start_number,
                    end_number,
                    first: offset + i128::from(shift),
                    extent: extent()?,
                };
                by_duration.segments(self.limit)?
            }
        };
        if let Some(last) = end_number {
            segments.retain(|segment| segment.number <= last);
        }
        Ok(segments)
    }

    /// From when to when there are segments, in the template's own time.
    fn extent(&self, timescale: i128, offset: i128) -> Result<Extent, String> {
        let early = self.attribute("availabilityTimeOffset").map_or(Ok(0), |text| {
            let wrong = || "@availabilityTimeOffset is no number of seconds".to_owned();
            match text.trim() {
                // Segments that are not there yet cannot be counted.
                "INF" => Ok(0),
                seconds => time::seconds(seconds).ok_or_else(wrong),
            }
        })?;
        Ok(self.schedule.span(self.leaf, early)?.scale(timescale, offset))
    }

    /// The nearest value of an attribute of the templates.
    fn attribute(&self, name: &str) -> Option<Cow<'_, str>> {
        let source = self.schedule.source;
        self.chain.iter().find_map(|segments| segments.shape.attribute(source, name))
    }

    fn number(&self, name: &str, default: u64) -> Result<u64, String> {
        self.attribute(name).map_or(Ok(default), |text| {
            // Beyond 63 bits nothing could be added to it.
            let number = text.trim().parse().ok().filter(|&number| number <= i64::MAX as u64);
            number.ok_or_else(|| format!("@{name} is no number"))
        })
    }

    fn timeline(
        &self,
        span: Range<usize>,
        start_number: u64,
        extent: &dyn Fn() -> Result<Extent, String>,
    ) -> Result<Vec<Segment>, String> {
        let runs = self.schedule.runs(span, self.limit)?;
        let runs = runs.as_slice();
        let mut segments = Vec::new();
        let (mut time, mut number) = (0, start_number);
        for (at, run) in runs.iter().enumerate() {
            time = run.time.unwrap_or(time);
            number = run.number.unwrap_or(number);
            if run.duration == 0 {
                return Err("an S has no duration".to_owned());
            }
            let count = match u64::try_from(run.repeat) {
                Ok(repeat) => repeat.saturating_add(1),
                Err(_) => {
                    let next = runs.get(at + 1).and_then(|next| next.time).map(i128::from);
                    let (end, is_whole) = match next {
                        Some(next) => (Some(next), true),
                        None => extent().map(|extent| (extent.end, extent.is_over))?,
                    };
                    let end = end.ok_or("the end of a repeated S is not known")?;
                    count(end - i128::from(time), i128::from(run.duration), is_whole)
                }
            };
            if count > (self.limit - segments.len()) as u64 {
                return Err(too_many(self.limit));
            }
            for _ in 0..count {
                segments.push(Segment { number, time, duration: run.duration });
                number += 1;
                time = time.checked_add(run.duration).ok_or("a time is too large")?;
            }
        }
        Ok(segments)
    }
}

/// How many segments begin in a length of time: the last one, too, of which only a part is in it, if
/// there comes no more.
fn count(length: i128, duration: i128, is_over: bool) -> u64 {
    let length = length.max(0);
    let count = if is_over { (length + duration - 1) / duration } else { length / duration };
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// The key of the bound that [`too_many`] tells of.
const MAX_SEGMENTS: &str = "max_expanded_segments";

/// Whether more segments would be written out if a higher bound were set.
pub(crate) fn is_too_many(reason: &str) -> bool {
    reason.ends_with(MAX_SEGMENTS)
}

fn too_many(limit: usize) -> String {
    format!("it has more than {limit} segments; limits.{MAX_SEGMENTS}")
}

// === impl Span ===

impl schedule::Span {
    /// The same in units of a timescale, from a template's own zero.
    fn scale(&self, timescale: i128, offset: i128) -> Extent {
        let local = |nanos: i128, round_up: i128| {
            ((nanos - self.start) * timescale + round_up) / NANOS + offset
        };
        // What is only half in the Period is there.
        let round_up = if self.is_over { NANOS - 1 } else { 0 };
        Extent {
            live_from: self.live_from.map(|from| local(from, 0)),
            end: self.end.map(|end| local(end, round_up)),
            is_over: self.is_over,
        }
    }
}
