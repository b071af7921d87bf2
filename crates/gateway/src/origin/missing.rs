//! What an HTTP server did not have a moment ago, so that a crowd that asks for it costs one request.

use std::time::Duration;

use moka::sync::Cache;
use tokio::time::Instant;

use crate::media_type;
use crate::route::Place;

/// Bytes of names that are remembered for one route. Viewers choose them.
const MAX_BYTES: u64 = 16 << 20;
/// Memory that an entry takes beside its name.
const ENTRY_BYTES: usize = 256;

/// For how long it is believed that something is not there.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct MissingFor {
    /// A manifest.
    pub(crate) manifest: Duration,
    /// Everything else: one who asks a little early for the next segment of a live stream must not hide it
    /// from those who ask in time.
    pub(crate) other: Duration,
}

/// The resources that are known to be missing, each with the moment until when.
#[derive(Debug)]
pub(super) struct Missing {
    until: Cache<String, Instant>,
    times: MissingFor,
}

impl Missing {
    pub(super) fn new(times: MissingFor) -> Self {
        let until = Cache::builder()
            .max_capacity(MAX_BYTES)
            .weigher(|key: &String, _| u32::try_from(key.len() + ENTRY_BYTES).unwrap_or(u32::MAX))
            .time_to_live(times.manifest.max(times.other))
            .build();
        Self { until, times }
    }

    /// Whether the resource of this key was missing a moment ago.
    pub(super) fn knows(&self, key: &str) -> bool {
        self.until.get(key).is_some_and(|until| Instant::now() < until)
    }

    /// Remembers that the resource of this key is missing.
    pub(super) fn remember(&self, place: &Place, key: String) {
        let time = match media_type::names_a_manifest(&place.raw) {
            true => self.times.manifest,
            false => self.times.other,
        };
        if !time.is_zero() {
            self.until.insert(key, Instant::now() + time);
        }
    }
}
