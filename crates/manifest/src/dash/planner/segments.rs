//! Where segments are told: each template, list and unit is written in place where all Representations
//! agree, and in each Representation, or written out, where they do not.

use std::collections::BTreeSet;

use super::{Draft, Untold};
use crate::dash::carriers::{TEMPLATE_ATTRIBUTES, Unit};
use crate::dash::changes::Written;
use crate::dash::descend::{self, Own};
use crate::dash::expand::{self, Expansion};
use crate::dash::leaf::Leaf;
use crate::dash::outcome::{Outcome, Question};
use crate::dash::reference::Values;
use crate::dash::scene::{Refused, write_in_place};
use crate::dash::text;
use crate::dash::timeline::{Segment, Told};
use crate::dash::tree::{SlotUse, UnitSlot};
use crate::plan::Kept;
use crate::policy::UriPolicy;
use crate::slot::Slot;
use crate::{KeepReason, Quoting, RefuseReason};

/// How often the tag of a template is read for the times of its segments.
const TEMPLATE_READINGS: usize = 8;

/// Steps of reading one S for one Representation.
const RUN: usize = 8;

impl<'t> Draft<'t, '_> {
    /// Writes all that tells segments. Whether something is written elsewhere than it stood.
    pub(super) fn write_segments(&mut self, policy: &mut dyn UriPolicy) -> Result<bool, Refused> {
        self.spread_expansion(policy)?;
        let expanded: Vec<usize> = self.expanded.keys().copied().collect();
        for &leaf in &expanded {
            self.write_expanded(leaf, policy)?;
        }
        let is_expanded = |leaf: &usize| self.expanded.contains_key(leaf);
        let mut differing = BTreeSet::new();
        for (slot, outcomes) in (0_u32..).zip(&self.outcomes) {
            if !matches!(self.scene.tree.uses[slot as usize], SlotUse::Segments { .. }) {
                continue;
            }
            let mut left = outcomes.iter().filter(|(leaf, _)| !is_expanded(leaf));
            let Some((_, first)) = left.next() else { continue };
            if left.all(|(_, other)| other.writes_as(first)) {
                let first = first.clone();
                write_in_place(self.scene, slot, &first, &mut self.changes, &mut self.kept);
            } else {
                differing.insert(slot);
            }
        }
        for (at, leaf) in self.leaves.iter().enumerate() {
            if is_expanded(&at) {
                continue;
            }
            let own = self.own(at, leaf, &differing);
            if !own.attributes.is_empty() || !own.units.is_empty() {
                own.write(self.scene.source(), self.scene.tree, leaf, &mut self.changes);
            }
        }
        self.write_loose(policy)?;
        Ok(!differing.is_empty() || !expanded.is_empty())
    }

    /// What shares a template with one that is written out loses that, so it is written out, too.
    fn spread_expansion(&mut self, policy: &dyn UriPolicy) -> Result<(), Refused> {
        let starts = |leaf: &Leaf<'t>| -> Vec<usize> {
            leaf.chain.iter().map(|(_, segments)| segments.shape.tag.start).collect()
        };
        let mut lost: BTreeSet<usize> =
            self.expanded.keys().flat_map(|&at| starts(&self.leaves[at])).collect();
        loop {
            let before = lost.len();
            for at in 0..self.leaves.len() {
                let own = starts(&self.leaves[at]);
                let is_lost = own.iter().any(|start| lost.contains(start));
                if !is_lost || self.expanded.contains_key(&at) {
                    continue;
                }
                let leaf = &self.leaves[at];
                let segments = self.tell(leaf, policy).map_err(|untold| match untold {
                    Untold::Refused(refused) => refused,
                    Untold::Because(reason) => {
                        (leaf.first_attribute(), RefuseReason::NotExpandable(reason))
                    }
                })?;
                self.expanded.insert(at, segments);
                lost.extend(own);
            }
            if lost.len() == before {
                return Ok(());
            }
        }
    }

    /// The segments that a leaf's template stands for.
    pub(super) fn tell(
        &self,
        leaf: &Leaf<'t>,
        policy: &dyn UriPolicy,
    ) -> Result<Vec<Segment>, Untold> {
        let chain: Vec<_> = leaf.chain.iter().map(|(_, segments)| *segments).collect();
        let budget = self.scene.budget;
        let [media, _, index, _] = leaf.attributes;
        let refused = |why| Untold::Refused((leaf.first_attribute(), why));
        // Each of its attributes is looked for in each tag.
        let tags: usize = chain.iter().map(|segments| segments.shape.tag.len()).sum();
        budget.charge(tags.saturating_mul(TEMPLATE_READINGS)).map_err(refused)?;
        let limit = budget.max_segments();
        let told = Told { schedule: &self.schedule, leaf: leaf.level, chain: &chain, limit };
        budget.charge(told.runs().saturating_mul(RUN)).map_err(refused)?;
        let segments = told.segments().map_err(Untold::Because)?;
        let Some((_, nearest)) = leaf.chain.first() else { return Ok(segments) };
        let prefix = nearest.shape.prefix(self.scene.source()).len();
        let most = |of: fn(&Segment) -> u64| segments.iter().map(of).max();
        let values = Values {
            number: most(|segment| segment.number),
            time: most(|segment| segment.time),
            ..leaf.values.clone()
        };
        let mut longest = expand::SEGMENT_BYTES + 2 * prefix;
        for slot in [media, index].into_iter().flatten() {
            let reference = self.scene.reference(slot, true).map_err(Untold::Refused)?;
            let refused = |why| Untold::Refused((slot, why));
            budget.check_uri(reference.filled_len(&values)).map_err(refused)?;
            let filled = reference.fill(&values).text;
            longest += text::escape(&filled, Quoting::XmlDouble).len() + policy.token_len();
        }
        budget.charge_segments(segments.len(), longest).map_err(refused)?;
        Ok(segments)
    }

    fn write_expanded(&mut self, at: usize, policy: &mut dyn UriPolicy) -> Result<(), Refused> {
        let leaf = &self.leaves[at];
        let source = self.scene.source();
        let mut references = [const { None }; 4];
        for (reference, found) in references.iter_mut().zip(leaf.attributes) {
            *reference = found.map(|slot| self.scene.reference(slot, true)).transpose()?;
        }
        let mut units = Written::default();
        for unit in leaf.units() {
            if unit.unit == Unit::Initialization && references[1].is_some() {
                continue;
            }
            let found = self.outcomes_of(at, [unit.slot, unit.index]);
            units.append(&descend::copy(source, unit.element.clone(), &found));
        }
        let expansion = Expansion {
            source,
            leaf,
            segments: self.expanded.get(&at).map_or(&[], Vec::as_slice),
            references: &references,
            combinations: &self.bases.of_level[leaf.level as usize],
            budget: self.scene.budget,
            may_drop: self.may_drop,
            units,
        };
        let mut losers = Vec::new();
        let list = expansion
            .write(policy, &mut losers)
            .map_err(|(attribute, why)| (leaf.attributes[attribute].unwrap_or(0), why))?;
        self.losers.extend(losers);
        for (_, segments) in &leaf.chain {
            self.changes.remove(segments.shape.element());
        }
        let representation = &self.scene.tree.level(leaf.level).shape;
        descend::insert_last(source, representation, list, &mut self.changes);
        Ok(())
    }

    /// What a leaf must say itself, since it differs from what others inherit.
    fn own(&self, at: usize, leaf: &Leaf<'_>, differing: &BTreeSet<u32>) -> Own {
        let source = self.scene.source();
        let mut own = Own::default();
        for (name, found) in TEMPLATE_ATTRIBUTES.into_iter().zip(leaf.attributes) {
            let Some(slot) = found.filter(|slot| differing.contains(slot)) else {
                continue;
            };
            let outcomes = self.outcomes_of(at, [Some(slot), None]);
            let Some((slot, outcome)) = outcomes.first() else { continue };
            if let Some(value) = descend::value(source, slot, outcome) {
                own.attributes.push((name, value));
            }
        }
        let differs = |unit: &UnitSlot| {
            [unit.slot, unit.index].into_iter().flatten().any(|slot| differing.contains(&slot))
        };
        // All of one kind are replaced together; there are four kinds.
        let mut replaced: Vec<_> = Vec::new();
        for unit in leaf.units().filter(|unit| differs(unit)) {
            if !replaced.contains(&unit.unit) {
                replaced.push(unit.unit);
            }
        }
        for unit in leaf.units() {
            if replaced.contains(&unit.unit) {
                let outcomes = self.outcomes_of(at, [unit.slot, unit.index]);
                own.units.append(&descend::copy(source, unit.element.clone(), &outcomes));
            }
        }
        own
    }

    fn outcomes_of(&self, leaf: usize, slots: [Option<u32>; 2]) -> Vec<(&'t Slot, &Outcome)> {
        let mut found: Vec<_> = slots
            .into_iter()
            .flatten()
            .filter_map(|slot| {
                let of_slot = &self.outcomes[slot as usize];
                // Leaves are decided in order.
                let at = of_slot.binary_search_by_key(&leaf, |(of, _)| *of).ok()?;
                Some((self.scene.slot(slot), &of_slot[at].1))
            })
            .collect();
        found.sort_by_key(|(slot, _)| slot.span().start);
        found
    }

    /// What tells segments outside of the elements that do: in operations of a patch.
    fn write_loose(&mut self, policy: &mut dyn UriPolicy) -> Result<(), Refused> {
        let attached = self.scene.attached();
        let tree = self.scene.tree;
        for (slot, slot_use) in (0_u32..).zip(&tree.uses) {
            let SlotUse::Segments { level } = *slot_use else { continue };
            if attached.contains(&slot) {
                if self.outcomes[slot as usize].is_empty() {
                    self.kept.push(Kept { slot: slot as usize, reason: KeepReason::Unused });
                }
                continue;
            }
            let reference = self.scene.reference(slot, tree.is_part)?;
            let values = Values::default();
            let question = Question {
                role: self.scene.slot(slot).role(),
                reference: &reference,
                values: &values,
                combinations: &self.bases.of_level[level as usize],
                budget: self.scene.budget,
                context: None,
                unexpandable: Some("the Representation is not known"),
                may_drop: self.may_drop,
            };
            let evaluated = question.evaluate(policy).map_err(|why| (slot, why))?;
            self.note(&evaluated);
            self.losers.extend(evaluated.losers);
            let outcome = evaluated.outcome;
            write_in_place(self.scene, slot, &outcome, &mut self.changes, &mut self.kept);
        }
        Ok(())
    }
}
