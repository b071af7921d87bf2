//! Maps whose keys are random, or the output of a hash: their bytes are hash enough.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

/// A map by ids of sessions, or of streams.
pub(super) type ById<K, V> = HashMap<K, V, BuildHasherDefault<OwnBytes>>;

/// Takes the first eight bytes that it is given, or a number, as they are.
#[derive(Debug, Default)]
pub(super) struct OwnBytes(u64);

impl Hasher for OwnBytes {
    fn write(&mut self, bytes: &[u8]) {
        // Of a session's id the first byte chose the shard.
        if let Some(bytes) = bytes.last_chunk::<8>() {
            self.0 = u64::from_le_bytes(*bytes);
        }
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }

    // The length of an array's bytes.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher as _, BuildHasherDefault};

    use sluicegate_token::SessionId;

    use super::super::StreamId;
    use super::*;

    #[test]
    fn ids_that_differ_have_hashes_that_differ() {
        let hasher = BuildHasherDefault::<OwnBytes>::default();
        let mut id = [7; 14];
        let first = hasher.hash_one(SessionId(id));
        id[13] = 8;
        assert_ne!(first, hasher.hash_one(SessionId(id)));
        assert_eq!(hasher.hash_one(StreamId(5)), 5);
    }
}
