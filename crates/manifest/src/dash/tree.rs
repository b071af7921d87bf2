//! The skeleton of an MPD: who is within whom, and which slots tell where segments are.
//!
//! Elements are collected before anything is resolved, since their order in the file is free: a
//! BaseURL may stand behind the template that it is the base of.

use std::borrow::Cow;
use std::ops::Range;
use std::time::Duration;

use quick_xml::events::BytesStart;

use super::carriers::{SegmentsKind, Unit};
use super::text;
use crate::Quoting;

/// An MPD, a remote element that an MPD names, or a patch of one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    /// Each behind the one that it is within; the first is the document.
    pub(crate) levels: Vec<Level>,
    /// What each slot is to the tree: as many as there are slots.
    pub(crate) uses: Vec<SlotUse>,
    /// `type="dynamic"`.
    pub(crate) is_dynamic: bool,
    /// Players load it again: dynamic with @minimumUpdatePeriod.
    pub(crate) is_reloaded: bool,
    /// @minimumUpdatePeriod of what is reloaded.
    pub(crate) update_period: Option<Duration>,
    /// Whether the document's element is not an MPD, so that its base is not the document's URL.
    pub(crate) is_part: bool,
    /// Where a Location may be inserted: behind the elements that stand before it.
    pub(crate) location_at: usize,
    /// The elements ContentSteering and PatchLocation, in the order of their ends.
    pub(crate) documents: Vec<Range<usize>>,
    /// The elements that are kept elsewhere.
    pub(crate) remotes: Vec<RemoteElement>,
    /// Elements that would carry tokens away, or that players read differently.
    pub(crate) unsafe_elements: Vec<Range<usize>>,
    /// What makes players copy the query of the MPD's own URL: descriptors, or attributes with the space
    /// before each.
    pub(crate) copies_of_query: Vec<Range<usize>>,
}

/// What a slot is to the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SlotUse {
    /// Resolved against the document's URL, whatever base URLs there are.
    Document {
        /// Index into [`Tree::levels`]: what the element stands in.
        level: u32,
    },
    /// A base URL of a level.
    Base {
        /// Index into [`Tree::levels`].
        level: u32,
    },
    /// One of the URIs that tell the segments of this level and of those below.
    Segments {
        /// Index into [`Tree::levels`].
        level: u32,
    },
}

/// An element that base URLs and segments can stand in.
#[derive(Clone, Debug)]
pub(crate) struct Level {
    pub(crate) kind: LevelKind,
    pub(crate) parent: Option<u32>,
    pub(crate) shape: Shape,
    /// @id and @bandwidth of a Representation.
    pub(crate) id: Option<Value>,
    pub(crate) bandwidth: Option<Value>,
    /// Siblings are alternatives.
    pub(crate) bases: Vec<Base>,
    pub(crate) segments: Vec<Segments>,
    /// The last element of each [`SegmentsKind`]: its place in `segments`.
    pub(crate) last_of_kind: [Option<u32>; 3],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LevelKind {
    /// The document: an MPD, or whatever holds a part of one.
    Mpd,
    Period,
    AdaptationSet,
    Representation,
}

/// Where an element's pieces stand.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shape {
    /// The start tag, or the whole empty element.
    pub(crate) tag: Range<usize>,
    /// The name in the tag, prefix and all.
    pub(crate) name: Range<usize>,
    /// Where the element ends.
    pub(crate) end: usize,
    /// Where its end tag begins; none if it is empty.
    pub(crate) end_tag: Option<usize>,
}

/// The raw value of an attribute.
#[derive(Clone, Debug)]
pub(crate) struct Value {
    pub(crate) span: Range<usize>,
    pub(crate) quoting: Quoting,
}

/// An element with xlink:href.
#[derive(Clone, Debug)]
pub(crate) struct RemoteElement {
    pub(crate) slot: u32,
    /// The attribute, with the space before it.
    pub(crate) attribute: Range<usize>,
    /// The whole element.
    pub(crate) element: Range<usize>,
    /// Whether there are elements in it, which hold if the remote ones do not.
    pub(crate) has_content: bool,
}

/// A BaseURL.
#[derive(Clone, Debug)]
pub(crate) struct Base {
    pub(crate) slot: u32,
    /// The whole element.
    pub(crate) element: Range<usize>,
}

/// SegmentBase, SegmentList or SegmentTemplate.
#[derive(Clone, Debug)]
pub(crate) struct Segments {
    pub(crate) kind: SegmentsKind,
    pub(crate) shape: Shape,
    /// The slots of a template's attributes, in the order of
    /// [`super::carriers::TEMPLATE_ATTRIBUTES`].
    pub(crate) attributes: [Option<u32>; 4],
    /// The elements within that name a resource each, by [`Unit`], in order.
    units: [Vec<UnitSlot>; 4],
    /// Whether one of a [`Unit`] means the base URL.
    has_unnamed: [bool; 4],
    /// The whole SegmentTimeline.
    pub(crate) timeline: Option<Range<usize>>,
}

/// An element that names one resource.
#[derive(Clone, Debug)]
pub(crate) struct UnitSlot {
    pub(crate) unit: Unit,
    /// The URI of a SegmentURL's media, or of what the element is for. Without it, the base URL is
    /// meant.
    pub(crate) slot: Option<u32>,
    /// The URI of a SegmentURL's index.
    pub(crate) index: Option<u32>,
    /// The whole element.
    pub(crate) element: Range<usize>,
}

// === impl Tree ===

impl Tree {
    pub(crate) fn level(&self, level: u32) -> &Level {
        &self.levels[level as usize]
    }

