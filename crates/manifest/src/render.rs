//! A plan with its tokens: copies, and nothing else.

use std::borrow::Cow;

use bytes::Bytes;
use memchr::{memchr, memchr_iter};
use sluicegate_token::ByteList;

use crate::Edit;
use crate::dash::text::AMPERSAND;
use crate::plan::Plan;
use crate::policy::TokenRef;
use crate::sign::GCORE_QUERY_LEN;

/// Where a Gcore query has its `&`, and how long it is in XML.
const GCORE_AMPERSAND_AT: usize = 26;
const GCORE_XML_LEN: usize = GCORE_QUERY_LEN + AMPERSAND.len() - 1;

/// A rendered manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The text for the player.
    pub bytes: Vec<u8>,
    /// What was changed, in order; [`crate::undo`] takes it back.
    pub edits: Vec<Edit>,
}

/// Where a token stands in a rendered text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Which token.
    pub token: TokenRef,
    /// Where it begins, in bytes.
    pub at: usize,
    /// Its length as it is written there.
    pub len: usize,
}

impl Plan {
    /// Where each token stands in the text that these tokens make, in order.
    pub fn placed(&self, tokens: &[ByteList]) -> impl Iterator<Item = Placed> {
        // Length of the tokens, and of their gaps, so far.
        let (mut written, mut gaps) = (0, 0);
        self.holes.iter().map(move |hole| {
            let at = hole.at as usize + written - gaps;
            let len = self.written(tokens, hole.token).len();
            written += len;
            gaps += self.gap;
            Placed { token: hole.token, at, len }
        })
    }

    /// The token as it is written in this document.
    #[must_use]
    pub fn written<'t>(&self, tokens: &'t [ByteList], token: TokenRef) -> Cow<'t, [u8]> {
        let text = text_of(tokens, token);
        if self.is_xml { escape_ampersands(text) } else { Cow::Borrowed(text) }
    }

    /// Appends the rendered text to `out`: the hot path, without a list of edits.
    ///
    /// `tokens[l].get(i)` stands for [`TokenRef`] `i` of list `l`; one that is not there is empty.
    pub fn render_into(&self, tokens: &[ByteList], out: &mut Vec<u8>) {
        let start = out.len();
        if self.copy_and_overwrite(tokens, out).is_none() {
            out.truncate(start);
            self.copy_around_gaps(tokens, out);
        }
    }

    /// The rendered text, of a plan that is rendered once: its own text is overwritten.
    #[must_use]
    pub fn into_text(mut self, tokens: &[ByteList]) -> Vec<u8> {
        let mut text = std::mem::take(&mut self.text);
        if self.overwrite_gaps(tokens, &mut text).is_some() {
            return text;
        }
        self.text = text;
        let mut out = Vec::new();
        self.copy_around_gaps(tokens, &mut out);
        out
    }

    /// The rendered text with the list of what was changed.
    #[must_use]
    pub fn render(&self, tokens: &[ByteList]) -> Rendered {
        let mut bytes = Vec::new();
        self.render_into(tokens, &mut bytes);
        Rendered { bytes, edits: self.edits(tokens) }
    }

    /// Works if every token is as long as its gap: one copy of the whole, then the tokens.
    fn copy_and_overwrite(&self, tokens: &[ByteList], out: &mut Vec<u8>) -> Option<()> {
        let start = out.len();
        out.extend_from_slice(&self.text);
        self.overwrite_gaps(tokens, &mut out[start..])
    }

    /// Puts each token into its gap, if all are as long as these. What was overwritten is a gap still.
    fn overwrite_gaps(&self, tokens: &[ByteList], out: &mut [u8]) -> Option<()> {
        match (self.is_xml, self.gap) {
            // A copy of a length that is known here needs no call.
            (false, GCORE_QUERY_LEN) => self.overwrite::<GCORE_QUERY_LEN>(tokens, out),
            (true, GCORE_XML_LEN) => self.overwrite_in_xml(tokens, out),
            (_, gap) => self.holes.iter().try_for_each(|hole| {
                let token = self.written(tokens, hole.token);
                let at = hole.at as usize;
                out.get_mut(at..at + gap)
                    .filter(|gap| gap.len() == token.len())?
                    .copy_from_slice(&token);
                Some(())
            }),
        }
    }

    /// Gcore's queries, whose one `&` stands in one place.
    fn overwrite_in_xml(&self, tokens: &[ByteList], out: &mut [u8]) -> Option<()> {
        let queries: Vec<_> = tokens.iter().map(gcore_queries).collect();
        let mut last: Option<(TokenRef, &[u8; GCORE_QUERY_LEN])> = None;
        for hole in &self.holes {
            // The segments of one directory stand together and have one token.
            let query = match last {
                Some((known, query)) if known == hole.token => query,
                _ => {
                    let TokenRef { list, index } = hole.token;
                    let list = queries.get(usize::from(list)).copied().flatten()?;
                    list.get(index as usize)?
                }
            };
            last = Some((hole.token, query));
            write_in_xml(query, out.get_mut(hole.at as usize..)?.first_chunk_mut()?);
        }
        Some(())
    }

    fn overwrite<const LEN: usize>(&self, tokens: &[ByteList], out: &mut [u8]) -> Option<()> {
        let mut last: Option<(TokenRef, &[u8; LEN])> = None;
        for hole in &self.holes {
            // The segments of one directory stand together and have one token.
            let token = match last {
                Some((known, token)) if known == hole.token => token,
                _ => text_of(tokens, hole.token).try_into().ok()?,
            };
            last = Some((hole.token, token));
            *out.get_mut(hole.at as usize..)?.first_chunk_mut()? = *token;
        }
        Some(())
    }

    fn copy_around_gaps(&self, tokens: &[ByteList], out: &mut Vec<u8>) {
        let mut copied = 0;
        for hole in &self.holes {
            let at = hole.at as usize;
            out.extend_from_slice(&self.text[copied..at]);
            out.extend_from_slice(&self.written(tokens, hole.token));
            copied = at + self.gap;
        }
        out.extend_from_slice(&self.text[copied..]);
    }

    fn edits(&self, tokens: &[ByteList]) -> Vec<Edit> {
        let mut holes = self.holes.iter().peekable();
        // Length of the tokens, and of the gaps that they stand in, so far.
        let (mut written, mut gaps) = (0, 0);
        let edit = |cut: &crate::plan::Cut| {
            let start = cut.text.start as usize + written - gaps;
            let end = cut.text.end as usize;
            while let Some(hole) = holes.next_if(|hole| hole.at as usize + self.gap <= end) {
                written += self.written(tokens, hole.token).len();
                gaps += self.gap;
            }
            let end = end + written - gaps;
            let removed: Bytes =
                self.source.slice(cut.source.start as usize..cut.source.end as usize);
            Edit { output: start..end, removed }
        };
        self.cuts.iter().map(edit).collect()
    }
}

