//! A clock that the test sets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sluicegate_gateway::{Clock, SystemClock};
use sluicegate_token::UnixTime;

/// A clock that stands still until it is set. Clones share the time.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<AtomicU64>);

impl ManualClock {
    /// Begins at the real time, so that real servers beside the gateway agree with it.
    #[must_use]
    pub fn at_real_time() -> Self {
        Self(Arc::new(AtomicU64::new(SystemClock.now().0)))
    }

    /// Sets it to the real time.
    pub fn set_to_real_time(&self) {
        self.0.store(SystemClock.now().0, Ordering::SeqCst);
    }

    /// Moves the time on.
    pub fn advance(&self, secs: u64) {
        self.0.fetch_add(secs, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixTime {
        UnixTime(self.0.load(Ordering::SeqCst))
    }
}
