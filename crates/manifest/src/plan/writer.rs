//! The text of a plan under construction: the source's bytes, and others in the place of some.

use std::ops::Range;

use bytes::Bytes;

use super::{Cut, Hole, Kept, Plan};
use crate::policy::TokenRef;

/// Writes a plan's text from the source's start to its end.
pub(crate) struct Writer<'t> {
    source: &'t Bytes,
    gap: usize,
    is_xml: bool,
    copied: usize,
    text: Vec<u8>,
    holes: Vec<(usize, TokenRef)>,
    cuts: Vec<(Range<usize>, Range<usize>)>,
}

impl<'t> Writer<'t> {
    /// `gap` is what most tokens will take, and `changes` how many places will change, about.
    pub(crate) fn new(source: &'t Bytes, gap: usize, changes: usize, is_xml: bool) -> Self {
        Self {
            source,
            gap,
            is_xml,
            copied: 0,
            text: Vec::with_capacity(source.len() + changes * (gap + 1)),
            holes: Vec::with_capacity(changes),
            cuts: Vec::with_capacity(changes),
        }
    }

    /// Begins to write in the place of `span` of the source, which lies behind all earlier ones.
    pub(crate) fn cut(&mut self, span: Range<usize>) {
        self.text.extend_from_slice(&self.source[self.copied..span.start]);
        self.copied = span.end;
        self.cuts.push((span, self.text.len()..self.text.len()));
    }

    pub(crate) fn write(&mut self, text: &[u8]) {
        self.text.extend_from_slice(text);
    }

    /// Leaves room for a token.
    pub(crate) fn hole(&mut self, token: TokenRef) {
        self.holes.push((self.text.len(), token));
        self.text.resize(self.text.len() + self.gap, 0);
    }

    pub(crate) fn end_cut(&mut self) {
        let end = self.text.len();
        if let Some((_, text)) = self.cuts.last_mut() {
            text.end = end;
        }
    }

    /// Leaves a piece of the source out.
    pub(crate) fn remove(&mut self, span: Range<usize>) {
        self.cut(span);
        self.end_cut();
    }

    /// Forgets what was written.
    pub(crate) fn clear(&mut self) {
        self.text.clear();
        self.holes.clear();
        self.cuts.clear();
        self.copied = 0;
    }

    /// None if the text has 4 GiB or more.
    pub(crate) fn finish(mut self, kept: Vec<Kept>, dropped: Vec<usize>) -> Option<Plan> {
        self.text.extend_from_slice(&self.source[self.copied..]);
        u32::try_from(self.text.len()).ok()?;
        // Every offset is at most the text's length, or the source's, which compiling bounds.
        let narrow = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
        let narrow_range = |range: Range<usize>| narrow(range.start)..narrow(range.end);
        let hole = |(at, token)| Hole { at: narrow(at), token };
        let cut = |(source, text)| Cut { source: narrow_range(source), text: narrow_range(text) };
        Some(Plan {
            source: self.source.clone(),
            gap: self.gap,
            is_xml: self.is_xml,
            holes: self.holes.into_iter().map(hole).collect(),
            cuts: self.cuts.into_iter().map(cut).collect(),
            text: self.text,
            kept,
            dropped,
        })
    }
}
