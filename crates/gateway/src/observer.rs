//! Who watches all requests: counters, the last events, and what players tell of themselves.

use std::sync::Arc;

use axum::http::HeaderMap;
use prometheus_client::registry::Registry;
use sluicegate_token::Placement;

use crate::cmcd::Cmcd;
use crate::config::RESERVED;
use crate::events::Events;
use crate::metrics::{Metrics, Name, RouteLabels};
use crate::request::path_for_log;
use crate::route::Route;

/// Watches the requests of one service.
#[derive(Debug)]
pub(crate) struct Observer {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) events: Arc<Events>,
    /// Paths of routes with their names, the longest first.
    routes: Vec<(String, Name)>,
    no_route: Name,
    /// Where the tokens of a CDN stand in the paths that are asked for.
    tokens: Placement,
}

impl Observer {
    /// `routes` have the longest path first.
    pub(crate) fn new(metrics: Arc<Metrics>, events: Arc<Events>, routes: &[Arc<Route>]) -> Self {
        let named = |route: &Arc<Route>| (route.config.path.clone(), route.name.clone());
        let routes = routes.iter().map(named).collect();
        let tokens = Placement::Query;
        Self { metrics, events, routes, no_route: "".into(), tokens }
    }

    /// Counts for nobody, and keeps the last requests whether anybody looks or not. It is a CDN that is
    /// asked, whose tokens stand there.
    pub(crate) fn of_all(tokens: Placement) -> Self {
        Self { events: Arc::new(Events::of_all()), tokens, ..Self::default() }
    }

    /// The path of a request without what may be a token.
    pub(crate) fn path_for_log(&self, raw_path: &str) -> String {
        path_for_log(&self.tokens.path_without_secrets(raw_path))
    }

    /// The route that a path without its token most likely belongs to.
    pub(crate) fn route_of(&self, path: &str) -> Name {
        let is_own = |own: &&str| path.starts_with(*own) || path == own.trim_end_matches('/');
        if RESERVED.iter().any(is_own) {
            return self.no_route.clone();
        }
        let found = self.routes.iter().find(|(folder, _)| path.starts_with(folder));
        found.map_or(&self.no_route, |(_, name)| name).clone()
    }

    /// Counts what a player tells with a request.
    pub(crate) fn listen(&self, route: &Name, query: Option<&str>, headers: &HeaderMap) {
        let Some(told) = Cmcd::of(query, headers) else { return };
        let counters = &self.metrics.cmcd;
        let labels = RouteLabels { route: route.clone() };
        counters.requests.get_or_create(&labels).inc();
        if told.has_run_out {
            counters.rebufferings.get_or_create(&labels).inc();
        }
        if let Some(kbps) = told.bitrate_kbps {
            counters.bitrate.get_or_create(&labels).observe(f64::from(kbps));
        }
        if let Some(buffer) = told.buffer {
            counters.buffer.get_or_create(&labels).observe(buffer.as_secs_f64());
        }
    }
}

impl Default for Observer {
    fn default() -> Self {
        Self::new(Arc::new(Metrics::new(&mut Registry::default())), Arc::default(), &[])
    }
}
