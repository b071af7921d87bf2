//! From slots and their tree to a plan: each reference is decided for each Representation that it
//! holds for, and written in place where they agree.

mod segments;
mod withheld;

use std::collections::{BTreeMap, BTreeSet};

use super::bases::{self, Bases, Combination};
use super::changes::{Changes, Written};
use super::leaf::Leaf;
use super::outcome::{Evaluated, Outcome, Question, Rewritten};
use super::reference::{Reference, Values};
use super::scene::{Refused, Scene, write_in_place};
use super::text;
use super::timeline::{Schedule, Segment};
use super::tree::{Level, LevelKind, SlotUse, Tree};
use crate::plan::writer::{Left, Writer};
use crate::plan::{Kept, Place, Plan};
use crate::policy::{Decision, UriPolicy};
use crate::{KeepReason, Quoting, RenderError, Role, Template};

/// Says that the MPD's own query goes on to all that is fetched (annex I.2); behind a prefix, and
/// without the end tag.
const COPIES_QUERY: &str = "EssentialProperty schemeIdUri=\"urn:mpeg:dash:urlparam:2014\">\
    <up:UrlQueryInfo xmlns:up=\"urn:mpeg:dash:schema:urlparam:2014\" queryTemplate=\"$querypart$\" \
    useMPDUrlQuery=\"true\"/>";

/// Why the segments of a template are not known.
enum Untold {
    /// They would be too much.
    Refused(Refused),
    /// The text goes on from "cannot be written out: ".
    Because(String),
}

/// Plans a DASH document.
pub(crate) fn plan(
    template: &Template,
    tree: &Tree,
    place: &Place,
    policy: &mut dyn UriPolicy,
) -> Result<Plan, RenderError> {
    let budget = template.budget(place.max_steps);
    let scene = Scene { template, tree, place, budget: &budget };
    let mut dropped = BTreeSet::new();
    let mut may_drop = true;
    // Each round leaves more base URLs out, until one text serves all that are left.
    let draft = loop {
        let draft = Draft::make(scene, &dropped, may_drop, policy).map_err(|(slot, reason)| {
            let slot = &template.slots()[slot as usize];
            RenderError::Refused {
                line: slot.line(),
                offset: slot.span().start,
                carrier: template.carrier(slot).into_owned(),
                role: slot.role(),
                reason,
            }
        })?;
        let before = dropped.len();
        dropped.extend(&draft.losers);
        if dropped.len() == before {
            break draft;
        }
        // Without any of its base URLs a level would lead elsewhere.
        let is_bare = |level: &Level| {
            !level.bases.is_empty() && level.bases.iter().all(|base| dropped.contains(&base.slot))
        };
        if tree.levels.iter().any(is_bare) {
            dropped.clear();
            may_drop = false;
        }
    };
    let limit = budget.max_result();
    if draft.changes.exceeds_limit() {
        return Err(RenderError::TooLong { limit });
    }
    let escapes = policy.token_ampersands() * (text::AMPERSAND.len() - 1);
    let gap = policy.token_len() + escapes;
    let mut writer = Writer::new(template.source(), gap, draft.changes.len(), true, limit);
    draft.changes.write(&mut writer);
    let mut kept = draft.kept;
    kept.sort_by_key(|kept| kept.slot);
    let dropped = dropped.into_iter().map(|slot| slot as usize).collect();
    let mut withheld = draft.withheld;
    withheld.sort_unstable();
    writer.finish(kept, Left { dropped, withheld }, budget.steps())
}

/// A plan under construction.
struct Draft<'t, 'b> {
    scene: Scene<'t, 'b>,
    may_drop: bool,
    bases: Bases,
    leaves: Vec<Leaf<'t>>,
    schedule: Schedule<'t>,
    /// By slot, what becomes of it for each of the leaves that it holds for.
    outcomes: Vec<Vec<(usize, Outcome)>>,
    /// The segments of leaves whose template is written out.
    expanded: BTreeMap<usize, Vec<Segment>>,
    changes: Changes,
    kept: Vec<Kept>,
    losers: BTreeSet<u32>,
    /// Whether anything leads, or may lead, to another host than the document's own.
    leads_elsewhere: bool,
    /// Where stands what is left out for strangers' sake.
    withheld: Vec<usize>,
}

// === impl Draft ===

