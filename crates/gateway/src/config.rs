//! The configuration: TOML at the edge, checked and typed inside.
//!
//! [`raw`] is the file's shape, where an unknown key is an error; [`check`] turns it into
//! [`Config`], which holds nothing that cannot be served.

mod bounds;
mod check;
mod profiles;
mod raw;
mod reference;
mod routes;
mod segment_keys;
mod signers;
mod values;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use secrecy::SecretSlice;
use sluicegate_manifest::ExistingToken;
use sluicegate_token::{SchemeRing, SessionKeys, UnixTime};
use thiserror::Error;
use url::Url;

use crate::client::TrustedProxies;
use crate::cors::AllowedSites;
use crate::in_flight::InFlightLimits;
use crate::profile_scope::ProfileScope;
use crate::rates::RateLimits;
use crate::route::{Carry, GrantMode, KeyDelivery, Segments, ThirdParty, Unexpandable};
use crate::{AssetPattern, ConnectionLimits, KeyNames, SessionRules, SharedConfig, TlsConfig};

/// Gateway paths that no route may take.
pub(crate) const RESERVED: [&str; 5] = ["/s/", "/v1/", "/auth/", "/healthz/", "/readyz/"];

/// A configuration that can be served.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen.
    pub listen: SocketAddr,
    /// TLS; without it HTTP is plain, for a load balancer that has the certificate.
    pub tls: Option<TlsConfig>,
    /// Bounds on connections.
    pub connections: ConnectionLimits,
    /// How much one client may ask for.
    pub rates: RateLimits,
    /// Addresses that names of origins may lead to, although they are this machine's own or link-local.
    pub origin_addresses: Vec<IpNet>,
    /// The URL at which clients reach the gateway, without a slash at its end; by default
    /// `http://` and the listening address.
    pub public_url: Option<Url>,
    /// Whose word on a client's address is taken.
    pub trusted_proxies: TrustedProxies,
    /// Whose pages may read what is answered.
    pub allowed_sites: AllowedSites,
    /// Session keys and lifetime.
    pub session: SessionConfig,
    /// The API for backends; without it, sessions begin by entry links alone.
    pub api: Option<ApiConfig>,
    /// The listener for operators.
    pub admin: Option<AdminConfig>,
    /// What sessions may have at most, by name.
    pub profiles: Vec<ProfileConfig>,
    /// Bounds on requests and manifests.
    pub limits: Limits,
    /// Attributes of EXT-X-DATERANGE that hold a URI beside those that RFC 8216bis knows.
    pub daterange_uris: Vec<String>,
    /// How long an origin may take.
    pub timeouts: Timeouts,
    /// The routes; the one with the longest matching path serves a request.
    pub routes: Vec<RouteConfig>,
    /// What can be served, and should be mended: files of keys that others may read.
    pub warnings: Vec<String>,
    /// The files that it was read from beside its own: keys, certificates, layouts.
    pub files: Vec<PathBuf>,
}

/// Session keys and lifetime.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// The keys; the first one signs.
    pub keys: SessionKeys,
    /// The window L of a session's expiry: a session lives L to 2L seconds.
    pub length_secs: u64,
    /// When sessions end early, and how many streams play at once.
    pub rules: SessionRules,
    /// What replicas share.
    pub store: Option<SharedConfig>,
}

/// The listener for operators: metrics, and a page to look at and to end sessions.
#[derive(Clone)]
pub struct AdminConfig {
    /// Where to listen; a loopback address unless there are bearers.
    pub listen: SocketAddr,
    /// Who may see the page and end sessions. Metrics are for everybody who reaches the address.
    pub bearers: Vec<Bearer>,
}

/// The API for backends.
#[derive(Clone)]
pub struct ApiConfig {
    /// Who may call.
    pub bearers: Vec<Bearer>,
}

/// A token of the API.
#[derive(Clone)]
pub struct Bearer {
    /// Whose it is, for the log.
    pub name: String,
    /// What is sent as `Authorization: Bearer ...`.
    pub token: SecretSlice<u8>,
}

