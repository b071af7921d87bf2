//! A gateway of this process, configured as by a file, on a port of its own.

use std::path::Path;
use std::sync::Arc;

use sluicegate_gateway::{App, Config};
use sluicegate_token::{CdnKey, Gcore, Link, Scope, UnixTime};
use tempfile::TempDir;

use crate::clock::ManualClock;
use crate::server::Server;

/// The CDN secret of test gateways: in the file `cdn.key` beside the configuration.
pub const CDN_SECRET: &str = "testkit-cdn-secret";
/// The secret of entry links: in the file `entry.key`.
pub const ENTRY_SECRET: &str = "testkit-entry-secret";
/// The secret of a second CDN: in the file `other.key`.
pub const OTHER_SECRET: &str = "testkit-other-secret";
/// The API's bearer token: in the file `bearer.key`.
pub const BEARER: &str = "testkit-bearer-0123456789";

/// A running gateway with its clock.
#[derive(Debug)]
pub struct Gateway {
    /// The service, for requests without a socket.
    pub app: App,
    /// Its clock.
    pub clock: ManualClock,
    server: Server,
    folder: TempDir,
}

/// Builds the service of a configuration's text without a port. Keys are in the files `session.key`,
/// `cdn.key`, `entry.key`, `other.key` and `bearer.key`.
///
/// # Errors
/// The configuration's error as text.
pub fn build(config: &str, folder: &Path, clock: &ManualClock) -> Result<App, String> {
    for (name, secret) in [
        ("session.key", "c2Vzc2lvbi1rZXktb2YtdGhlLXRlc3RraXQtMzItYnk"),
        ("cdn.key", CDN_SECRET),
        ("entry.key", ENTRY_SECRET),
        ("other.key", OTHER_SECRET),
        ("bearer.key", BEARER),
    ] {
        std::fs::write(folder.join(name), secret).unwrap();
    }
    let config = Config::parse(config, folder, Path::new("gateway.toml"))
        .map_err(|error| error.to_string())?;
    App::build(config, Arc::new(clock.clone())).map_err(|error| error.to_string())
}

impl Gateway {
    /// Starts a gateway; its clock begins at the real time.
    #[must_use]
    pub fn start(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::at_real_time();
        let mut built = None;
        let server = Server::start_with(|addr| {
            let config = format!("listen = \"{addr}\"\n{config}");
            let app = build(&config, folder.path(), &clock).unwrap();
            let served = (app.router(), app.door().clone());
            let watched = app.clone();
            tokio::spawn(async move {
                tokio::join!(watched.watch_origins(), watched.watch_sessions());
            });
            built = Some(app);
            served
        });
        Self { app: built.unwrap(), clock, server, folder }
    }

    /// The URL of a path that begins with a slash.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        self.server.url(path)
    }

    /// The address of its port.
    #[must_use]
    pub const fn addr(&self) -> std::net::SocketAddr {
        self.server.addr()
    }

    /// The folder of its configuration, with the keys.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// An entry link for a path: signed as a file with [`ENTRY_SECRET`], good for an hour.
    #[must_use]
    pub fn entry_link(&self, path: &str) -> String {
        use sluicegate_gateway::Clock as _;
        self.url(&entry_path(path, self.clock.now().saturating_add(3600)))
    }
}

/// A path with an entry link's query: signed as a file with [`ENTRY_SECRET`].
#[must_use]
pub fn entry_path(path: &str, expires: UnixTime) -> String {
    let gcore = Gcore::new(CdnKey::plain("entry", ENTRY_SECRET.as_bytes()), Scope::File);
    Link::parse(path).unwrap().sign(&gcore, expires, None).unwrap()
}
