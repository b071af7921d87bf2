//! What a Representation must say itself, since what it shared with others differs: the smallest
//! element that says it.

use std::ops::Range;

use super::carriers::SegmentsKind;
use super::changes::{Changes, Written};
use super::leaf::Leaf;
use super::outcome::Outcome;
use super::tree::{Shape, Tree};
use crate::Quoting;
use crate::slot::Slot;

/// What one Representation gets.
#[derive(Debug, Default)]
pub(crate) struct Own {
    /// Attributes of its template, each with its value, escaped for double quotes.
    pub(crate) attributes: Vec<(&'static str, Written)>,
    /// Elements of its template, list or base.
    pub(crate) units: Written,
}

impl Own {
    /// Writes it into the Representation: into its own element of that kind, or a new one.
    pub(crate) fn write(self, source: &[u8], tree: &Tree, leaf: &Leaf<'_>, changes: &mut Changes) {
        let mut attributes = Written::default();
        for (name, value) in &self.attributes {
            attributes.push_str(" ").push_str(name).push_str("=\"").append(value).push_str("\"");
        }
        if let Some(own) = leaf.own() {
            if !self.attributes.is_empty() {
                changes.insert(own.shape.name.end, attributes);
            }
            if !self.units.is_empty() {
                insert_first(source, &own.shape, self.units, changes);
            }
            return;
        }
        let representation = &tree.level(leaf.level).shape;
        let name = match leaf.kind {
            Some(SegmentsKind::List) => "SegmentList",
            Some(SegmentsKind::Template) => "SegmentTemplate",
            Some(SegmentsKind::Base) | None => "SegmentBase",
        };
        let mut element = Written::text("<");
        let open = |element: &mut Written| {
            element.push(representation.prefix(source)).push_str(name);
        };
        open(&mut element);
        element.append(&attributes);
        if self.units.is_empty() {
            element.push_str("/>");
        } else {
            element.push_str(">").append(&self.units).push_str("</");
            open(&mut element);
            element.push_str(">");
        }
        insert_last(source, representation, element, changes);
    }
}

/// Puts an element behind all others of this one.
pub(crate) fn insert_last(source: &[u8], shape: &Shape, element: Written, changes: &mut Changes) {
    match shape.end_tag {
        Some(at) => changes.insert(at, element),
        None => fill(source, shape, &element, changes),
    }
}

fn insert_first(source: &[u8], shape: &Shape, element: Written, changes: &mut Changes) {
    match shape.end_tag {
        Some(_) => changes.insert(shape.tag.end, element),
        None => fill(source, shape, &element, changes),
    }
}

/// Puts content into an empty element: `/>` becomes `>...</name>`.
fn fill(source: &[u8], shape: &Shape, element: &Written, changes: &mut Changes) {
    let mut content = Written::text(">");
    content.append(element).push_str("</").push(&source[shape.name.clone()]).push_str(">");
    changes.replace(shape.end - "/>".len()..shape.end, content);
}

/// A copy of a part of the source with other references in the places of some.
pub(crate) fn copy(source: &[u8], part: Range<usize>, references: &[(&Slot, &Outcome)]) -> Written {
    let mut copy = Written::default();
    let mut copied = part.start;
    for (slot, outcome) in references {
        let raw = &source[slot.span()];
        if let Some(written) = outcome.written(raw, slot.quoting(), slot.quoting()) {
            copy.push(&source[copied..slot.span().start]).append(&written);
            copied = slot.span().end;
        }
    }
    copy.push(&source[copied..part.end]);
    copy
}

/// The reference of a slot as the value of an attribute in double quotes.
pub(crate) fn value(source: &[u8], slot: &Slot, outcome: &Outcome) -> Option<Written> {
    outcome.written(&source[slot.span()], slot.quoting(), Quoting::XmlDouble)
}
