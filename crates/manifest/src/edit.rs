//! What rendering changed, and how to take it back.

use std::ops::Range;

use bytes::Bytes;

/// One change: the bytes `removed` of the source became the range `output` of the rendered text.
///
/// `removed` is empty where rendering only inserted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// Where the new bytes stand in the rendered text, half-open.
    pub output: Range<usize>,
    /// The source's bytes that they stand for.
    pub removed: Bytes,
}

/// Takes the edits back: gives, byte for byte, the source of which `rendered` was made.
///
/// The edits must be those of that rendering, in order; a range outside `rendered` is passed over.
#[must_use]
pub fn undo(rendered: &[u8], edits: &[Edit]) -> Vec<u8> {
    let mut source = Vec::with_capacity(rendered.len());
    let mut copied = 0;
    for edit in edits {
        source.extend_from_slice(rendered.get(copied..edit.output.start).unwrap_or_default());
        source.extend_from_slice(&edit.removed);
        copied = edit.output.end;
    }
    source.extend_from_slice(rendered.get(copied..).unwrap_or_default());
    source
}
