//! An HTTP origin: one client, bounded waiting, redirects only within the route.

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use reqwest::Client;
use reqwest::redirect::Policy;
use url::Url;

use super::{Body, Conditions, Fetched};
use crate::Error;
use crate::config::Timeouts;
use crate::route::{Located, Route};

/// How many redirects of an origin are followed.
const MAX_REDIRECTS: usize = 5;

/// Headers of an origin's answer that go on to the client.
const PASSED: [HeaderName; 7] = [
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_ENCODING,
    header::ACCEPT_RANGES,
    header::ETAG,
    header::LAST_MODIFIED,
];

/// Headers of a client's request that go on to the origin. Referer is not one of them: some
/// players put the whole signed URL into it.
pub(crate) const CONDITIONS: [HeaderName; 4] =
    [header::RANGE, header::IF_RANGE, header::IF_NONE_MATCH, header::IF_MODIFIED_SINCE];

/// Fetches over HTTP.
#[derive(Clone, Debug)]
pub(crate) struct HttpOrigin {
    client: Client,
    timeouts: Timeouts,
}

/// The client that all routes share.
pub(crate) fn new_client(timeouts: &Timeouts) -> Result<Client, Error> {
    Client::builder()
        .user_agent(concat!("sluicegate/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(timeouts.connect)
        .read_timeout(timeouts.idle)
        .build()
        .map_err(|error| Error::Internal(format!("the HTTP client: {error}")))
}

impl HttpOrigin {
    pub(crate) const fn new(client: Client, timeouts: Timeouts) -> Self {
        Self { client, timeouts }
    }

    pub(super) async fn fetch(
        &self,
        route: &Route,
        mut url: Url,
        conditions: &Conditions,
    ) -> Result<Fetched, Error> {
        for _ in 0..=MAX_REDIRECTS {
            let answer = self.send(url.clone(), conditions).await?;
            if !answer.status().is_redirection() || answer.status() == StatusCode::NOT_MODIFIED {
                return fetched(answer, url);
            }
            url = redirect_target(route, &url, answer.headers())?;
        }
        Err(Error::OriginRedirect("too often"))
    }

    async fn send(&self, url: Url, conditions: &Conditions) -> Result<reqwest::Response, Error> {
        // What is compressed cannot be rewritten in place, and media do not shrink.
        let request = self
            .client
            .get(url)
            .headers(conditions.clone())
            .header(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"))
            .send();
        match tokio::time::timeout(self.timeouts.first_byte, request).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(origin_error(error)),
            Err(_) => Err(Error::OriginTimeout("timeouts.first_byte_secs")),
        }
    }
}

fn fetched(answer: reqwest::Response, url: Url) -> Result<Fetched, Error> {
    let status = answer.status();
    match status {
        StatusCode::OK
        | StatusCode::PARTIAL_CONTENT
        | StatusCode::NOT_MODIFIED
        | StatusCode::RANGE_NOT_SATISFIABLE => {}
        StatusCode::NOT_FOUND | StatusCode::GONE => return Err(Error::NotFound),
        // Without parameters the request is the gateway's own.
        StatusCode::BAD_REQUEST if url.query().is_some() => return Err(Error::BadQuery),
        StatusCode::GATEWAY_TIMEOUT => return Err(Error::OriginTimeout("its own gateway's limit")),
        _ => return Err(Error::OriginStatus(status.as_u16())),
    }
    let mut headers = HeaderMap::new();
    for name in PASSED {
        if let Some(value) = answer.headers().get(&name) {
            headers.insert(name, value.clone());
        }
    }
    if status == StatusCode::RANGE_NOT_SATISFIABLE {
        // All else describes the origin's own error page.
        let range = headers.remove(header::CONTENT_RANGE);
        let headers = range.map(|range| (header::CONTENT_RANGE, range)).into_iter().collect();
        return Ok(Fetched { status, headers, body: Body::empty(), url });
    }
    Ok(Fetched { status, headers, body: Body::of(answer), url })
}

fn redirect_target(route: &Route, from: &Url, headers: &HeaderMap) -> Result<Url, Error> {
    let target = headers
        .get(header::LOCATION)
        .and_then(|location| location.to_str().ok())
        .and_then(|location| from.join(location).ok())
        .ok_or(Error::OriginRedirect("without a usable Location"))?;
    match route.locate(&target) {
        Located::Here(_) => Ok(target),
        Located::Outside | Located::Foreign => {
            Err(Error::OriginRedirect("to a URL that neither the origin nor allow_hosts covers"))
        }
    }
}

/// The URL is left out: its query may hold a viewer's parameters.
pub(crate) fn origin_error(error: reqwest::Error) -> Error {
    let is_timeout = error.is_timeout();
    let is_connect = error.is_connect();
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    if is_timeout {
        return Error::OriginTimeout(if is_connect {
            "timeouts.connect_secs"
        } else {
            "timeouts.idle_secs"
        });
    }
    if is_connect {
        text.push_str(" (is it running, and is the route's origin right?)");
    }
    Error::OriginUnreachable(text)
}
