//! What would become of each URI, for a report: nothing is written, and nothing stops at one that
//! is refused.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::bases::Combination;
use super::outcome::Question;
use super::reference::Values;
use super::scene::Scene;
use super::tree::{SlotUse, Tree};
use crate::plan::{Decided, Place};
use crate::policy::{Decision, UriPolicy};
use crate::{KeepReason, Role, Template};

/// Decides each URI, for each Representation for which it leads elsewhere.
pub(crate) fn decisions<'t>(
    template: &'t Template,
    tree: &'t Tree,
    place: &'t Place,
    policy: &mut dyn UriPolicy,
) -> Vec<Decided<'t>> {
    let budget = template.budget(place.max_steps);
    let scene = Scene { template, tree, place, budget: &budget };
    let mut survey = Survey { scene, found: Vec::new() };
    let none_dropped = BTreeSet::new();
    let document = [scene.document()];
    let bases = match scene.bases(&none_dropped, policy) {
        Ok(bases) => bases,
        Err((slot, reason)) => {
            let decision = Decision::Refuse(reason);
            return vec![Decided { slot: Cow::Borrowed(scene.slot(slot)), url: None, decision }];
        }
    };
    for leaf in scene.leaves() {
        let combinations = &bases.of_level[leaf.level as usize];
        for (slot, around) in scene.fetched_bases(&leaf, &bases, &document, &none_dropped) {
            survey.ask(slot, Some(Role::Segment), false, &Values::default(), around, policy);
        }
        for slot in leaf.units().flat_map(|unit| [unit.slot, unit.index]).flatten() {
            survey.ask(slot, None, false, &leaf.values, combinations, policy);
        }
        for slot in leaf.attributes.into_iter().flatten() {
            survey.ask(slot, None, true, &leaf.values, combinations, policy);
        }
    }
    let attached = scene.attached();
    let decided: BTreeSet<u32> = survey.found.iter().map(|(slot, _)| *slot).collect();
    for (slot, slot_use) in (0_u32..).zip(&tree.uses) {
        if decided.contains(&slot) {
            continue;
        }
        match *slot_use {
            SlotUse::Base { level } => {
                let parent = tree.level(level).parent;
                let around = parent.map_or(&document[..], |up| &bases.of_level[up as usize]);
                survey.ask(slot, None, false, &Values::default(), around, policy);
            }
            SlotUse::Segments { .. } if attached.contains(&slot) => {
                let decision = Decision::Keep(KeepReason::Unused);
                survey.found.push((
                    slot,
                    Decided { slot: Cow::Borrowed(scene.slot(slot)), url: None, decision },
                ));
            }
            SlotUse::Segments { level } => {
                let around = &bases.of_level[level as usize];
                survey.ask(slot, None, tree.is_part, &Values::default(), around, policy);
            }
            SlotUse::Document { .. } => {
                survey.ask(slot, None, false, &Values::default(), &document, policy);
            }
        }
    }
    survey.found.sort_by_key(|(slot, _)| *slot);
    survey.found.into_iter().map(|(_, decided)| decided).collect()
}

struct Survey<'t, 'b> {
    scene: Scene<'t, 'b>,
    found: Vec<(u32, Decided<'t>)>,
}

impl Survey<'_, '_> {
    fn ask(
        &mut self,
        slot: u32,
        role: Option<Role>,
        is_template: bool,
        values: &Values,
        combinations: &[Combination],
        policy: &mut dyn UriPolicy,
    ) {
        let written = self.scene.slot(slot);
        let role = role.unwrap_or_else(|| written.role());
        let reference = match self.scene.reference(slot, is_template) {
            Ok(reference) => reference,
            Err((_, reason)) => {
                let decision = Decision::Refuse(reason);
                if self.found.last().is_none_or(|(_, last)| last.decision != decision) {
                    self.found.push((
                        slot,
                        Decided { slot: Cow::Borrowed(written), url: None, decision },
                    ));
                }
                return;
            }
        };
        let question = Question::of(role, &reference, values, combinations, self.scene.budget);
        // Each alternative of its own.
        for combination in combinations.chunks(1) {
            let question = Question { combinations: combination, ..question };
            let decided = match question.evaluate(policy) {
                Ok(evaluated) => Decided {
                    slot: Cow::Borrowed(written),
                    url: evaluated.url,
                    decision: evaluated.decision,
                },
                Err(reason) => Decided {
                    slot: Cow::Borrowed(written),
                    url: None,
                    decision: Decision::Refuse(reason),
                },
            };
            let is_known = self.found.iter().rev().take(64).any(|(known, other)| {
                *known == slot && other.url == decided.url && other.decision == decided.decision
            });
            if !is_known {
                self.found.push((slot, decided));
            }
        }
    }
}
