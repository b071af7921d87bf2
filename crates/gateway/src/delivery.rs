//! Answers for admitted requests: a manifest is rendered, everything else is streamed.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use futures_util::TryStreamExt as _;
use sluicegate_manifest::{CompileError, Format};
use sluicegate_token::UnixTime;

use crate::app::App;
use crate::manifest::Given;
use crate::origin::{CONDITIONS, Conditions, Fetched};
use crate::session::Admitted;
use crate::{Error, manifest, media_type};

/// The longest that a client may keep a segment, whatever its token's life.
const MAX_CACHE_SECS: u64 = 86_400;

/// Delivers what an admitted request asks for. `query` is what of the viewer's goes to the origin.
pub(crate) async fn deliver(
    app: &App,
    admitted: &Admitted,
    query: &str,
    given: &Given<'_>,
    method: &Method,
    request: &HeaderMap,
) -> Result<Response, Error> {
    let (route, place) = (&admitted.route, &admitted.place);
    let now = app.now();
    let templates = app.templates();
    let is_named = media_type::names_a_manifest(&place.raw);
    let fetched = if is_named || templates.knows(route, place, query) {
        match templates.fetch(route, place, query).await {
            // Without a name that promises one, something else may have come in its place.
            Err(Error::Manifest(CompileError::NotAManifest)) if !is_named => {
                templates.forget(route, place, query).await;
                None
            }
            // What is named as a manifest must be one: nothing else leaves under that name.
            compiled => Some(compiled?),
        }
    } else {
        None
    };
    let compiled = if let Some(compiled) = fetched {
        compiled
    } else {
        let mut fetched =
            route.origin.fetch(route, place, query, &conditions(method, request)).await?;
        if !is_manifest(&mut fetched).await? {
            return Ok(stream(fetched, admitted, now));
        }
        if fetched.status == StatusCode::OK {
            templates.accept(route, place, query, fetched).await?
        } else {
            // A part of a manifest is of no use: the whole is fetched.
            templates.fetch(route, place, query).await?
        }
    };
    manifest::respond(app.keys(), app.public_path(), admitted, &compiled, given, request, now)
}

/// Streams a file of the stand-in CDN, whose URL opens it until `expires`.
pub(crate) fn stream_until(
    fetched: Fetched,
    name: &str,
    expires: UnixTime,
    now: UnixTime,
) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = fetched.status;
    *response.headers_mut() = fetched.headers;
    let headers = response.headers_mut();
    if fetched.status == StatusCode::RANGE_NOT_SATISFIABLE {
        // The file may grow.
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        return response;
    }
    if let Some(content_type) = media_type::by_name(name) {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    // The URL bears a token, so only the viewer's own cache may keep the body, and not for longer.
    let max_age = expires.0.saturating_sub(now.0).min(MAX_CACHE_SECS);
    let cache_control = HeaderValue::from_str(&format!("private, max-age={max_age}"));
    headers.insert(
        header::CACHE_CONTROL,
        cache_control.unwrap_or(HeaderValue::from_static("no-store")),
    );
    let path = name.to_owned();
    let pieces = fetched.body.into_stream().inspect_err(move |error| {
        tracing::warn!(path, reason = %error, "a body ended before its time");
    });
    *response.body_mut() = Body::from_stream(pieces);
    response
}

fn stream(fetched: Fetched, admitted: &Admitted, now: UnixTime) -> Response {
    stream_until(fetched, &admitted.place.raw, admitted.claims.expires, now)
}

/// The range and the conditions of a request, which go on to the origin.
pub(crate) fn conditions(method: &Method, request: &HeaderMap) -> Conditions {
    let mut conditions = HeaderMap::new();
    // A range means something for GET alone, one of another unit means nothing, and several may be
    // answered with the whole (RFC 9110 section 14.2): an answer in parts would need another type.
    let range = request.get(header::RANGE).filter(|_| method == Method::GET);
    let is_passed = range.is_some_and(|range| is_one_range(range.as_bytes()));
    for name in CONDITIONS {
        if !is_passed && (name == header::RANGE || name == header::IF_RANGE) {
            continue;
        }
        if let Some(value) = request.get(&name) {
            conditions.insert(name, value.clone());
        }
    }
    conditions
}

fn is_one_range(range: &[u8]) -> bool {
    range.get(..6).is_some_and(|unit| unit.eq_ignore_ascii_case(b"bytes="))
        && !range.contains(&b',')
}

/// Whether a body that nothing promised as a manifest is one: by its content type, or by its
/// first bytes if it is shown from the beginning.
async fn is_manifest(fetched: &mut Fetched) -> Result<bool, Error> {
    let by_type = fetched
        .headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(media_type::is_manifest);
    if by_type {
        return Ok(true);
    }
    let begins = match fetched.headers.get(header::CONTENT_RANGE) {
        Some(range) => range.as_bytes().starts_with(b"bytes 0-"),
        None => fetched.status == StatusCode::OK,
    };
    if !begins {
        return Ok(false);
    }
    let start = fetched.body.peek(1).await?;
    // Only text that begins like a manifest is worth waiting for more of it.
    let may_be = matches!(start.first(), Some(b'#' | b'<' | 0xEF | b' ' | b'\t' | b'\r' | b'\n'));
    Ok(may_be && Format::detect(fetched.body.peek(Format::SNIFF_BYTES).await?).is_some())
}