    /// A level and those that it is within, from the inside out.
    pub(crate) fn line(&self, level: u32) -> impl Iterator<Item = (u32, &Level)> {
        let next = |&(_, level): &(u32, &Level)| level.parent.map(|up| (up, self.level(up)));
        std::iter::successors(Some((level, self.level(level))), next)
    }

    /// The Representations, or a level without any below that segments are told for nevertheless.
    pub(crate) fn leaves(&self) -> Vec<u32> {
        let mut has_representation = vec![false; self.levels.len()];
        for (at, level) in self.levels.iter().enumerate().rev() {
            has_representation[at] |= level.kind == LevelKind::Representation;
            if let Some(up) = level.parent.filter(|_| has_representation[at]) {
                has_representation[up as usize] = true;
            }
        }
        let mut leaves = Vec::new();
        for (at, level) in (0_u32..).zip(&self.levels) {
            let is_childless = !has_representation[at as usize] && !level.segments.is_empty();
            if level.kind == LevelKind::Representation || is_childless {
                leaves.push(at);
            }
        }
        leaves
    }
}

// === impl Level ===

impl Level {
    pub(crate) const fn new(kind: LevelKind, parent: Option<u32>, shape: Shape) -> Self {
        Self {
            kind,
            parent,
            shape,
            id: None,
            bandwidth: None,
            bases: Vec::new(),
            segments: Vec::new(),
            last_of_kind: [None; 3],
        }
    }

    pub(crate) fn push_segments(&mut self, segments: Segments) {
        self.last_of_kind[segments.kind as usize] = u32::try_from(self.segments.len()).ok();
        self.segments.push(segments);
    }

    /// The last element of a kind: Representations look for it at each level that they are within.
    pub(crate) fn segments_of_kind(&self, kind: SegmentsKind) -> Option<&Segments> {
        self.segments.get(self.last_of_kind[kind as usize]? as usize)
    }

    /// The kind of its segments. If it has several, which is not allowed, players take the first of
    /// these.
    pub(crate) fn segments_kind(&self) -> Option<SegmentsKind> {
        let kinds = [SegmentsKind::Base, SegmentsKind::List, SegmentsKind::Template];
        kinds.into_iter().find(|&kind| self.segments_of_kind(kind).is_some())
    }
}

// === impl Segments ===

impl Segments {
    pub(crate) const fn new(kind: SegmentsKind, shape: Shape) -> Self {
        Self {
            kind,
            shape,
            attributes: [None; 4],
            units: [const { Vec::new() }; 4],
            has_unnamed: [false; 4],
            timeline: None,
        }
    }

    pub(crate) fn push_unit(&mut self, unit: UnitSlot) {
        self.has_unnamed[unit.unit as usize] |= unit.slot.is_none();
        self.units[unit.unit as usize].push(unit);
    }

    pub(crate) fn last_unit(&mut self, unit: Unit) -> Option<&mut UnitSlot> {
        self.units[unit as usize].last_mut()
    }

    pub(crate) fn units(&self, unit: Unit) -> impl Iterator<Item = &UnitSlot> + Clone {
        self.units[unit as usize].iter()
    }

    /// Bytes of memory that its units take.
    pub(crate) fn units_size(&self) -> usize {
        self.units.iter().map(|units| units.capacity() * size_of::<UnitSlot>()).sum()
    }

    pub(crate) fn all_units(&self) -> impl Iterator<Item = &UnitSlot> {
        self.units.iter().flatten()
    }

    pub(crate) const fn has(&self, unit: Unit) -> bool {
        !self.units[unit as usize].is_empty()
    }

    /// Whether one of them means the base URL.
    pub(crate) const fn has_unnamed(&self, unit: Unit) -> bool {
        self.has_unnamed[unit as usize]
    }
}

// === impl Value ===

impl Value {
    pub(crate) fn text<'s>(&self, source: &'s [u8]) -> Cow<'s, str> {
        match text::decode(&source[self.span.clone()], self.quoting) {
            Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        }
    }
}

// === impl Shape ===

impl Shape {
    /// The whole element.
    pub(crate) const fn element(&self) -> Range<usize> {
        self.tag.start..self.end
    }

    /// The value of an attribute.
    pub(crate) fn attribute<'s>(&self, source: &'s [u8], name: &str) -> Option<Cow<'s, str>> {
        let tag = std::str::from_utf8(&source[self.tag.clone()]).ok()?;
        let inside = tag.strip_prefix('<')?.trim_end_matches('>').trim_end_matches('/');
        let tag = BytesStart::from_content(inside, self.name.len());
        let found = tag.attributes().flatten().find(|found| found.key.as_ref() == name)?;
        let value = quick_xml::escape::unescape(&found.value).ok()?;
        Some(Cow::Owned(value.into_owned()))
    }

    /// The namespace prefix of its name, colon and all.
    pub(crate) fn prefix<'s>(&self, source: &'s [u8]) -> &'s [u8] {
        let name = &source[self.name.clone()];
        memchr::memchr(b':', name).map_or(&[], |colon| &name[..=colon])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attribute_is_found_in_its_tag() {
        let source = b"<x><a:S d='5' t=\"a&amp;b\"/></x>";
        let shape = Shape { tag: 3..27, name: 4..7, end: 27, end_tag: None };
        assert_eq!(shape.attribute(source, "t").as_deref(), Some("a&b"));
        assert_eq!(shape.attribute(source, "d").as_deref(), Some("5"));
        assert_eq!(shape.attribute(source, "r"), None);
    }
}
