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
use sluicegate_token::session::Grant;

use crate::app::App;
use crate::blocking_reload::{self, Asked, Settled};
use crate::directives;
use crate::looks::{Look, Looks};
use crate::manifest::Given;
use crate::origin::{CONDITIONS, Conditions, Fetched, Purpose};
use crate::session::Admitted;
use crate::templates::{Compiled, Known, Resource};
use crate::{Error, hand_over, key, manifest, media_type};

/// The longest that a client may keep a segment, whatever its token's life.
const MAX_CACHE_SECS: u64 = 86_400;

/// Bytes that are kept of a body that was read to learn what it is; a longer one is fetched again.
const MOST_KEPT: usize = 64 << 10;

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
    let patience = &templates.patience();
    let is_named = media_type::names_a_manifest(&place.raw);
    let plain = if is_named { directives::without_steering(query) } else { query.into() };
    let asked = Asked { route, place, query: &plain, is_named, patience };
    let settled = match directives::are_for_reload(query) {
        true => Box::pin(blocking_reload::settle(templates, asked)).await?,
        false => None,
    };
    let (query, settled) = match &settled {
        Some(Settled { query, compiled }) => (query.as_str(), compiled.clone()),
        None => (&*plain, None),
    };
    let key = &route.resource_key(place, query);
    let resource = Resource { route, place, query, key, patience };
    // With such a token a session with a profile begins, and what the CDN's own may open is not known.
    let is_first = matches!(admitted.claims.grant, Grant::First { .. });
    let hands_over = !is_first && hand_over::applies(route, place);
    if hands_over
        && !is_named
        && !templates.knows(resource)
        && (media_type::names_a_media_file(&place.raw)
            || matches!(templates.known(resource).await, Known::Plain))
    {
        return hand_over::answer(admitted, query, now);
    }
    let fetched = if settled.is_some() {
        settled
    } else if is_named || templates.knows(resource) {
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
    manifest::respond(app, admitted, resource, &compiled, given, request, now).await
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
    let is_plain = match templates.known(resource).await {
        Known::Refused(error) => return Err(error),
        Known::Plain => true,
        Known::Nothing => false,
    };
    // What is remembered of a resource is the same for all, so its whole is looked at.
    let conditions = if hands_over { Conditions::new() } else { conditions(method, request) };
    let mut fetched =
        route.origin.fetch(route, place, resource.query, Purpose::Stream, &conditions).await?;
    if !hands_over && is_plain {
        return Ok(Opened::Other(Box::new(fetched)));
    }
    let (found, read) = look(&mut fetched, resource, templates.looks()).await?;
    let is_whole = fetched.status == StatusCode::OK;
    let compiled = match found {
        Found::Nothing if hands_over => {
            templates.remember_plain(resource, read.is_some()).await;
            return Ok(Opened::OfAnother);
        }
        Found::Nothing if read.is_some() => {
            if is_whole {
                templates.remember_plain(resource, true).await;
            }
            // A client may read it as slowly as it likes, so nothing but a piece of it is kept for that.
            if fetched.body.start_len() > MOST_KEPT {
                drop((fetched, read));
                let origin = &route.origin;
                let again =
                    origin.fetch(route, place, resource.query, Purpose::Stream, &conditions);
                fetched = again.await?;
            }
            return Ok(Opened::Other(Box::new(fetched)));
        }
        Found::Nothing => return Ok(Opened::Other(Box::new(fetched))),
        Found::Document => {
            // It asks for memory by itself.
            drop(read);
            let compiled = match is_whole {
                true => templates.accept_once(resource, fetched).await,
                // A part of a manifest is of no use: the whole is fetched.
                false => templates.fetch(resource).await,
            };
            if let Err(error) = &compiled {
                templates.remember_refused(resource, error).await;
            }
            compiled?
        }
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
/// JSON is told by its whole, which `looks` bounds; the memory for it comes along.
async fn look(
    fetched: &mut Fetched,
    resource: Resource<'_>,
    looks: &Looks,
) -> Result<(Found, Option<Look>), Error> {
    let content_type =
        fetched.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if content_type.is_some_and(media_type::is_manifest) {
        return Ok((Found::Document, None));
    }
    let is_part = fetched.status == StatusCode::PARTIAL_CONTENT;
    let otherwise = if is_part && media_type::may_be_document(&resource.place.raw, content_type) {
        Found::Part
    } else {
        Found::Nothing
    };
    let begins = match fetched.headers.get(header::CONTENT_RANGE) {
        Some(range) => range.as_bytes().starts_with(b"bytes 0-"),
        None => fetched.status == StatusCode::OK,
    };
    if !begins {
        return Ok((otherwise, None));
    }
    let start = fetched.body.peek(1).await?;
    // Only text that begins like a manifest is worth waiting for more of it.
    if !matches!(start, [b'#' | b'<' | b'{' | b'W' | 0xEF | b' ' | b'\t' | b'\r' | b'\n', ..]) {
        return Ok((Found::Nothing, None));
    }
    let start = fetched.body.peek(Format::SNIFF_BYTES).await?;
    if Format::needs_whole(start) {
        if is_part {
            return Ok((Found::Part, None));
        }
        let most = looks.most_bytes();
        let length = fetched.headers.typed_get::<ContentLength>();
        let length = length.map(|length| usize::try_from(length.0).unwrap_or(usize::MAX));
        if length.is_some_and(|length| length > most) {
            return Ok((Found::Nothing, None));
        }
        let mut look = looks.begin(resource.patience, length.unwrap_or(most)).await?;
        let whole = fetched.body.peek(most.saturating_add(1)).await?;
        look.shrink(whole.len());
        let is_ours = whole.len() <= most && Format::detect(whole).is_some();
        return Ok((if is_ours { Found::Document } else { Found::Nothing }, Some(look)));
    }
    let found = match Format::detect(start) {
        Some(format) if format.may_hold_uris(start) => Found::Document,
        // Of a whole document, or of one that is long enough, the start says it.
        _ if start.len() >= Format::SNIFF_BYTES => Found::Nothing,
        _ => otherwise,
    };
    Ok((found, None))
}
