//! What holds for one Representation: what it says itself, and what it inherits (clause 5.3.9.1).

use super::carriers::{SegmentsKind, Unit};
use super::reference::Values;
use super::tree::{Level, Segments, Tree, UnitSlot};

/// A Representation, or a level without one that tells segments nevertheless, in a document that is
/// a part of an MPD.
pub(crate) struct Leaf<'t> {
    /// Index into [`Tree::levels`].
    pub(crate) level: u32,
    pub(crate) values: Values,
    /// How its segments are told; none if the base URL is all there is.
    pub(crate) kind: Option<SegmentsKind>,
    /// The elements of that kind that hold, the nearest first, each with its level.
    pub(crate) chain: Vec<(u32, &'t Segments)>,
    /// The slots of a template's attributes, in the order of
    /// [`super::carriers::TEMPLATE_ATTRIBUTES`].
    pub(crate) attributes: [Option<u32>; 4],
    /// For each kind of element that names a resource, the nearest that has such: many share a long
    /// list.
    with_units: Vec<(Unit, &'t Segments)>,
    /// Whether a base URL is fetched itself.
    pub(crate) fetches_base: bool,
}

impl<'t> Leaf<'t> {
    pub(crate) fn of(source: &[u8], tree: &'t Tree, level: u32) -> Self {
        let own = tree.level(level);
        let kind = tree.line(level).find_map(|(_, level)| level.segments_kind());
        let of_kind = |(at, level): (u32, &'t Level)| Some((at, level.segments_of_kind(kind?)?));
        let chain: Vec<_> = tree.line(level).filter_map(of_kind).collect();
        let attributes = std::array::from_fn(|at| {
            chain.iter().find_map(|(_, segments)| segments.attributes[at])
        });
        let units = [Unit::Initialization, Unit::Index, Unit::BitstreamSwitching, Unit::SegmentUrl];
        let nearest = |unit: Unit| {
            let (_, found) = chain.iter().find(|(_, segments)| segments.has(unit))?;
            Some((unit, *found))
        };
        let with_units: Vec<_> = units.into_iter().filter_map(nearest).collect();
        let is_representation = own.kind == super::tree::LevelKind::Representation;
        let fetches_base = is_representation
            && (matches!(kind, None | Some(SegmentsKind::Base))
                || with_units.iter().any(|(unit, segments)| segments.has_unnamed(*unit)));
        Self {
            level,
            values: Values {
                representation_id: own.id.as_ref().map(|id| id.text(source).into()),
                bandwidth: own
                    .bandwidth
                    .as_ref()
                    .and_then(|bandwidth| bandwidth.text(source).trim().parse().ok()),
                ..Values::default()
            },
            kind,
            chain,
            attributes,
            with_units,
            fetches_base,
        }
    }

    /// The slot that stands for the whole template in a refusal.
    pub(crate) fn first_attribute(&self) -> u32 {
        self.attributes.into_iter().flatten().next().unwrap_or(0)
    }

    /// The elements that name a resource each.
    pub(crate) fn units(&self) -> impl Iterator<Item = &'t UnitSlot> + Clone {
        let with_units = self.with_units.clone();
        with_units.into_iter().flat_map(|(unit, segments)| segments.units(unit))
    }

    /// The element of its kind that it has itself.
    pub(crate) fn own(&self) -> Option<&'t Segments> {
        self.chain.first().filter(|(level, _)| *level == self.level).map(|(_, own)| *own)
    }
}
