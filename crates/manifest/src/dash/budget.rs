//! What planning a document may cost: Representations share what is written once, so that little
//! text can stand for very much.

use super::bases::Combination;
use super::reference::Reference;
use crate::RefuseReason;

/// The most bytes that are looked at, or written, for all Representations: more than any manifest
/// needs, and less than a minute's work.
pub(crate) const MAX_BYTES: usize = 128 << 20;

/// What deciding a reference costs besides its bytes.
const DECISION: usize = 128;

/// What is left of it.
#[derive(Debug)]
pub(crate) struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Self(MAX_BYTES)
    }
}

impl Budget {
    /// # Errors
    /// [`RefuseReason::TooManyUses`] if that is more than is left.
    pub(crate) fn spend(&mut self, bytes: usize) -> Result<(), RefuseReason> {
        self.0 = self.0.checked_sub(bytes).ok_or(RefuseReason::TooManyUses(MAX_BYTES >> 20))?;
        Ok(())
    }

    /// Of a decision.
    pub(crate) fn cost(reference: &Reference, combinations: &[Combination]) -> usize {
        let base = |one: &Combination| one.source.as_ref().map_or(0, |url| url.as_str().len());
        combinations.iter().map(|one| DECISION + reference.len() + base(one)).sum()
    }
}
