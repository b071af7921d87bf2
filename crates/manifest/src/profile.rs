//! Variants and Representations that a viewer may not have: whole pieces of a manifest, to be left
//! out byte for byte.

mod dash;
mod hls;

use std::ops::Range;

use bytes::Bytes;

use crate::{CompileError, Options, RenderError, Template};

/// What a viewer may have at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    /// Lines of the picture: RESOLUTION of a variant, @height of a Representation or its
    /// AdaptationSet. What does not tell it, such as sound, is not concerned.
    pub max_height: Option<u32>,
    /// Bits per second: BANDWIDTH of a variant, @bandwidth of a Representation. Both must tell it;
    /// what does not is too much.
    pub max_bitrate: Option<u64>,
}

impl Profile {
    fn allows(&self, height: Option<u64>, bitrate: Option<u64>) -> bool {
        let is_low = |most: u32| height.is_none_or(|height| height <= u64::from(most));
        let is_slow = |most: u64| bitrate.is_some_and(|bitrate| bitrate <= most);
        self.max_height.is_none_or(is_low) && self.max_bitrate.is_none_or(is_slow)
    }
}

impl Template {
    /// The pieces of the source that a profile leaves out, in order: each variant with its tag and
    /// its URI, each variant of I-frames, video renditions that no other variant has; each
    /// Representation, and an AdaptationSet with its last.
    ///
    /// # Errors
    /// [`RenderError::NothingLeft`] if nothing would be left to play, or no picture.
    pub fn excess(&self, profile: &Profile) -> Result<Vec<Range<usize>>, RenderError> {
        match self.tree() {
            Some(tree) => dash::excess(self.source(), tree, profile),
            None if self.format() == crate::Format::Hls => hls::excess(self.source(), profile),
            None => Ok(Vec::new()),
        }
    }

    /// The same manifest without these pieces, which are in order and apart.
    ///
    /// # Errors
    /// [`CompileError`], as for any manifest.
    pub fn without(
        &self,
        pieces: &[Range<usize>],
        options: &Options,
    ) -> Result<Self, CompileError> {
        let source = self.source();
        let mut left = Vec::with_capacity(source.len());
        let mut copied = 0;
        for piece in pieces {
            left.extend_from_slice(&source[copied..piece.start]);
            copied = piece.end;
        }
        left.extend_from_slice(&source[copied..]);
        Self::compile(Bytes::from(left), options)
    }
}
