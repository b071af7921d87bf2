//! Bounds on the work that planning a manifest takes, and on the text that comes out of it.
//!
//! Little text can stand for very much: Representations share templates and lists, a template stands
//! for each of its segments, a variable for its value at each use. Each piece of work is charged before
//! it is done, and each piece of text before it is allocated.

use std::cell::Cell;

use crate::{Limits, RefuseReason};

/// Steps of one decision, beside the bytes that it reads.
pub(crate) const DECISION: usize = 128;

/// Steps of one combination of base URLs, which is kept while the document is planned.
pub(crate) const COMBINATION: usize = 512;

/// The part of the limits that one manifest has not used.
#[derive(Debug)]
pub(crate) struct Budget {
    limits: Limits,
    source_len: usize,
    max_steps: usize,
    steps: Cell<usize>,
    written_out: Cell<usize>,
}

impl Budget {
    /// The whole budget of a source of `source_len` bytes, of `max_steps` at most.
    pub(crate) fn of(limits: &Limits, source_len: usize, max_steps: Option<usize>) -> Self {
        Self {
            limits: *limits,
            source_len,
            max_steps: limits.max_steps(source_len).min(max_steps.unwrap_or(usize::MAX)),
            steps: Cell::new(0),
            written_out: Cell::new(0),
        }
    }

    /// Steps that were charged so far.
    pub(crate) fn steps(&self) -> usize {
        self.steps.get()
    }

    /// Charges work: about one step for each byte that is read or written.
    ///
    /// # Errors
    /// [`RefuseReason::TooMuchWork`] if it is more than is left.
    #[inline]
    pub(crate) fn charge(&self, steps: usize) -> Result<(), RefuseReason> {
        let limit = self.max_steps;
        let taken = self.steps.get().saturating_add(steps);
        if taken > limit {
            return Err(RefuseReason::TooMuchWork { limit });
        }
        self.steps.set(taken);
        Ok(())
    }

    /// Charges the segments of a template that is written out, each of up to `bytes`.
    ///
    /// # Errors
    /// [`RefuseReason::TooMuchWrittenOut`] if they are more than is left.
    pub(crate) fn charge_segments(&self, count: usize, bytes: usize) -> Result<(), RefuseReason> {
        let limit = self.limits.max_expanded_bytes;
        let taken = self.written_out.get().saturating_add(count.saturating_mul(bytes));
        if taken > limit {
            return Err(RefuseReason::TooMuchWrittenOut { limit });
        }
        self.written_out.set(taken);
        Ok(())
    }

    /// Segments that one template may be written out to.
    pub(crate) const fn max_segments(&self) -> usize {
        self.limits.max_expanded_segments
    }

    /// Checks the length of a URI with its variables and identifiers filled in.
    ///
    /// # Errors
    /// [`RefuseReason::UriTooLong`].
    #[inline]
    pub(crate) const fn check_uri(&self, bytes: usize) -> Result<(), RefuseReason> {
        let limit = self.limits.max_uri_bytes;
        if bytes > limit { Err(RefuseReason::UriTooLong { bytes, limit }) } else { Ok(()) }
    }

    /// Checks a reference, of which `start` is the beginning. A `data:` URI is its own content, and is
    /// never longer than the source.
    ///
    /// # Errors
    /// [`RefuseReason::UriTooLong`].
    #[inline]
    pub(crate) fn check_reference(&self, start: &[u8], bytes: usize) -> Result<(), RefuseReason> {
        match self.check_uri(bytes) {
            Err(_) if is_data(start) && bytes <= self.source_len => Ok(()),
            checked => checked,
        }
    }

    /// Bytes that the rendered text may have.
    pub(crate) fn max_result(&self) -> usize {
        self.limits.max_result(self.source_len)
    }
}

/// Whether a reference begins as a `data:` URI does (RFC 2397).
fn is_data(start: &[u8]) -> bool {
    start.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"data:"))
}
