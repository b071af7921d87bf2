//! JSON that is read whole to learn what it is: how much of it there may be at one time.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::Error;
use crate::buffers::{UNIT, units};
use crate::config::Limits;
use crate::workers::Patience;

/// The memory for such documents.
#[derive(Debug)]
pub(crate) struct Looks {
    units: Arc<Semaphore>,
    all: usize,
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
    pub(crate) async fn begin(&self, patience: &Patience, bytes: usize) -> Result<Look, Error> {
        let wanted = units(bytes.min(self.all * UNIT));
        let permit = Arc::clone(&self.units).acquire_many_owned(wanted);
        patience.wait(permit).await?.map(Look).map_err(|_| Error::ManifestBusy)
    }
}

impl Look {
    /// Gives back what the document turned out not to need.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        let spare = self.0.num_permits().saturating_sub(units(bytes) as usize);
        drop(self.0.split(spare));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;

    const MIB: usize = 1 << 20;
    const WAIT: Duration = Duration::from_secs(5);

    fn looks(all_json_bytes: usize) -> Looks {
        Looks::new(&Limits { json_bytes: MIB, all_json_bytes, ..Limits::default() })
    }

    #[tokio::test(start_paused = true)]
    async fn looks_at_one_time_have_no_more_memory_than_all_may_have() {
        let (looks, patience) = (looks(3 * MIB), &Patience::new(WAIT));
        let mut held = Vec::new();
        for _ in 0..3 {
            held.push(looks.begin(patience, MIB).await.unwrap());
        }
        let began = Instant::now();
        assert!(matches!(looks.begin(patience, 1).await, Err(Error::ManifestBusy)));
        assert_eq!(began.elapsed(), WAIT);
        // What one turns out not to need is for the others at once.
        held[0].shrink(MIB / 2);
        let patience = &Patience::new(WAIT);
        let half = looks.begin(patience, MIB / 2).await.unwrap();
        assert!(matches!(looks.begin(patience, 1).await, Err(Error::ManifestBusy)));
        drop((half, held));
        assert!(looks.begin(&Patience::new(WAIT), 3 * MIB).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn one_document_is_looked_at_however_little_memory_all_may_have() {
        let looks = looks(0);
        let first = looks.begin(&Patience::new(WAIT), MIB).await.unwrap();
        assert!(matches!(looks.begin(&Patience::new(WAIT), 1).await, Err(Error::ManifestBusy)));
        drop(first);
        assert!(looks.begin(&Patience::new(WAIT), usize::MAX).await.is_ok());
    }
}