/// What some sessions may have at most.
#[derive(Clone, Debug)]
pub struct ProfileConfig {
    /// The profile's number in tokens: 1 to 63.
    pub id: u8,
    /// Its name.
    pub name: String,
    /// What it leaves out of multivariant playlists and MPDs.
    pub profile: sluicegate_manifest::Profile,
    /// [`ProfileScope::Enforced`] if the tokens of its sessions open nothing of that.
    pub scope: ProfileScope,
}

/// How keys of segments are delivered, apart from the segments.
#[derive(Clone, Debug)]
pub struct KeysConfig {
    /// Who delivers them.
    pub delivery: KeyDelivery,
    /// The window W of a key's URL, and of a CDN token for it: it is good for W to 2W seconds.
    pub ttl_secs: u64,
    /// What keys are named, and nothing else.
    pub names: KeyNames,
}

/// Bounds on requests and manifests.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a request's path, the session token not counted.
    pub max_path_bytes: usize,
    /// Bounds on a manifest.
    pub manifest: sluicegate_manifest::Limits,
    /// Bytes of compiled manifests that are kept.
    pub cache_bytes: u64,
    /// Bytes of one manifest's kept plans, and of the texts that were made of them.
    pub plan_bytes: usize,
    /// A manifest of more bytes is compiled, planned and rendered on threads of its own.
    pub inline_manifest_bytes: usize,
    /// How many such threads there are.
    pub manifest_threads: usize,
    /// How many manifests may wait for one of them.
    pub manifest_queue: usize,
    /// How long a manifest may wait for one of them.
    pub manifest_wait: Duration,
    /// Bytes of manifests that are read from origins or sent to clients, beside those that are kept.
    pub manifest_buffer_bytes: usize,
    /// Bytes of JSON that is read whole to learn what it is, if no name says that it is a manifest.
    pub json_bytes: usize,
    /// Bytes of such documents together.
    pub all_json_bytes: usize,
    /// The longest freshness that is concluded from how often a manifest is reloaded.
    pub heuristic_for: Duration,
    /// How long a manifest is served after its time, when the origin fails and said nothing of it.
    pub stale_for: Duration,
    /// How long a manifest is served after its time while it is fetched again, if the origin says
    /// nothing of it.
    pub while_revalidate: Duration,
    /// How long a manifest that an origin does not have is not asked for again.
    pub missing_for: Duration,
    /// The same for everything else, as segments.
    pub missing_segment_for: Duration,
    /// Requests to one origin that are in flight at once, each until the head of its answer.
    pub origin_requests: usize,
    /// How many of these are for manifests, documents and keys alone.
    pub origin_document_requests: usize,
    /// Bodies of one origin, or of one folder, that are in flight at once.
    pub origin_bodies: usize,
    /// Bytes per second that a client reads at least while other requests wait for a body.
    pub min_body_bytes_per_sec: u64,
    /// Bounds on each session and on each client address.
    pub in_flight: InFlightLimits,
    /// How hard is compressed what differs from viewer to viewer in too many places: 1 to 9, and 0
    /// not at all.
    pub gzip_level: u32,
}

/// How long an origin may take.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// To accept a connection.
    pub connect: Duration,
    /// From the request to the head of the answer.
    pub first_byte: Duration,
    /// Between two pieces of the body.
    pub idle: Duration,
    /// How often a request that failed is sent again, to the next origin if there is one.
    pub retries: usize,
}

