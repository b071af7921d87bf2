//! A gateway whose configuration is exchanged while it serves.
//!
//! Requests that run go on under the configuration that they began with. Sessions, counters and
//! connections stay. A file that cannot be used leaves everything as it is.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use thiserror::Error;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tower::{Service, ServiceExt as _, service_fn};

use crate::clock::Clock;
use crate::config::{Config, ConfigError};
use crate::front::{Answering, Front};
use crate::serve::Door;
use crate::{App, Error};

/// How often files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often clients are forgotten that have not asked for anything.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// A gateway that can be reconfigured. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Live {
    current: Arc<ArcSwap<Current>>,
    changed: Arc<watch::Sender<()>>,
    bound: Bound,
}

/// Where a process really listens, whatever its configuration says now: on a port that it was given, or
/// that another one has bound for it.
#[derive(Clone, Copy, Debug)]
pub struct Bound {
    /// For players and backends.
    pub players: SocketAddr,
    /// For operators.
    pub operators: Option<SocketAddr>,
}

#[derive(Debug)]
struct Current {
    app: App,
    front: Front,
    operators: Option<Router>,
    fixed: Fixed,
    /// The files that it was read from.
    files: Vec<PathBuf>,
}

/// What a running process keeps, whatever a new configuration says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fixed {
    listen: SocketAddr,
    admin: Option<SocketAddr>,
    has_tls: bool,
    connections: crate::ConnectionLimits,
    store: String,
}

/// A configuration is not taken; the old one stays.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// It is none.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// It cannot be served.
    #[error("{0}")]
    App(#[from] Error),
}

/// Files as they stood at a moment: time, length and inode of each that is there.
type Look = Vec<Option<(SystemTime, u64, u64)>>;

impl Live {
    /// Makes the service. Binds no port.
    ///
    /// # Errors
    /// As [`App::build`]; and if operators would need no bearer where others can come.
    pub fn build(config: Config, bound: Bound, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let (fixed, files) = (Fixed::of(&config), config.files.clone());
        let app = App::build(bound.place(config)?, clock)?;
        let current = ArcSwap::from_pointee(Current::of(app, fixed, files));
        let (changed, _) = watch::channel(());
        Ok(Self { current: Arc::new(current), changed: Arc::new(changed), bound })
    }

    /// The service as it is configured now.
    #[must_use]
    pub fn app(&self) -> App {
        self.current.load().app.clone()
    }

    /// How connections are taken.
    #[must_use]
    pub fn door(&self) -> Door {
        self.current.load().app.door().clone()
    }

