//! Memory for manifests beside the cache: while they are read and compiled, and while a rendered text is
//! sent.
//!
//! A text that many clients get at one time counts once. While a request waits for memory, the clients
//! that read their texts more slowly than the least rate lose them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use hyper::body::{Frame, SizeHint};
use prometheus_client::metrics::counter::Counter;
use tokio::sync::Mutex;

use crate::Error;
use crate::config::Limits;
use crate::origin::{self, Bodies, BodyLimits, BodyPermit, BodyStream, WeakPermit};
use crate::workers::Patience;

/// Bytes that one permit stands for.
pub(crate) const UNIT: usize = 1024;
/// What has no more bytes is not counted: bounds on requests and bodies in flight are enough for it.
const SHORT: usize = 64 << 10;
/// How much more of a longer one is read for each reservation: as much as was read, within these bounds.
const STEPS: (usize, usize) = (256 << 10, 1 << 20);

/// The memory for manifests that are read or sent.
#[derive(Debug)]
pub(crate) struct Buffers {
    bodies: Arc<Bodies>,
    all: u32,
}

/// Memory for one manifest. What is short needs none.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buffer(Option<BodyPermit>);

/// The text that many clients get, which something tells from those before it, and its memory for as long
/// as some body of it is sent.
#[derive(Debug)]
pub(crate) struct SentText<K>(Mutex<Option<(K, WeakPermit)>>);

/// A text as it is sent: its pieces, and how many bytes are yet to come.
struct Sent {
    pieces: BodyStream,
    left: u64,
}

impl Buffers {
    /// All of it is free. `ended` counts the bodies that end since their clients read too slowly.
    pub(crate) fn new(limits: &Limits, ended: Counter) -> Self {
        let all = units(limits.manifest_buffer_bytes);
        let least_rate = limits.min_body_bytes_per_sec;
        let limits = BodyLimits { permits: all as usize, least_rate };
        Self { bodies: Bodies::new(limits, ended), all }
    }

    /// Waits for memory for so many bytes.
    ///
    /// # Errors
    /// [`Error::ManifestBusy`] if none becomes free in time.
    pub(crate) async fn reserve(&self, patience: &Patience, bytes: usize) -> Result<Buffer, Error> {
        if bytes <= SHORT {
            return Ok(Buffer::default());
        }
        let count = self.units(bytes);
        let permit = match self.bodies.try_permit(count) {
            Some(permit) => permit,
            None => patience.wait(self.bodies.wait(count)).await??,
        };
        Ok(Buffer(Some(permit)))
    }

    /// Memory for so many bytes, for what takes it already and must not wait with it.
    ///
    /// # Errors
    /// [`Error::ManifestBusy`] if there is none.
    pub(crate) fn try_reserve(&self, bytes: usize) -> Result<Buffer, Error> {
        if bytes <= SHORT {
            return Ok(Buffer::default());
        }
        let permit = self.bodies.try_permit(self.units(bytes)).ok_or(Error::ManifestBusy)?;
        Ok(Buffer(Some(permit)))
    }

    /// The same for a text that other clients may get at this time, with these tokens.
    ///
    /// # Errors
    /// As [`Self::reserve`].
    pub(crate) async fn share<K>(
        &self,
        sent: &SentText<K>,
        (is_this, this): (impl Fn(&K) -> bool, impl FnOnce() -> K),
        patience: &Patience,
        bytes: usize,
    ) -> Result<Buffer, Error> {
        if bytes <= SHORT {
            return Ok(Buffer::default());
        }
        // A crowd that comes before the text is made reserves once.
        let mut known = patience.wait(sent.0.lock()).await?;
        let held = known.as_ref().filter(|(known, _)| is_this(known));
        if let Some(permit) = held.and_then(|(_, permit)| permit.upgrade(&self.bodies)) {
            return Ok(Buffer(Some(permit)));
        }
        let buffer = self.reserve(patience, bytes).await?;
        *known = buffer.0.as_ref().map(|permit| (this(), permit.downgrade()));
        Ok(buffer)
    }

