//! The last requests, for whoever looks: refusals always, what was served while somebody does.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How many are kept of what was served, and of what was refused.
const KEPT: usize = 200;
/// How long after a look served requests are still kept.
const WATCHED_FOR: Duration = Duration::from_secs(15);

/// A request and what became of it; neither a token nor a query.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) request_id: String,
    pub(crate) at: SystemTime,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) route: String,
    pub(crate) status: u16,
    /// What the client was told, if it was refused.
    pub(crate) code: Option<&'static str>,
    /// What the log says.
    pub(crate) reason: Option<String>,
    pub(crate) elapsed_us: u64,
}

/// The newest last.
#[derive(Debug)]
pub(crate) struct Events {
    began: Instant,
    /// Milliseconds from `began`.
    watched_until: AtomicU64,
    served: Mutex<VecDeque<Event>>,
    refused: Mutex<VecDeque<Event>>,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            watched_until: AtomicU64::new(0),
            served: Mutex::default(),
            refused: Mutex::default(),
        }
    }
}

impl Events {
    /// Keeps a request, if somebody will see it.
    pub(crate) fn record(&self, event: impl FnOnce() -> Event, is_refused: bool) {
        if is_refused {
            push(&self.refused, event());
        } else if self.elapsed_ms() < self.watched_until.load(Ordering::Relaxed) {
            push(&self.served, event());
        }
    }

    /// What was served and what was refused, the newest first.
    pub(crate) fn look(&self) -> (Vec<Event>, Vec<Event>) {
        let until = self.elapsed_ms().saturating_add(millis(WATCHED_FOR));
        self.watched_until.store(until, Ordering::Relaxed);
        let newest_first = |events: &Mutex<VecDeque<Event>>| {
            lock(events).iter().rev().cloned().collect::<Vec<_>>()
        };
        (newest_first(&self.served), newest_first(&self.refused))
    }

    fn elapsed_ms(&self) -> u64 {
        millis(self.began.elapsed())
    }
}

fn push(events: &Mutex<VecDeque<Event>>, event: Event) {
    let mut events = lock(events);
    if events.len() >= KEPT {
        events.pop_front();
    }
    events.push_back(event);
}

fn lock(events: &Mutex<VecDeque<Event>>) -> MutexGuard<'_, VecDeque<Event>> {
    events.lock().unwrap_or_else(PoisonError::into_inner)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
