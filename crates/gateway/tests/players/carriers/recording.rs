//! A host that writes down all that reaches it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse as _, Response};
use sluicegate_testkit::Server;
use tower_http::services::ServeDir;

/// More than any player sends.
const MAX_BODY: usize = 1 << 20;

/// The files of a folder for everybody's pages, on a port of its own. The path's first segment names who wrote
/// the URL, and no folder.
pub(crate) struct Recording {
    server: Server,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Recording {
    pub(crate) fn start(folder: PathBuf) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        let answer = move |request: Request| {
            let (log, files) = (Arc::clone(&log), ServeDir::new(folder.clone()));
            async move { record(request, &log, files).await }
        };
        Self { server: Server::start(Router::new().fallback(answer)), seen }
    }

    /// Its URL by another name than `127.0.0.1`.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.server.addr().port())
    }

    /// The requests up to now, each with its line, its headers and its body.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

async fn record(request: Request, log: &Mutex<Vec<String>>, mut files: ServeDir) -> Response {
    let (mut head, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY).await.unwrap();
    let mut text = format!("{} {}\n", head.method, head.uri);
    for (name, value) in &head.headers {
        text += &format!("{name}: {}\n", String::from_utf8_lossy(value.as_bytes()));
    }
    text += &format!("\n{}", String::from_utf8_lossy(&body));
    log.lock().unwrap().push(text);

    let path = head.uri.path();
    let file = path[1..].find('/').map_or(path, |slash| &path[slash + 1..]);
    head.uri = file.parse().unwrap();
    let mut response = match head.method {
        Method::OPTIONS => {
            Response::builder().status(StatusCode::NO_CONTENT).body(Body::empty()).unwrap()
        }
        // What is reported is for nobody's file.
        Method::POST => Response::new(Body::empty()),
        _ => match files.try_call(Request::from_parts(head, Body::empty())).await {
            Ok(file) => file.map(Body::new),
            Err(_) => StatusCode::NOT_FOUND.into_response(),
        },
    };
    for name in [
        "access-control-allow-origin",
        "access-control-allow-headers",
        "access-control-allow-methods",
        "access-control-expose-headers",
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static("*"));
    }
    response
}
