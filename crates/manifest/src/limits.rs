//! What a manifest is compiled with: bounds, so that a hostile or broken origin cannot exhaust
//! memory, and what an operator knows of the manifests.

/// The most that a manifest may have of each thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole manifest.
    pub max_bytes: usize,
    /// Bytes of one line, its end not counted.
    pub max_line_bytes: usize,
    /// Lines.
    pub max_lines: usize,
    /// URIs, and whatever else looks like one.
    pub max_uris: usize,
    /// Bytes of one URI with its variables and identifiers filled in, in the source and in the
    /// rendered text. A `data:` URI may be longer.
    pub max_uri_bytes: usize,
    /// Steps of planning, about one for each byte that is read or written. The larger of this and
    /// [`Self::steps_per_byte`] holds.
    pub max_steps: usize,
    /// Steps of planning for each byte of the source.
    pub steps_per_byte: usize,
    /// Bytes of the rendered text, and of memory that the compiled elements take. The larger of this
    /// and [`Self::result_bytes_per_byte`] holds.
    pub max_result_bytes: usize,
    /// The same for each byte of the source.
    pub result_bytes_per_byte: usize,
    /// Bytes of the segments that the templates of a manifest are written out to.
    pub max_expanded_bytes: usize,
    /// Segments that one DASH template is written out to.
    pub max_expanded_segments: usize,
}

impl Limits {
    /// For a file of one's own: no limit on the source but what offsets of 32 bits allow, and the
    /// default limits on what becomes of it.
    pub const OWN_FILE: Self = Self {
        max_bytes: usize::MAX,
        max_line_bytes: usize::MAX,
        max_lines: usize::MAX,
        max_uris: usize::MAX,
        ..Self::DEFAULT
    };

    /// 16 MiB, lines of 64 KiB, four million lines, a million URIs of 8 KiB, 64 Mi steps or 16 for
    /// each byte, a result of 32 MiB or 8 times the source, and 32 MiB of segments, 10,000 of one
    /// template: above any manifest seen in the field. A four-hour MPD of ten Representations at two
    /// seconds with a token for each file stays within them.
    pub const DEFAULT: Self = Self {
        max_bytes: 16 << 20,
        max_line_bytes: 64 << 10,
        max_lines: 4_000_000,
        max_uris: 1_000_000,
        max_uri_bytes: 8 << 10,
        max_steps: 64 << 20,
        steps_per_byte: 16,
        max_result_bytes: 32 << 20,
        result_bytes_per_byte: 8,
        max_expanded_bytes: 32 << 20,
        max_expanded_segments: 10_000,
    };

    /// Each bound, by the name of its key in the table `[limits]` of the gateway's configuration.
    pub const fn by_key(&mut self) -> [(&'static str, &mut usize); 11] {
        let Self {
            max_bytes,
            max_line_bytes,
            max_lines,
            max_uris,
            max_uri_bytes,
            max_steps,
            steps_per_byte,
            max_result_bytes,
            result_bytes_per_byte,
            max_expanded_bytes,
            max_expanded_segments,
        } = self;
        [
            ("max_manifest_bytes", max_bytes),
            ("max_line_bytes", max_line_bytes),
            ("max_lines", max_lines),
            ("max_uris", max_uris),
            ("max_uri_bytes", max_uri_bytes),
            ("max_steps", max_steps),
            ("steps_per_byte", steps_per_byte),
            ("max_result_bytes", max_result_bytes),
            ("result_bytes_per_byte", result_bytes_per_byte),
            ("max_expanded_bytes", max_expanded_bytes),
            ("max_expanded_segments", max_expanded_segments),
        ]
    }

    pub(crate) fn max_steps(&self, source_len: usize) -> usize {
        self.max_steps.max(source_len.saturating_mul(self.steps_per_byte))
    }

    /// Offsets have 32 bits.
    pub(crate) fn max_result(&self, source_len: usize) -> usize {
        let limit =
            self.max_result_bytes.max(source_len.saturating_mul(self.result_bytes_per_byte));
        limit.min(u32::MAX as usize)
    }
}

impl Default for Limits {
    /// [`Self::DEFAULT`].
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// How manifests are compiled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The most that a manifest may have of each thing.
    pub limits: Limits,
    /// Attributes of EXT-X-DATERANGE that hold a URI beside those that RFC 8216bis knows.
    pub daterange_uris: Vec<String>,
}