    /// Reads a body, or as much of it as is more than `limit`, and reserves memory as it comes.
    ///
    /// # Errors
    /// As [`Self::reserve`] and [`origin::Body::peek`].
    pub(crate) async fn read(
        &self,
        mut body: origin::Body,
        patience: &Patience,
        limit: usize,
    ) -> Result<(Bytes, Buffer), Error> {
        let (end, mut buffer) = (limit.saturating_add(1), Buffer::default());
        let mut wanted = SHORT.min(end);
        loop {
            let read = body.peek(wanted).await?.len();
            if read < wanted || wanted == end {
                buffer.shrink(read);
                return Ok((body.read_to_limit(0).await?, buffer));
            }
            wanted = wanted.saturating_add(read.clamp(STEPS.0, STEPS.1)).min(end);
            let further = self.reserve(patience, wanted - buffer.bytes()).await?;
            buffer.merge(further);
        }
    }

    /// One text is sent however little memory all may have.
    fn units(&self, bytes: usize) -> u32 {
        units(bytes).min(self.all)
    }
}

impl<K> Default for SentText<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl Buffer {
    fn bytes(&self) -> usize {
        self.0.as_ref().map_or(0, BodyPermit::count).saturating_mul(UNIT)
    }

    /// Gives back what more than so many bytes have.
    fn shrink(&mut self, bytes: usize) {
        match &mut self.0 {
            Some(permit) if bytes > SHORT => permit.shrink(units(bytes)),
            permit => *permit = None,
        }
    }

    fn merge(&mut self, other: Self) {
        match (&mut self.0, other.0) {
            (Some(permit), Some(other)) => permit.merge(other),
            (permit @ None, other) => *permit = other,
            (Some(_), None) => {}
        }
    }

    /// A text as it is sent, which keeps the memory until then.
    pub(crate) fn send(self, text: Bytes) -> Body {
        let Some(permit) = self.0 else { return Body::from(text) };
        let left = text.len() as u64;
        let pieces = permit.meter(origin::Body::whole(text)).into_stream();
        Body::new(Sent { pieces, left })
    }

    /// The same for pieces that are made as they are sent.
    pub(crate) fn send_pieces(self, pieces: BodyStream) -> Body {
        match self.0 {
            None => Body::from_stream(pieces),
            Some(permit) => {
                let pieces = permit.meter(origin::Body::new(pieces)).into_stream();
                Body::from_stream(pieces)
            }
        }
    }
}

