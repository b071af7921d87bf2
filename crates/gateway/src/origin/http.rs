//! HTTP origins: one client, bounded waiting and trying, redirects only within the route.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use reqwest::Client;
use reqwest::redirect::Policy;
use tokio::time::Instant;
use url::Url;

use super::Resolver;
use super::caching::Caching;
use super::peer::{Peer, PeerLimits};
use super::{Body, Conditions, Fetched, Purpose, coding};
use crate::config::{RouteConfig, Timeouts};
use crate::metrics::Metrics;
use crate::route::{Located, Route};
use crate::{Error, trace};

/// How many redirects of an origin are followed.
const MAX_REDIRECTS: usize = 5;
/// Before a request is sent to the same server again.
const BEFORE_RETRY: Duration = Duration::from_millis(100);
/// How long a check may take.
const CHECK_PATIENCE: Duration = Duration::from_secs(5);

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
    /// All servers that routes name, by scheme, host and port.
    peers: Arc<HashMap<url::Origin, Arc<Peer>>>,
    metrics: Arc<Metrics>,
}

/// The client that all routes share.
pub(crate) fn new_client(timeouts: &Timeouts, resolver: Resolver) -> Result<Client, Error> {
    Client::builder()
        .dns_resolver(resolver)
        .user_agent(concat!("sluicegate/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .no_proxy()
        .connect_timeout(timeouts.connect)
        .read_timeout(timeouts.idle)
        .build()
        .map_err(|error| Error::Internal(format!("the HTTP client: {error}")))
}

impl HttpOrigin {
    /// For all servers that `routes` name.
    pub(crate) fn new(
        client: Client,
        timeouts: Timeouts,
        routes: &[RouteConfig],
        limits: PeerLimits,
        metrics: Arc<Metrics>,
    ) -> Self {
        let peer = |url: &Url, is_origin| {
            (url.origin(), Arc::new(Peer::new(url, is_origin, limits, &metrics)))
        };
        let cdns = routes.iter().flat_map(RouteConfig::cdns).map(|url| peer(url, false));
        // A CDN that is an origin, too, is one.
        let origins = routes.iter().flat_map(RouteConfig::servers).map(|url| peer(url, true));
        let peers = Arc::new(cdns.chain(origins).collect());
        Self { client, timeouts, peers, metrics }
    }

    /// Fetches a resource from the first server that is well and answers; `urls` are where it is on
    /// each.
    pub(super) async fn fetch(
        &self,
        route: &Route,
        urls: &[Url],
        purpose: Purpose,
        conditions: &Conditions,
    ) -> Result<Fetched, Error> {
        let is_well = |url: &&Url| self.peer(url).is_ok_and(|peer| peer.is_well());
        let well: Vec<_> = urls.iter().filter(is_well).collect();
        let candidates = if well.is_empty() { urls.iter().collect() } else { well };
        let mut last = None;
        for attempt in 0..=self.timeouts.retries {
            let url = candidates[attempt % candidates.len()];
            if attempt >= candidates.len() {
                tokio::time::sleep(BEFORE_RETRY).await;
            }
            match self.follow(route, url.clone(), purpose, conditions).await {
                Err(error) if may_be_retried(&error, candidates.len() > 1) => last = Some(error),
                answered => return answered,
            }
        }
        Err(last.unwrap_or(Error::OriginDown))
    }

    /// How long an origin may take.
    pub(crate) const fn timeouts(&self) -> &Timeouts {
        &self.timeouts
    }

    /// Asks a server whether it is well: `path` is below the folder `base`.
    pub(crate) async fn check(&self, base: &Url, path: &str) {
        let (Ok(peer), Ok(url)) = (self.peer(base), base.join(path)) else { return };
        let patience = self.timeouts.first_byte.min(CHECK_PATIENCE);
        let answer = self.client.get(url).timeout(patience).send().await;
        let is_healthy = answer.is_ok_and(|answer| !answer.status().is_server_error());
        if is_healthy {
            peer.answered();
        }
        peer.checked(is_healthy);
    }

    /// The origins.
    pub(crate) fn origins(&self) -> impl Iterator<Item = &Peer> {
        self.peers.values().map(|peer| &**peer).filter(|peer| peer.is_origin)
    }

    fn peer(&self, url: &Url) -> Result<&Arc<Peer>, Error> {
        let unknown = || Error::Internal("an origin that no route names".to_owned());
        self.peers.get(&url.origin()).ok_or_else(unknown)
    }

    async fn follow(
        &self,
        route: &Route,
        mut url: Url,
        purpose: Purpose,
        conditions: &Conditions,
    ) -> Result<Fetched, Error> {
        for _ in 0..=MAX_REDIRECTS {
            let peer = self.peer(&url)?;
            let permit = peer.permit(purpose, self.timeouts.first_byte).await?;
            let answer = self.ask(peer, url.clone(), conditions).await?;
            if !answer.status().is_redirection() || answer.status() == StatusCode::NOT_MODIFIED {
                let mut fetched = fetched(answer, url)?;
                if matches!(fetched.status, StatusCode::OK | StatusCode::PARTIAL_CONTENT) {
                    fetched.body = permit.meter(fetched.body);
                }
                return Ok(fetched);
            }
            url = redirect_target(route, &url, answer.headers())?;
        }
        Err(Error::OriginRedirect("too often"))
    }

    async fn ask(
        &self,
        peer: &Peer,
        url: Url,
        conditions: &Conditions,
    ) -> Result<reqwest::Response, Error> {
        if !peer.may_be_asked() {
            return Err(Error::OriginDown);
        }
        let began = Instant::now();
        let answer = self.send(url, conditions).await;
        match &answer {
            Ok(_) => peer.answered(),
            Err(_) => peer.failed(),
        }
        let result = answer.as_ref().map(|answer| answer.status().as_u16()).map_err(Error::clone);
        self.metrics.origin(&peer.name, &result, began.elapsed());
        answer
    }

    async fn send(&self, url: Url, conditions: &Conditions) -> Result<reqwest::Response, Error> {
        let host = url.host_str().unwrap_or_default().to_owned();
        let mut request = self.client.get(url).headers(conditions.clone());
        if !conditions.contains_key(header::ACCEPT_ENCODING) {
            // Media do not shrink, and what is compressed has no ranges.
            let identity = HeaderValue::from_static("identity");
            request = request.header(header::ACCEPT_ENCODING, identity);
        }
        let outgoing = trace::Outgoing::begin();
        if let Some(parent) = outgoing.as_ref().and_then(trace::Outgoing::header) {
            request = request.header(trace::TRACEPARENT, parent);
        }
        let answered = match tokio::time::timeout(self.timeouts.first_byte, request.send()).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(origin_error(error)),
            Err(_) => Err(Error::OriginTimeout("timeouts.first_byte_secs")),
        };
        if let Some(outgoing) = outgoing {
            let status = answered.as_ref().ok().map(|answer| answer.status().as_u16());
            outgoing.end(&host, status);
        }
        answered
    }
}

/// Whether another try may help. A server that was waited for in vain is not waited for again.
fn may_be_retried(error: &Error, there_are_others: bool) -> bool {
    match error {
        Error::OriginUnreachable(_) | Error::OriginStatus(500 | 502 | 503) => true,
        Error::OriginTimeout(_) | Error::OriginDown | Error::OriginBusy(_) => there_are_others,
        _ => false,
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
    let caching = Caching::of(answer.headers(), SystemTime::now());
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
        return Ok(Fetched { status, headers, caching, body: Body::empty(), url });
    }
    let mut body = Body::of(answer);
    if status == StatusCode::OK {
        body = coding::decode(&mut headers, body);
    }
    Ok(Fetched { status, headers, caching, body, url })
}

fn redirect_target(route: &Route, from: &Url, headers: &HeaderMap) -> Result<Url, Error> {
    let target = headers
        .get(header::LOCATION)
        .and_then(|location| location.to_str().ok())
        .and_then(|location| from.join(location).ok())
        .ok_or(Error::OriginRedirect("without a usable Location"))?;
    let is_key =
        |url| matches!(route.locate(url), Located::Here(place) if route.names_a_key(&place));
    match route.locate(&target) {
        // A session's token opens what it asked for, and an origin may mend or complete the name.
        Located::Here(place) if route.names_a_key(&place) && !is_key(from) => {
            Err(Error::OriginRedirect("to a key, from what is not named as one: route.keys.names"))
        }
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
