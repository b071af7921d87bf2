//! What a plan leaves out, since it would make players tell strangers the MPD's URL, its query, or its
//! tokens.

use std::ops::Range;

use super::Draft;
use crate::policy::OwnQuery;
use crate::{KeepReason, Role};

impl Draft<'_, '_> {
    /// Leaves out what would make players tell strangers the MPD's URL, its query, or its tokens.
    pub(super) fn leave_out_what_is_unsafe(&mut self, own_query: OwnQuery) {
        let tree = self.scene.tree;
        for element in &tree.unsafe_elements {
            self.withhold(element.clone());
        }
        // What a remote element or a patch holds is not known here, nor what is around it there.
        let is_part = tree.is_part || !tree.remotes.is_empty() || !tree.documents.is_empty();
        let has_strangers =
            self.bases.kept.values().any(|reason| *reason == KeepReason::ForeignHost);
        let may_copy = match own_query {
            OwnQuery::Open => true,
            OwnQuery::ForItsHost => !is_part && !has_strangers && !self.leads_elsewhere,
            OwnQuery::ForItself => false,
        };
        if !may_copy {
            for attribute in &tree.copies_of_query {
                self.withhold(attribute.clone());
            }
        }
    }

    /// Leaves out a document of a stranger's that players make a part of the MPD, or that leads them on.
    pub(super) fn leave_out_document(&mut self, slot: u32, role: Role) {
        if role != Role::Remote {
            if let Some(element) = self.document_element(slot) {
                self.withhold(element);
            }
            return;
        }
        let remotes = &self.scene.tree.remotes;
        let at = remotes.partition_point(|remote| remote.slot < slot);
        let Some(remote) = remotes.get(at).filter(|remote| remote.slot == slot) else { return };
        let left_out = if remote.has_content { &remote.attribute } else { &remote.element };
        self.withhold(left_out.clone());
    }

    fn withhold(&mut self, span: Range<usize>) {
        self.withheld.push(span.start);
        self.changes.remove(span);
    }

    /// The ContentSteering or PatchLocation that a slot is a part of.
    pub(super) fn document_element(&self, slot: u32) -> Option<Range<usize>> {
        let at = self.scene.slot(slot).span().start;
        // In the order of their ends.
        let elements = &self.scene.tree.documents;
        let first = elements.partition_point(|element| element.end <= at);
        elements.get(first).filter(|element| element.contains(&at)).cloned()
    }
}
