//! A stand-in for a CDN's edge: serves a folder and lets nobody in without a token, as Gcore does.
//!
//! For developers' machines and for tests. Statuses are those of nginx `secure_link`: 403 for a
//! missing or wrong token, 410 for a right one that has expired, 400 for a path that cannot be.

use std::io;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, header};
use axum::response::Response;
use sluicegate_token::{Presented, ResourcePath, SchemeRing};
use url::Url;

use crate::clock::Clock;
use crate::layers::{self, client_address};
use crate::observer::Observer;
use crate::origin::FolderOrigin;
use crate::refusals::Refusals;
use crate::{Error, delivery};

/// A token-checking server of a folder.
#[derive(Clone, Debug)]
pub struct Edge {
    folder: Arc<FolderOrigin>,
    ring: Arc<SchemeRing>,
    refusals: Arc<Refusals>,
    clock: Arc<dyn Clock>,
}

impl Edge {
    /// Serves the files beneath `folder` to whoever shows a token of `ring`.
    ///
    /// # Errors
    /// If the folder cannot be opened.
    pub fn open(folder: &Path, ring: SchemeRing, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let folder = Arc::new(FolderOrigin::open(folder)?);
        Ok(Self { folder, ring: Arc::new(ring), refusals: Arc::default(), clock })
    }

    /// The service over HTTP.
    pub fn router(&self) -> Router {
        let router = Router::new().fallback(answer).with_state(self.clone());
        layers::wrap(router, Arc::new(Observer::default()))
    }
}

async fn answer(State(edge): State<Edge>, request: Request) -> Result<Response, Error> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(Error::READ_ONLY);
    }
    let path = ResourcePath::parse(request.uri().path().as_bytes())
        .map_err(|_| Error::BadPath("nginx answers 400 to it"))?;
    let now = edge.clock.now();
    // Some schemes sign whole URLs.
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let url = format!("http://{}{}", host.unwrap_or_default(), request.uri().path());
    let presented = Presented {
        path: &path,
        url: url.as_bytes(),
        query: request.uri().query().map(str::as_bytes),
        ip: client_address(&request),
    };
    let valid = edge
        .ring
        .verify(&presented, now)
        .map_err(|refusal| edge.refusals.of_link(&edge.ring, &presented, now, refusal))?;
    let url =
        Url::parse("http://edge.invalid/").map_err(|error| Error::Internal(error.to_string()))?;
    let conditions = delivery::conditions(request.method(), request.headers());
    let fetched = edge.folder.fetch(&path.as_bytes()[1..], url, &conditions).await?;
    Ok(delivery::stream_until(fetched, &path.to_string(), valid.expires, now))
}
