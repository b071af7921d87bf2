//! What every request passes through: safety headers, request ids, errors made responses,
//! one log line.

use std::sync::Arc;
use std::time::{Instant, SystemTime};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Version, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use tower_http::catch_panic::CatchPanicLayer;

use crate::cors::AllowedSites;
use crate::error::Failure;
use crate::events::Event;
use crate::metrics::Name;
use crate::observer::Observer;
use crate::request::path_for_log;
use crate::trace::{Span, SpanKind, Trace};
use crate::{Error, ErrorSource};

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Wraps a router in everything that holds for every request of players and backends.
pub(crate) fn wrap(router: Router, observer: Arc<Observer>, sites: &AllowedSites) -> Router {
    catch_panics(router)
        .layer(middleware::from_fn_with_state(observer, observe))
        .layer(sites.layer())
}

/// The same for the operators' own, which is neither counted nor for pages of others.
pub(crate) fn wrap_unobserved(router: Router) -> Router {
    catch_panics(router).layer(middleware::from_fn(answer_failures))
}

fn catch_panics(router: Router) -> Router {
    router.layer(CatchPanicLayer::custom(|_| {
        Error::Internal("a handler panicked".to_owned()).into_response()
    }))
}

/// Whether all who read a request agree on its host.
fn has_host(request: &Request) -> bool {
    request.version() != Version::HTTP_11
        || request.headers().get_all(header::HOST).iter().count() == 1
}

fn set_safety_headers(headers: &mut HeaderMap) {
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    // Session URLs must not leak to other sites as a Referer.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
}

async fn answer_failures(request: Request, next: Next) -> Response {
    let id = Trace::of(request.headers()).request_id();
    let path = path_for_log(request.uri().path());
    let mut response = next.run(request).await;
    if let Some(Failure { error }) = response.extensions_mut().remove() {
        tracing::info!(request_id = %id, path, reason = %error, "refused to an operator");
        fill(&mut response, &error, &id);
    }
    set_safety_headers(response.headers_mut());
    response
}

/// Gives the request an id, turns a failure into its response, and writes the one log line.
async fn observe(State(observer): State<Arc<Observer>>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let trace = Trace::of(request.headers());
    let id = trace.request_id();
    let method = request.method().clone();
    let path = observer.path_for_log(request.uri().path());
    let route = observer.route_of(&path);
    observer.listen(&route, request.uri().query(), request.headers());
    let mut response = match has_host(&request) {
        true => trace.within(next.run(request)).await,
        false => Error::BadHost.into_response(),
    };
    // What a server in front asks about has another path.
    let route = response.extensions_mut().remove::<Name>().unwrap_or(route);
    let failure = response.extensions_mut().remove::<Failure>();
    if let Some(Failure { error }) = &failure {
        fill(&mut response, error, &id);
    }
    set_safety_headers(response.headers_mut());
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    if method == Method::HEAD {
        // The length stays: a HEAD answers with the headers of its GET.
        *response.body_mut() = Body::empty();
    }
    let status = response.status().as_u16();
    let took = began.elapsed();
    let elapsed_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
    let error = failure.map(|failure| failure.error);
    trace.record(|| Span {
        kind: SpanKind::Server,
        name: format!("{method} {route}"),
        began: SystemTime::now().checked_sub(took).unwrap_or(SystemTime::UNIX_EPOCH),
        took,
        attributes: vec![
            ("http.request.method", method.to_string()),
            ("http.route", route.to_string()),
            ("url.path", path.clone()),
            ("http.response.status_code", status.to_string()),
            ("sluicegate.code", error.as_ref().map_or("", Error::code).to_owned()),
        ],
        has_failed: status >= 500,
        ..Span::default()
    });
    observer.metrics.answered(&route, status, error.as_ref(), took);
    match &error {
        None => {
            tracing::info!(request_id = %id, trace_id = %trace, %method, path, status, elapsed_us, "served");
        }
        Some(error) => {
            let code = error.code();
            match error.source_kind() {
                ErrorSource::Client => {
                    tracing::info!(request_id = %id, trace_id = %trace, %method, path, status, code, reason = %error, elapsed_us, "refused");
                }
                ErrorSource::Origin => {
                    tracing::warn!(request_id = %id, trace_id = %trace, %method, path, status, code, reason = %error, elapsed_us, "origin failed");
                }
                ErrorSource::Internal => {
                    tracing::error!(request_id = %id, trace_id = %trace, %method, path, status, code, reason = %error, elapsed_us, "failed");
                }
            }
        }
    }
    observer.events.record(
        || Event {
            request_id: id,
            method: method.to_string(),
            path,
            route: route.to_string(),
            status,
            code: error.as_ref().map(Error::code),
            reason: error.as_ref().map(ToString::to_string),
            elapsed_us,
            at: SystemTime::now(),
        },
        error.is_some(),
    );
    response
}

fn fill(response: &mut Response, error: &Error, id: &str) {
    let mut body = serde_json::json!({ "code": error.code(), "request_id": id });
    if let Error::BadCall(message) = error {
        // The caller is the platform's backend, which has shown its bearer token.
        body["message"] = message.as_str().into();
    }
    let body = format!("{body}\n");
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(body.len()));
    match error {
        Error::MethodNotAllowed(allowed) => {
            headers.insert(header::ALLOW, HeaderValue::from_static(allowed));
        }
        Error::Unauthorized => {
            let challenge = headers.entry(header::WWW_AUTHENTICATE);
            challenge.or_insert(HeaderValue::from_static("Bearer"));
        }
        _ => {}
    }
    *response.body_mut() = Body::from(body);
}
