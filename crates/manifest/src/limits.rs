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
}

impl Limits {
    /// No limit but what offsets of 32 bits allow: for a file of one's own.
    pub const NONE: Self = Self {
        max_bytes: usize::MAX,
        max_line_bytes: usize::MAX,
        max_lines: usize::MAX,
        max_uris: usize::MAX,
    };
}

impl Default for Limits {
    /// 16 MiB, lines of 64 KiB, four million lines and a million URIs: above any manifest seen in
    /// the field.
    fn default() -> Self {
        Self {
            max_bytes: 16 << 20,
            max_line_bytes: 64 << 10,
            max_lines: 4_000_000,
            max_uris: 1_000_000,
        }
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
