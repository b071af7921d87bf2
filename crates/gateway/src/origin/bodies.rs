//! The bodies of one kind that are on their way to clients, such as those of one server: how many there
//! may be, and which of them end when others wait.
//!
//! A client that reads slowly keeps its body, and the connection to the server behind it. While a
//! request waits for a body, the bodies whose clients read more slowly than the least rate end. The
//! time that the server itself takes does not count.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use dashmap::DashMap;
use futures_util::Stream;
use prometheus_client::metrics::counter::Counter;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::{Body, BodyStream};
use crate::Error;
use crate::config::Limits;

/// How often a request that waits looks for slow readers.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A piece is no longer than what the least rate allows this time for: what a connection has taken counts
/// as read, and a client that reads nothing must not gain by it.
const PIECE_FOR_SECS: u64 = 8;
/// The least bytes of such a piece.
const SHORTEST_PIECE: u64 = 16 << 10;
/// How far a reader may be behind the least rate.
const GRACE: Duration = Duration::from_secs(10);

/// Bounds on the bodies of one kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyLimits {
    /// How many permits they have at once: one for each body, or for each so many bytes.
    pub(crate) permits: usize,
    /// Bytes per second that a client reads at least; 0 is any.
    pub(crate) least_rate: u64,
}

impl BodyLimits {
    /// Those of the configuration.
    pub(crate) const fn of(limits: &Limits) -> Self {
        Self { permits: limits.origin_bodies, least_rate: limits.min_body_bytes_per_sec }
    }
}

/// The bodies of one kind.
#[derive(Debug)]
pub(crate) struct Bodies {
    permits: Arc<Semaphore>,
    least_rate: u64,
    /// Permits that are waited for.
    waiting: AtomicUsize,
    next_number: AtomicU64,
    running: DashMap<u64, Arc<Running>>,
    /// When slow readers were looked for last.
    looked: Mutex<Option<Instant>>,
    ended: Counter,
}

/// The right to have one more body. Bodies of one text share it.
#[derive(Clone, Debug)]
pub(crate) struct BodyPermit {
    permit: Arc<OwnedSemaphorePermit>,
    bodies: Arc<Bodies>,
}

/// A permit for as long as some body has it.
#[derive(Debug, Default)]
pub(crate) struct WeakPermit(Weak<OwnedSemaphorePermit>);

/// A body on its way.
struct Running {
    state: Mutex<State>,
}

struct State {
    /// None once it has ended.
    source: Option<(BodyStream, Arc<OwnedSemaphorePermit>)>,
    /// What was read of the source and not handed on.
    rest: Bytes,
    reader: Reader,
}

/// How fast a client reads: how long it takes for the pieces that it is given, less the time that
/// the least rate allows.
#[derive(Debug, Default)]
struct Reader {
    behind: Duration,
    /// The last piece, until the next one is asked for: since when, and how long it may take.
    reads: Option<(Instant, Duration)>,
}

/// A body as it is sent.
struct Metered {
    number: u64,
    running: Arc<Running>,
    bodies: Arc<Bodies>,
}

impl Bodies {
    /// None yet. `ended` counts those that end since their clients read too slowly.
    pub(crate) fn new(limits: BodyLimits, ended: Counter) -> Arc<Self> {
        Arc::new(Self {
            permits: Arc::new(Semaphore::new(limits.permits.min(Semaphore::MAX_PERMITS))),
            least_rate: limits.least_rate,
            waiting: AtomicUsize::new(0),
            next_number: AtomicU64::new(0),
            running: DashMap::new(),
            looked: Mutex::new(None),
            ended,
        })
    }

    /// Waits until there may be one more.
    ///
    /// # Errors
    /// [`Error::OriginBusy`] if there may be none within `patience`.
    pub(crate) async fn permit(self: &Arc<Self>, patience: Duration) -> Result<BodyPermit, Error> {
        match self.try_permit(1) {
            Some(permit) => Ok(permit),
            None => {
                let waited = tokio::time::timeout(patience, self.wait(1)).await;
                waited.map_err(|_| Error::OriginBusy("limits.origin_bodies"))?
            }
        }
    }