impl HttpBody for Sent {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let piece = std::task::ready!(self.pieces.as_mut().poll_next(cx));
        Poll::Ready(piece.map(|piece| {
            let piece = piece?;
            self.left -= piece.len() as u64;
            Ok(Frame::data(piece))
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// How many permits stand for so many bytes.
pub(crate) fn units(bytes: usize) -> u32 {
    // A tokio semaphore has less permits than that on every machine.
    u32::try_from(bytes.div_ceil(UNIT).max(1)).unwrap_or(u32::MAX >> 3).min(u32::MAX >> 3)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::{StreamExt as _, stream};
    use tokio::time::Instant;

    use super::*;

    const MIB: usize = 1 << 20;
    const WAIT: Duration = Duration::from_secs(1);
    /// After this, a client that reads nothing is slow.
    const SLOW_AFTER: Duration = Duration::from_secs(20);

    fn buffers(manifest_buffer_bytes: usize) -> (Buffers, Counter) {
        let ended = Counter::default();
        let limits =
            Limits { manifest_buffer_bytes, min_body_bytes_per_sec: 16 << 10, ..Limits::default() };
        (Buffers::new(&limits, ended.clone()), ended)
    }

    fn text(bytes: usize) -> Bytes {
        vec![b'#'; bytes].into()
    }

    /// How many bytes are free.
    fn free(buffers: &Buffers) -> usize {
        buffers.bodies.available() * UNIT
    }

    async fn reserve(buffers: &Buffers, bytes: usize) -> Result<Buffer, Error> {
        buffers.reserve(&Patience::new(WAIT), bytes).await
    }

    #[tokio::test(start_paused = true)]
    async fn texts_that_are_sent_have_no_more_memory_than_there_is() {
        let (buffers, ended) = buffers(4 * MIB);
        let mut bodies = Vec::new();
        for _ in 0..4 {
            let body = reserve(&buffers, MIB).await.unwrap().send(text(MIB));
            assert_eq!(body.size_hint().exact(), Some(MIB as u64));
            bodies.push(body.into_data_stream());
        }
        let began = Instant::now();
        assert!(matches!(reserve(&buffers, MIB).await, Err(Error::ManifestBusy)));
        assert_eq!(began.elapsed(), WAIT);
        assert!(buffers.try_reserve(MIB).is_err());
        // The first is read to its end.
        let mut read = 0;
        while let Some(piece) = bodies[0].next().await {
            read += piece.unwrap().len();
        }
        assert_eq!(read, MIB);
        drop(bodies.remove(0));
        assert_eq!(free(&buffers), MIB);
        let fifth = reserve(&buffers, MIB).await.unwrap();
        assert_eq!(ended.get(), 0);
        // Of the others nobody reads.
        tokio::time::sleep(SLOW_AFTER).await;
        assert!(reserve(&buffers, MIB).await.is_ok());
        assert_eq!(ended.get(), 3, "as much is given back as there is");
        for body in &mut bodies {
            assert!(matches!(body.next().await, Some(Err(_))));
        }
        drop(fifth);
        assert_eq!(free(&buffers), 4 * MIB);
    }

    #[tokio::test(start_paused = true)]
    async fn a_text_that_many_get_is_counted_once() {
        let (buffers, _) = buffers(2 * MIB);
        let sent = SentText::default();
        let get = async |version: u32| {
            let this = (|known: &u32| *known == version, || version);
            buffers.share(&sent, this, &Patience::new(WAIT), MIB).await
        };
        let bodies: Vec<_> = stream::iter(0..100)
            .then(|_| get(1))
            .map(|got| got.unwrap().send(text(MIB)))
            .collect()
            .await;
        assert_eq!(free(&buffers), MIB);
        let newer = get(2).await.unwrap().send(text(MIB));
        assert_eq!(free(&buffers), 0);
        assert!(matches!(get(3).await, Err(Error::ManifestBusy)));
        drop(bodies);
        assert_eq!(free(&buffers), MIB);
        drop(newer);
        assert_eq!(free(&buffers), 2 * MIB);
        assert!(get(2).await.is_ok(), "memory that was given back is reserved again");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_read_takes_memory_as_it_comes() {
        let body = |pieces: usize| {
            let pieces = (0..pieces).map(|_| Ok(text(16 << 10)));
            origin::Body::new(Box::pin(stream::iter(pieces.collect::<Vec<_>>())))
        };
        let patience = &Patience::new(WAIT);
        for (kib, limit) in [(0, MIB), (16, MIB), (512, MIB), (3072, 8 * MIB)] {
            let (buffers, _) = buffers(4 * MIB);
            let (bytes, buffer) = buffers.read(body(kib / 16), patience, limit).await.unwrap();
            assert_eq!(bytes.len(), kib << 10);
            let taken = if kib > 64 { kib << 10 } else { 0 };
            assert_eq!(4 * MIB - free(&buffers), taken, "{kib}");
            drop(buffer);
            assert_eq!(free(&buffers), 4 * MIB);
        }
        // As much as is more than a limit, and no more.
        let (buffers, _) = buffers(4 * MIB);
        let (bytes, _buffer) = buffers.read(body(1000), patience, MIB).await.unwrap();
        assert!((MIB + 1..=MIB + (16 << 10)).contains(&bytes.len()), "{}", bytes.len());
        let _rest = buffers.try_reserve(free(&buffers) - MIB).unwrap();
        let busy = buffers.read(body(1000), patience, 8 * MIB).await;
        assert!(matches!(busy, Err(Error::ManifestBusy)));
        assert_eq!(free(&buffers), MIB);
    }

    #[tokio::test(start_paused = true)]
    async fn short_texts_need_none_and_one_text_is_sent_however_little_there_is() {
        let (buffers, _) = buffers(1);
        let first = reserve(&buffers, 8 * MIB).await.unwrap();
        assert!(reserve(&buffers, SHORT + 1).await.is_err());
        assert!(reserve(&buffers, SHORT).await.is_ok());
        drop(first);
        assert!(reserve(&buffers, 8 * MIB).await.is_ok());
    }
}