/// Piece by piece into its place: whoever reads back what was just written in other pieces waits.
#[inline]
fn write_in_xml(query: &[u8; GCORE_QUERY_LEN], out: &mut [u8; GCORE_XML_LEN]) {
    const AFTER: usize = GCORE_AMPERSAND_AT + AMPERSAND.len();
    out[..GCORE_AMPERSAND_AT].copy_from_slice(&query[..GCORE_AMPERSAND_AT]);
    out[GCORE_AMPERSAND_AT..AFTER].copy_from_slice(AMPERSAND);
    out[AFTER..].copy_from_slice(&query[GCORE_AMPERSAND_AT + 1..]);
}

fn escape_ampersands(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr(b'&', text).is_none() {
        return Cow::Borrowed(text);
    }
    let mut escaped = Vec::with_capacity(text.len() + 16);
    for (at, piece) in text.split(|&byte| byte == b'&').enumerate() {
        if at > 0 {
            escaped.extend_from_slice(AMPERSAND);
        }
        escaped.extend_from_slice(piece);
    }
    Cow::Owned(escaped)
}

/// The tokens, if each is as long as Gcore's, with its one `&` where that has it.
fn gcore_queries(list: &ByteList) -> Option<&[[u8; GCORE_QUERY_LEN]]> {
    let (queries, rest) = list.of_length(GCORE_QUERY_LEN)?.as_chunks();
    let is_shaped = queries.iter().all(|query| query[GCORE_AMPERSAND_AT] == b'&');
    let has_one_each = memchr_iter(b'&', list.as_bytes()).count() == list.len();
    (rest.is_empty() && is_shaped && has_one_each).then_some(queries)
}

#[inline]
fn text_of(tokens: &[ByteList], token: TokenRef) -> &[u8] {
    tokens.get(usize::from(token.list)).map_or(&[], |list| list.get(token.index as usize))
}
