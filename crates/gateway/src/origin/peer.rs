//! One server that media come from: how many requests it bears at once, and whether it is well.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use url::Url;

use crate::Error;
use crate::metrics::Name;

/// After so many failures, one behind the other, a server is left alone.
const FAILURES: u32 = 3;
/// And asked again after this, by one request.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A server, by scheme, host and port.
#[derive(Debug)]
pub(crate) struct Peer {
    /// As it is named in metrics and messages.
    pub(crate) name: Name,
    /// Whether it is an origin, and not a CDN that one may redirect to.
    pub(crate) is_origin: bool,
    permits: Arc<Semaphore>,
    /// Requests that it did not answer since it answered last.
    failures: AtomicU32,
    /// What the last health check found.
    is_unhealthy: AtomicBool,
    /// When it is asked next while it does not answer.
    next_try: Mutex<Instant>,
}

impl Peer {
    pub(crate) fn new(url: &Url, is_origin: bool, concurrency: usize) -> Self {
        Self {
            name: url.origin().ascii_serialization().as_str().into(),
            is_origin,
            permits: Arc::new(Semaphore::new(concurrency)),
            failures: AtomicU32::new(0),
            is_unhealthy: AtomicBool::new(false),
            next_try: Mutex::new(Instant::now()),
        }
    }

    /// Waits until one more request may be sent.
    pub(crate) async fn permit(&self, patience: Duration) -> Result<OwnedSemaphorePermit, Error> {
        let permit = Arc::clone(&self.permits).acquire_owned();
        match tokio::time::timeout(patience, permit).await {
            Ok(permit) => permit.map_err(|error| Error::Internal(error.to_string())),
            Err(_) => Err(Error::OriginBusy),
        }
    }

    /// Whether it answered lately and passed its last check.
    pub(crate) fn is_well(&self) -> bool {
        self.answers() && !self.is_unhealthy.load(Ordering::Relaxed)
    }

    fn answers(&self) -> bool {
        self.failures.load(Ordering::Relaxed) < FAILURES
    }

    /// Whether a request may be sent: while it does not answer, one now and then.
    pub(crate) fn may_be_asked(&self) -> bool {
        if self.answers() {
            return true;
        }
        let mut next_try = self.next_try.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let is_time = now >= *next_try;
        if is_time {
            *next_try = now + RETRY_AFTER;
        }
        is_time
    }

    /// Notes that it answered, whatever it said.
    pub(crate) fn answered(&self) {
        // A write for each request would be one for all processors to see.
        if self.failures.load(Ordering::Relaxed) != 0
            && self.failures.swap(0, Ordering::Relaxed) >= FAILURES
        {
            tracing::info!(origin = %self.name, "the origin answers again");
        }
    }

    /// Notes that it did not.
    pub(crate) fn failed(&self) {
        let before = self.failures.fetch_add(1, Ordering::Relaxed);
        let mut next_try = self.next_try.lock().unwrap_or_else(PoisonError::into_inner);
        *next_try = Instant::now() + RETRY_AFTER;
        if before + 1 == FAILURES {
            tracing::warn!(origin = %self.name, "the origin does not answer; it is left alone");
        }
    }

    /// Notes what a health check found.
    pub(crate) fn checked(&self, is_healthy: bool) {
        let was_unhealthy = self.is_unhealthy.swap(!is_healthy, Ordering::Relaxed);
        match (was_unhealthy, is_healthy) {
            (false, false) => {
                tracing::warn!(origin = %self.name, "the origin fails its check");
            }
            (true, true) => {
                tracing::info!(origin = %self.name, "the origin passes its check again");
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_server_that_does_not_answer_is_asked_now_and_then() {
        let peer = Peer::new(&Url::parse("http://a.test/x/").unwrap(), true, 1);
        assert_eq!(peer.name, "http://a.test".into());
        for _ in 0..FAILURES {
            assert!(peer.is_well() && peer.may_be_asked() && peer.may_be_asked());
            peer.failed();
        }
        assert!(!peer.is_well() && !peer.may_be_asked());
        tokio::time::advance(RETRY_AFTER).await;
        assert!(peer.may_be_asked() && !peer.may_be_asked(), "by one request");
        peer.answered();
        assert!(peer.is_well() && peer.may_be_asked());
        peer.checked(false);
        assert!(!peer.is_well() && peer.may_be_asked(), "there may be no other");
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_requests_are_under_way_than_may_be() {
        let peer = Peer::new(&Url::parse("http://a.test").unwrap(), true, 1);
        let one = peer.permit(Duration::from_secs(1)).await.unwrap();
        assert!(matches!(peer.permit(Duration::from_secs(1)).await, Err(Error::OriginBusy)));
        drop(one);
        assert!(peer.permit(Duration::from_secs(1)).await.is_ok());
    }
}