    /// So many permits for one body, if there are as many.
    pub(crate) fn try_permit(self: &Arc<Self>, count: u32) -> Option<BodyPermit> {
        let permit = Arc::clone(&self.permits).try_acquire_many_owned(count).ok()?;
        Some(self.permit_of(permit))
    }

    /// Waits for so many permits for one body, without an end.
    ///
    /// # Errors
    /// None that is expected: nothing closes the semaphore.
    pub(crate) async fn wait(self: &Arc<Self>, count: u32) -> Result<BodyPermit, Error> {
        let permit = Box::pin(self.acquire(count)).await?;
        Ok(self.permit_of(permit))
    }

    #[cfg(test)]
    pub(crate) fn available(&self) -> usize {
        self.permits.available_permits()
    }

    fn permit_of(self: &Arc<Self>, permit: OwnedSemaphorePermit) -> BodyPermit {
        BodyPermit { permit: Arc::new(permit), bodies: Arc::clone(self) }
    }

    async fn acquire(&self, count: u32) -> Result<OwnedSemaphorePermit, Error> {
        let _waiting = Waiting::begin(&self.waiting, count as usize);
        let mut permit = std::pin::pin!(Arc::clone(&self.permits).acquire_many_owned(count));
        loop {
            self.end_slowest(Instant::now());
            tokio::select! {
                biased;
                permit = &mut permit => return permit.map_err(|error| Error::Internal(error.to_string())),
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    /// Ends as many of the slowest as permits are waited for, if they are slower than they may be.
    fn end_slowest(&self, now: Instant) {
        if self.least_rate == 0 {
            return;
        }
        {
            // Many wait, and one of them looks.
            let mut looked = lock(&self.looked);
            if looked.is_some_and(|looked| now.duration_since(looked) < LOOK_EVERY / 2) {
                return;
            }
            *looked = Some(now);
        }
        let mut slow: Vec<_> = self
            .running
            .iter()
            .filter_map(|body| Some((body.slow_by(now)?, Arc::clone(body.value()))))
            .collect();
        slow.sort_by_key(|(behind, _)| std::cmp::Reverse(*behind));
        slow.truncate(self.waiting.load(Ordering::Relaxed));
        for (_, body) in slow {
            body.end();
            self.ended.inc();
        }
    }
}

impl WeakPermit {
    /// The permit that bodies of `bodies` still have.
    pub(crate) fn upgrade(&self, bodies: &Arc<Bodies>) -> Option<BodyPermit> {
        let permit = self.0.upgrade()?;
        Some(BodyPermit { permit, bodies: Arc::clone(bodies) })
    }
}

impl BodyPermit {
    pub(crate) fn downgrade(&self) -> WeakPermit {
        WeakPermit(Arc::downgrade(&self.permit))
    }

    /// How many permits it has.
    pub(crate) fn count(&self) -> usize {
        self.permit.num_permits()
    }

    /// Gives back all but so many permits, unless another body shares them.
    pub(crate) fn shrink(&mut self, count: u32) {
        if let Some(permit) = Arc::get_mut(&mut self.permit) {
            let spare = permit.num_permits().saturating_sub(count as usize);
            drop(permit.split(spare));
        }
    }

    /// Adds the permits of another one, unless a body shares these.
    pub(crate) fn merge(&mut self, other: Self) {
        if let (Some(permit), Ok(other)) =
            (Arc::get_mut(&mut self.permit), Arc::try_unwrap(other.permit))
        {
            permit.merge(other);
        }
    }

    /// Holds the permit until the body has been read, or its client has read too slowly.
    pub(crate) fn meter(self, body: Body) -> Body {
        let Self { permit, bodies } = self;
        let source = Some((body.into_stream(), permit));
        // A client that never asks reads slowly, too.
        let reader = Reader { reads: Some((Instant::now(), Duration::ZERO)), ..Reader::default() };
        let state = Mutex::new(State { source, rest: Bytes::new(), reader });
        let running = Arc::new(Running { state });
        let number = bodies.next_number.fetch_add(1, Ordering::Relaxed);
        bodies.running.insert(number, Arc::clone(&running));
        Body::new(Box::pin(Metered { number, running, bodies }))
    }
}

impl Running {
    fn slow_by(&self, now: Instant) -> Option<Duration> {
        let state = lock(&self.state);
        state.source.as_ref()?;
        state.reader.slow_by(now)
    }

    /// Gives back the permit, and the connection to the server.
    fn end(&self) {
        let mut state = lock(&self.state);
        let ended = (state.source.take(), std::mem::take(&mut state.rest));
        drop(state);
        drop(ended);
    }

    fn poll(&self, least_rate: u64, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Error>>> {
        let mut state = lock(&self.state);
        let State { source, rest, reader } = &mut *state;
        let Some((stream, _)) = source else { return Poll::Ready(Some(Err(Error::ReadTooSlowly))) };
        reader.asks(Instant::now());
        let mut piece = std::mem::take(rest);
        if piece.is_empty() {
            piece = match std::task::ready!(stream.as_mut().poll_next(cx)) {
                Some(Ok(piece)) => piece,
                ended => return Poll::Ready(ended),
            };
        }
        let longest = least_rate.saturating_mul(PIECE_FOR_SECS).max(SHORTEST_PIECE);
        let longest = usize::try_from(longest).unwrap_or(usize::MAX);
        if least_rate > 0 && piece.len() > longest {
            *rest = piece.split_off(longest);
        }
        reader.gets(piece.len(), least_rate, Instant::now());
        Poll::Ready(Some(Ok(piece)))
    }
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").finish_non_exhaustive()
    }
}

impl Reader {
    /// The client has room for another piece.
    fn asks(&mut self, now: Instant) {
        if let Some((since, allowed)) = self.reads.take() {
            self.behind = (self.behind + now.duration_since(since)).saturating_sub(allowed);
        }
    }

    fn gets(&mut self, bytes: usize, least_rate: u64, now: Instant) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let millis = bytes.saturating_mul(1000) / least_rate.max(1);
        self.reads = Some((now, Duration::from_millis(millis)));
    }

    /// How far it is behind, if that is more than it may be.
    fn slow_by(&self, now: Instant) -> Option<Duration> {
        let (since, allowed) = self.reads?;
        let behind = (self.behind + now.duration_since(since)).checked_sub(allowed)?;
        (behind > GRACE).then_some(behind)
    }
}

impl Stream for Metered {
    type Item = Result<Bytes, Error>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.running.poll(self.bodies.least_rate, cx)
    }
}

impl Drop for Metered {
    fn drop(&mut self) {
        self.bodies.running.remove(&self.number);
        self.running.end();
    }
}

/// Counts the permits that one waits for.
struct Waiting<'a> {
    all: &'a AtomicUsize,
    count: usize,
}