impl<'t, 'b> Draft<'t, 'b> {
    fn make(
        scene: Scene<'t, 'b>,
        dropped: &BTreeSet<u32>,
        may_drop: bool,
        policy: &mut dyn UriPolicy,
    ) -> Result<Self, Refused> {
        let mut draft = Self {
            scene,
            may_drop,
            bases: scene.bases(dropped, policy)?,
            leaves: scene.leaves(),
            schedule: scene.schedule(),
            outcomes: vec![Vec::new(); scene.template.slots().len()],
            expanded: BTreeMap::new(),
            changes: Changes::within(scene.budget.max_result()),
            kept: Vec::new(),
            losers: BTreeSet::new(),
            leads_elsewhere: false,
            withheld: Vec::new(),
        };
        let document = [scene.document()];
        for leaf in 0..draft.leaves.len() {
            draft.leaf(leaf, &document, dropped, policy)?;
        }
        if draft.may_copy_query(policy) {
            draft.let_players_copy_query();
        }
        let is_moved = draft.write_segments(policy)?;
        draft.write_bases(dropped);
        let keeps_patches = !is_moved && dropped.is_empty() && policy.allows_delta_updates();
        let [document] = document;
        let document = [bases::beside(document, &draft.bases)];
        draft.write_document(&document, keeps_patches, policy)?;
        if !policy.trusts_strangers() {
            draft.leave_out_what_is_unsafe(policy.own_query());
        }
        Ok(draft)
    }

    // === Deciding ===

    fn leaf(
        &mut self,
        at: usize,
        document: &[Combination],
        dropped: &BTreeSet<u32>,
        policy: &mut dyn UriPolicy,
    ) -> Result<(), Refused> {
        let leaf = &self.leaves[at];
        let level = leaf.level as usize;
        let mut found = Vec::new();
        for (slot, combinations) in self.scene.fetched_bases(leaf, &self.bases, document, dropped) {
            // What others fetched is the same.
            if self.outcomes[slot as usize].is_empty() {
                let values = Values::default();
                let reference = self.scene.reference(slot, false)?;
                let question = self.question(Role::Segment, &reference, &values, combinations);
                let mut evaluated = question.evaluate(policy).map_err(|why| (slot, why))?;
                if policy.writes_absolute_bases() && policy.token_ampersands() > 0 {
                    evaluated.write_from_slash(&self.scene.place.served);
                }
                found.push((slot, evaluated));
            }
        }
        let combinations = &self.bases.of_level[level][..];
        for unit in leaf.units() {
            for slot in [unit.slot, unit.index].into_iter().flatten() {
                self.scene.budget.charge(unit.element.len()).map_err(|why| (slot, why))?;
                let reference = self.scene.reference(slot, false)?;
                let role = self.scene.slot(slot).role();
                let question = self.question(role, &reference, &leaf.values, combinations);
                found.push((slot, question.evaluate(policy).map_err(|why| (slot, why))?));
            }
        }
        let mut segments = None;
        for slot in leaf.attributes.into_iter().flatten() {
            let reference = self.scene.reference(slot, true)?;
            let role = self.scene.slot(slot).role();
            let mut question = self.question(role, &reference, &leaf.values, combinations);
            let mut evaluated = question.evaluate(policy).map_err(|why| (slot, why))?;
            if evaluated.outcome == Outcome::Expand {
                match segments.get_or_insert_with(|| self.tell(leaf, policy)) {
                    Ok(_) => {}
                    Err(Untold::Refused(refused)) => return Err(refused.clone()),
                    Err(Untold::Because(reason)) => {
                        question.unexpandable = Some(reason);
                        evaluated = question.evaluate(policy).map_err(|why| (slot, why))?;
                    }
                }
            }
            found.push((slot, evaluated));
        }
        if let Some(Ok(segments)) = segments {
            self.expanded.insert(at, segments);
        }
        for (slot, evaluated) in found {
            self.take(slot, at, evaluated);
        }
        Ok(())
    }

