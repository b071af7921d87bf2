//! A DASH document in its place: what deciding and reporting look at.

use std::collections::BTreeSet;

use super::bases::{self, Bases, Combination};
use super::changes::{Changes, Written};
use super::leaf::Leaf;
use super::outcome::{Outcome, joint};
use super::reference::Reference;
use super::text;
use super::timeline::Schedule;
use super::tree::Tree;
use crate::budget::Budget;
use crate::plan::{Kept, Place, fragment_start};
use crate::policy::UriPolicy;
use crate::slot::Slot;
use crate::{Quoting, RefuseReason, Role, Template};

/// What is planned.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'t, 'b> {
    pub(crate) template: &'t Template,
    pub(crate) tree: &'t Tree,
    pub(crate) place: &'t Place,
    pub(crate) budget: &'b Budget,
}

/// A slot whose URI is refused, and why.
pub(crate) type Refused = (u32, RefuseReason);

impl<'t> Scene<'t, '_> {
    pub(crate) fn source(self) -> &'t [u8] {
        self.template.source()
    }

    pub(crate) fn slot(self, slot: u32) -> &'t Slot {
        &self.template.slots()[slot as usize]
    }

    /// The text that a slot's reference stands for.
    ///
    /// # Errors
    /// Why it cannot be read, if it is too long, or too often looked at.
    pub(crate) fn reference(self, at: u32, is_template: bool) -> Result<Reference, Refused> {
        let slot = self.slot(at);
        let raw = &self.source()[slot.span()];
        let refused = |reason| (at, reason);
        self.budget.charge(raw.len()).map_err(refused)?;
        let decoded = text::decode(raw, slot.quoting());
        match is_template {
            true => self.budget.check_uri(decoded.len()),
            false => self.budget.check_reference(&decoded, decoded.len()),
        }
        .map_err(refused)?;
        let decoded = String::from_utf8_lossy(&decoded).into_owned();
        Ok(match slot.role() {
            _ if !is_template => Reference::plain(decoded),
            Role::InitSection | Role::BitstreamSwitching => Reference::template_of_one(decoded),
            _ => Reference::template(decoded),
        })
    }

    pub(crate) fn bases(
        self,
        dropped: &BTreeSet<u32>,
        policy: &mut dyn UriPolicy,
    ) -> Result<Bases, Refused> {
        let is_dropped = |slot| dropped.contains(&slot);
        let Self { template, tree, place, budget } = self;
        let (source, slots) = (self.source(), template.slots());
        bases::resolve_all(source, slots, tree, place, &is_dropped, budget, policy)
    }

    /// What the document's own references are resolved against.
    pub(crate) fn document(self) -> Combination {
        bases::document(self.source(), self.template.slots(), self.tree, self.place)
    }

    pub(crate) fn leaves(self) -> Vec<Leaf<'t>> {
        let leaf = |level| Leaf::of(self.source(), self.tree, level);
        self.tree.leaves().into_iter().map(leaf).collect()
    }

    /// Whether an element that tells segments has the slot.
    pub(crate) fn attached(self) -> BTreeSet<u32> {
        let segments = self.tree.levels.iter().flat_map(|level| &level.segments);
        segments
            .flat_map(|segments| {
                let units = segments.all_units().flat_map(|unit| [unit.slot, unit.index]);
                segments.attributes.into_iter().chain(units).flatten()
            })
            .collect()
    }

    /// The base URLs that a leaf fetches itself, each with what it is resolved against.
    pub(crate) fn fetched_bases<'b>(
        self,
        leaf: &Leaf<'_>,
        bases: &'b Bases,
        document: &'b [Combination],
        dropped: &BTreeSet<u32>,
    ) -> Vec<(u32, &'b [Combination])> {
        if !leaf.fetches_base {
            return Vec::new();
        }
        let alive = |slot: &u32| !dropped.contains(slot);
        let innermost = self.tree.line(leaf.level).find_map(|(_, level)| {
            let slots: Vec<_> = level.bases.iter().map(|base| base.slot).filter(alive).collect();
            (!slots.is_empty()).then_some((level.parent, slots))
        });
        let Some((parent, slots)) = innermost else { return Vec::new() };
        let around = parent.map_or(document, |parent| &bases.of_level[parent as usize][..]);
        slots.into_iter().map(|slot| (slot, around)).collect()
    }

    /// When its Periods are.
    pub(crate) fn schedule(self) -> Schedule<'t> {
        Schedule::of(self.source(), self.tree, self.place.now)
    }
}

/// Writes an outcome where the reference stands.
pub(crate) fn write_in_place(
    scene: Scene<'_, '_>,
    at: u32,
    outcome: &Outcome,
    changes: &mut Changes,
    kept: &mut Vec<Kept>,
) {
    let (source, slot) = (scene.source(), scene.slot(at));
    let span = slot.span();
    // There the `&` of a token could not be escaped.
    let has_cdata = slot.quoting() == Quoting::XmlCdata
        || slot.quoting() == Quoting::XmlText && text::has_cdata(&source[span.clone()]);
    match outcome {
        Outcome::Keep(reason) => kept.push(Kept { slot: at as usize, reason: *reason }),
        Outcome::Insert(None) | Outcome::Expand => {}
        Outcome::Insert(Some(token)) if !has_cdata => {
            let raw = &source[span.clone()];
            let reference = text::decode(raw, slot.quoting());
            let end = fragment_start(&reference);
            let head = String::from_utf8_lossy(&reference[..end]);
            let mut query = Written::default();
            query.push(joint(&head)).push_token(*token);
            let end = if end == reference.len() {
                raw.len()
            } else {
                text::raw_offset(raw, slot.quoting(), end)
            };
            changes.insert(span.start + end, query);
        }
        Outcome::Insert(Some(_)) | Outcome::Write(_) => {
            let (span, target) = match slot.quoting() {
                Quoting::XmlCdata => (text::cdata_around(source, span), Quoting::XmlText),
                quoting => (span, quoting),
            };
            if let Some(written) = outcome.written(&source[slot.span()], slot.quoting(), target) {
                changes.replace(span, written);
            }
        }
    }
}
