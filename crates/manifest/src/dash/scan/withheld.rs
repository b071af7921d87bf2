//! What a plan leaves out, or may leave out: elements that would carry tokens away or that players read
//! differently, copies of the MPD's query, and elements that are kept elsewhere.

use std::ops::Range;

use super::{Scanner, value_of};
use crate::CompileError;
use crate::dash::carriers::{ElementUse, copies_query};
use crate::dash::tree::RemoteElement;
use crate::dash::xml::{Attribute, Namespace, Tag};

impl Scanner<'_> {
    /// Whether an element would carry tokens away, or is read differently by players: of a name that counts
    /// in another namespace, or where most players do not look for it.
    pub(super) fn is_unsafe(&self, tag: &Tag<'_>, is: ElementUse) -> bool {
        let Some(around) = self.open.last() else { return false };
        let is_operation = is == ElementUse::Operation && self.tree.is_part;
        let needs_namespace = is.needs_namespace() || is_operation || tag.local == "UTCTiming";
        is == ElementUse::Reporting
            || needs_namespace && tag.namespace != Namespace::Dash
            || is.needs_level() && !around.is_level
            || is_operation && self.adds_a_copy(tag)
    }

    /// Whether an operation of a patch is for an attribute that makes players copy a query.
    fn adds_a_copy(&self, tag: &Tag<'_>) -> bool {
        let mut selectors = tag.attributes.iter().filter(|a| matches!(a.local, "sel" | "type"));
        selectors.any(|selector| {
            let text = value_of(selector).text(self.source);
            text.split('@').skip(1).any(|step| {
                let name = step.split(['[', ']', '=', ' ']).next().unwrap_or_default();
                copies_query(name.rsplit(':').next().unwrap_or_default())
            })
        })
    }

    /// Passes over an element that is left out, and all that is in it.
    pub(super) fn leave_out(&mut self, tag: &Tag<'_>) -> Result<(), CompileError> {
        if self.unsafe_depth == 0 {
            self.look_at_text(true)?;
            self.take_memory(size_of::<Range<usize>>(), tag.span.start)?;
            self.tree.unsafe_elements.push(tag.span.clone());
        }
        if !tag.is_empty {
            self.unsafe_depth += 1;
        }
        Ok(())
    }

    pub(super) fn copy_of_query(&mut self, attribute: &Attribute<'_>) {
        let value = value_of(attribute).text(self.source);
        if value.trim() != "false" {
            self.tree.copies_of_query.push(self.whole(attribute));
            if let Some(around) = self.open.last_mut() {
                around.query.is_copied = true;
            }
        }
    }

    /// An attribute with its quotes, and the space before it.
    fn whole(&self, attribute: &Attribute<'_>) -> Range<usize> {
        let before = &self.source[..attribute.name.start];
        before.trim_ascii_end().len()..attribute.value.end + 1
    }

    pub(super) fn remote(
        &mut self,
        tag: &Tag<'_>,
        attribute: &Attribute<'_>,
        slot: u32,
    ) -> Result<usize, CompileError> {
        self.take_memory(size_of::<RemoteElement>(), tag.span.start)?;
        self.tree.remotes.push(RemoteElement {
            slot,
            attribute: self.whole(attribute),
            element: tag.span.clone(),
            has_content: false,
        });
        Ok(self.tree.remotes.len() - 1)
    }
}
