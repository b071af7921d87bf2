//! A plan with its tokens: copies, and nothing else.

use bytes::Bytes;
use sluicegate_token::ByteList;

use crate::Edit;
use crate::plan::Plan;
use crate::policy::TokenRef;
use crate::sign::GCORE_QUERY_LEN;

/// A rendered manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The text for the player.
    pub bytes: Vec<u8>,
    /// What was changed, in order; [`crate::undo`] takes it back.
    pub edits: Vec<Edit>,
}

impl Plan {
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
        let out = &mut out[start..];
        match self.gap {
            // A copy of a length that is known here needs no call.
            GCORE_QUERY_LEN => self.overwrite::<GCORE_QUERY_LEN>(tokens, out),
            gap => self.holes.iter().try_for_each(|hole| {
                let token = text_of(tokens, hole.token);
                let at = hole.at as usize;
                out.get_mut(at..at + gap)
                    .filter(|gap| gap.len() == token.len())?
                    .copy_from_slice(token);
                Some(())
            }),
        }
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
            out.extend_from_slice(text_of(tokens, hole.token));
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
                written += text_of(tokens, hole.token).len();
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

#[inline]
fn text_of(tokens: &[ByteList], token: TokenRef) -> &[u8] {
    tokens.get(usize::from(token.list)).map_or(&[], |list| list.get(token.index as usize))
}