impl<'a> Waiting<'a> {
    fn begin(all: &'a AtomicUsize, count: usize) -> Self {
        all.fetch_add(count, Ordering::Relaxed);
        Self { all, count }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.all.fetch_sub(self.count, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt as _, stream};

    use super::*;

    const RATE: u64 = 1000;
    const PATIENCE: Duration = Duration::from_secs(5);

    fn bodies(count: usize, least_rate: u64) -> Arc<Bodies> {
        Bodies::new(BodyLimits { permits: count, least_rate }, Counter::default())
    }

    /// A body of pieces of one second each at the least rate, without an end.
    async fn endless(bodies: &Arc<Bodies>) -> BodyStream {
        let piece = Bytes::from(vec![0; usize::try_from(RATE).unwrap()]);
        let pieces = stream::repeat_with(move || Ok(piece.clone()));
        bodies.permit(PATIENCE).await.unwrap().meter(Body::new(Box::pin(pieces))).into_stream()
    }

    /// Reads so many pieces, with a pause before each.
    async fn read(body: &mut BodyStream, pieces: usize, pause: Duration) -> bool {
        for _ in 0..pieces {
            tokio::time::sleep(pause).await;
            if !matches!(body.next().await, Some(Ok(_))) {
                return false;
            }
        }
        true
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_ends_once_another_request_waits() {
        let bodies = bodies(2, RATE);
        let mut slow = endless(&bodies).await;
        let half_rate = Duration::from_secs(2);
        assert!(read(&mut slow, 60, half_rate).await, "nobody waits");
        let mut good = endless(&bodies).await;
        assert!(read(&mut good, 60, Duration::from_millis(900)).await);
        let waited = bodies.permit(PATIENCE).await;
        assert!(waited.is_ok(), "{waited:?}");
        assert!(matches!(slow.next().await, Some(Err(Error::ReadTooSlowly))));
        assert!(read(&mut good, 2, Duration::ZERO).await, "the other one goes on");
        assert_eq!(bodies.ended.get(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_of_nothing_ends_without_being_asked_again() {
        let bodies = bodies(1, RATE);
        let mut stopped = endless(&bodies).await;
        assert!(read(&mut stopped, 1, Duration::ZERO).await);
        assert!(matches!(bodies.permit(PATIENCE).await, Err(Error::OriginBusy(_))), "not yet slow");
        assert!(bodies.permit(GRACE).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn long_pieces_of_a_server_give_a_reader_no_more_time() {
        const LONG: usize = 1 << 20;
        for reads in [0, 1] {
            let bodies = bodies(1, 16 << 10);
            let piece = stream::once(async { Ok(Bytes::from(vec![0; LONG])) });
            let permit = bodies.permit(PATIENCE).await.unwrap();
            let mut body = permit.meter(Body::new(Box::pin(piece))).into_stream();
            assert!(read(&mut body, reads, Duration::ZERO).await);
            let most = GRACE + Duration::from_secs(PIECE_FOR_SECS);
            assert!(bodies.permit(most + Duration::from_secs(1)).await.is_ok(), "{reads}");
        }
        // Nothing is lost of what is taken apart.
        let bodies = bodies(1, 16 << 10);
        let piece = stream::once(async { Ok(Bytes::from(vec![7; LONG])) });
        let permit = bodies.permit(PATIENCE).await.unwrap();
        let mut body = permit.meter(Body::new(Box::pin(piece))).into_stream();
        let mut all = 0;
        while let Some(piece) = body.next().await {
            let piece = piece.unwrap();
            assert!(piece.iter().all(|byte| *byte == 7));
            all += piece.len();
        }
        assert_eq!(all, LONG);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_read_at_once_is_no_credit_for_later() {
        let bodies = bodies(1, RATE);
        let mut body = endless(&bodies).await;
        assert!(read(&mut body, 10_000, Duration::ZERO).await);
        assert!(bodies.permit(GRACE + PATIENCE).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_is_slow_is_not_the_readers_fault() {
        let bodies = bodies(1, RATE);
        let pieces = stream::unfold((), async |()| {
            tokio::time::sleep(Duration::from_secs(20)).await;
            Some((Ok(Bytes::from_static(b"live")), ()))
        });
        let permit = bodies.permit(PATIENCE).await.unwrap();
        let mut body = permit.meter(Body::new(Box::pin(pieces))).into_stream();
        let reading = tokio::spawn(async move { read(&mut body, 20, Duration::ZERO).await });
        for _ in 0..20 {
            assert!(matches!(bodies.permit(PATIENCE).await, Err(Error::OriginBusy(_))));
        }
        assert!(reading.await.unwrap());
        assert!(bodies.permit(PATIENCE).await.is_ok(), "its permit is back");
        assert!(bodies.running.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_least_rate_nobody_is_too_slow() {
        let bodies = bodies(1, 0);
        let mut body = endless(&bodies).await;
        assert!(read(&mut body, 2, Duration::from_secs(600)).await);
        assert!(matches!(bodies.permit(PATIENCE).await, Err(Error::OriginBusy(_))));
        drop(body);
        assert!(bodies.permit(PATIENCE).await.is_ok());
    }
}
