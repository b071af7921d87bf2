//! When the Periods of a document are, and which part of them is there: read once for all of their
//! Representations.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

use sluicegate_token::UnixTime;

use super::runs::{self, Run};
use super::time::{NANOS, duration, moment};
use crate::dash::tree::{LevelKind, Tree};

/// The times of a document.
pub(crate) struct Schedule<'t> {
    pub(super) source: &'t [u8],
    pub(super) tree: &'t Tree,
    now: Option<UnixTime>,
    periods: OnceCell<BTreeMap<u32, Result<Period, String>>>,
    live: OnceCell<Result<Option<Live>, String>>,
    /// By where the SegmentTimeline begins.
    runs: RefCell<BTreeMap<usize, Runs>>,
}

type Runs = Result<Rc<Vec<Run>>, String>;

/// A Period in nanoseconds from the presentation's start.
#[derive(Clone, Copy)]
struct Period {
    start: i128,
    end: Option<i128>,
}

/// What is there of a live presentation, in nanoseconds from its start.
#[derive(Clone, Copy)]
struct Live {
    /// None if all that was is there still.
    from: Option<i128>,
    now: i128,
}

/// The part of a Period that has segments, in nanoseconds from the presentation's start.
pub(super) struct Span {
    /// Of the Period.
    pub(super) start: i128,
    /// Where the window of a live presentation begins.
    pub(super) live_from: Option<i128>,
    pub(super) end: Option<i128>,
    /// Whether that is the end of the Period.
    pub(super) is_over: bool,
}

/// A [`Span`] in units of a timescale.
pub(super) struct Extent {
    pub(super) live_from: Option<i128>,
    pub(super) end: Option<i128>,
    pub(super) is_over: bool,
}

impl<'t> Schedule<'t> {
    pub(crate) const fn of(source: &'t [u8], tree: &'t Tree, now: Option<UnixTime>) -> Self {
        Self {
            source,
            tree,
            now,
            periods: OnceCell::new(),
            live: OnceCell::new(),
            runs: RefCell::new(BTreeMap::new()),
        }
    }

    /// Where the segments of a level lie; those of a live presentation are there `early` before
    /// they end.
    pub(super) fn span(&self, level: u32, early: i128) -> Result<Span, String> {
        let mut line = self.tree.line(level);
        let own = line.find(|(_, level)| level.kind == LevelKind::Period);
        let (own, _) = own.ok_or("it is in no Period")?;
        let periods = self.periods.get_or_init(|| self.read_periods());
        let Period { start, end } = periods.get(&own).cloned().ok_or("it is in no Period")??;
        let live = self.live.get_or_init(|| self.read_live()).clone()?;
        Ok(match live {
            None => Span { start, live_from: None, end, is_over: true },
            Some(Live { from, now }) => {
                let now = now + early;
                let live_from = Some(from.map_or(start, |from| from.max(start)));
                let is_over = end.is_some_and(|end| end <= now);
                Span { start, live_from, end: end.filter(|_| is_over).or(Some(now)), is_over }
            }
        })
    }

    /// The runs of the SegmentTimeline at `span`, which may have `limit`.
    pub(super) fn runs(&self, span: Range<usize>, limit: usize) -> Runs {
        let mut known = self.runs.borrow_mut();
        let read = || runs::runs(self.source, span.clone(), limit).map(Rc::new);
        known.entry(span.start).or_insert_with(read).clone()
    }

    fn read_periods(&self) -> BTreeMap<u32, Result<Period, String>> {
        let time = |level: u32, name: &str| {
            let text = self.tree.level(level).shape.attribute(self.source, name);
            text.map(|text| duration(&text)).transpose()
        };
        let levels = (0_u32..).zip(&self.tree.levels);
        let periods = levels.filter(|(_, level)| level.kind == LevelKind::Period);
        // Each with its start and its duration; one without a start begins where the last one ends.
        let mut told: Vec<(u32, Result<_, String>, Result<_, String>)> = Vec::new();
        let mut last_end = Ok(Some(0));
        for (at, _) in periods {
            let start = match time(at, "start") {
                Ok(None) => last_end,
                start => start,
            };
            let lasts = time(at, "duration");
            last_end = start.clone().and_then(|start| {
                Ok(start.zip(lasts.clone()?).map(|(start, lasts): (i128, i128)| start + lasts))
            });
            told.push((at, start, lasts));
        }
        let period = |index: usize| {
            let (_, start, lasts) = &told[index];
            let start = start.clone()?.ok_or("its Period has no start")?;
            let end = match (lasts.clone()?, told.get(index + 1)) {
                (Some(lasts), _) => Some(start + lasts),
                (None, Some((_, next, _))) => next.clone()?,
                (None, None) => time(0, "mediaPresentationDuration")?,
            };
            Ok(Period { start, end })
        };
        told.iter().enumerate().map(|(index, (at, ..))| (*at, period(index))).collect()
    }

    fn read_live(&self) -> Result<Option<Live>, String> {
        if !self.tree.is_dynamic {
            return Ok(None);
        }
        if !self.tree.is_reloaded {
            return Err("the live manifest has no @minimumUpdatePeriod".to_owned());
        }
        let document = |name: &str| self.tree.level(0).shape.attribute(self.source, name);
        let now = self.now.ok_or("the time is not known")?;
        let available = document("availabilityStartTime").ok_or("no @availabilityStartTime")?;
        let now = i128::from(now.0) * NANOS - moment(&available)?;
        let depth = document("timeShiftBufferDepth").map(|depth| duration(&depth)).transpose()?;
        Ok(Some(Live { from: depth.map(|depth| now - depth), now }))
    }
}
