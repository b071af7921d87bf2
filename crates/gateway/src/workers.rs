//! Few threads for work that takes long, so that requests that need none of it do not wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;

use crate::Error;
use crate::config::Limits;

/// Threads, and a bounded queue before them.
#[derive(Debug)]
pub(crate) struct Workers {
    threads: Arc<Semaphore>,
    waiting: AtomicUsize,
    most_waiting: usize,
    wait: Duration,
    /// What is worked on in place has no more bytes.
    inline_bytes: usize,
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
            wait: limits.manifest_wait,
            inline_bytes: limits.inline_manifest_bytes,
        }
    }

    /// Whether work on so many bytes is done where it comes up.
    pub(crate) const fn is_short(&self, bytes: usize) -> bool {
        bytes <= self.inline_bytes
    }

    /// Does the work on one of the threads.
    ///
    /// # Errors
    /// [`Error::ManifestBusy`] if the queue is full, or if no thread becomes free in time.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
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
                let thread = tokio::time::timeout(self.wait, thread).await;
                thread.ok().and_then(Result::ok).ok_or(Error::ManifestBusy)?
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