    /// The service over HTTP, always as it is configured last.
    #[must_use]
    pub fn front(
        &self,
    ) -> impl Service<Request, Response = Response, Error = Infallible, Future = Answering>
    + Clone
    + Send
    + 'static {
        let current = Arc::clone(&self.current);
        service_fn(move |request| current.load().front.clone().call(request))
    }

    /// The operators' service. None without an `[admin]` table at the beginning.
    #[must_use]
    pub fn admin_router(&self) -> Option<Router> {
        self.current.load().operators.as_ref()?;
        let current = Arc::clone(&self.current);
        Some(Router::new().fallback_service(service_fn(move |request: Request| {
            let router = current.load().operators.clone().unwrap_or_default();
            async move {
                let response: Result<Response, Infallible> = router.oneshot(request).await;
                response
            }
        })))
    }

    /// Takes another configuration. Says what of it is not taken before a restart.
    ///
    /// # Errors
    /// [`Error`] if it cannot be served; the old one stays.
    pub fn exchange(&self, config: Config) -> Result<Vec<&'static str>, Error> {
        let old = self.current.load_full();
        let (wanted, files) = (Fixed::of(&config), config.files.clone());
        let tls = config.tls.clone();
        let app = old.app.reconfigured(self.bound.place(config)?)?;
        if let (Some(tls), Some(served)) = (&tls, &app.door().tls) {
            served.exchange(tls);
        }
        self.current.store(Arc::new(Current::of(app, old.fixed.clone(), files)));
        // Nobody listens if nothing is watched.
        let _ = self.changed.send(());
        Ok(old.fixed.differs(&wanted))
    }

    /// Reads the configuration's file again.
    ///
    /// # Errors
    /// [`ReloadError`]; the old one stays.
    pub fn reload(&self, path: &Path) -> Result<(), ReloadError> {
        let result = Config::load(path)
            .map_err(ReloadError::from)
            .and_then(|config| self.exchange(config).map_err(ReloadError::from));
        let app = self.app();
        app.observer().metrics.reloaded(result.is_ok());
        match result {
            Ok(kept) => {
                tracing::info!(file = %path.display(), "the configuration was read again");
                for key in kept {
                    tracing::warn!(key, "a change of this key is taken at the next start");
                }
                Ok(())
            }
            Err(error) => {
                tracing::error!(
                    file = %path.display(), reason = %error,
                    "the configuration is not taken, and the old one stays"
                );
                Err(error)
            }
        }
    }

    /// Reads the configuration's file again at SIGHUP, and when it or a file that it names changes, for
    /// as long as it is polled.
    ///
    /// # Errors
    /// If the signal cannot be watched.
    pub async fn follow(&self, path: &Path) -> std::io::Result<()> {
        let mut hangups = signal(SignalKind::hangup())?;
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seen = self.look(path);
        // What is changed in several steps is read when it has come to rest.
        let mut unrest: Option<Look> = None;
        loop {
            tokio::select! {
                _ = hangups.recv() => {}
                _ = looks.tick() => {
                    let now = self.look(path);
                    if now == seen {
                        unrest = None;
                        continue;
                    }
                    if unrest.as_ref() != Some(&now) {
                        unrest = Some(now);
                        continue;
                    }
                }
            }
            unrest = None;
            // Keys may come from commands, which take their time.
            let (live, path_) = (self.clone(), path.to_owned());
            let reloaded = tokio::task::spawn_blocking(move || live.reload(&path_)).await;
            // Told of in the log.
            drop(reloaded);
            seen = self.look(path);
        }
    }

    /// Looks after origins, and hears of what other replicas do, for as long as it is polled.
    pub async fn watch(&self) {
        let origins = async {
            let mut changed = self.changed.subscribe();
            loop {
                let app = self.app();
                tokio::select! {
                    () = async { app.watch_origins().await; std::future::pending().await } => {}
                    _ = changed.changed() => {}
                }
            }
        };
        let sweeps = async {
            let mut moments = interval(SWEEP_EVERY);
            loop {
                moments.tick().await;
                self.app().rates().sweep();
            }
        };
        let app = self.app();
        tokio::join!(origins, sweeps, app.watch_sessions());
    }

    fn look(&self, path: &Path) -> Look {
        use std::os::unix::fs::MetadataExt as _;
        let current = self.current.load();
        let files = [path].into_iter().chain(current.files.iter().map(PathBuf::as_path));
        let look = |file: &Path| {
            let file = std::fs::metadata(file).ok()?;
            Some((file.modified().ok()?, file.len(), file.ino()))
        };
        files.map(look).collect()
    }
}

impl Bound {
    /// The configuration with the addresses that hold.
    fn place(&self, mut config: Config) -> Result<Config, Error> {
        config.listen = self.players;
        if let (Some(admin), Some(addr)) = (&mut config.admin, self.operators) {
            if admin.bearers.is_empty() && !addr.ip().is_loopback() {
                return Err(Error::Internal(format!(
                    "admin: this process listens on {addr}, from where others could end sessions: give a \
                     bearer"
                )));
            }
            admin.listen = addr;
        }
        Ok(config)
    }
}

impl Current {
    fn of(app: App, fixed: Fixed, files: Vec<PathBuf>) -> Self {
        Self { front: app.front(), operators: app.admin_router(), app, fixed, files }
    }
}

impl Fixed {
    fn of(config: &Config) -> Self {
        Self {
            listen: config.listen,
            admin: config.admin.as_ref().map(|admin| admin.listen),
            has_tls: config.tls.is_some(),
            connections: config.connections,
            store: format!("{:?}", config.session.store),
        }
    }

    /// The keys of the configuration that another one has otherwise.
    fn differs(&self, other: &Self) -> Vec<&'static str> {
        [
            ("listen", self.listen != other.listen),
            ("admin.listen", self.admin != other.admin),
            ("tls", self.has_tls != other.has_tls),
            ("limits of connections, or stop", self.connections != other.connections),
            ("session.store", self.store != other.store),
        ]
        .into_iter()
        .filter_map(|(key, is_other)| is_other.then_some(key))
        .collect()
    }
}