/// One route: a folder of paths with its origin and its rules.
#[derive(Clone, Debug)]
pub struct RouteConfig {
    /// Its name, which is part of every session token.
    pub id: String,
    /// The folder of gateway paths that it serves, decoded; begins and ends with a slash.
    pub path: String,
    /// Where the media are.
    pub origin: OriginConfig,
    /// How the origins are looked after, beside what requests show.
    pub health: Option<HealthConfig>,
    /// Further hosts whose URLs may be delivered.
    pub allow_hosts: Vec<HostConfig>,
    /// Which folders are assets.
    pub asset: Option<AssetPattern>,
    /// How much a session opens.
    pub grant: GrantMode,
    /// Where the session token stands.
    pub carry: Carry,
    /// How segments are delivered.
    pub segments: Segments,
    /// What becomes of URIs on hosts that are not named.
    pub third_party: ThirdParty,
    /// What becomes of references that are signed already.
    pub existing_token: ExistingToken,
    /// Whether every unclassified URI is refused.
    pub strict: bool,
    /// What becomes of a DASH template that cannot be written out and would have to be.
    pub unexpandable: Unexpandable,
    /// Whether MPDs tell players to copy the session token from the MPD's query to the segments.
    pub url_query_info: bool,
    /// The folder of internal redirects of the server in front, which delivers segments itself; with
    /// slashes around it.
    pub accel: Option<String>,
    /// Whether the URLs of licence servers are signed, too, if the route delivers them.
    pub sign_licenses: bool,
    /// Whether a session is bound to its client's address (IPv6: its /64).
    pub bind_ip: bool,
    /// Viewer parameters that are passed to the origin; a `*` at the end stands for any rest.
    pub forward_query: Vec<String>,
    /// Entry by a signed link.
    pub entry: Option<EntryConfig>,
    /// The CDN that delivers segments.
    pub cdn: Option<CdnConfig>,
    /// How keys are delivered, if not as segments are.
    pub keys: Option<KeysConfig>,
}

/// Where media come from. Both name the folder that stands for the route's path.
#[derive(Clone, Debug)]
pub enum OriginConfig {
    /// A folder on this machine.
    Folder(PathBuf),
    /// Folders on HTTP servers, which hold the same; each ends with a slash. The first that is well
    /// is asked.
    Http(Vec<Url>),
}

/// How origins are looked after.
#[derive(Clone, Debug)]
pub struct HealthConfig {
    /// What is asked for, relative to the origin's folder. Any status below 500 is well.
    pub path: String,
    /// Between two checks.
    pub every: Duration,
}

/// Entry by a signed link.
#[derive(Clone, Debug)]
pub struct EntryConfig {
    /// Verifies the link.
    pub ring: SchemeRing,
    /// How long after its expiry a link is still good, for clocks that differ.
    pub leeway_secs: u64,
    /// The profile of sessions that links open, by number; 0 is none.
    pub profile: u8,
}

/// The CDN that delivers segments.
#[derive(Clone, Debug)]
pub struct CdnConfig {
    /// The CDN's folder that stands for the route's path, or for the host's folder; ends with a
    /// slash.
    pub base_url: Url,
    /// Signs its URLs.
    pub ring: SchemeRing,
    /// The window W of a CDN token's expiry: a token lives W to 2W seconds.
    pub ttl_secs: u64,
}

/// A further host whose URLs may be delivered.
#[derive(Clone, Debug)]
pub struct HostConfig {
    /// Scheme, host, port and a folder, with a slash at its end.
    pub url: Url,
    /// The CDN that delivers segments of this host; without one the gateway does.
    pub cdn: Option<CdnConfig>,
}

/// Hosts with their schemes and keys, for manifests that are signed as files.
#[derive(Clone, Debug)]
pub struct Hosts {
    /// A row for each host.
    pub hosts: Vec<CdnConfig>,
    /// What can be used, and should be mended.
    pub warnings: Vec<String>,
}

/// Why a configuration cannot be served.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {reason}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The text is no TOML of the right shape; the message has the line and the key.
    #[error("{path}: {message}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The parser's message, with line and column.
        message: String,
    },
    /// A value makes no sense.
    #[error("{place}: {message}")]
    Value {
        /// The key, such as `route "vod": cdn.base_url`.
        place: String,
        /// What is wrong and what to do.
        message: String,
    },
}

impl std::fmt::Debug for ApiConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApiConfig").field("bearers", &self.bearers).finish()
    }
}

impl std::fmt::Debug for AdminConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { listen, bearers } = self;
        f.debug_struct("AdminConfig").field("listen", listen).field("bearers", bearers).finish()
    }
}

impl std::fmt::Debug for Bearer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bearer").field("name", &self.name).finish_non_exhaustive()
    }
}

