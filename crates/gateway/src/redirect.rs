//! Redirects to the CDN: the URL that a player keeps is the gateway's, and the CDN's token is new at
//! each request.

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use sluicegate_manifest::ExistingToken;
use sluicegate_token::{Binding, Link, Refusal, UnixTime};

use crate::Error;
use crate::session::Admitted;

/// Answers with the CDN's URL, signed for a window: its token may outlive the session by that. The
/// window is the CDN's, unless there is another.
pub(crate) fn to_cdn(
    admitted: &Admitted,
    query: &str,
    ttl_secs: Option<u64>,
    now: UnixTime,
) -> Result<Response, Error> {
    let Admitted { route, place, client, .. } = admitted;
    let no_cdn = || Error::Internal("a route without a CDN redirects to it".to_owned());
    let cdn = route.cdn_at(place.host).ok_or_else(no_cdn)?;
    let query = Some(query).filter(|query| !query.is_empty());
    let url = route.cdn_url(place, query).ok_or_else(no_cdn)?;
    let unsignable = |problem: String| Error::Unsignable(problem);
    // What a viewer sends in the place of a token is no token.
    let url = ExistingToken::Replace
        .make_room(&url, &cdn.ring.scheme().parameters())
        .map_err(|reason| unsignable(reason.to_string()))?;
    let ip = match cdn.ring.binding() {
        Binding::Plain => None,
        Binding::Ip => Some(client.ok_or(Refusal::NoClientAddress)?),
    };
    let link = Link::parse(url.as_str()).map_err(|error| unsignable(error.to_string()))?;
    let key = cdn.ring.signing(now).map_err(|error| unsignable(error.to_string()))?;
    let expires = match ttl_secs {
        Some(secs) => cdn.no_later(now.window_expiry(secs), now),
        None => cdn.window_expiry(now),
    };
    let location = link
        .sign(key.scheme.as_ref(), expires, ip)
        .map_err(|error| unsignable(error.to_string()))?;
    let location = HeaderValue::from_str(&location)
        .map_err(|_| Error::Internal("a CDN URL is no header value".to_owned()))?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::FOUND;
    response.headers_mut().insert(header::LOCATION, location);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
