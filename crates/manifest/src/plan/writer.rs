//! The text of a plan under construction: the source's bytes, and others in the place of some.

use std::ops::Range;

use bytes::Bytes;

use super::{Cut, Hole, Kept, Plan};
use crate::RenderError;
use crate::policy::TokenRef;
use crate::sign::GCORE_QUERY_LEN;

/// Writes a plan's text from the source's start to its end.
pub(crate) struct Writer<'t> {
    source: &'t Bytes,
    gap: usize,
    is_xml: bool,
    /// Bytes that the text may have.
    limit: usize,
    copied: usize,
    text: Vec<u8>,
    holes: Vec<Hole>,
    cuts: Vec<Cut>,
}

/// What the text lacks.
#[derive(Default)]
pub(crate) struct Left {
    /// [`Plan::dropped`].
    pub(crate) dropped: Vec<usize>,
    /// [`Plan::withheld`].
    pub(crate) withheld: Vec<usize>,
}

impl<'t> Writer<'t> {
    /// `gap` is what most tokens will take, and `changes` how many places will change, about. The text
    /// may have `limit` bytes.
    pub(crate) fn new(
        source: &'t Bytes,
        gap: usize,
        changes: usize,
        is_xml: bool,
        limit: usize,
    ) -> Self {
        Self {
            source,
            gap,
            is_xml,
            limit,
            copied: 0,
            text: Vec::with_capacity((source.len() + changes * (gap + 1)).min(limit)),
            holes: Vec::with_capacity(changes),
            cuts: Vec::with_capacity(changes),
        }
    }

    /// Begins to write in the place of `span` of the source, which lies behind all earlier ones.
    #[inline]
    pub(crate) fn cut(&mut self, span: Range<usize>) {
        self.text.extend_from_slice(&self.source[self.copied..span.start]);
        self.copied = span.end;
        let at = narrow(self.text.len());
        self.cuts.push(Cut { source: narrow(span.start)..narrow(span.end), text: at..at });
    }

    pub(crate) fn write(&mut self, text: &[u8]) {
        self.text.extend_from_slice(text);
    }

    /// Leaves room for a token.
    #[inline]
    pub(crate) fn hole(&mut self, token: TokenRef) {
        self.holes.push(Hole { at: narrow(self.text.len()), token });
        match self.gap {
            // A gap of a length that is known here needs no call.
            GCORE_QUERY_LEN => self.text.extend_from_slice(&[0; GCORE_QUERY_LEN]),
            gap => self.text.resize(self.text.len() + gap, 0),
        }
    }

    #[inline]
    pub(crate) fn end_cut(&mut self) {
        let end = narrow(self.text.len());
        if let Some(cut) = self.cuts.last_mut() {
            cut.text.end = end;
        }
    }

    /// Inserts a token as the first part of a query.
    #[inline]
    pub(crate) fn insert_query(&mut self, at: usize, token: TokenRef) {
        self.cut(at..at);
        self.text.push(b'?');
        self.hole(token);
        self.end_cut();
    }

    /// Up to where the source is copied, or replaced.
    pub(crate) const fn copied(&self) -> usize {
        self.copied
    }

    /// Leaves a piece of the source out.
    pub(crate) fn remove(&mut self, span: Range<usize>) {
        self.cut(span);
        self.end_cut();
    }

    /// Forgets what was written, and begins again in the midst of the source.
    pub(crate) fn restart(&mut self, at: usize) {
        self.text.clear();
        self.holes.clear();
        self.cuts.clear();
        self.copied = at;
    }

    /// Whether the text is within its limit so far. One change writes no more than a few URIs.
    ///
    /// # Errors
    /// [`RenderError::TooLong`].
    #[inline]
    pub(crate) fn check(&self) -> Result<(), RenderError> {
        let limit = self.limit;
        if self.text.len() > limit { Err(RenderError::TooLong { limit }) } else { Ok(()) }
    }

    /// The plan, with what stays and what is left out, and the steps that it took.
    ///
    /// # Errors
    /// [`RenderError::TooLong`].
    pub(crate) fn finish(
        mut self,
        kept: Vec<Kept>,
        left: Left,
        steps: usize,
    ) -> Result<Plan, RenderError> {
        let rest = &self.source[self.copied..];
        if self.text.len() + rest.len() > self.limit {
            return Err(RenderError::TooLong { limit: self.limit });
        }
        self.text.extend_from_slice(rest);
        Ok(Plan {
            source: self.source.clone(),
            gap: self.gap,
            is_xml: self.is_xml,
            holes: self.holes,
            cuts: self.cuts,
            text: self.text,
            kept,
            dropped: left.dropped,
            withheld: left.withheld,
            steps,
        })
    }
}

/// Every offset is at most the text's length, which is bounded, or the source's, which compiling bounds.
fn narrow(offset: usize) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}
