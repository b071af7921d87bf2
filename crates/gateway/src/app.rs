//! The service: everything that requests share, and its routes over HTTP.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::routing::{any, get, post};
use futures_util::future;
use prometheus_client::registry::Registry;
use sluicegate_token::{SessionKey, SessionKeys, UnixTime};
use tokio::time::MissedTickBehavior;

use crate::client::TrustedProxies;
use crate::clock::Clock;
use crate::config::{
    AdminConfig, ApiConfig, Config, Limits, OriginConfig, ProfileConfig, RouteConfig, SessionConfig,
};
use crate::cors::AllowedSites;
use crate::events::Events;
use crate::front::Front;
use crate::handlers::{auth, health, media, sessions};
use crate::in_flight::InFlight;
use crate::metrics::{Metrics, Snapshot};
use crate::observer::Observer;
use crate::origin::{
    Bodies, BodyLimits, FolderOrigin, HttpOrigin, MissingFor, Origin, PeerLimits, Resolver,
    new_client,
};
use crate::rates::Rates;
use crate::refusals::Refusals;
use crate::route::Route;
use crate::serve::{Door, Tls};
use crate::session_store::SessionStore;
use crate::templates::Templates;
use crate::{Error, admin};

/// Bytes of an API call's body.
const MAX_CALL_BYTES: usize = 64 << 10;

/// The gateway as a service. Cheap to clone.
#[derive(Clone, Debug)]
pub struct App(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    keys: SessionKeys,
    session_length_secs: u64,
    api: Option<ApiConfig>,
    limits: Limits,
    admin: Option<AdminConfig>,
    profiles: Vec<ProfileConfig>,
    /// The longest path first, so that the first match is the closest.
    routes: Vec<Arc<Route>>,
    templates: Arc<Templates>,
    http: HttpOrigin,
    observer: Arc<Observer>,
    registry: Arc<Registry>,
    clock: Arc<dyn Clock>,
    public_host: String,
    public_path: String,
    trusted_proxies: TrustedProxies,
    sites: AllowedSites,
    refusals: Arc<Refusals>,
    rates: Arc<Rates>,
    in_flight: InFlight,
    sessions: SessionStore,
    door: Door,
    is_draining: Arc<AtomicBool>,
}

/// What outlives a change of the configuration.
struct Lasting {
    metrics: Arc<Metrics>,
    registry: Arc<Registry>,
    events: Arc<Events>,
    sessions: SessionStore,
    in_flight: InFlight,
    refusals: Arc<Refusals>,
    door: Door,
    is_draining: Arc<AtomicBool>,
}

impl App {
    /// Makes the service. Binds no port.
    ///
    /// # Errors
    /// [`Error::Internal`] if a folder origin cannot be opened or the HTTP client not be made.
    pub fn build(config: Config, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let mut registry = Registry::with_prefix("sluicegate");
        let metrics = Arc::new(Metrics::new(&mut registry));
        let SessionConfig { rules, store, .. } = &config.session;
        let lasting = Lasting {
            sessions: SessionStore::new(*rules, store.as_ref(), &metrics)?,
            in_flight: InFlight::new(config.limits.in_flight),
            metrics,
            registry: Arc::new(registry),
            events: Arc::default(),
            refusals: Arc::default(),
            door: Door::new(config.connections, config.tls.as_ref().map(Tls::new)),
            is_draining: Arc::default(),
        };
        Self::assemble(config, clock, lasting)
    }

