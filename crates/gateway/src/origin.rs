//! Where media come from: a folder of this machine, or HTTP.

mod folder;
mod http;
mod range;

use std::pin::Pin;

use axum::http::{HeaderMap, StatusCode};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, stream};
use url::Url;

pub(crate) use self::folder::FolderOrigin;
pub(crate) use self::http::{CONDITIONS, HttpOrigin, new_client, origin_error};
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
}

/// What an origin answered: 200, 206, 304 or 416, everything else is an [`Error`].
pub(crate) struct Fetched {
    pub(crate) status: StatusCode,
    /// The headers that describe the body: type, length, range, validators.
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
    /// Where it came from, after redirects.
    pub(crate) url: Url,
}

/// A body of which the start has been looked at.
pub(crate) struct Body {
    start: Bytes,
    rest: BodyStream,
}

/// What a fetch depends on: the range and conditions of a request, as headers.
pub(crate) type Conditions = HeaderMap;

impl Origin {
    pub(crate) const fn new(folder: Option<FolderOrigin>, http: HttpOrigin) -> Self {
        Self { folder, http }
    }

    /// Fetches a resource. `query` is what is sent of the viewer's parameters.
    pub(crate) async fn fetch(
        &self,
        route: &Route,
        place: &Place,
        query: &str,
        conditions: &Conditions,
    ) -> Result<Fetched, Error> {
        let url = route.origin_url(place, query);
        match &self.folder {
            Some(folder) if place.host == 0 => {
                folder.fetch(route.path_in_folder(place), url, conditions).await
            }
            _ => self.http.fetch(route, url, conditions).await,
        }
    }

    /// Whether a folder origin is still there. An HTTP origin is asked when it is needed.
    pub(crate) fn is_there(&self) -> bool {
        self.folder.as_ref().is_none_or(FolderOrigin::is_there)
    }

    #[cfg(test)]
    pub(crate) fn unreachable_for_tests() -> Self {
        let http = HttpOrigin::new(reqwest::Client::new(), crate::config::Timeouts::default());
        Self::new(None, http)
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

    pub(crate) fn empty() -> Self {
        Self::new(Box::pin(stream::empty()))
    }

    /// Reads until there are `len` bytes or no more, and gives them without taking them.
    pub(crate) async fn peek(&mut self, len: usize) -> Result<&[u8], Error> {
        if self.start.len() < len {
            let mut start = BytesMut::from(&self.start[..]);
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
