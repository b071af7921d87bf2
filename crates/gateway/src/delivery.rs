//! Answers for admitted requests: a manifest is rendered, and a document that one names, and
//! everything else is streamed, or handed over to a CDN or to the server in front.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use futures_util::TryStreamExt as _;
use headers::{ContentLength, HeaderMapExt as _};
use sluicegate_manifest::{CompileError, Format};
use sluicegate_token::UnixTime;

use crate::app::App;
use crate::manifest::Given;
use crate::origin::{CONDITIONS, Conditions, Fetched};
use crate::session::Admitted;
use crate::templates::{Compiled, Resource};
use crate::{Error, hand_over, key, manifest, media_type};

/// The longest that a client may keep a segment, whatever its token's life.
const MAX_CACHE_SECS: u64 = 86_400;

/// A browser that shows a file of an origin (HTML, SVG, XML) runs none of its scripts, and gives it no
/// origin: it would be the gateway's. Players, which fetch, take no notice.
pub(crate) const SANDBOX: HeaderValue = HeaderValue::from_static("default-src 'none'; sandbox");

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
    if admitted.is_for_key() {
        return Box::pin(key::deliver(admitted, query, now)).await;
    }
    let templates = app.templates();
    let key = &route.resource_key(place, query);
    let resource = Resource { route, place, query, key };
    let is_named = media_type::names_a_manifest(&place.raw);
    let hands_over = hand_over::applies(route, place);
    if hands_over
        && !is_named
        && !templates.knows(resource)
        && (media_type::names_a_media_file(&place.raw) || templates.is_plain(resource))
    {
        return hand_over::answer(admitted, query, now);
    }
    let fetched = if is_named || templates.knows(resource) {
        match templates.fetch(resource).await {
            // Without a name that promises one, something else may have come in its place.
            Err(Error::Manifest(CompileError::NotAManifest)) if !is_named => {
                templates.forget(resource).await;
                None
            }
            // What is named as a manifest must be one: nothing else leaves under that name.
            compiled => Some(compiled?),
        }
    } else {
        None
    };
    let compiled = match fetched {
        Some(compiled) => compiled,
        None => match Box::pin(open(app, admitted, resource, hands_over, method, request)).await? {
            Opened::Document(compiled) => compiled,
            Opened::Other(fetched) => return Ok(stream(*fetched, admitted, now)),
            Opened::OfAnother => return hand_over::answer(admitted, query, now),
        },
    };
    manifest::respond(app, admitted, &compiled, given, request, now)
}

/// What was opened without a promise of what it is.
enum Opened {
    Document(Arc<Compiled>),
    Other(Box<Fetched>),
    /// Neither, and not the gateway's to deliver.
    OfAnother,
}

async fn open(
    app: &App,
    admitted: &Admitted,
    resource: Resource<'_>,
    hands_over: bool,
    method: &Method,
    request: &HeaderMap,
) -> Result<Opened, Error> {
    let (route, place, templates) = (&admitted.route, &admitted.place, app.templates());
    // What is remembered of a resource is the same for all, so its whole is looked at.
    let conditions = if hands_over { Conditions::new() } else { conditions(method, request) };
    let mut fetched = route.origin.fetch(route, place, resource.query, &conditions).await?;
    let compiled = match look(&mut fetched, &place.raw, templates.max_bytes()).await? {
        Found::Nothing if hands_over => {
            templates.remember_plain(resource).await;
            return Ok(Opened::OfAnother);
        }
        Found::Nothing => return Ok(Opened::Other(Box::new(fetched))),
        Found::Document if fetched.status == StatusCode::OK => {
            templates.accept(resource, fetched).await?
        }
        // A part of a manifest is of no use: the whole is fetched.
        Found::Document => templates.fetch(resource).await?,
        Found::Part => match templates.fetch(resource).await {
            Err(Error::Manifest(CompileError::NotAManifest | CompileError::TooLong { .. })) => {
                return Ok(Opened::Other(Box::new(fetched)));
            }
            compiled => compiled?,
        },
    };
    Ok(Opened::Document(compiled))
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
    if !headers.get(header::CONTENT_TYPE).is_some_and(media_type::is_played) {
        headers.insert(header::CONTENT_SECURITY_POLICY, SANDBOX);
    }
    let cache_control = if media_type::names_a_key(name) {
        None
    } else {
        // The URL bears a token, so only the viewer's own cache may keep the body, and not for longer.
        let max_age = expires.0.saturating_sub(now.0).min(MAX_CACHE_SECS);
        HeaderValue::from_str(&format!("private, max-age={max_age}")).ok()
    };
    let no_store = HeaderValue::from_static("no-store");
    headers.insert(header::CACHE_CONTROL, cache_control.unwrap_or(no_store));
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

/// What a body turned out to be that nothing promised as a manifest.
enum Found {
    /// Nothing whose URIs must be rewritten.
    Nothing,
    /// A manifest, or a document that one names.
    Document,
    /// A part of what may be such a document: the whole tells.
    Part,
}

/// Looks at a body: by its content type, and by its first bytes if it is shown from the beginning.
/// JSON is told by its whole, which `max_bytes` bounds.
async fn look(fetched: &mut Fetched, name: &str, max_bytes: usize) -> Result<Found, Error> {
    let content_type =
        fetched.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if content_type.is_some_and(media_type::is_manifest) {
        return Ok(Found::Document);
    }
    let is_part = fetched.status == StatusCode::PARTIAL_CONTENT;
    let otherwise = if is_part && media_type::may_be_document(name, content_type) {
        Found::Part
    } else {
        Found::Nothing
    };
    let begins = match fetched.headers.get(header::CONTENT_RANGE) {
        Some(range) => range.as_bytes().starts_with(b"bytes 0-"),
        None => fetched.status == StatusCode::OK,
    };
    if !begins {
        return Ok(otherwise);
    }
    let start = fetched.body.peek(1).await?;
    // Only text that begins like a manifest is worth waiting for more of it.
    if !matches!(start, [b'#' | b'<' | b'{' | b'W' | 0xEF | b' ' | b'\t' | b'\r' | b'\n', ..]) {
        return Ok(Found::Nothing);
    }
    let start = fetched.body.peek(Format::SNIFF_BYTES).await?;
    if Format::needs_whole(start) {
        if is_part {
            return Ok(Found::Part);
        }
        let length = fetched.headers.typed_get::<ContentLength>();
        let max_bytes_u64 = u64::try_from(max_bytes).unwrap_or(u64::MAX);
        if length.is_some_and(|length| length.0 > max_bytes_u64) {
            return Ok(Found::Nothing);
        }
        let whole = fetched.body.peek(max_bytes.saturating_add(1)).await?;
        let is_ours = whole.len() <= max_bytes && Format::detect(whole).is_some();
        return Ok(if is_ours { Found::Document } else { Found::Nothing });
    }
    Ok(match Format::detect(start) {
        Some(format) if format.may_hold_uris(start) => Found::Document,
        // Of a whole document, or of one that is long enough, the start says it.
        _ if start.len() >= Format::SNIFF_BYTES => Found::Nothing,
        _ => otherwise,
    })
}
