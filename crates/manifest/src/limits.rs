//! Bounds on what is compiled, so that a hostile or broken origin cannot exhaust memory.

/// The most that a manifest may have of each thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole manifest.
    pub max_bytes: usize,
    /// Bytes of one line, its end not counted.
    pub max_line_bytes: usize,
    /// URIs, and whatever else looks like one.
    pub max_uris: usize,
}

impl Default for Limits {
    /// 16 MiB, 64 KiB and a million: above any manifest seen in the field.
    fn default() -> Self {
        Self { max_bytes: 16 << 20, max_line_bytes: 64 << 10, max_uris: 1_000_000 }
    }
}