    fn question<'q>(
        &self,
        role: Role,
        reference: &'q Reference,
        values: &'q Values,
        combinations: &'q [Combination],
    ) -> Question<'q>
    where
        'b: 'q,
    {
        let budget = self.scene.budget;
        let question = Question::of(role, reference, values, combinations, budget);
        Question { may_drop: self.may_drop, ..question }
    }

    fn take(&mut self, slot: u32, leaf: usize, evaluated: Evaluated) {
        self.note(&evaluated);
        self.losers.extend(evaluated.losers);
        self.outcomes[slot as usize].push((leaf, evaluated.outcome));
    }

    // === What would carry tokens away ===

    /// Notes where something leads.
    fn note(&mut self, evaluated: &Evaluated) {
        let place = self.scene.place;
        self.leads_elsewhere |= match (&evaluated.decision, &evaluated.url) {
            (Decision::Deliver { url, .. }, _) => url.origin() != place.served.origin(),
            (Decision::Expand, Some(url)) => url.origin() != place.base.origin(),
            (Decision::Keep(reason), _) => *reason == KeepReason::ForeignHost,
            (Decision::Expand | Decision::Refuse(_), _) => true,
        };
    }

    // === The query of the MPD's own URL ===

    /// Whether all that is fetched gets the token of the MPD's own URL, and the policy says so. Players
    /// would copy the token to every other host, too.
    fn may_copy_query(&self, policy: &dyn UriPolicy) -> bool {
        let mut outcomes = self.outcomes.iter().flatten().map(|(_, outcome)| outcome).peekable();
        let copies = |token| policy.is_copied_by_players(token);
        outcomes.peek().is_some()
            && outcomes.all(|outcome| outcome.query_token().is_some_and(copies))
    }

    fn let_players_copy_query(&mut self) {
        for (_, outcome) in self.outcomes.iter_mut().flatten() {
            outcome.take_query_token();
        }
        let source = self.scene.source();
        let levels = self.scene.tree.levels.iter();
        for level in levels.filter(|level| level.kind == LevelKind::AdaptationSet) {
            let mut property = Written::text("<");
            property.push(level.shape.prefix(source)).push_str(COPIES_QUERY).push_str("</");
            property.push(level.shape.prefix(source)).push_str("EssentialProperty>");
            if level.shape.end_tag.is_some() {
                self.changes.insert(level.shape.tag.end, property);
            }
        }
    }

    // === Base URLs ===

    fn write_bases(&mut self, dropped: &BTreeSet<u32>) {
        let tree = self.scene.tree;
        if let Some(inserted) = self.bases.inserted.clone() {
            self.insert_element("BaseURL", &inserted);
        }
        for base in tree.levels.iter().flat_map(|level| &level.bases) {
            if dropped.contains(&base.slot) {
                self.changes.remove(base.element.clone());
                continue;
            }
            let fetched =
                self.outcomes[base.slot as usize].first().map(|(_, outcome)| outcome.clone());
            let rebased = || self.bases.rebased.get(&base.slot).cloned();
            let outcome = match fetched {
                Some(outcome @ (Outcome::Insert(Some(_)) | Outcome::Write(_))) => Some(outcome),
                fetched => rebased().map(Outcome::Write).or(fetched),
            };
            match outcome {
                Some(outcome) => {
                    write_in_place(
                        self.scene,
                        base.slot,
                        &outcome,
                        &mut self.changes,
                        &mut self.kept,
                    );
                }
                None => {
                    if let Some(reason) = self.bases.kept.get(&base.slot) {
                        self.kept.push(Kept { slot: base.slot as usize, reason: *reason });
                    }
                }
            }
        }
    }

    // === The document ===

    fn write_document(
        &mut self,
        document: &[Combination],
        keeps_patches: bool,
        policy: &mut dyn UriPolicy,
    ) -> Result<(), Refused> {
        let tree = self.scene.tree;
        // A patch of ours is rendered without the MPD, so there must be one base for all of it.
        // That of a patch itself takes the place of one that was offered.
        let keeps_patches = keeps_patches || tree.is_part && policy.allows_delta_updates();
        let may_rewrite_patches = keeps_patches && (tree.is_part || !bases::has_inner_bases(tree));
        let mut has_location = false;
        for (slot, slot_use) in (0_u32..).zip(&tree.uses) {
            let SlotUse::Document { level } = *slot_use else { continue };
            let role = self.scene.slot(slot).role();
            has_location |= role == Role::Location;
            let context = self.bases.context(level);
            let reference = self.scene.reference(slot, false)?;
            let values = Values::default();
            let question = Question {
                role,
                reference: &reference,
                values: &values,
                combinations: document,
                budget: self.scene.budget,
                context: context.filter(|_| matches!(role, Role::Remote | Role::PatchLocation)),
                unexpandable: None,
                may_drop: self.may_drop,
            };
            let evaluated = question.evaluate(policy).map_err(|why| (slot, why))?;
            if role == Role::PatchLocation {
                let is_theirs = matches!(evaluated.outcome, Outcome::Keep(_));
                if !(may_rewrite_patches || keeps_patches && is_theirs) {
                    if let Some(element) = self.document_element(slot) {
                        self.changes.remove(element);
                    }
                    continue;
                }
            }
            self.note(&evaluated);
            let is_theirs = evaluated.outcome == Outcome::Keep(KeepReason::ForeignHost);
            let leads_on = matches!(role, Role::Steering | Role::PatchLocation | Role::Remote);
            if is_theirs && leads_on && !policy.trusts_strangers() {
                self.leave_out_document(slot, role);
                continue;
            }
            write_in_place(self.scene, slot, &evaluated.outcome, &mut self.changes, &mut self.kept);
        }
        if tree.is_dynamic && !has_location {
            let served = self.scene.place.served.clone();
            if let Some(Decision::Deliver { url, token }) = policy.location(&served) {
                let location = Rewritten { text: url.as_str().to_owned(), token };
                self.insert_element("Location", &location);
            }
        }
        Ok(())
    }

    /// Puts an element that only has text before the first Period, behind what comes before it. A
    /// document of one empty element names nothing that it could be for.
    fn insert_element(&mut self, name: &str, text: &Rewritten) {
        let shape = &self.scene.tree.level(0).shape;
        if shape.end_tag.is_none() {
            return;
        }
        let prefix = shape.prefix(self.scene.source());
        let mut element = Written::text("<");
        element.push(prefix).push_str(name).push_str(">");
        element.append(&text.written(Quoting::XmlText)).push_str("</");
        element.push(prefix).push_str(name).push_str(">");
        self.changes.insert(self.scene.tree.location_at, element);
    }
}
