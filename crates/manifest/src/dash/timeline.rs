//! Which segments a template stands for (clauses 5.3.9.5.3 and 5.3.9.6): numbers and times.

use std::borrow::Cow;
use std::ops::Range;

use jiff::civil::DateTime;
use jiff::fmt::temporal::SpanParser;
use jiff::{SpanRelativeTo, Timestamp};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use sluicegate_token::UnixTime;

use super::carriers::SegmentsKind;
use super::tree::{LevelKind, Segments, Tree};

/// A media segment of a Representation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    /// In units of the timescale.
    pub(crate) time: u64,
    pub(crate) duration: u64,
}

/// What the segments of a Representation are told by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told<'t> {
    pub(crate) source: &'t [u8],
    pub(crate) tree: &'t Tree,
    /// The Representation's level.
    pub(crate) leaf: u32,
    /// The templates that hold for it, the nearest first.
    pub(crate) chain: &'t [&'t Segments],
    pub(crate) now: Option<UnixTime>,
    /// The most that there may be.
    pub(crate) limit: usize,
}

/// A Period in nanoseconds from the presentation's start.
struct Period {
    start: i128,
    end: Option<i128>,
}

/// The part of a live presentation that is there.
struct Window {
    start: i128,
    end: i128,
}

/// The part of a Period that has segments, in units of the timescale.
struct Extent {
    /// Where the window of a live presentation begins.
    live_from: Option<i128>,
    end: Option<i128>,
}

const NANOS: i128 = 1_000_000_000;

