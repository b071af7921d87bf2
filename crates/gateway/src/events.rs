//! The last requests, for whoever looks: refusals always, what was served while somebody does.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};

/// How many are kept of what was served, and of what was refused.
const KEPT: usize = 200;
/// How long after a look served requests are still kept.
const WATCHED_FOR: Duration = Duration::from_secs(15);

/// A request and what became of it; neither a token nor a query.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Event {
    pub(crate) request_id: String,
    /// In milliseconds of Unix time, when it is shown.
    #[serde(rename = "at_ms", serialize_with = "unix_ms")]
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

/// An event with its place among all of them. Times do not order events: several have the same
/// millisecond, and clocks are set back.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Numbered {
    pub(crate) number: u64,
    #[serde(flatten)]
    pub(crate) event: Event,
}

/// What somebody who looks is shown, the newest first.
#[derive(Debug, Serialize)]
pub(crate) struct Shown {
    pub(crate) served: Vec<Numbered>,
    pub(crate) refused: Vec<Numbered>,
}

/// The newest last.
#[derive(Debug)]
pub(crate) struct Events {
    began: Instant,
    /// Milliseconds from `began`.
    watched_until: AtomicU64,
    recorded: AtomicU64,
    served: Mutex<VecDeque<Numbered>>,
    refused: Mutex<VecDeque<Numbered>>,
}

impl Default for Events {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            watched_until: AtomicU64::new(0),
            recorded: AtomicU64::new(0),
            served: Mutex::default(),
            refused: Mutex::default(),
        }
    }
}

impl Events {
    /// Keeps served requests whether anybody looks or not.
    pub(crate) fn of_all() -> Self {
        Self { watched_until: AtomicU64::new(u64::MAX), ..Self::default() }
    }

    /// Keeps a request, if somebody will see it.
    pub(crate) fn record(&self, event: impl FnOnce() -> Event, is_refused: bool) {
        if is_refused {
            self.push(&self.refused, event());
        } else {
            let until = self.watched_until.load(Ordering::Relaxed);
            // Where nobody ever looked, nobody asks for the time.
            if until > 0 && self.elapsed_ms() < until {
                self.push(&self.served, event());
            }
        }
    }

    /// What was served and what was refused.
    pub(crate) fn look(&self) -> Shown {
        let until = self.elapsed_ms().saturating_add(millis(WATCHED_FOR));
        self.watched_until.fetch_max(until, Ordering::Relaxed);
        let newest_first = |events: &Mutex<VecDeque<Numbered>>| {
            lock(events).iter().rev().cloned().collect::<Vec<_>>()
        };
        Shown { served: newest_first(&self.served), refused: newest_first(&self.refused) }
    }

    fn push(&self, events: &Mutex<VecDeque<Numbered>>, event: Event) {
        let mut events = lock(events);
        if events.len() >= KEPT {
            events.pop_front();
        }
        events.push_back(Numbered { number: self.recorded.fetch_add(1, Ordering::Relaxed), event });
    }

    fn elapsed_ms(&self) -> u64 {
        millis(self.began.elapsed())
    }
}

fn lock(events: &Mutex<VecDeque<Numbered>>) -> MutexGuard<'_, VecDeque<Numbered>> {
    events.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unix_ms<S: Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(millis(at.duration_since(UNIX_EPOCH).unwrap_or_default()))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
