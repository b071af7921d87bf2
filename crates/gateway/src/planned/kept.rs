//! The plans that are kept of one manifest, and what was refused of it a moment ago.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use bytes::Bytes;
use tokio::sync::{Mutex, MutexGuard};

use super::{Asked, Kind, Planned};
use crate::Error;

/// How many kinds of sessions are kept for one manifest; they differ in grant and carrier.
const MAX_PLANS: usize = 8;
/// How long a refusal is remembered.
const REFUSED_FOR: Duration = Duration::from_secs(1);

/// The plans made so far, the newest last.
#[derive(Debug)]
pub(crate) struct Plans {
    source: Bytes,
    kept: ArcSwap<Vec<(Kind, Arc<Planned>)>>,
    refused: ArcSwap<Vec<(Kind, Error, Instant)>>,
    /// One is made at a time.
    making: Mutex<()>,
}

impl Plans {
    /// No plans of a manifest with this source.
    pub(crate) fn of(source: Bytes) -> Self {
        Self {
            source,
            kept: ArcSwap::default(),
            refused: ArcSwap::default(),
            making: Mutex::default(),
        }
    }

    /// The plan for a kind, or why there was none a moment ago.
    pub(crate) fn find(&self, asked: &Asked<'_>) -> Option<Result<Arc<Planned>, Error>> {
        if !asked.query.is_empty() {
            return None;
        }
        let kept = self.kept.load();
        if let Some((_, planned)) = kept.iter().find(|(known, _)| asked.is(known)) {
            return Some(Ok(Arc::clone(planned)));
        }
        let refused = self.refused.load();
        let mut refused = refused.iter().filter(|(_, _, at)| at.elapsed() < REFUSED_FOR);
        refused.find(|(known, ..)| asked.is(known)).map(|(_, error, _)| Err(error.clone()))
    }

    /// Waits for whoever makes a plan or a text for all, so that a crowd makes it once.
    pub(crate) async fn turn(&self) -> MutexGuard<'_, ()> {
        self.making.lock().await
    }

    /// Bytes of a plan.
    pub(crate) fn size_of(&self, planned: &Planned) -> usize {
        planned.size(&self.source)
    }

    /// Keeps a plan.
    pub(crate) fn keep(&self, asked: &Asked<'_>, planned: &Arc<Planned>) {
        let kind = asked.kind();
        let is_other = |(known, _): &(Kind, _)| *known != kind;
        self.kept.rcu(|plans| newest(plans, is_other, (kind.clone(), Arc::clone(planned))));
    }

    /// Remembers why there is no plan.
    pub(crate) fn refuse(&self, asked: &Asked<'_>, error: &Error) {
        let kind = asked.kind();
        let is_other =
            |(known, _, at): &(Kind, _, Instant)| *known != kind && at.elapsed() < REFUSED_FOR;
        self.refused.rcu(|refused| {
            newest(refused, is_other, (kind.clone(), error.clone(), Instant::now()))
        });
    }

    /// Leaves the oldest out until the others have no more than so many bytes.
    pub(crate) fn shrink(&self, most_bytes: usize) {
        while self.size() > most_bytes {
            if self.kept.load().is_empty() {
                return;
            }
            self.kept.rcu(|plans| plans.iter().skip(1).cloned().collect::<Vec<_>>());
        }
    }

    /// Bytes of all plans, and of the texts that were made of them.
    pub(crate) fn size(&self) -> usize {
        let of_kind = |kind: &Kind| {
            let imported = kind.variables.imported.iter();
            size_of::<Kind>()
                + imported.map(|(name, value)| name.len() + value.len()).sum::<usize>()
        };
        let kept = self.kept.load();
        kept.iter().map(|(kind, planned)| of_kind(kind) + self.size_of(planned)).sum()
    }
}

/// The newest of the known entries that are kept, with one more at the end.
fn newest<T: Clone>(known: &[T], is_kept: impl Fn(&T) -> bool, new: T) -> Vec<T> {
    let kept: Vec<_> = known.iter().filter(|entry| is_kept(entry)).collect();
    let too_many = (kept.len() + 1).saturating_sub(MAX_PLANS);
    kept.into_iter().skip(too_many).cloned().chain([new]).collect()
}
