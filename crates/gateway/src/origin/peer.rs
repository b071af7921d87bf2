//! One server that media come from: how many requests it bears at once, and whether it is well.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use url::Url;

use super::bodies::{Bodies, BodyLimits, BodyPermit};
use super::{Body, Purpose};
use crate::Error;
use crate::metrics::{Metrics, Name};

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
    requests: Arc<Semaphore>,
    /// Requests for what is streamed: fewer, so that manifests can always be asked for.
    streams: Arc<Semaphore>,
    bodies: Arc<Bodies>,
    /// Requests that it did not answer since it answered last.
    failures: AtomicU32,
    /// What the last health check found.
    is_unhealthy: AtomicBool,
    /// When it is asked next while it does not answer.
    next_try: Mutex<Instant>,
}

/// How much of one server may be in use at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeerLimits {
    /// Requests without the head of an answer.
    pub(crate) requests: usize,
    /// How many of these are for manifests, documents and keys alone.
    pub(crate) document_requests: usize,
    pub(crate) bodies: BodyLimits,
}

/// The right to send one request.
#[derive(Debug)]
pub(crate) struct Permit {
    request: OwnedSemaphorePermit,
    stream: Option<(OwnedSemaphorePermit, BodyPermit)>,
}

impl Permit {
    /// Once the head is here. A stream gives back its place among the requests. A document is read to
    /// its end at once, so it keeps the place until then.
    pub(crate) fn meter(self, body: Body) -> Body {
        match self.stream {
            Some((_, permit)) => permit.meter(body),
            None => body.holding(self.request),
        }
    }
}

impl Peer {
    pub(crate) fn new(url: &Url, is_origin: bool, limits: PeerLimits, metrics: &Metrics) -> Self {
        let name: Name = url.origin().ascii_serialization().as_str().into();
        let streams = limits.requests.saturating_sub(limits.document_requests).max(1);
        let semaphore =
            |permits: usize| Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)));
        Self {
            is_origin,
            requests: semaphore(limits.requests),
            streams: semaphore(streams),
            bodies: Bodies::new(limits.bodies, metrics.slow_bodies.clone()),
            name,
            failures: AtomicU32::new(0),
            is_unhealthy: AtomicBool::new(false),
            next_try: Mutex::new(Instant::now()),
        }
    }

    /// Waits until one more request may be sent.
    ///
    /// # Errors
    /// [`Error::OriginBusy`] if none may be within `patience`.
    pub(crate) async fn permit(
        &self,
        purpose: Purpose,
        patience: Duration,
    ) -> Result<Permit, Error> {
        let until = Instant::now() + patience;
        let stream = match purpose {
            Purpose::Document => None,
            Purpose::Stream => {
                let body = self.bodies.permit(patience).await?;
                Some((acquire(&self.streams, until).await?, body))
            }
        };
        Ok(Permit { request: acquire(&self.requests, until).await?, stream })
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

async fn acquire(
    semaphore: &Arc<Semaphore>,
    until: Instant,
) -> Result<OwnedSemaphorePermit, Error> {
    let permit = Arc::clone(semaphore).acquire_owned();
    match tokio::time::timeout_at(until, permit).await {
        Ok(permit) => permit.map_err(|error| Error::Internal(error.to_string())),
        Err(_) => Err(Error::OriginBusy("limits.origin_requests")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(url: &str, requests: usize, document_requests: usize, bodies: usize) -> Peer {
        let bodies = BodyLimits { permits: bodies, least_rate: 0 };
        let limits = PeerLimits { requests, document_requests, bodies };
        let metrics = Metrics::new(&mut <_>::default());
        Peer::new(&Url::parse(url).unwrap(), true, limits, &metrics)
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_does_not_answer_is_asked_now_and_then() {
        let peer = peer("http://a.test/x/", 1, 0, 1);
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
        let peer = peer("http://a.test", 1, 0, 9);
        let second = Duration::from_secs(1);
        for purpose in [Purpose::Document, Purpose::Stream] {
            let one = peer.permit(purpose, second).await.unwrap();
            let other = peer.permit(Purpose::Document, second).await;
            assert!(matches!(other, Err(Error::OriginBusy("limits.origin_requests"))), "{other:?}");
            drop(one);
        }
        assert!(peer.permit(Purpose::Document, second).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn streams_leave_requests_and_no_body_is_left_for_documents_to_wait_for() {
        let peer = peer("http://a.test", 3, 1, 2);
        let second = Duration::from_secs(1);
        let one = peer.permit(Purpose::Stream, second).await.unwrap();
        let other = peer.permit(Purpose::Stream, second).await.unwrap();
        let busy = peer.permit(Purpose::Stream, second).await;
        assert!(matches!(busy, Err(Error::OriginBusy("limits.origin_bodies"))), "{busy:?}");
        let document = peer.permit(Purpose::Document, second).await.unwrap();
        assert!(peer.permit(Purpose::Document, second).await.is_err());
        // A stream whose head is here is no request any more, and a document is one until it is read.
        let body = one.meter(Body::empty());
        let last = peer.permit(Purpose::Document, second).await;
        assert!(last.is_ok());
        assert!(peer.permit(Purpose::Stream, second).await.is_err());
        drop((body, last));
        let read = document.meter(Body::empty());
        assert!(peer.permit(Purpose::Stream, second).await.is_ok());
        let third = peer.permit(Purpose::Document, second).await.unwrap();
        assert!(peer.permit(Purpose::Document, second).await.is_err());
        drop((read, third, other));
    }
}
