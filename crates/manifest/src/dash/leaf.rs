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
    /// [`super::carriers::TEMPLATE_ATTRIBUTES`], each with its level.
    pub(crate) attributes: [Option<(u32, u32)>; 4],
    /// The elements that name a resource each, each with its level.
    pub(crate) units: Vec<(u32, &'t UnitSlot)>,
    /// Whether a base URL is fetched itself.
    pub(crate) fetches_base: bool,
}

impl<'t> Leaf<'t> {
    pub(crate) fn of(source: &[u8], tree: &'t Tree, level: u32) -> Self {
        let own = tree.level(level);
        let told = tree.line(level).find_map(|(_, level)| level.segments.last());
        let kind = told.map(|segments| segments.kind);
        let of_kind = |(at, level): (u32, &'t Level)| {
            let found = level.segments.iter().rev().find(|segments| Some(segments.kind) == kind)?;
            Some((at, found))
        };
        let chain: Vec<_> = tree.line(level).filter_map(of_kind).collect();
        let attributes = std::array::from_fn(|at| {
            chain.iter().find_map(|(level, segments)| Some((segments.attributes[at]?, *level)))
        });
        let units = [Unit::Initialization, Unit::Index, Unit::BitstreamSwitching, Unit::SegmentUrl];
        let nearest = |unit: Unit| {
            let found = chain.iter().find(|(_, segments)| segments.has(unit));
            found.into_iter().flat_map(move |(level, segments)| {
                segments.units(unit).map(move |unit| (*level, unit))
            })
        };
        let units: Vec<_> = units.into_iter().flat_map(nearest).collect();
        let is_representation = own.kind == super::tree::LevelKind::Representation;
        let fetches_base = is_representation
            && (matches!(kind, None | Some(SegmentsKind::Base))
                || units.iter().any(|(_, unit)| unit.slot.is_none()));
        Self {
            level,
            values: Values {
                representation_id: own.id.as_ref().map(|id| id.text(source).into_owned()),
                bandwidth: own
                    .bandwidth
                    .as_ref()
                    .and_then(|bandwidth| bandwidth.text(source).trim().parse().ok()),
                ..Values::default()
            },
            kind,
            chain,
            attributes,
            units,
            fetches_base,
        }
    }

    /// The element of its kind that it has itself.
    pub(crate) fn own(&self) -> Option<&'t Segments> {
        self.chain.first().filter(|(level, _)| *level == self.level).map(|(_, own)| *own)
    }
}