impl Told<'_> {
    /// All segments in order.
    ///
    /// # Errors
    /// Why they cannot be told, as text that goes on from "cannot be written out: ".
    pub(crate) fn segments(&self) -> Result<Vec<Segment>, String> {
        let is_list = |segments: &Segments| segments.kind == SegmentsKind::List;
        if self.tree.line(self.leaf).any(|(_, level)| level.segments.iter().any(is_list)) {
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
        let mut segments = match self.chain.iter().find_map(|segments| segments.timeline.clone()) {
            Some(timeline) => {
                let last_end = || Ok(self.extent(timescale, offset)?.end);
                self.timeline(timeline, start_number, &last_end)?
            }
            None => {
                let extent = self.extent(timescale, offset)?;
                let shift = self.attribute("eptDelta").map_or(Ok(0), |text| {
                    text.trim().parse::<i64>().map_err(|_| "@eptDelta is no number".to_owned())
                })?;
                let by_duration = ByDuration {
                    duration: i128::from(number("duration", 0)?),
                    start_number,
                    end_number,
                    first: offset + i128::from(shift),
                    extent,
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
        let period = self.period()?;
        let local = |nanos: i128| (nanos - period.start) * timescale / NANOS + offset;
        // What is only half in the Period is there, and what is only half there of a live
        // presentation is not.
        let whole = |end: i128| ((end - period.start) * timescale + NANOS - 1) / NANOS + offset;
        Ok(match self.window(&period)? {
            Some(window) => Extent {
                live_from: Some(local(window.start)),
                end: Some(local(period.end.map_or(window.end, |end| end.min(window.end)))),
            },
            None => Extent { live_from: None, end: period.end.map(whole) },
        })
    }

    /// The nearest value of an attribute of the templates.
    pub(crate) fn attribute(&self, name: &str) -> Option<Cow<'_, str>> {
        self.chain.iter().find_map(|segments| attribute(self.source, &segments.shape.tag, name))
    }

    fn number(&self, name: &str, default: u64) -> Result<u64, String> {
        self.attribute(name).map_or(Ok(default), |text| {
            // Beyond 63 bits nothing could be added to it.
            let number = text.trim().parse().ok().filter(|&number| number <= i64::MAX as u64);
            number.ok_or_else(|| format!("@{name} is no number"))
        })
    }

    fn period(&self) -> Result<Period, String> {
        let levels = &self.tree.levels;
        let line = self.tree.line(self.leaf);
        let own = line.into_iter().find(|(_, level)| level.kind == LevelKind::Period);
        let (own, _) = own.ok_or("it is in no Period")?;
        let time = |level: u32, name: &str| {
            attribute(self.source, &self.tree.level(level).shape.tag, name)
                .map(|text| duration(&text))
                .transpose()
        };
        let mut start = Some(0);
        let mut found = None;
        let periods = (0_u32..).zip(levels).filter(|(_, level)| level.kind == LevelKind::Period);
        for (at, _) in periods {
            let begins = time(at, "start")?.or(start);
            if let Some((start, None)) = found {
                return Ok(Period { start, end: begins });
            }
            let lasts = time(at, "duration")?;
            start = begins.zip(lasts).map(|(begins, lasts)| begins + lasts);
            if at == own {
                let begins = begins.ok_or("its Period has no start")?;
                match start {
                    Some(end) => return Ok(Period { start: begins, end: Some(end) }),
                    None => found = Some((begins, None::<i128>)),
                }
            }
        }
        let (start, _) = found.ok_or("its Period has no start")?;
        Ok(Period { start, end: time(0, "mediaPresentationDuration")? })
    }

    fn window(&self, period: &Period) -> Result<Option<Window>, String> {
        if !self.tree.is_dynamic {
            return Ok(None);
        }
        if !self.tree.is_reloaded {
            return Err("the live manifest has no @minimumUpdatePeriod".to_owned());
        }
        let document = |name: &str| attribute(self.source, &self.tree.level(0).shape.tag, name);
        let now = self.now.ok_or("the time is not known")?;
        let available = document("availabilityStartTime").ok_or("no @availabilityStartTime")?;
        let now = i128::from(now.0) * NANOS - moment(&available)?;
        let start = match document("timeShiftBufferDepth") {
            Some(depth) => now - duration(&depth)?,
            None => period.start,
        };
        Ok(Some(Window { start: start.max(period.start), end: now }))
    }

    fn timeline(
        &self,
        span: Range<usize>,
        start_number: u64,
        last_end: &dyn Fn() -> Result<Option<i128>, String>,
    ) -> Result<Vec<Segment>, String> {
        let runs = runs(self.source, span)?;
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
                    let end = match next {
                        Some(next) => next,
                        None => last_end()?.ok_or("the end of a repeated S is not known")?,
                    };
                    let left = (end - i128::from(time)).max(0);
                    let duration = i128::from(run.duration);
                    // What is only half there of a live presentation is not there.
                    let is_live = self.tree.is_dynamic && next.is_none();
                    let count =
                        if is_live { left / duration } else { (left + duration - 1) / duration };
                    u64::try_from(count).unwrap_or(u64::MAX)
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

struct ByDuration {
    duration: i128,
    start_number: u64,
    end_number: Option<u64>,
    /// Time of the first segment of the Period.
    first: i128,
    extent: Extent,
}

impl ByDuration {
    fn segments(&self, limit: usize) -> Result<Vec<Segment>, String> {
        let Self { duration, first, extent: Extent { live_from, end }, .. } = *self;
        if duration <= 0 {
            return Err("it has neither @duration nor a SegmentTimeline".to_owned());
        }
        let by_end = end.map(|end| {
            let left = (end - first).max(0);
            if live_from.is_some() { left / duration } else { (left + duration - 1) / duration }
        });
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
            let ends = end.filter(|_| live_from.is_none()).unwrap_or(i128::MAX);
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

fn too_many(limit: usize) -> String {
    format!("it has more than {limit} segments; limits.max_expanded_segments")
}

// === Reading ===

/// An `S`: segments of one duration in a row.
struct Run {
    time: Option<u64>,
    number: Option<u64>,
    duration: u64,
    /// -1 up to the next one, or to the end.
    repeat: i64,
}

fn runs(source: &[u8], span: Range<usize>) -> Result<Vec<Run>, String> {
    let text = String::from_utf8_lossy(&source[span]);
    let mut reader = Reader::from_str(&text);
    let mut runs = Vec::new();
    loop {
        match reader.read_event() {
            Ok(Event::Empty(tag) | Event::Start(tag)) if tag.local_name().as_ref() == "S" => {
                runs.push(run(&tag)?);
            }
            Ok(Event::Eof) => return Ok(runs),
            Ok(_) => {}
            Err(error) => return Err(error.to_string()),
        }
    }
}

fn run(tag: &BytesStart<'_>) -> Result<Run, String> {
    let value = |name: &str| -> Result<Option<i64>, String> {
        let Ok(Some(found)) = tag.try_get_attribute(name) else { return Ok(None) };
        found.value.trim().parse().map(Some).map_err(|_| format!("S@{name} is no number"))
    };
    let positive = |name: &str| -> Result<Option<u64>, String> {
        let negative = |_| format!("S@{name} is negative");
        value(name)?.map(u64::try_from).transpose().map_err(negative)
    };
    if positive("k")?.is_some_and(|parts| parts > 1) {
        return Err("it has sequences of segments (S@k)".to_owned());
    }
    Ok(Run {
        time: positive("t")?,
        number: positive("n")?,
        duration: positive("d")?.unwrap_or(0),
        repeat: value("r")?.unwrap_or(0),
    })
}

/// The value of an attribute of a tag of the source.
pub(crate) fn attribute<'s>(
    source: &'s [u8],
    tag: &Range<usize>,
    name: &str,
) -> Option<Cow<'s, str>> {
    let tag = std::str::from_utf8(&source[tag.clone()]).ok()?;
    let inside = tag.strip_prefix('<')?.trim_end_matches('>').trim_end_matches('/');
    let name_len = inside.find(|c: char| c.is_ascii_whitespace()).unwrap_or(inside.len());
    let tag = BytesStart::from_content(inside, name_len);
    let found = tag.attributes().flatten().find(|found| found.key.as_ref() == name)?;
    let value = quick_xml::escape::unescape(&found.value).ok()?;
    Some(Cow::Owned(value.into_owned()))
}

/// An ISO 8601 duration in nanoseconds; a day has 24 hours. Months and years have no length.
fn duration(text: &str) -> Result<i128, String> {
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
fn moment(text: &str) -> Result<i128, String> {
    let text = text.trim();
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment.as_nanosecond());
    }
    let wrong = |_| format!("'{text}' is no date and time");
    let local: DateTime = text.parse().map_err(wrong)?;
    let zoned = local.to_zoned(jiff::tz::TimeZone::UTC).map_err(wrong)?;
    Ok(zoned.timestamp().as_nanosecond())
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

    #[test]
    fn an_attribute_is_found_in_its_tag() {
        let source = b"<x><a:S d='5' t=\"a&amp;b\"/></x>";
        assert_eq!(attribute(source, &(3..27), "t").as_deref(), Some("a&b"));
        assert_eq!(attribute(source, &(3..27), "d").as_deref(), Some("5"));
        assert_eq!(attribute(source, &(3..27), "r"), None);
    }
}
