//! What every request passes through: safety headers, request ids, errors made responses,
//! one log line.

use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::body::{Body, HttpBody as _};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;
use sluicegate_token::shown;

use crate::error::Failure;
use crate::events::Event;
use crate::metrics::Name;
use crate::observer::{ALL_SEGMENTS, Observer};
use crate::request::without_token;
use crate::trace::{Span, SpanKind, Trace};
use crate::{Error, ErrorSource};

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Wraps the operators' own in what holds for every request of theirs, which is neither counted nor for pages of
/// others.
pub(crate) fn wrap_unobserved(router: Router) -> Router {
    router.layer(middleware::from_fn(answer_failures))
}

/// What a request is answered, whatever its handler does: a panic costs its own request, and no other.
pub(crate) fn caught<F>(answer: F) -> impl Future<Output = Result<Response, Error>>
where
    F: Future<Output = Result<Response, Error>>,
{
    let panicked = |_| Err(Error::Internal("a handler panicked".to_owned()));
    AssertUnwindSafe(answer).catch_unwind().map(move |answered| answered.unwrap_or_else(panicked))
}

/// Whether all who read a request agree on its host.
pub(crate) fn has_host(request: &Request) -> bool {
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
    let uri = request.uri().clone();
    let answered = caught(next.run(request).map(Ok)).await;
    let mut response = answered.unwrap_or_else(IntoResponse::into_response);
    if let Some(Failure { error, .. }) = response.extensions_mut().remove() {
        let path = shown::path(without_token(uri.path()), 0);
        tracing::info!(request_id = %id.as_str(), path = &*path, reason = %error, "refused to an operator");
        fill(&mut response, &error, id.as_str());
    }
    set_safety_headers(response.headers_mut());
    response
}

/// Gives the request an id, turns a failure into its response, and writes the one log line.
pub(crate) async fn observe<F>(
    observer: &Observer,
    request: Request,
    handle: impl FnOnce(Request, Trace) -> F,
) -> Response
where
    F: Future<Output = Result<Response, Error>>,
{
    let began = Instant::now();
    let trace = Trace::of(request.headers());
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let path = without_token(uri.path());
    let mut route = observer.route_of(path);
    observer.listen(&route.name, uri.query(), request.headers());
    let mut response = handle(request, trace).await.unwrap_or_else(IntoResponse::into_response);
    let id = trace.request_id();
    let mut failure = None;
    if !response.extensions().is_empty() {
        // What a server in front asks about has another path.
        if let Some(name) = response.extensions_mut().remove::<Name>() {
            route = observer.route_named(&name);
        }
        failure = response.extensions_mut().remove::<Failure>();
    }
    let error = failure.as_ref().map(|failure| &failure.error);
    if let Some(error) = error {
        fill(&mut response, error, id.as_str());
    }
    let headers = response.headers_mut();
    headers.reserve(MORE_HEADERS);
    set_safety_headers(headers);
    if let Ok(value) = HeaderValue::from_bytes(id.as_str().as_bytes()) {
        headers.insert(REQUEST_ID, value);
    }
    if method == Method::HEAD {
        // The length stays: a HEAD answers with the headers of its GET.
        if let Some(length) = response.body().size_hint().exact().filter(|length| *length > 0) {
            response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
        }
        *response.body_mut() = Body::empty();
    }
    let status = response.status().as_u16();
    let took = began.elapsed();
    let vouched = match &failure {
        Some(failure) => failure.vouched,
        // Who was refused without an error was refused by the router.
        None if response.status().is_client_error() && status != RANGE => 0,
        None => ALL_SEGMENTS,
    };
    let (path, method) = (&*observer.shown(path, vouched), method_name(&method));
    trace.record(|| Span {
        kind: SpanKind::Server,
        name: format!("{method} {}", route.name),
        began: SystemTime::now().checked_sub(took).unwrap_or(SystemTime::UNIX_EPOCH),
        took,
        attributes: vec![
            ("http.request.method", method.to_string()),
            ("http.route", route.name.to_string()),
            ("url.path", path.to_owned()),
            ("http.response.status_code", status.to_string()),
            ("sluicegate.code", error.map_or("", Error::code).to_owned()),
        ],
        has_failed: status >= 500,
        ..Span::default()
    });
    observer.metrics.answered(route, status, error, took);
    let answered = Answered { id: id.as_str(), trace, method, path, status, took };
    answered.log(error);
    observer.events.record(|| answered.event(&route.name, error), error.is_some());
    response
}

/// Of a range that a file does not have; what is asked for is there.
const RANGE: u16 = StatusCode::RANGE_NOT_SATISFIABLE.as_u16();

/// A method for logs, as OpenTelemetry's conventions have it: a client may send any word.
fn method_name(method: &Method) -> &str {
    match *method {
        Method::CONNECT
        | Method::DELETE
        | Method::GET
        | Method::HEAD
        | Method::OPTIONS
        | Method::PATCH
        | Method::POST
        | Method::PUT
        | Method::TRACE => method.as_str(),
        _ => "_OTHER",
    }
}

/// How many headers come to those of the handler: these and those of CORS.
const MORE_HEADERS: usize = 6;

/// A request with its answer.
struct Answered<'r> {
    id: &'r str,
    trace: Trace,
    method: &'r str,
    path: &'r str,
    status: u16,
    took: Duration,
}

impl Answered<'_> {
    fn elapsed_us(&self) -> u64 {
        u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX)
    }

    fn log(&self, error: Option<&Error>) {
        let Self { id, trace, method, path, status, .. } = *self;
        let elapsed_us = self.elapsed_us();
        let Some(error) = error else {
            tracing::info!(request_id = %id, trace_id = %trace, %method, path, status, elapsed_us, "served");
            return;
        };
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

    fn event(&self, route: &Name, error: Option<&Error>) -> Event {
        Event {
            request_id: self.id.to_owned(),
            method: self.method.to_string(),
            path: self.path.to_owned(),
            route: route.to_string(),
            status: self.status,
            code: error.map(Error::code),
            reason: error.map(ToString::to_string),
            elapsed_us: self.elapsed_us(),
            at: SystemTime::now(),
        }
    }
}

fn fill(response: &mut Response, error: &Error, id: &str) {
    let mut body = serde_json::json!({ "code": error.code(), "request_id": id });
    if let Error::Call(reason) = error {
        // The caller is the platform's backend, which has shown its bearer token.
        body["message"] = match &**reason {
            Error::BadCall { message, .. } => message.as_str().into(),
            reason => reason.to_string().into(),
        };
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
