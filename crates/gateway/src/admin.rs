//! The operators' listener: `/metrics` for Prometheus, and a page that shows what happens.
//!
//! Whoever reaches it may read metrics. The page and its calls need a bearer token, by which a browser
//! asks as a password, unless the address is a loopback one and none is configured.

use std::sync::Arc;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get};
use axum::{Json, Router};

use crate::app::App;
use crate::config::AdminConfig;
use crate::events::Shown;
use crate::handlers::sessions::{self, call::Filter};
use crate::layers;
use crate::{Error, bearer, page};

/// What Prometheus expects of this format.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
pub(crate) fn router(app: App, config: AdminConfig) -> Router {
    let page = Router::new()
        .route("/", page::html(include_str!("admin/page.html")))
        .route("/page.js", page::script(include_str!("admin/page.js")))
        .route("/chart.js", page::script(include_str!("admin/chart.js")))
        .route("/shared.js", page::shared_script())
        .route("/page.css", page::style())
        .route("/api/events", get(events))
        .route("/api/sessions", get(list))
        .route("/api/sessions/{id}", delete(end))
        .layer(middleware::from_fn_with_state(Arc::new(config), guard));
    let router = Router::new()
        .route("/metrics", get(metrics))
        .merge(page)
        .fallback(async || Error::NoRoute)
        .method_not_allowed_fallback(async || Error::MethodNotAllowed("GET, HEAD"))
        .with_state(app);
    page::wrap(layers::wrap_unobserved(router))
}

/// Lets in who has a bearer token; without any, who calls the listener by an address.
async fn guard(
    State(config): State<Arc<AdminConfig>>,
    request: Request,
    next: Next,
) -> Result<Response, Error> {
    let headers = request.headers();
    if config.bearers.is_empty() {
        page::refuse_foreign_host(headers)?;
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

async fn metrics(State(app): State<App>) -> Result<Response, Error> {
    let text = app.write_metrics().await.map_err(|error| Error::Internal(error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}

async fn events(State(app): State<App>) -> Json<Shown> {
    Json(app.observer().events.look())
}

async fn list(
    State(app): State<App>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Response, Error> {
    sessions::page(&app, filter).await
}

async fn end(State(app): State<App>, Path(id): Path<String>) -> Result<Response, Error> {
    sessions::revoke(&app, &id).await
}
