//! What will be written in the place of parts of the source, collected in any order.

use std::ops::Range;

use crate::plan::writer::Writer;
use crate::policy::TokenRef;

/// Changes of a source.
#[derive(Debug)]
pub(crate) struct Changes {
    list: Vec<Change>,
    /// Bytes that all of them write.
    written: usize,
    limit: usize,
}

/// Other bytes in the place of some of the source's.
#[derive(Debug)]
struct Change {
    span: Range<usize>,
    written: Written,
}

/// Bytes to be written, tokens among them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    bytes: Vec<u8>,
    /// Where in the bytes a token goes.
    tokens: Vec<(usize, TokenRef)>,
}

impl Changes {
    /// No changes yet. They may write `limit` bytes.
    pub(crate) const fn within(limit: usize) -> Self {
        Self { list: Vec::new(), written: 0, limit }
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether they would write more than they may. Some of them are lost then.
    pub(crate) const fn exceeds_limit(&self) -> bool {
        self.written > self.limit
    }

    pub(crate) fn replace(&mut self, span: Range<usize>, written: Written) {
        self.written = self.written.saturating_add(written.len());
        if !self.exceeds_limit() {
            self.list.push(Change { span, written });
        }
    }

    pub(crate) fn insert(&mut self, at: usize, written: Written) {
        self.replace(at..at, written);
    }

    pub(crate) fn remove(&mut self, span: Range<usize>) {
        self.replace(span, Written::default());
    }

    /// Writes all of them; one within a part that another replaces is left out.
    pub(crate) fn write(mut self, writer: &mut Writer<'_>) {
        // What begins first, and of these the longer one, but for what is inserted before it.
        self.list.sort_by_key(|change| {
            let is_replaced = !change.span.is_empty();
            (change.span.start, is_replaced, std::cmp::Reverse(change.span.end))
        });
        let mut end = 0;
        for Change { span, written } in self.list {
            if span.start < end {
                continue;
            }
            end = span.end;
            writer.cut(span);
            let mut copied = 0;
            for (at, token) in &written.tokens {
                writer.write(&written.bytes[copied..*at]);
                writer.hole(*token);
                copied = *at;
            }
            writer.write(&written.bytes[copied..]);
            writer.end_cut();
        }
    }
}

impl Written {
    pub(crate) fn text(text: &str) -> Self {
        Self { bytes: text.as_bytes().to_vec(), tokens: Vec::new() }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// Bytes without the tokens.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && self.tokens.is_empty()
    }

    pub(crate) fn push_str(&mut self, text: &str) -> &mut Self {
        self.push(text.as_bytes())
    }

    pub(crate) fn push_token(&mut self, token: TokenRef) -> &mut Self {
        self.tokens.push((self.bytes.len(), token));
        self
    }

    pub(crate) fn append(&mut self, other: &Self) -> &mut Self {
        let start = self.bytes.len();
        self.tokens.extend(other.tokens.iter().map(|&(at, token)| (start + at, token)));
        self.push(&other.bytes)
    }
}
