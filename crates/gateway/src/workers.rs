//! Few threads for work that takes long, so that requests that need none of it do not wait.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use crate::Error;
use crate::config::Limits;

/// Threads, and a bounded queue before them.
#[derive(Debug)]
pub(crate) struct Workers {
    threads: Arc<Semaphore>,
    waiting: AtomicUsize,
    most_waiting: usize,
    /// What is worked on in place has no more bytes.
    inline_bytes: usize,
}

/// Steps of planning for each byte of the longest manifest that is worked on in place. Little text can stand
/// for very much, so that its length alone does not tell.
const INLINE_STEPS_PER_BYTE: usize = 16;

/// How long one request waits for threads, for memory and for others who make the same, all together: it
/// needs a thread several times.
#[derive(Debug)]
pub(crate) struct Patience {
    wait: Duration,
    /// From the first time that it waits.
    until: OnceLock<Instant>,
}

impl Patience {
    pub(crate) const fn new(wait: Duration) -> Self {
        Self { wait, until: OnceLock::new() }
    }

    /// Waits for what is to come.
    ///
    /// # Errors
    /// [`Error::ManifestBusy`] if it does not come in time.
    pub(crate) async fn wait<T>(&self, what: impl Future<Output = T>) -> Result<T, Error> {
        let until = *self.until.get_or_init(|| Instant::now() + self.wait);
        timeout_at(until, what).await.map_err(|_| Error::ManifestBusy)
    }
}

/// One that waits, for as long as it lives.
struct Waiting<'w>(&'w AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Workers {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            threads: Arc::new(Semaphore::new(limits.manifest_threads)),
            waiting: AtomicUsize::new(0),
            most_waiting: limits.manifest_queue,
            inline_bytes: limits.inline_manifest_bytes,
        }
    }

    /// Whether work on so many bytes is done where it comes up.
    pub(crate) const fn is_short(&self, bytes: usize) -> bool {
        bytes <= self.inline_bytes
    }

    /// Steps of planning that are taken where they come up. What needs more is planned on a thread.
    pub(crate) const fn inline_steps(&self) -> usize {
        self.inline_bytes.saturating_mul(INLINE_STEPS_PER_BYTE)
    }

    /// Does the work on one of the threads.
    ///
    /// # Errors
    /// [`Error::ManifestBusy`] if the queue is full, or if no thread becomes free in time.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        patience: &Patience,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Error> {
        let thread = match Arc::clone(&self.threads).try_acquire_owned() {
            Ok(thread) => thread,
            Err(_) => {
                let waiting = Waiting(&self.waiting);
                if waiting.0.fetch_add(1, Ordering::Relaxed) >= self.most_waiting {
                    return Err(Error::ManifestBusy);
                }
                let thread = Arc::clone(&self.threads).acquire_owned();
                patience.wait(thread).await?.map_err(|_| Error::ManifestBusy)?
            }
        };
        // The thread is taken until the work ends, whether somebody still waits for it or not.
        let work = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(thread);
            done
        });
        work.await.map_err(|error| Error::Internal(format!("a manifest's thread: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const WAIT: Duration = Duration::from_secs(5);

    fn one_thread(manifest_queue: usize) -> Arc<Workers> {
        let limits = Limits { manifest_threads: 1, manifest_queue, ..Limits::default() };
        Arc::new(Workers::new(&limits))
    }

    /// Takes the one thread until the sender is dropped.
    async fn occupy(workers: &Arc<Workers>) -> mpsc::Sender<()> {
        let (sender, receiver) = mpsc::channel::<()>();
        let thread = Arc::clone(&workers.threads).acquire_owned().await.unwrap();
        drop(tokio::task::spawn_blocking(move || {
            let _ = receiver.recv();
            drop(thread);
        }));
        sender
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_for_a_thread_is_told_that_all_are_busy() {
        let workers = one_thread(1);
        let thread = Arc::clone(&workers.threads).acquire_owned().await.unwrap();
        let began = Instant::now();
        let waited = workers.run(&Patience::new(WAIT), || ()).await;
        assert!(matches!(waited, Err(Error::ManifestBusy)), "{waited:?}");
        assert_eq!(began.elapsed(), WAIT);
        // Its place in the queue is free again, and the thread is as good as before.
        assert_eq!(workers.waiting.load(Ordering::Relaxed), 0);
        drop(thread);
        assert!(matches!(workers.run(&Patience::new(WAIT), || 7).await, Ok(7)));
    }

    #[tokio::test(start_paused = true)]
    async fn all_turns_of_a_request_share_one_wait() {
        let workers = one_thread(1);
        let patience = Patience::new(WAIT);
        // Work in between is no waiting, but the time goes on from the first wait.
        assert!(patience.wait(tokio::time::sleep(WAIT / 2)).await.is_ok());
        let _thread = Arc::clone(&workers.threads).acquire_owned().await.unwrap();
        let began = Instant::now();
        assert!(matches!(workers.run(&patience, || ()).await, Err(Error::ManifestBusy)));
        assert_eq!(began.elapsed(), WAIT / 2);
    }

    #[tokio::test]
    async fn whoever_finds_the_queue_full_does_not_wait() {
        let workers = one_thread(1);
        let busy = occupy(&workers).await;
        let patience = Patience::new(Duration::from_secs(3600));
        let first = workers.run(&patience, || ());
        let mut first = std::pin::pin!(first);
        assert!(futures_util::poll!(&mut first).is_pending());
        assert!(matches!(workers.run(&patience, || ()).await, Err(Error::ManifestBusy)));
        drop(busy);
        assert!(first.await.is_ok());
    }
}
