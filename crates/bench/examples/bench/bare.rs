//! What axum does without a gateway: a handler with a ready body, and a folder by tower-http.

use std::path::Path;

use axum::Router;
use axum::http::header;
use axum::routing::get;
use bytes::Bytes;
use tower_http::services::ServeDir;

/// Serves until it is ended; prints its address.
pub(crate) fn serve(folder: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let path = folder.join("rendered/index.m3u8");
        let rendered = async move || {
            // Read once: the file comes after the server.
            static BODY: std::sync::OnceLock<Bytes> = std::sync::OnceLock::new();
            let body = BODY.get_or_init(|| std::fs::read(&path).expect("the playlist").into());
            ([(header::CONTENT_TYPE, "application/vnd.apple.mpegurl")], body.clone())
        };
        let router = Router::new()
            .route("/rendered/index.m3u8", get(rendered))
            .nest_service("/files", ServeDir::new(folder.join("media")));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        println!("bare: http://{}/", listener.local_addr().expect("an address"));
        axum::serve(listener, router).await.expect("the bare server");
    });
}
