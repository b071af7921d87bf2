//! Where media come from: a folder of this machine, or HTTP.

mod bodies;
pub(crate) mod caching;
mod coding;
mod folder;
mod http;
mod missing;
mod peer;
mod range;
mod resolver;

use std::pin::Pin;

use axum::http::{HeaderMap, StatusCode};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, stream};
use url::Url;

pub(crate) use self::bodies::{Bodies, BodyLimits, BodyPermit, WeakPermit};
use self::caching::Caching;
pub(crate) use self::coding::DECODED;
pub(crate) use self::folder::FolderOrigin;
pub(crate) use self::http::{CONDITIONS, HttpOrigin, new_client, origin_error};
use self::missing::Missing;
pub(crate) use self::missing::MissingFor;
pub(crate) use self::peer::PeerLimits;
pub(crate) use self::resolver::Resolver;
use crate::Error;
use crate::route::{Place, Route};

/// The pieces of a body as they come.
pub(crate) type BodyStream = Pin<Box<dyn Stream<Item = Result<Bytes, Error>> + Send>>;

/// A route's origin, and the way to its further hosts.
#[derive(Debug)]
pub(crate) struct Origin {
    /// The first origin if it is a folder; otherwise it is HTTP like all further hosts.
    folder: Option<FolderOrigin>,
    http: HttpOrigin,
    missing: Missing,
}

/// What an origin answered: 200, 206, 304 or 416, everything else is an [`Error`].
pub(crate) struct Fetched {
    pub(crate) status: StatusCode,
    /// The headers that describe the body: type, length, range, validators.
    pub(crate) headers: HeaderMap,
    /// How long it is good.
    pub(crate) caching: Caching,
    pub(crate) body: Body,
    /// Where it came from, after redirects.
    pub(crate) url: Url,
}

/// A body of which the start has been looked at.
pub(crate) struct Body {
    start: Bytes,
    rest: BodyStream,
}

/// What a resource is fetched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A manifest, a document that one names or a key, which is read whole at once.
    Document,
    /// Anything, which a client may read as slowly as it likes.
    Stream,
}

/// What a fetch depends on: the range and conditions of a request, as headers.
pub(crate) type Conditions = HeaderMap;

impl Origin {
    /// What is missing is not asked for again for `missing_for`.
    pub(crate) fn new(
        folder: Option<FolderOrigin>,
        http: HttpOrigin,
        missing_for: MissingFor,
    ) -> Self {
        Self { folder, http, missing: Missing::new(missing_for) }
    }

    /// Fetches a resource. `query` is what is sent of the viewer's parameters.
    pub(crate) async fn fetch(
        &self,
        route: &Route,
        place: &Place,
        query: &str,
        purpose: Purpose,
        conditions: &Conditions,
    ) -> Result<Fetched, Error> {
        if let Some(folder) = self.folder.as_ref().filter(|_| self.is_local(place)) {
            let url = route.origin_urls(place, query).into_iter().next().ok_or(Error::NotFound)?;
            return folder.fetch(route.path_in_folder(place), url, purpose, conditions).await;
        }
        // What is known to be missing costs no more than a look.
        let key = route.resource_key(place, query);
        if self.missing.knows(&key) {
            return Err(Error::NotFound);
        }
        let urls = route.origin_urls(place, query);
        let fetched = self.http.fetch(route, &urls, purpose, conditions).await;
        if let Err(Error::NotFound) = &fetched {
            self.missing.remember(place, key);
        }
        fetched
    }

    /// Whether a resource is on this machine, where asking costs nothing.
    pub(crate) const fn is_local(&self, place: &Place) -> bool {
        self.folder.is_some() && place.host == 0
    }

    /// Whether a folder origin is still there. An HTTP origin is asked when it is needed.
    pub(crate) fn is_there(&self) -> bool {
        self.folder.as_ref().is_none_or(FolderOrigin::is_there)
    }

    #[cfg(test)]
    pub(crate) fn unreachable_for_tests() -> Self {
        let metrics = crate::metrics::Metrics::new(&mut <_>::default());
        let timeouts = crate::config::Timeouts::default();
        let bodies = BodyLimits { permits: 1, least_rate: 0 };
        let limits = PeerLimits { requests: 1, document_requests: 0, bodies };
        let http = HttpOrigin::new(reqwest::Client::new(), timeouts, &[], limits, metrics.into());
        Self::new(None, http, MissingFor::default())
    }
}

impl Body {
    pub(crate) fn new(rest: BodyStream) -> Self {
        Self { start: Bytes::new(), rest }
    }

    /// The body of an HTTP answer.
    pub(crate) fn of(answer: reqwest::Response) -> Self {
        let pieces = answer.bytes_stream().map(|piece| piece.map_err(origin_error));
        Self::new(Box::pin(pieces))
    }

    /// A body that is here.
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self { start: bytes, rest: Box::pin(stream::empty()) }
    }

    pub(crate) fn empty() -> Self {
        Self::new(Box::pin(stream::empty()))
    }

    /// The same, with something that is given back when the body has ended.
    pub(crate) fn holding<T: Send + 'static>(self, held: T) -> Self {
        let rest = self.rest.map(move |piece| {
            let _ = &held;
            piece
        });
        Self { start: self.start, rest: Box::pin(rest) }
    }

    /// How many bytes have been read to be looked at.
    pub(crate) const fn start_len(&self) -> usize {
        self.start.len()
    }

    /// Reads until there are `len` bytes or no more, and gives them without taking them.
    pub(crate) async fn peek(&mut self, len: usize) -> Result<&[u8], Error> {
        if self.start.len() < len {
            let start = std::mem::take(&mut self.start).try_into_mut();
            let mut start = start.unwrap_or_else(|shared| BytesMut::from(&shared[..]));
            while start.len() < len {
                match self.rest.next().await {
                    Some(piece) => start.extend_from_slice(&piece?),
                    None => break,
                }
            }
            self.start = start.freeze();
        }
        Ok(&self.start)
    }

    /// The whole body, or as much as is more than `limit`.
    pub(crate) async fn read_to_limit(mut self, limit: usize) -> Result<Bytes, Error> {
        self.peek(limit.saturating_add(1)).await?;
        Ok(self.start)
    }

    /// The pieces from the beginning.
    pub(crate) fn into_stream(self) -> BodyStream {
        if self.start.is_empty() {
            return self.rest;
        }
        Box::pin(stream::iter([Ok(self.start)]).chain(self.rest))
    }
}
