//! Who comes in: so many connections at once, and none that only holds its place.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum_server::accept::Accept;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_io_timeout::TimeoutStream;

use super::Tls;

/// Bounds on connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// Open at once; one more is closed at once.
    pub connections: usize,
    /// From a connection to its first whole request.
    pub first_request: Duration,
    /// From an answer to the next whole request (HTTP/1).
    pub idle: Duration,
    /// How long a client may take nothing of what is sent.
    pub stall: Duration,
    /// Bytes of a request's head.
    pub max_header_bytes: usize,
    /// Requests of one connection at once (HTTP/2).
    pub max_concurrent_streams: u32,
    /// From the signal to stop until no more connections are taken: `/readyz` is 503 meanwhile.
    pub notice: Duration,
    /// How long running requests may take after that.
    pub drain: Duration,
}

/// How connections are taken: their bounds, TLS, and a count of them. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Door {
    /// The bounds.
    pub limits: ConnectionLimits,
    /// TLS; without it HTTP is plain.
    pub tls: Option<Tls>,
    count: Arc<Count>,
}

/// Connections of a door.
#[derive(Debug, Default)]
struct Count {
    open: AtomicU64,
    refused: AtomicU64,
}

/// Lets connections in.
#[derive(Clone, Debug)]
pub(super) struct Porter {
    places: Arc<Semaphore>,
    stall: Duration,
    count: Arc<Count>,
}

/// A connection with its place. It ends if the client stops to read.
pub(super) struct Guest {
    stream: Pin<Box<TimeoutStream<TcpStream>>>,
    count: Arc<Count>,
    _place: OwnedSemaphorePermit,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections: 20_000,
            first_request: Duration::from_secs(10),
            // More than load balancers keep theirs, so that they close first.
            idle: Duration::from_secs(75),
            stall: Duration::from_secs(30),
            max_header_bytes: 32 << 10,
            max_concurrent_streams: 128,
            notice: Duration::ZERO,
            drain: Duration::from_secs(10),
        }
    }
}

impl Door {
    /// A door with these bounds.
    #[must_use]
    pub fn new(limits: ConnectionLimits, tls: Option<Tls>) -> Self {
        Self { limits, tls, count: Arc::default() }
    }

    /// How many connections are open, and how many have been closed at once.
    #[must_use]
    pub fn count(&self) -> (u64, u64) {
        let Count { open, refused } = &*self.count;
        (open.load(Ordering::Relaxed), refused.load(Ordering::Relaxed))
    }
}

impl Porter {
    pub(super) fn of(door: &Door) -> Self {
        let places = door.limits.connections.min(Semaphore::MAX_PERMITS);
        Self {
            places: Arc::new(Semaphore::new(places)),
            stall: door.limits.stall,
            count: Arc::clone(&door.count),
        }
    }

    fn let_in(&self, stream: TcpStream) -> io::Result<Guest> {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.count.refused.fetch_add(1, Ordering::Relaxed);
            return Err(io::Error::other("limits.connections are open"));
        };
        stream.set_nodelay(true)?;
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(self.stall));
        self.count.open.fetch_add(1, Ordering::Relaxed);
        let count = Arc::clone(&self.count);
        Ok(Guest { stream: Box::pin(stream), count, _place: place })
    }
}

impl<S> Accept<TcpStream, S> for Porter {
    type Stream = Guest;
    type Service = S;
    type Future = std::future::Ready<io::Result<(Guest, S)>>;

    fn accept(&self, stream: TcpStream, service: S) -> Self::Future {
        std::future::ready(self.let_in(stream).map(|guest| (guest, service)))
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.count.open.fetch_sub(1, Ordering::Relaxed);
    }
}

impl AsyncRead for Guest {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_read(cx, buf)
    }
}

impl AsyncWrite for Guest {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream.as_mut().poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.as_mut().poll_shutdown(cx)
    }
}
