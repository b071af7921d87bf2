//! The operators' listener: `/metrics` for Prometheus, and a page that shows what happens.
//!
//! Whoever reaches it may read metrics. The page and its calls need a bearer token, by which a browser
//! asks as a password, unless the address is a loopback one and none is configured.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get};
use axum::{Json, Router};
use serde_json::{Value, json};
use tower_http::set_header::SetResponseHeaderLayer;

use crate::app::App;
use crate::config::AdminConfig;
use crate::events::Event;
use crate::handlers::sessions::{self, call::Filter};
use crate::layers;
use crate::{Error, bearer};

/// What Prometheus expects of this format.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// The page has no script but its own, and is nobody's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                      connect-src 'self'; img-src 'self' data:; frame-ancestors 'none'; \
                      base-uri 'none'; form-action 'none'";

pub(crate) fn router(app: App, config: AdminConfig) -> Router {
    let asset = |content_type: &'static str, text: &'static str| {
        get(async move || ([(header::CONTENT_TYPE, content_type)], text))
    };
    let page = Router::new()
        .route("/", asset("text/html; charset=utf-8", include_str!("admin/page.html")))
        .route("/page.js", asset("text/javascript", include_str!("admin/page.js")))
        .route("/chart.js", asset("text/javascript", include_str!("admin/chart.js")))
        .route("/page.css", asset("text/css", include_str!("admin/page.css")))
        .route("/api/events", get(events))
        .route("/api/sessions", get(list))
        .route("/api/sessions/{id}", delete(end))
        .layer(middleware::from_fn_with_state(Arc::new(config), guard));
    let set = |name: HeaderName, value: &'static str| {
        SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value))
    };
    let router = Router::new()
        .route("/metrics", get(metrics))
        .merge(page)
        .fallback(async || Error::NoRoute)
        .method_not_allowed_fallback(async || Error::MethodNotAllowed("GET, HEAD"))
        .with_state(app);
    layers::wrap_unobserved(router)
        .layer(set(header::CACHE_CONTROL, "no-store"))
        .layer(set(header::CONTENT_SECURITY_POLICY, POLICY))
}

/// Lets in who has a bearer token; without any, who calls the listener by an address.
async fn guard(
    State(config): State<Arc<AdminConfig>>,
    request: Request,
    next: Next,
) -> Result<Response, Error> {
    let headers = request.headers();
    if config.bearers.is_empty() {
        // A page of the web that leads a browser here by a name of its own knows no address.
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        if !host.is_some_and(is_local) {
            return Err(Error::ForeignHost);
        }
        return Ok(next.run(request).await);
    }
    let password = bearer::of_password(headers);
    let token = bearer::of_header(headers).or(password.as_deref());
    match token.and_then(|token| bearer::find(&config.bearers, token)) {
        Some(_) => Ok(next.run(request).await),
        None => {
            let mut refused = Error::Unauthorized.into_response();
            let challenge =
                HeaderValue::from_static("Basic realm=\"sluicegate\", charset=\"UTF-8\"");
            refused.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            Ok(refused)
        }
    }
}

/// Whether a Host is this machine's own name or address.
fn is_local(host: &str) -> bool {
    let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
    name == "localhost" || host.parse::<SocketAddr>().is_ok_and(|addr| addr.ip().is_loopback())
}

async fn metrics(State(app): State<App>) -> Result<Response, Error> {
    let text = app.write_metrics().await.map_err(|error| Error::Internal(error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}

async fn events(State(app): State<App>) -> Json<Value> {
    let (served, refused) = app.observer().events.look();
    let shown = |events: Vec<Event>| events.iter().map(show).collect::<Vec<_>>();
    Json(json!({ "served": shown(served), "refused": shown(refused) }))
}

fn show(event: &Event) -> Value {
    let at = event.at.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    json!({
        "request_id": event.request_id,
        "at_ms": u64::try_from(at).unwrap_or(u64::MAX),
        "method": event.method,
        "path": event.path,
        "route": event.route,
        "status": event.status,
        "code": event.code,
        "reason": event.reason,
        "elapsed_us": event.elapsed_us,
    })
}

async fn list(
    State(app): State<App>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Response, Error> {
    sessions::page(&app, filter)
}

async fn end(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Error> {
    sessions::revoke(&app, &id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machines_names_are_local() {
        for host in ["localhost", "localhost:9090", "127.0.0.1:9090", "127.9.9.9:1", "[::1]:9090"] {
            assert!(is_local(host), "{host}");
        }
        for host in ["", "rebound.example.com:9090", "10.0.0.1:9090", "127.0.0.1.example.com:80"] {
            assert!(!is_local(host), "{host}");
        }
    }
}
