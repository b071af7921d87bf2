//! The service over HTTP: media go to their handler at once, all else through a router. What holds for every
//! request is done here: an id, errors made responses, safety headers, CORS, one log line.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::extract::Request;
use axum::http::Method;
use axum::response::Response;
use tower::{Layer as _, Service, ServiceExt as _, service_fn};
use tower_http::cors::Cors;

use crate::Error;
use crate::app::App;
use crate::cors::{AllowedSites, Answered};
use crate::handlers::media;
use crate::layers;
use crate::observer::Observer;

/// The service of one configuration. Cheap to clone.
#[derive(Clone)]
pub struct Front(Arc<Parts>);

struct Parts {
    observer: Arc<Observer>,
    /// For paths that are not the router's. Without it the router has all.
    media: Option<App>,
    router: Router,
    cors: Answered,
    preflight: Cors<Nothing>,
}

/// What is behind a preflight request: nothing.
type Nothing =
    tower::util::ServiceFn<fn(Request) -> std::future::Ready<Result<Response, Infallible>>>;

/// What one request becomes.
pub type Answering = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

impl Front {
    /// Answers with `router`, and with media of `media` at all paths but [`is_own`].
    pub(crate) fn new(
        router: Router,
        media: Option<App>,
        observer: Arc<Observer>,
        sites: &AllowedSites,
    ) -> Self {
        let nothing: fn(Request) -> _ = |_| std::future::ready(Ok(Response::default()));
        let preflight = sites.layer().layer(service_fn(nothing));
        Self(Arc::new(Parts { observer, media, router, cors: sites.answered(), preflight }))
    }

    async fn answer(self, request: Request) -> Result<Response, Infallible> {
        let parts = &*self.0;
        if *request.method() == Method::OPTIONS {
            return Box::pin(parts.preflight.clone().oneshot(request)).await;
        }
        let origin = parts.cors.origin_of(request.headers());
        let mut response = layers::observe(&parts.observer, request, |request, trace| {
            layers::caught(trace.within(parts.handle(request)))
        })
        .await;
        parts.cors.add(origin, response.headers_mut());
        Ok(response)
    }
}

impl Parts {
    async fn handle(&self, request: Request) -> Result<Response, Error> {
        if !layers::has_host(&request) {
            return Err(Error::BadHost);
        }
        match &self.media {
            Some(app) if !is_own(request.uri().path()) => media::media(app, request).await,
            _ => {
                let Ok(response) = Box::pin(self.router.clone().oneshot(request)).await;
                Ok(response)
            }
        }
    }
}

/// Whether a path is one of the gateway's own.
fn is_own(path: &str) -> bool {
    path.starts_with("/v1/") || matches!(path, "/healthz" | "/readyz" | "/auth")
}

impl Service<Request> for Front {
    type Response = Response;
    type Error = Infallible;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request) -> Answering {
        Box::pin(self.clone().answer(request))
    }
}

impl From<Front> for Router {
    fn from(front: Front) -> Self {
        Self::new().fallback_service(front)
    }
}

impl fmt::Debug for Front {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Front").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each request moves it into its place once: what is rarely needed has a place of its own.
    #[test]
    fn what_a_request_becomes_is_small() {
        let sites = AllowedSites::default();
        let front = Front::new(Router::new(), None, Arc::default(), &sites);
        let size = size_of_val(&front.answer(Request::default()));
        assert!(size < 6 << 10, "{size} bytes");
    }
}
