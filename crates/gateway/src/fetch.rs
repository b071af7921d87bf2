//! One document from anywhere, for tools that a person runs: no route and no session stands behind
//! it, so the gateway itself never uses this.

use std::time::Duration;

use axum::http::{StatusCode, header};
use bytes::Bytes;
use reqwest::redirect::Policy;
use url::Url;

use crate::Error;
use crate::config::Timeouts;
use crate::origin::{Body, origin_error};

/// How many redirects are followed.
const MAX_REDIRECTS: usize = 5;
/// How often a URL is asked that gives no answer to go by.
const MAX_ATTEMPTS: usize = 3;
/// How long after the first attempt the second one is; each pause is twice the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// A document and where it came from.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its bytes, decoded by nothing.
    pub bytes: Bytes,
    /// Its URL after redirects: what its references are relative to.
    pub url: Url,
}

/// Asks servers for documents, and for whether a URL opens.
#[derive(Clone, Debug)]
pub struct Fetcher {
    client: reqwest::Client,
}

impl Fetcher {
    /// Waits as long as a gateway does for its origins.
    ///
    /// # Errors
    /// [`Error::Internal`] if the system gives no client.
    pub fn new() -> Result<Self, Error> {
        let timeouts = Timeouts::default();
        let client = reqwest::Client::builder()
            .user_agent(concat!("sluicegate/", env!("CARGO_PKG_VERSION")))
            .redirect(Policy::limited(MAX_REDIRECTS))
            .connect_timeout(timeouts.connect)
            .read_timeout(timeouts.idle)
            .build()
            .map_err(|error| Error::Internal(format!("the HTTP client: {error}")))?;
        Ok(Self { client })
    }

    /// Fetches a document, or of a longer one as much as is more than `max_bytes`.
    ///
    /// # Errors
    /// [`Error`] as for an origin.
    pub async fn document(&self, url: Url, max_bytes: usize) -> Result<Document, Error> {
        let answer = self.client.get(url).send().await.map_err(origin_error)?;
        if !answer.status().is_success() {
            return Err(Error::OriginStatus(answer.status().as_u16()));
        }
        let url = answer.url().clone();
        let body = Body::of(answer);
        Ok(Document { bytes: body.read_to_limit(max_bytes).await?, url })
    }

    /// The status with which a URL answers: that of a HEAD, or of a GET of the first byte where a HEAD
    /// is not let in. What may pass (429, 5xx, no answer) is tried again.
    ///
    /// # Errors
    /// [`Error`] as for an origin, if there is no answer.
    pub async fn status(&self, url: &Url) -> Result<u16, Error> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..MAX_ATTEMPTS {
            match self.status_once(url).await {
                Ok(status) if !is_passing(status) => return Ok(status),
                Ok(_) | Err(Error::OriginUnreachable(_) | Error::OriginTimeout(_)) => {}
                Err(error) => return Err(error),
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        self.status_once(url).await
    }

    /// The same, asked once.
    ///
    /// # Errors
    /// As [`Self::status`].
    pub async fn status_once(&self, url: &Url) -> Result<u16, Error> {
        let head = self.client.head(url.clone()).send().await.map_err(origin_error)?;
        // Some servers know no HEAD, and some tokens are for another method.
        if head.status().is_success() || is_passing(head.status().as_u16()) {
            return Ok(head.status().as_u16());
        }
        let first_byte = self.client.get(url.clone()).header(header::RANGE, "bytes=0-0");
        let answer = first_byte.send().await.map_err(origin_error)?;
        match answer.status() {
            // An empty file has no first byte.
            StatusCode::RANGE_NOT_SATISFIABLE => Ok(StatusCode::OK.as_u16()),
            status => Ok(status.as_u16()),
        }
    }
}

/// Whether a later request may be answered otherwise.
const fn is_passing(status: u16) -> bool {
    matches!(status, 429 | 500 | 502 | 503 | 504)
}
