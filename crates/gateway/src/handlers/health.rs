//! Whether the process lives, and whether it should get requests.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use crate::app::App;

pub(crate) async fn healthz() -> Response {
    ([(header::CACHE_CONTROL, "no-store")], "ok\n").into_response()
}

/// 503 while the process stops, or when a folder origin is gone.
pub(crate) async fn readyz(State(app): State<App>) -> Response {
    let (status, text) = match app.unready() {
        None => (StatusCode::OK, "ready\n".to_owned()),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
    };
    (status, [(header::CACHE_CONTROL, "no-store")], text).into_response()
}
