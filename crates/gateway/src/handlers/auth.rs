//! `/auth`: an existing server asks whether it may deliver what a session's URL names.
//!
//! nginx asks by `auth_request` and Caddy by `forward_auth`; both pass the client's headers on.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::media;
use crate::Error;
use crate::app::App;
use crate::request::MediaRequest;

/// Where the server puts the request target, nginx by its configuration and Caddy by itself.
const TARGETS: [&str; 2] = ["x-original-uri", "x-forwarded-uri"];
/// And the method.
const METHODS: [&str; 2] = ["x-original-method", "x-forwarded-method"];

/// Answers 204 if a session's token opens the target, else 403: nginx knows no other refusal.
pub(crate) async fn auth(State(app): State<App>, request: Request) -> Result<Response, Error> {
    let headers = request.headers();
    let target = first(headers, &TARGETS).ok_or(Error::NoTarget)?;
    let method = match first(headers, &METHODS) {
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
    let admitted = media::admit(&app, &media, &method, headers, app.now()).await;
    let admitted = admitted.map_err(not_let_in)?;
    let mut response = StatusCode::NO_CONTENT.into_response();
    response.extensions_mut().insert(admitted.route.name.clone());
    let answer = response.headers_mut();
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // For the server's log and its own decisions; nothing of it opens anything.
    for (name, value) in [
        ("x-sluicegate-path", admitted.place.raw.clone()),
        ("x-sluicegate-session", admitted.claims.session.to_string()),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            answer.insert(name, value);
        }
    }
    Ok(response)
}

/// The first of these headers that is there, if it is text.
fn first<'h>(headers: &'h HeaderMap, names: &[&str]) -> Option<&'h str> {
    let value = names.iter().find_map(|name| headers.get(*name))?;
    value.to_str().ok()
}