impl RouteConfig {
    /// The folders on HTTP servers that may be asked.
    pub(crate) fn servers(&self) -> impl Iterator<Item = &Url> {
        let origins = match &self.origin {
            OriginConfig::Http(urls) => &urls[..],
            OriginConfig::Folder(_) => &[],
        };
        origins.iter().chain(self.allow_hosts.iter().map(|host| &host.url))
    }

    /// The CDNs' folders, which an origin may redirect to.
    pub(crate) fn cdns(&self) -> impl Iterator<Item = &Url> {
        let of_hosts = self.allow_hosts.iter().filter_map(|host| host.cdn.as_ref());
        self.cdn.iter().chain(of_hosts).map(|cdn| &cdn.base_url)
    }
}

impl CdnConfig {
    /// The last second of a token that is made now: the window's, unless the CDN counts from the
    /// making and stops before.
    #[must_use]
    pub fn window_expiry(&self, now: UnixTime) -> UnixTime {
        self.no_later(now.window_expiry(self.ttl_secs), now)
    }

    /// `expires`, or the last window's end for which a token made now can last.
    pub(crate) fn no_later(&self, expires: UnixTime, now: UnixTime) -> UnixTime {
        match self.ring.scheme().lifetime_secs() {
            Some(lifetime) => expires.min(now.window_expiry(lifetime / 2)),
            None => expires,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_path_bytes: 4096,
            manifest: sluicegate_manifest::Limits::default(),
            cache_bytes: 256 << 20,
            plan_bytes: 64 << 20,
            inline_manifest_bytes: 100_000,
            manifest_threads: spare_cores(),
            manifest_queue: 256,
            manifest_wait: Duration::from_secs(1),
            manifest_buffer_bytes: 256 << 20,
            json_bytes: 1 << 20,
            all_json_bytes: 32 << 20,
            heuristic_for: Duration::from_secs(10),
            stale_for: Duration::from_secs(300),
            while_revalidate: Duration::ZERO,
            missing_for: Duration::from_secs(1),
            missing_segment_for: Duration::from_millis(200),
            origin_requests: 1024,
            origin_document_requests: 128,
            origin_bodies: 4096,
            min_body_bytes_per_sec: 16 << 10,
            in_flight: InFlightLimits::default(),
            gzip_level: 1,
        }
    }
}

/// One core is for everything else.
fn spare_cores() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().saturating_sub(1).max(1))
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_byte: Duration::from_secs(30),
            idle: Duration::from_secs(30),
            retries: 1,
        }
    }
}

impl Config {
    /// Reads a file. Relative paths in it are relative to its folder.
    ///
    /// # Errors
    /// [`ConfigError`] with the key and, for the file's shape, the line.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let (text, folder) = read(path)?;
        Self::parse(&text, folder, path)
    }

    pub(crate) fn manifest_options(&self) -> sluicegate_manifest::Options {
        sluicegate_manifest::Options {
            limits: self.limits.manifest,
            daterange_uris: self.daterange_uris.clone(),
        }
    }

    /// Reads a configuration's text; `name` stands for it in messages.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn parse(text: &str, folder: &Path, name: &Path) -> Result<Self, ConfigError> {
        check::check(shape(text, name)?, folder)
    }
}

impl Hosts {
    /// Reads a file of `[[host]]` tables, each like `[route.cdn]`.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let (text, folder) = read(path)?;
        routes::check_hosts(shape(&text, path)?, folder)
    }
}

fn read(path: &Path) -> Result<(String, &Path), ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    Ok((text, path.parent().unwrap_or(Path::new("."))))
}

fn shape<T: serde::de::DeserializeOwned>(text: &str, name: &Path) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|error| ConfigError::Syntax {
        path: name.to_owned(),
        message: syntax_message(&error, text),
    })
}

/// The parser's message with its place. The line itself is not shown: a secret may stand in it.
fn syntax_message(error: &toml::de::Error, text: &str) -> String {
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else {
        return error.message().to_owned();
    };
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    format!("line {line}, column {column}: {}", error.message())
}

#[cfg(test)]
mod tests;
