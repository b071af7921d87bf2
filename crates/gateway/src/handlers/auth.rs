//! `/auth`: an existing server asks whether it may deliver what a session's URL names.
//!
//! nginx asks by `auth_request` and Caddy by `forward_auth`; both pass the client's headers on.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::media;
use crate::app::App;
use crate::request::MediaRequest;
use crate::{Error, media_type};

/// Where the server puts the request target and its method, nginx by its configuration and Caddy by itself.
/// It passes what else a client sends on, so that of two that say it one may be the client's.
const SAID: [(&str, &str); 2] =
    [("x-original-uri", "x-original-method"), ("x-forwarded-uri", "x-forwarded-method")];

/// Answers 204 if a session's token opens the target, else 403: nginx knows no other refusal.
pub(crate) async fn auth(State(app): State<App>, request: Request) -> Result<Response, Error> {
    let headers = request.headers();
    let (target, method) = said(headers).ok_or(Error::NoTarget)?;
    let method = match method {
        Some(method) => Method::from_bytes(method.as_bytes()).map_err(|_| Error::NoTarget)?,
        None => Method::GET,
    };
    if !matches!(method, Method::GET | Method::HEAD) {
        return Err(Error::NotLetIn(Box::new(Error::READ_ONLY)));
    }
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let not_let_in = |error: Error| Error::NotLetIn(Box::new(error));
    let client = app.trusted_proxies().client(&request);
    let media = MediaRequest::parse(path, query, client, app.limits().max_path_bytes)
        .map_err(not_let_in)?;
    // Of a HEAD nobody knows whether the client or the server says it: all are streams.
    let admitted = media::admit(&app, &media, &Method::GET, headers, app.now()).await;
    let (admitted, _in_flight) = admitted.map_err(not_let_in)?;
    // What the server delivers is not seen here, and a manifest must not be delivered as it is.
    if admitted.is_for_media() && !media_type::names_media(&admitted.place.raw) {
        return Err(not_let_in(Error::NotNamedAsMedia));
    }
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.extensions_mut().insert(admitted.route.name.clone());
    let answer = response.headers_mut();
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // For the server's log and its own decisions; nothing of it opens anything.
    for (name, value) in [
        ("x-sluicegate-path", admitted.place.raw.to_string()),
        ("x-sluicegate-session", admitted.claims.session.to_string()),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            answer.insert(name, value);
        }
    }
    Ok(response)
}

/// The target, and the method if that is said, too. None unless one server says each of them once.
fn said(headers: &HeaderMap) -> Option<(&str, Option<&str>)> {
    let count = |name: &str| headers.get_all(name).iter().count();
    let mut by = SAID.iter().filter(|(target, method)| count(target) + count(method) > 0);
    let (target, method) = by.next()?;
    if by.next().is_some() || count(target) != 1 || count(method) > 1 {
        return None;
    }
    let method = headers.get(*method).map(|method| method.to_str().unwrap_or_default());
    Some((headers.get(*target)?.to_str().ok()?, method))
}
