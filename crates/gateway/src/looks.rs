//! JSON that is read whole to learn what it is: how much of it there may be at one time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Error;
use crate::config::Limits;

/// Bytes that one permit stands for.
const UNIT: usize = 1024;

/// The memory for such documents.
#[derive(Debug)]
pub(crate) struct Looks {
    units: Arc<Semaphore>,
    all: usize,
    wait: Duration,
    most_bytes: usize,
}

/// The memory for one document.
#[derive(Debug)]
pub(crate) struct Look(OwnedSemaphorePermit);

impl Looks {
    pub(crate) fn new(limits: &Limits) -> Self {
        let all = units(limits.all_json_bytes.max(limits.json_bytes));
        Self {
            units: Arc::new(Semaphore::new(all as usize)),
            all: all as usize,
            wait: limits.manifest_wait,
            most_bytes: limits.json_bytes,
        }
    }

    /// A longer document is not read.
    pub(crate) const fn most_bytes(&self) -> usize {
        self.most_bytes
    }

    /// Memory for a document of at most so many bytes.
    ///
    /// # Errors
    /// [`Error::ManifestBusy`] if none becomes free in time.
    pub(crate) async fn begin(&self, bytes: usize) -> Result<Look, Error> {
        let wanted = units(bytes.min(self.all * UNIT));
        let permit = Arc::clone(&self.units).acquire_many_owned(wanted);
        let permit = tokio::time::timeout(self.wait, permit).await;
        permit.ok().and_then(Result::ok).map(Look).ok_or(Error::ManifestBusy)
    }
}

impl Look {
    /// Gives back what the document turned out not to need.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        let spare = self.0.num_permits().saturating_sub(units(bytes) as usize);
        drop(self.0.split(spare));
    }
}

/// How many permits stand for so many bytes.
fn units(bytes: usize) -> u32 {
    // A tokio semaphore has less permits than that on every machine.
    u32::try_from(bytes.div_ceil(UNIT).max(1)).unwrap_or(u32::MAX >> 3).min(u32::MAX >> 3)
}