    /// The same service under another configuration: sessions, counters and the last events stay. Where
    /// to listen, TLS and `session.store` stay as they are.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn reconfigured(&self, config: Config) -> Result<Self, Error> {
        let shared = &self.0;
        let lasting = Lasting {
            metrics: Arc::clone(&shared.observer.metrics),
            registry: Arc::clone(&shared.registry),
            events: Arc::clone(&shared.observer.events),
            sessions: shared.sessions.with_rules(config.session.rules),
            in_flight: shared.in_flight.with_limits(config.limits.in_flight),
            refusals: Arc::clone(&shared.refusals),
            door: shared.door.clone(),
            is_draining: Arc::clone(&shared.is_draining),
        };
        Self::assemble(config, Arc::clone(&shared.clock), lasting)
    }

    fn assemble(config: Config, clock: Arc<dyn Clock>, lasting: Lasting) -> Result<Self, Error> {
        let Lasting { metrics, registry, events, sessions, in_flight, refusals, door, is_draining } =
            lasting;
        let limits = &config.limits;
        let templates = Templates::new(config.manifest_options(), limits, Arc::clone(&metrics));
        let resolver = Resolver::new(&config.origin_addresses);
        let client = new_client(&config.timeouts, resolver)?;
        let http = HttpOrigin::new(
            client,
            config.timeouts,
            &config.routes,
            PeerLimits {
                requests: limits.origin_requests,
                document_requests: limits.origin_document_requests,
                bodies: BodyLimits::of(limits),
            },
            Arc::clone(&metrics),
        );
        let missing_for =
            MissingFor { manifest: limits.missing_for, other: limits.missing_segment_for };
        let mut routes = config
            .routes
            .into_iter()
            .map(|route| {
                let bodies = Bodies::new(BodyLimits::of(limits), metrics.slow_bodies.clone());
                open_route(route, http.clone(), bodies, missing_for).map(Arc::new)
            })
            .collect::<Result<Vec<_>, _>>()?;
        routes.sort_by_key(|route| std::cmp::Reverse(route.config.path.len()));
        let observer = Arc::new(Observer::new(metrics, events, &routes));
        let (public_host, public_path) = match &config.public_url {
            Some(url) => {
                (url.origin().ascii_serialization(), url.path().trim_end_matches('/').to_owned())
            }
            None => (format!("http://{}", config.listen), String::new()),
        };
        Ok(Self(Arc::new(Shared {
            keys: config.session.keys,
            session_length_secs: config.session.length_secs,
            api: config.api,
            limits: config.limits,
            admin: config.admin,
            profiles: config.profiles,
            routes,
            templates: Arc::new(templates),
            http,
            observer,
            registry,
            clock,
            public_host,
            public_path,
            trusted_proxies: config.trusted_proxies,
            sites: config.allowed_sites,
            refusals,
            rates: Arc::new(Rates::new(config.rates)),
            in_flight,
            sessions,
            door,
            is_draining,
        })))
    }

    /// The service over HTTP.
    #[must_use]
    pub fn front(&self) -> Front {
        let own = self.own_router();
        Front::new(own, Some(self.clone()), Arc::clone(&self.0.observer), &self.0.sites)
    }

    /// The same as a router, for programs that put it among other things of theirs.
    pub fn router(&self) -> Router {
        self.front().into()
    }

    /// The service over HTTP with further paths beside its own, which take precedence over media.
    pub fn router_with(&self, further: Router) -> Router {
        let media =
            async |State(app): State<Self>, request: Request| media::media(&app, request).await;
        let media = Router::new().fallback(media).with_state(self.clone());
        let router = self.own_router().reset_fallback().merge(further).merge(media);
        Front::new(router, None, Arc::clone(&self.0.observer), &self.0.sites).into()
    }

    /// The operators' service: metrics, and a page. None without an `[admin]` table.
    #[must_use]
    pub fn admin_router(&self) -> Option<Router> {
        let admin = self.0.admin.clone()?;
        Some(admin::router(self.clone(), admin))
    }

    /// How its connections are taken.
    #[must_use]
    pub fn door(&self) -> &Door {
        &self.0.door
    }

    /// Makes `/readyz` answer 503 from now on, so that no new viewers are sent here.
    pub fn drain(&self) {
        self.0.is_draining.store(true, Ordering::Relaxed);
    }

    /// Looks after the origins of routes with a `health` table, for as long as it is polled.
    pub async fn watch_origins(&self) {
        let watched = self.0.routes.iter().filter_map(|route| match &route.config.origin {
            OriginConfig::Http(bases) => Some((bases, route.config.health.as_ref()?)),
            OriginConfig::Folder(_) => None,
        });
        let checks = watched.map(async |(bases, health)| {
            let mut moments = tokio::time::interval(health.every);
            moments.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                moments.tick().await;
                let checks = bases.iter().map(|base| self.0.http.check(base, &health.path));
                future::join_all(checks).await;
            }
        });
        future::join_all(checks).await;
    }

    /// Hears of sessions that other replicas end, for as long as it is polled.
    pub async fn watch_sessions(&self) {
        self.0.sessions.watch(|| self.now()).await;
    }

    /// What is at the gateway's own paths.
    fn own_router(&self) -> Router {
        Router::new()
            .route("/healthz", get(health::healthz))
            .route("/readyz", get(health::readyz))
            .route(
                "/v1/sessions",
                post(sessions::create)
                    .get(sessions::list)
                    .layer(DefaultBodyLimit::max(MAX_CALL_BYTES))
                    .fallback(async || Error::MethodNotAllowed("GET, POST, OPTIONS")),
            )
            .route(
                "/v1/sessions/{id}",
                get(sessions::show)
                    .delete(sessions::end)
                    .fallback(async || Error::MethodNotAllowed("GET, DELETE, OPTIONS")),
            )
            .route("/v1/openapi.json", get(sessions::openapi::document))
            .route(
                "/auth",
                get(auth::auth).fallback(async || Error::MethodNotAllowed("GET, OPTIONS")),
            )
            .route("/v1/{*rest}", any(async || Error::NoRoute))
            .method_not_allowed_fallback(async || Error::READ_ONLY)
            .fallback(async || Error::NoRoute)
            .with_state(self.clone())
    }

    pub(crate) fn keys(&self) -> &SessionKeys {
        &self.0.keys
    }

    /// The key that session tokens are made with at this moment.
    pub(crate) fn signer(&self, now: UnixTime) -> Result<&SessionKey, Error> {
        let none = || Error::Internal("no session key is active".to_owned());
        self.0.keys.signing(now).ok_or_else(none)
    }

    pub(crate) fn api(&self) -> Option<&ApiConfig> {
        self.0.api.as_ref()
    }

    /// A profile by the number that tokens hold.
    pub(crate) fn profile(&self, id: u8) -> Option<&ProfileConfig> {
        self.0.profiles.iter().find(|profile| profile.id == id)
    }

    /// A profile by its name.
    pub(crate) fn profile_named(&self, name: &str) -> Option<&ProfileConfig> {
        self.0.profiles.iter().find(|profile| profile.name == name)
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    pub(crate) fn routes(&self) -> &[Arc<Route>] {
        &self.0.routes
    }

    /// Who watches all requests.
    pub(crate) fn observer(&self) -> &Observer {
        &self.0.observer
    }

    pub(crate) fn templates(&self) -> &Arc<Templates> {
        &self.0.templates
    }

    /// What is known of sessions beside their tokens.
    pub(crate) fn sessions(&self) -> &SessionStore {
        &self.0.sessions
    }

    /// Says in the log why links and sessions are refused.
    pub(crate) fn refusals(&self) -> &Refusals {
        &self.0.refusals
    }

    /// How much one client may ask for.
    pub(crate) fn rates(&self) -> &Rates {
        &self.0.rates
    }

    /// The requests and bodies of each session and address.
    pub(crate) fn in_flight(&self) -> &InFlight {
        &self.0.in_flight
    }

    pub(crate) fn session_length_secs(&self) -> u64 {
        self.0.session_length_secs
    }

    pub(crate) fn now(&self) -> UnixTime {
        self.0.clock.now()
    }

    /// Scheme, host and port under which clients reach the gateway.
    pub(crate) fn public_host(&self) -> &str {
        &self.0.public_host
    }

    pub(crate) fn trusted_proxies(&self) -> &TrustedProxies {
        &self.0.trusted_proxies
    }

    /// The path of the public URL, without a slash at its end; often empty.
    pub(crate) fn public_path(&self) -> &str {
        &self.0.public_path
    }

    /// Writes the metrics as they stand.
    pub(crate) async fn write_metrics(&self) -> Result<String, std::fmt::Error> {
        let (sessions, streams) = self.0.sessions.count(self.now());
        let (cached_manifests, cached_bytes) = self.0.templates.size().await;
        let (connections, connections_refused) = self.0.door.count();
        let snapshot = Snapshot {
            sessions,
            streams,
            cached_manifests,
            cached_bytes,
            connections,
            connections_refused,
        };
        let origins = self.0.http.origins().map(|peer| (&peer.name, peer.is_well()));
        self.0.observer.metrics.show(&snapshot, origins);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.0.registry)?;
        Ok(text)
    }

    /// Why the process should get no requests, if so.
    pub(crate) fn unready(&self) -> Option<String> {
        if self.0.is_draining.load(Ordering::Relaxed) {
            return Some("stopping".to_owned());
        }
        let gone = self.0.routes.iter().find(|route| !route.origin.is_there())?;
        Some(format!("the folder of route {} is gone", gone.config.id))
    }
}

fn open_route(
    config: RouteConfig,
    http: HttpOrigin,
    bodies: Arc<Bodies>,
    missing_for: MissingFor,
) -> Result<Route, Error> {
    let folder = match &config.origin {
        OriginConfig::Http(_) => None,
        OriginConfig::Folder(path) => {
            let patience = http.timeouts().first_byte;
            let folder = FolderOrigin::open(path, bodies, patience).map_err(|error| {
                Error::Internal(format!(
                    "route \"{}\": the folder {}: {error}",
                    config.id,
                    path.display()
                ))
            })?;
            Some(folder)
        }
    };
    Ok(Route::new(config, Origin::new(folder, http, missing_for)))
}
