//! What is counted, in the names of Prometheus.

mod histogram;

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::exponential_buckets;
use prometheus_client::registry::{Registry, Unit};

use self::histogram::Histogram;
use crate::Error;
use crate::process::Process;

/// A name that many requests share: of a route or an origin.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Name(pub(crate) Arc<str>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    /// Empty where no route is concerned.
    route: Name,
    status: u16,
    /// The code that a refused client is told; empty if it was served.
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RouteLabels {
    pub(crate) route: Name,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OriginLabels {
    origin: Name,
    /// The status, or what happened instead.
    result: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OriginName {
    origin: Name,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CacheLabels {
    result: &'static str,
}

/// What most requests of a route count into.
#[derive(Clone, Debug)]
pub(crate) struct RouteCounters {
    /// Empty where no route is concerned.
    pub(crate) name: Name,
    served: Counter,
    time: Histogram,
}

/// Where a manifest came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CacheUse {
    /// Kept, and good without asking.
    Hit,
    /// The origin was asked.
    Miss,
    /// Kept, and served while it is fetched again.
    Updating,
    /// Kept, and served since the origin fails.
    Stale,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// The counters of one gateway.
#[derive(Debug)]
pub(crate) struct Metrics {
    requests: Family<RequestLabels, Counter>,
    request_time: Histograms<RouteLabels>,
    refused: Family<ReasonLabels, Counter>,
    render_time: Histogram,
    cache: Family<CacheLabels, Counter>,
    /// Of `cache`, what most requests count.
    cache_hits: Counter,
    origin_requests: Family<OriginLabels, Counter>,
    origin_time: Histograms<OriginName>,
    pub(crate) cmcd: Cmcd,
    store_failures: Counter,
    /// Bodies that ended since their clients read too slowly.
    pub(crate) slow_bodies: Counter,
    reloads: Family<ReasonLabels, Counter>,
    gauges: Gauges,
}

/// What stands at the moment of a look.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Snapshot {
    pub(crate) sessions: usize,
    pub(crate) streams: usize,
    pub(crate) cached_manifests: u64,
    pub(crate) cached_bytes: u64,
    pub(crate) connections: u64,
    pub(crate) connections_refused: u64,
}

/// Without a store there is no row.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StoreLabels {
    store: &'static str,
}

#[derive(Debug, Default)]
struct Gauges {
    sessions: Gauge,
    streams: Gauge,
    cached_manifests: Gauge,
    cached_bytes: Gauge,
    origin_up: Family<OriginName, Gauge>,
    resident_bytes: Gauge,
    open_files: Gauge,
    connections: Gauge,
    connections_refused: Gauge,
    config_is_current: Gauge,
    session_store_up: Family<StoreLabels, Gauge>,
}

/// What players tell (CTA-5004).
#[derive(Debug)]
pub(crate) struct Cmcd {
    pub(crate) requests: Family<RouteLabels, Counter>,
    pub(crate) rebufferings: Family<RouteLabels, Counter>,
    pub(crate) bitrate: Histograms<RouteLabels>,
    pub(crate) buffer: Histograms<RouteLabels>,
}

impl Metrics {
    /// Makes the counters and enters them in a registry.
    pub(crate) fn new(registry: &mut Registry) -> Self {
        let cache = Family::default();
        let metrics = Self {
            requests: Family::default(),
            request_time: Family::new_with_constructor(seconds),
            refused: Family::default(),
            render_time: Histogram::new(exponential_buckets(4e-6, 4.0, 10)),
            cache_hits: cache.get_or_create_owned(&CacheLabels { result: "hit" }),
            cache,
            origin_requests: Family::default(),
            origin_time: Family::new_with_constructor(seconds),
            cmcd: Cmcd {
                requests: Family::default(),
                rebufferings: Family::default(),
                // Kilobits a second, from sound alone to 8K.
                bitrate: Family::new_with_constructor(|| {
                    Histogram::new(exponential_buckets(125.0, 2.0, 10))
                }),
                buffer: Family::new_with_constructor(|| {
                    Histogram::new(exponential_buckets(0.25, 2.0, 10))
                }),
            },
            store_failures: Counter::default(),
            slow_bodies: Counter::default(),
            reloads: Family::default(),
            gauges: Gauges::default(),
        };
        let Self { requests, request_time, refused, render_time, cache, .. } = &metrics;
        registry.register(
            "requests",
            "Requests by route, status and the code of a refusal",
            requests.clone(),
        );
        registry.register_with_unit(
            "request_duration",
            "From a request to the head of its answer",
            Unit::Seconds,
            request_time.clone(),
        );
        registry.register("refusals", "Refused tokens by what was wrong", refused.clone());
        registry.register_with_unit(
            "render_duration",
            "Writing one session's manifest",
            Unit::Seconds,
            render_time.clone(),
        );
        registry.register("manifests", "Manifests by where they came from", cache.clone());
        let Self { origin_requests, origin_time, cmcd, .. } = &metrics;
        registry.register(
            "origin_requests",
            "Requests to origins by their status, or what happened instead",
            origin_requests.clone(),
        );
        registry.register_with_unit(
            "origin_duration",
            "From a request to an origin to the head of its answer",
            Unit::Seconds,
            origin_time.clone(),
        );
        registry.register("cmcd_requests", "Requests with CMCD", cmcd.requests.clone());
        registry.register(
            "cmcd_rebufferings",
            "Requests of players that say they ran out of media (bs)",
            cmcd.rebufferings.clone(),
        );
        registry.register(
            "cmcd_bitrate_kbps",
            "Bitrate of what players ask for (br)",
            cmcd.bitrate.clone(),
        );
        registry.register_with_unit(
            "cmcd_buffer",
            "Media that players have in store (bl)",
            Unit::Seconds,
            cmcd.buffer.clone(),
        );
        registry.register(
            "session_store_failures",
            "Questions that the shared session store did not answer",
            metrics.store_failures.clone(),
        );
        registry.register(
            "slow_bodies",
            "Bodies that ended since their clients read too slowly while others waited",
            metrics.slow_bodies.clone(),
        );
        registry.register(
            "config_reloads",
            "Readings of the configuration's file since the start",
            metrics.reloads.clone(),
        );
        metrics.gauges.register(registry);
        metrics
    }

    /// Sets what stands at the moment.
    pub(crate) fn show<'p>(
        &self,
        snapshot: &Snapshot,
        origins: impl Iterator<Item = (&'p Name, bool)>,
    ) {
        let gauges = &self.gauges;
        let whole = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        gauges.sessions.set(whole(snapshot.sessions as u64));
        gauges.streams.set(whole(snapshot.streams as u64));
        gauges.cached_manifests.set(whole(snapshot.cached_manifests));
        gauges.cached_bytes.set(whole(snapshot.cached_bytes));
        gauges.connections.set(whole(snapshot.connections));
        gauges.connections_refused.set(whole(snapshot.connections_refused));
        for (origin, is_up) in origins {
            let labels = OriginName { origin: origin.clone() };
            gauges.origin_up.get_or_create(&labels).set(is_up.into());
        }
        if let Some(process) = Process::look() {
            gauges.resident_bytes.set(whole(process.resident_bytes));
            gauges.open_files.set(whole(process.open_files));
        }
    }

    /// The counters of one route.
    pub(crate) fn of_route(&self, name: Name) -> RouteCounters {
        let labels = RequestLabels { route: name.clone(), status: 200, reason: "" };
        let served = self.requests.get_or_create_owned(&labels);
        let time = self.request_time.get_or_create_owned(&RouteLabels { route: name.clone() });
        RouteCounters { name, served, time }
    }

    /// Counts an answered request.
    pub(crate) fn answered(
        &self,
        route: &RouteCounters,
        status: u16,
        error: Option<&Error>,
        took: Duration,
    ) {
        if status == 200 {
            route.served.inc();
        } else {
            let reason = error.map_or("", Error::code);
            let labels = RequestLabels { route: route.name.clone(), status, reason };
            self.requests.get_or_create(&labels).inc();
        }
        route.time.observe(took.as_secs_f64());
        if let Some(reason) = error.and_then(Error::refusal_code) {
            self.refused.get_or_create(&ReasonLabels { reason }).inc();
        }
    }

    /// The configuration's file was read again, and is good or not.
    pub(crate) fn reloaded(&self, is_good: bool) {
        self.gauges.config_is_current.set(is_good.into());
        let labels = ReasonLabels { reason: if is_good { "good" } else { "refused" } };
        self.reloads.get_or_create(&labels).inc();
    }

    /// Whether the session store that replicas share answers.
    pub(crate) fn session_store_is(&self, up: bool) {
        let labels = StoreLabels { store: "redis" };
        self.gauges.session_store_up.get_or_create(&labels).set(up.into());
    }

    pub(crate) fn session_store_failed(&self) {
        self.store_failures.inc();
    }

    pub(crate) fn rendered(&self, took: Duration) {
        self.render_time.observe(took.as_secs_f64());
    }

    pub(crate) fn manifest(&self, result: CacheUse) {
        let result = match result {
            CacheUse::Hit => {
                self.cache_hits.inc();
                return;
            }
            CacheUse::Miss => "miss",
            CacheUse::Updating => "updating",
            CacheUse::Stale => "stale",
        };
        self.cache.get_or_create(&CacheLabels { result }).inc();
    }

    /// Counts a request to an origin. `result` is its status, or what happened instead.
    pub(crate) fn origin(&self, origin: &Name, result: &Result<u16, Error>, took: Duration) {
        let result = match result {
            Ok(200..=299) => "2xx",
            Ok(300..=399) => "3xx",
            Ok(400..=499) => "4xx",
            Ok(_) => "5xx",
            Err(Error::OriginTimeout(_)) => "timeout",
            Err(_) => "unreachable",
        };
        let labels = OriginLabels { origin: origin.clone(), result };
        self.origin_requests.get_or_create(&labels).inc();
        let labels = OriginName { origin: labels.origin };
        self.origin_time.get_or_create(&labels).observe(took.as_secs_f64());
    }
}

impl Gauges {
    fn register(&self, registry: &mut Registry) {
        registry.register("sessions", "Sessions whose time is not over", self.sessions.clone());
        registry.register("streams", "Streams that play now", self.streams.clone());
        registry.register(
            "cached_manifests",
            "Compiled manifests that are kept",
            self.cached_manifests.clone(),
        );
        registry.register_with_unit(
            "cached_manifests",
            "Their size",
            Unit::Bytes,
            self.cached_bytes.clone(),
        );
        registry.register("connections", "Open connections of clients", self.connections.clone());
        registry.register(
            "connections_refused",
            "Connections beyond limits.connections, closed at once, since the start",
            self.connections_refused.clone(),
        );
        // What was read at the start was good.
        self.config_is_current.set(1);
        registry.register(
            "config_is_current",
            "Whether the configuration's file was good when it was read last",
            self.config_is_current.clone(),
        );
        registry.register(
            "session_store_up",
            "Whether the session store that replicas share answers",
            self.session_store_up.clone(),
        );
        registry.register("origin_up", "Whether an origin is well", self.origin_up.clone());
        registry.register_with_unit(
            "process_resident_memory",
            "Memory of the process",
            Unit::Bytes,
            self.resident_bytes.clone(),
        );
        registry.register(
            "process_open_fds",
            "Open files and connections of the process",
            self.open_files.clone(),
        );
    }
}

impl From<&str> for Name {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl EncodeLabelValue for Name {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        EncodeLabelValue::encode(&&*self.0, encoder)
    }
}

/// From a quarter of a millisecond to a minute.
fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.000_25, 4.0, 10))
}
