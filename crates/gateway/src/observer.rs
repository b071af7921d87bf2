//! Who watches all requests: counters, the last events, and what players tell of themselves.

use std::borrow::Cow;
use std::sync::Arc;

use axum::http::HeaderMap;
use prometheus_client::registry::Registry;
use sluicegate_token::{Placement, SessionToken, shown};

use crate::cmcd::Cmcd;
use crate::config::RESERVED;
use crate::events::Events;
use crate::metrics::{Metrics, Name, RouteCounters, RouteLabels};
use crate::route::Route;

/// The number of segments that are vouched for where a path as a whole is: what it names was served.
pub(crate) const ALL_SEGMENTS: usize = usize::MAX;

/// Watches the requests of one service.
#[derive(Debug)]
pub(crate) struct Observer {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) events: Arc<Events>,
    /// Paths of routes with their counters, the longest first.
    routes: Vec<(String, RouteCounters)>,
    no_route: RouteCounters,
    /// Where the tokens of a CDN stand in the paths that are asked for.
    tokens: Placement,
}

impl Observer {
    /// `routes` have the longest path first.
    pub(crate) fn new(metrics: Arc<Metrics>, events: Arc<Events>, routes: &[Arc<Route>]) -> Self {
        let counted =
            |route: &Arc<Route>| (route.config.path.clone(), metrics.of_route(route.name.clone()));
        let routes = routes.iter().map(counted).collect();
        let no_route = metrics.of_route("".into());
        Self { metrics, events, routes, no_route, tokens: Placement::Query }
    }

    /// Counts for nobody, and keeps the last requests whether anybody looks or not. It is a CDN that is
    /// asked, whose tokens stand there.
    pub(crate) fn of_all(tokens: Placement) -> Self {
        Self { events: Arc::new(Events::of_all()), tokens, ..Self::default() }
    }

    /// The path of a request as logs show it, without the token before it, of which the first `vouched`
    /// segments are known to be no client's making.
    pub(crate) fn shown<'p>(&self, path: &'p str, vouched: usize) -> Cow<'p, str> {
        // An origin may have an answer to every path, one with a token in it among them.
        if vouched == ALL_SEGMENTS && !has_room_for_a_token(path) {
            return self.tokens.path_without_secrets(path);
        }
        let of_route =
            self.folder_of(path).map_or(0, |(folder, _)| folder.matches('/').count() - 1);
        shown::path(path, if vouched == ALL_SEGMENTS { of_route } else { vouched.max(of_route) })
    }

    fn folder_of(&self, path: &str) -> Option<&(String, RouteCounters)> {
        self.routes.iter().find(|(folder, _)| path.starts_with(folder))
    }

    /// The route that a path without its token most likely belongs to.
    pub(crate) fn route_of(&self, path: &str) -> &RouteCounters {
        let is_own = |own: &&str| path.starts_with(*own) || path == own.trim_end_matches('/');
        if RESERVED.iter().any(is_own) {
            return &self.no_route;
        }
        self.folder_of(path).map_or(&self.no_route, |(_, counters)| counters)
    }

    /// The route of this name.
    pub(crate) fn route_named(&self, name: &Name) -> &RouteCounters {
        let mut routes = self.routes.iter().map(|(_, counters)| counters);
        routes.find(|counters| counters.name == *name).unwrap_or(&self.no_route)
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

/// Whether a name is as long as a session token, or longer.
fn has_room_for_a_token(path: &str) -> bool {
    let is_of_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    path.split(|c| !is_of_token(c)).any(|run| run.len() >= SessionToken::CHARS)
}

impl Default for Observer {
    fn default() -> Self {
        Self::new(Arc::new(Metrics::new(&mut Registry::default())), Arc::default(), &[])
    }
}
