//! Representations of an MPD (ISO/IEC 23009-1 clause 5.3.5).

use std::collections::BTreeMap;
use std::ops::Range;

use super::Profile;
use crate::RenderError;
use crate::dash::tree::{Level, LevelKind, Tree};

/// How many Representations there are and are left, of a Period or an AdaptationSet.
#[derive(Default)]
struct Count {
    all: usize,
    left: usize,
    pictures: usize,
    pictures_left: usize,
}

pub(super) fn excess(
    source: &[u8],
    tree: &Tree,
    profile: &Profile,
) -> Result<Vec<Range<usize>>, RenderError> {
    let mut counts: BTreeMap<u32, Count> = BTreeMap::new();
    let mut too_much = Vec::new();
    // What each AdaptationSet says for all of its Representations.
    let mut heights: BTreeMap<u32, Option<u64>> = BTreeMap::new();
    for (at, level) in (0_u32..).zip(&tree.levels) {
        if level.kind != LevelKind::Representation {
            continue;
        }
        let number = |level: &Level, name| {
            let text = level.shape.attribute(source, name)?;
            Some(text.trim().parse().unwrap_or(u64::MAX))
        };
        let set = level.parent.filter(|&up| tree.level(up).kind == LevelKind::AdaptationSet);
        let height = number(level, "height").or_else(|| {
            let set = set?;
            *heights.entry(set).or_insert_with(|| number(tree.level(set), "height"))
        });
        let is_allowed = profile.allows(height, number(level, "bandwidth"));
        if !is_allowed {
            too_much.push(at);
        }
        for (up, _) in tree.line(at).skip(1) {
            let count = counts.entry(up).or_default();
            count.all += 1;
            count.left += usize::from(is_allowed);
            count.pictures += usize::from(height.is_some());
            count.pictures_left += usize::from(is_allowed && height.is_some());
        }
    }
    let is_of = |kind: LevelKind, at: &u32| tree.level(*at).kind == kind;
    // A part of an MPD may well be sound alone, or the one set that is too much.
    let periods = counts.iter().filter(|(at, _)| !tree.is_part && is_of(LevelKind::Period, at));
    let is_bare =
        |count: &Count| count.left == 0 || (count.pictures > 0 && count.pictures_left == 0);
    if periods.into_iter().any(|(_, count)| is_bare(count)) {
        return Err(RenderError::NothingLeft);
    }
    let emptied = |level: &Level| {
        let set = level.parent.filter(|at| is_of(LevelKind::AdaptationSet, at))?;
        counts.get(&set).is_some_and(|count| count.left == 0).then_some(set)
    };
    let mut pieces: Vec<_> = too_much
        .into_iter()
        .map(|at| tree.level(emptied(tree.level(at)).unwrap_or(at)).shape.element())
        .collect();
    // Each Representation of an emptied set names the set.
    pieces.sort_by_key(|piece| piece.start);
    pieces.dedup();
    Ok(pieces)
}
