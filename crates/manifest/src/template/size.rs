//! The memory that a template takes.

use std::mem::size_of;

use super::Template;
use crate::dash::tree::{Base, Level, Segments, SlotUse, Tree};
use crate::slot::Slot;
use crate::steering::Replacement;
use crate::variables::Definition;

impl Template {
    /// Bytes of memory that the template takes, its source among them.
    #[must_use]
    pub fn size(&self) -> usize {
        size_of::<Self>()
            + self.source.len()
            + self.slots.capacity() * size_of::<Slot>()
            + self.definitions.capacity() * size_of::<Definition>()
            + self.delta_updates.capacity() * size_of::<std::ops::Range<usize>>()
            + self.replacements.capacity() * size_of::<Replacement>()
            + self.tree.as_ref().map_or(0, size_of_tree)
    }
}

fn size_of_tree(tree: &Tree) -> usize {
    let of_level = |level: &Level| {
        level.bases.capacity() * size_of::<Base>()
            + level.segments.capacity() * size_of::<Segments>()
            + level.segments.iter().map(Segments::units_size).sum::<usize>()
    };
    tree.levels.capacity() * size_of::<Level>()
        + tree.levels.iter().map(of_level).sum::<usize>()
        + tree.uses.capacity() * size_of::<SlotUse>()
        + (tree.documents.capacity()
            + tree.unsafe_elements.capacity()
            + tree.copies_of_query.capacity())
            * size_of::<std::ops::Range<usize>>()
        + tree.remotes.capacity() * size_of::<crate::dash::tree::RemoteElement>()
}
