//! Segments that others deliver: a CDN, to which the client is redirected, or the server in front,
//! which is told the file.

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::Response;
use sluicegate_token::UnixTime;

use crate::route::{Place, Route, Segments};
use crate::session::Admitted;
use crate::{Error, media_type, redirect};

/// nginx takes the file from it and keeps it from the client.
const ACCEL_REDIRECT: HeaderName = HeaderName::from_static("x-accel-redirect");

/// Whether what is no document is another's to deliver.
pub(crate) fn applies(route: &Route, place: &Place) -> bool {
    match route.config.segments {
        Segments::Gateway => route.config.accel.is_some() && place.host == 0,
        Segments::Cdn | Segments::Redirect => route.cdn_at(place.host).is_some(),
    }
}

/// Leaves the answer to the other.
pub(crate) fn answer(admitted: &Admitted, query: &str, now: UnixTime) -> Result<Response, Error> {
    match &admitted.route.config.accel {
        Some(folder) => to_server(folder, &admitted.place),
        None => redirect::to_cdn(admitted, query, None, now),
    }
}

fn to_server(folder: &str, place: &Place) -> Result<Response, Error> {
    // It is decoded once there, as this path would be.
    let target = format!("{folder}{}", place.raw.trim_start_matches('/'));
    let target = HeaderValue::from_str(&target)
        .map_err(|_| Error::Internal("a request's path is no header value".to_owned()))?;
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.insert(ACCEL_REDIRECT, target);
    if let Some(content_type) = media_type::by_name(&place.raw) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    // The URL bears a token.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private"));
    Ok(response)
}
