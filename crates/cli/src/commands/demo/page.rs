//! The demo's page, and the links that its two players get.

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use serde::Serialize;
use sluicegate_token::{Gcore, Link};
use tower_http::services::ServeDir;

use super::streams::Stream;
use crate::clock;

/// How long a link of the page is good.
const LINK_SECS: u64 = 12 * 3600;

/// What links are made of.
#[derive(Debug)]
pub(super) struct Links {
    /// Scheme, host and port of the gateway.
    pub(super) gateway: String,
    /// Scheme, host and port of the stand-in CDN.
    pub(super) cdn: String,
    pub(super) link_scheme: Arc<Gcore>,
    pub(super) cdn_scheme: Arc<Gcore>,
    pub(super) streams: Vec<Stream>,
}

#[derive(Serialize)]
struct PageConfig {
    streams: Vec<PageStream>,
}

#[derive(Serialize)]
struct PageStream {
    name: String,
    path: String,
    cdn: String,
    gateway: String,
}

impl Links {
    /// The link that the gateway answers with a session.
    pub(super) fn gateway_link(&self, stream: &Stream) -> anyhow::Result<String> {
        Self::sign(&self.link_scheme, &self.gateway, stream)
    }

    /// The directory token at the CDN itself.
    fn cdn_link(&self, stream: &Stream) -> anyhow::Result<String> {
        Self::sign(&self.cdn_scheme, &self.cdn, stream)
    }

    fn sign(scheme: &Gcore, host: &str, stream: &Stream) -> anyhow::Result<String> {
        let link = Link::parse(&format!("{host}{}", stream.path))?;
        Ok(link.sign(scheme, clock::now().saturating_add(LINK_SECS), None)?)
    }

    fn page_config(&self) -> anyhow::Result<PageConfig> {
        let streams = self.streams.iter().map(|stream| {
            Ok(PageStream {
                name: stream.name.clone(),
                path: stream.path.clone(),
                cdn: self.cdn_link(stream)?,
                gateway: self.gateway_link(stream)?,
            })
        });
        Ok(PageConfig { streams: streams.collect::<anyhow::Result<_>>()? })
    }
}

/// Serves the page below `/player/`, with a fresh `config.json`.
pub(super) fn router(folder: &Path, links: Links) -> Router {
    let to_page = || get(async || Redirect::temporary("/player/"));
    Router::new()
        .route("/", to_page())
        .route("/player", to_page())
        .route("/player/config.json", get(page_config))
        .nest_service("/player/", ServeDir::new(folder))
        .with_state(Arc::new(links))
}

async fn page_config(State(links): State<Arc<Links>>) -> Response {
    match links.page_config() {
        Ok(config) => ([(header::CACHE_CONTROL, "no-store")], axum::Json(config)).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
