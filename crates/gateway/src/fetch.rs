//! One document from anywhere, for tools that a person runs: no route and no session stands behind
//! it, so the gateway itself never uses this.

use bytes::Bytes;
use reqwest::redirect::Policy;
use url::Url;

use crate::Error;
use crate::config::Timeouts;
use crate::origin::{Body, origin_error};

/// How many redirects are followed.
const MAX_REDIRECTS: usize = 5;

/// A document and where it came from.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its bytes, decoded by nothing.
    pub bytes: Bytes,
    /// Its URL after redirects: what its references are relative to.
    pub url: Url,
}

/// Fetches a document of at most `max_bytes`.
///
/// # Errors
/// [`Error`] as for an origin; more bytes than the limit are [`Error::BadCall`].
pub async fn fetch_document(url: Url, max_bytes: usize) -> Result<Document, Error> {
    let timeouts = Timeouts::default();
    let client = reqwest::Client::builder()
        .user_agent(concat!("sluicegate/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::limited(MAX_REDIRECTS))
        .connect_timeout(timeouts.connect)
        .read_timeout(timeouts.idle)
        .build()
        .map_err(|error| Error::Internal(format!("the HTTP client: {error}")))?;
    let answer = client.get(url).send().await.map_err(origin_error)?;
    if !answer.status().is_success() {
        return Err(Error::OriginStatus(answer.status().as_u16()));
    }
    let url = answer.url().clone();
    let body = Body::of(answer);
    let bytes = body.read_to_limit(max_bytes).await?;
    if bytes.len() > max_bytes {
        return Err(Error::BadCall(format!("the document has more than {max_bytes} bytes")));
    }
    Ok(Document { bytes, url })
}
