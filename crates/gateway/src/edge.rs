//! A stand-in for a CDN's edge: serves a folder and lets nobody in without a token, as Gcore does.
//!
//! For developers' machines and for tests. Statuses are those of nginx `secure_link`: 403 for a
//! missing or wrong token, 410 for a right one that has expired, 400 for a path that cannot be. Below
//! [`Edge::PAGE`] a page shows the last requests, and why each was refused.

use std::io;
use std::path::Path;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use sluicegate_token::{Binding, Presented, ResourcePath, SchemeRing};
use url::Url;

use crate::client::peer_address;
use crate::clock::Clock;
use crate::config::{Limits, Timeouts};
use crate::cors::AllowedSites;
use crate::front::Front;
use crate::layers;
use crate::observer::{ALL_SEGMENTS, Observer};
use crate::origin::{Bodies, BodyLimits, FolderOrigin, Purpose};
use crate::refusals::Refusals;
use crate::{Error, delivery, page};

/// A token-checking server of a folder.
#[derive(Clone, Debug)]
pub struct Edge {
    folder: Arc<FolderOrigin>,
    ring: Arc<SchemeRing>,
    refusals: Arc<Refusals>,
    observer: Arc<Observer>,
    clock: Arc<dyn Clock>,
}

impl Edge {
    /// Where the page is; a folder of this name is not served.
    pub const PAGE: &str = "/_edge/";

    /// Serves the files beneath `folder` to whoever shows a token of `ring`.
    ///
    /// # Errors
    /// If the folder cannot be opened.
    pub fn open(folder: &Path, ring: SchemeRing, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let limits = BodyLimits::of(&Limits::default());
        let bodies = Bodies::new(limits, <_>::default());
        let patience = Timeouts::default().first_byte;
        let folder = Arc::new(FolderOrigin::open(folder, bodies, patience)?);
        let observer = Arc::new(Observer::of_all(ring.scheme().placement()));
        Ok(Self { folder, ring: Arc::new(ring), refusals: Arc::default(), observer, clock })
    }

    /// The service over HTTP.
    pub fn router(&self) -> Router {
        let served = Router::new().fallback(answer).with_state(self.clone());
        let at = |name: &str| format!("{}{name}", Self::PAGE);
        let page = Router::new()
            .route(&at(""), page::html(include_str!("edge/page.html")))
            .route(&at("page.js"), page::script(include_str!("edge/page.js")))
            .route(&at("shared.js"), page::shared_script())
            .route(&at("page.css"), page::style())
            .route(&at("requests"), get(requests))
            .layer(middleware::from_fn(guard))
            .with_state(self.clone());
        // What the page asks is none of the requests that it shows.
        let front = Front::new(served, None, Arc::clone(&self.observer), &AllowedSites::default());
        page::wrap(layers::wrap_unobserved(page)).merge(Router::from(front))
    }
}

/// Paths are nobody's business but the developer's at this machine.
async fn guard(headers: HeaderMap, request: Request, next: Next) -> Result<Response, Error> {
    page::refuse_foreign_host(&headers)?;
    Ok(next.run(request).await)
}

async fn requests(State(edge): State<Edge>) -> Json<Value> {
    let shown = edge.observer.events.look();
    let scheme = edge.ring.scheme();
    let binding = match edge.ring.binding() {
        Binding::Plain => "to nobody",
        Binding::Ip => "to the client's address",
    };
    let told = json!({
        "scheme": scheme.name(),
        "a token opens": scheme.scope().to_string(),
        "bound": binding,
    });
    Json(json!({ "scheme": told, "served": shown.served, "refused": shown.refused }))
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
        ip: peer_address(&request),
    };
    let valid = edge
        .ring
        .verify(&presented, now)
        .map_err(|refusal| edge.refusals.of_link(&edge.ring, &presented, now, refusal))?;
    let url =
        Url::parse("http://edge.invalid/").map_err(|error| Error::Internal(error.to_string()))?;
    let conditions = delivery::conditions(request.method(), request.headers());
    let file = edge.ring.scheme().placement().path_without_token(path.as_bytes());
    let fetched = edge.folder.fetch(&file[1..], url, Purpose::Stream, &conditions).await;
    let fetched = match fetched {
        Ok(fetched) => fetched,
        // The token is good, so that a missing file is named.
        Err(error) => return Ok(error.answer_to_vouched(ALL_SEGMENTS)),
    };
    let name = String::from_utf8_lossy(&file);
    Ok(delivery::stream_until(fetched, &name, valid.expires, now))
}
