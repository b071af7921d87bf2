//! The file's shape. Every table refuses keys that it does not know.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::net::SocketAddr;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::OnFailure;
use crate::profile_scope::ProfileScope;
use crate::route::{Carry, GrantMode, KeyDelivery, Segments, ThirdParty, Unexpandable};

/// What is said of a key that is written otherwise.
pub(super) const KEY_SHAPE: &str = "give one of { file = \"...\" }, { env = \"...\" } and { command = [\"program\", \"argument\"] }; a key \
     never stands in the configuration";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    /// Address and port; port 0 picks a free one, `[::]:8080` takes IPv4 as well. [A socket that is
    /// handed over](deploy.md#upgrades) is taken instead.
    ///
    /// Default: `127.0.0.1:8080`.
    #[serde(default = "default_listen")]
    pub(super) listen: SocketAddr,
    /// [a certificate](#tls): HTTP/2 and HTTP/1.1 by TLS 1.2 and 1.3.
    ///
    /// Default: plain HTTP.
    pub(super) tls: Option<Tls>,
    /// [how the process stops](#stop).
    #[serde(default)]
    pub(super) stop: Stop,
    /// Addresses and networks that names of origins may lead to although they are this machine's
    /// own, link-local, or where clouds keep metadata: `["127.0.0.0/8"]`. `localhost` may lead to
    /// this machine.
    ///
    /// Default: none.
    #[serde(default)]
    pub(super) origin_addresses: Vec<String>,
    /// The URL under which clients reach the gateway; its path is put before every URL it writes.
    ///
    /// Default: `http://` + `listen`.
    pub(super) public_url: Option<String>,
    /// Networks (`10.0.0.0/8`) and addresses of load balancers and CDNs in front. A request from
    /// one of them is that of the last hop in `X-Forwarded-For` that is none: what sessions and
    /// links bound to an address, and stream limits, go by. Without it the header says nothing.
    ///
    /// Default: none.
    #[serde(default)]
    pub(super) trusted_proxies: Vec<String>,
    /// Origins, `https://tv.example.com`, whose pages may read what is answered (CORS). Players
    /// elsewhere than on web pages ask for no leave.
    ///
    /// Default: every site.
    #[serde(default)]
    pub(super) allowed_sites: Vec<String>,
    /// [sessions](#session).
    pub(super) session: Session,
    /// [the API for backends](#api).
    ///
    /// Default: none.
    pub(super) api: Option<Bearers>,
    /// [the operators' listener](#admin).
    ///
    /// Default: none.
    pub(super) admin: Option<Admin>,
    /// [`[[profile]]`](#profile): what some sessions may have at most.
    ///
    /// Default: none.
    #[serde(default, rename = "profile")]
    pub(super) profiles: Vec<Profile>,
    /// [bounds](#limits).
    #[serde(default)]
    pub(super) limits: Limits,
    /// Attributes of EXT-X-DATERANGE that hold a URI, beside X-ASSET-URI and X-ASSET-LIST.
    ///
    /// Default: none.
    #[serde(default)]
    pub(super) daterange_uris: Vec<String>,
    /// Files of [layouts of your own](schemes.md#a-layout-of-your-own), for `scheme`.
    ///
    /// Default: none.
    #[serde(default)]
    pub(super) layouts: Vec<String>,
    /// `[[layout]]`: layouts that stand in the file itself.
    ///
    /// Default: none.
    #[serde(default, rename = "layout")]
    pub(super) inline_layouts: Vec<toml::Table>,
    /// [how long origins may take](#timeouts).
    #[serde(default)]
    pub(super) timeouts: Timeouts,
    /// [`[[route]]`](#route), one or more.
    #[serde(default, rename = "route")]
    pub(super) routes: Vec<Route>,
}

/// A table of hosts alone, for manifests that are signed as files.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Hosts {
    /// Files of [layouts of your own](schemes.md#a-layout-of-your-own), for `scheme`.
    ///
    /// Default: none.
    #[serde(default)]
    pub(super) layouts: Vec<String>,
    /// `[[layout]]`: layouts that stand in the file itself.
    ///
    /// Default: none.
    #[serde(default, rename = "layout")]
    pub(super) inline_layouts: Vec<toml::Table>,
    /// `[[host]]` tables, each like [`[route.cdn]`](#routecdn-segments-from-a-cdn) without
    /// `ttl_secs` and `bind_ip`.
    #[serde(default, rename = "host")]
    pub(super) hosts: Vec<Cdn>,
}

/// Layouts of schemes, from either.
pub(super) struct Layouts {
    pub(super) files: Vec<String>,
    pub(super) tables: Vec<toml::Table>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Session {
    /// 32 random bytes as 43 characters of base64url or 64 of hex (`sluicegate keygen --session`),
    /// used for nothing else.
    pub(super) key: Option<Key>,
    /// A number that each token names.
    ///
    /// Default: 1.
    pub(super) key_id: Option<u8>,
    /// Several of them, [to change them](#several-keys), in place of `key`: `[{ id = 2, file =
    /// "..." }, { id = 1, file = "..." }]`.
    #[serde(default)]
    pub(super) keys: Vec<NamedKey>,
    /// L: a session that a link opened lives L to 2L seconds; the default `ttl` of `POST
    /// /v1/sessions`.
    ///
    /// Default: 14400.
    #[serde(default = "default_session_secs")]
    pub(super) length_secs: u64,
    /// Seconds without a request after which a session is over (403 `session-idle`); its link
    /// begins it again.
    ///
    /// Default: never.
    pub(super) idle_secs: Option<u64>,
    /// How long a stream counts after its last request; at least the longest segment.
    ///
    /// Default: 30.
    pub(super) stream_secs: Option<u64>,
    /// How many streams of one session may play at once (403 `too-many-streams`); a session may be
    /// opened with a number of its own.
    ///
    /// Default: any.
    pub(super) max_streams: Option<u32>,
    /// The same of one `user`, over all of the user's sessions.
    ///
    /// Default: any.
    pub(super) max_streams_per_user: Option<u32>,
    /// [what replicas share](#sessionstore).
    ///
    /// Default: none.
    pub(super) store: Option<Store>,
}

/// What replicas share.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Store {
    /// `redis://host:6379/0`, or `rediss://` with TLS; Redis 6, Valkey, or what speaks their
    /// protocol and Lua.
    pub(super) url: String,
    /// The name of an ACL's user.
    ///
    /// Default: none.
    pub(super) username: Option<String>,
    /// Where the password is.
    ///
    /// Default: none.
    pub(super) password: Option<Key>,
    /// What every key begins with, in braces: all are in one slot.
    ///
    /// Default: `sluicegate`.
    #[serde(default = "default_store_prefix")]
    pub(super) prefix: String,
    /// While the store does not answer, what plays goes on and what was revoked stays so. New
    /// streams: `open` lets them play, and each replica counts for itself; `closed` refuses those
    /// that have a limit, or of which nothing is known (503 `store-gone`).
    ///
    /// Default: `open`.
    #[serde(default)]
    pub(super) on_failure: OnFailure,
    /// How long an answer may take; then the store is left alone for a second.
    ///
    /// Default: 500.
    #[serde(default = "default_store_timeout_ms")]
    pub(super) timeout_ms: u64,
}

/// Who may call.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bearers {
    /// The token of the API, 16 characters or more; without the table there is no API.
    pub(super) bearer: Option<Key>,
    /// Several of them, by name: `[{ id = "web", file = "..." }, { id = "ops", env = "..." }]`.
    #[serde(default)]
    pub(super) bearers: Vec<NamedKey>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Profile {
    /// The profile's number in tokens: 1 to 63; never give it to another profile while sessions
    /// live.
    pub(super) id: u8,
    /// Its name.
    pub(super) name: String,
    /// Lines of the picture: `RESOLUTION` of a variant, `@height` of a Representation or its
    /// AdaptationSet. What tells none, as sound, stays.
    pub(super) max_height: Option<u32>,
    /// Bits per second: `BANDWIDTH` of a variant, `@bandwidth` of a Representation.
    pub(super) max_bitrate: Option<u64>,
    /// `enforced`: the session's tokens open [what is kept, and nothing else](#what-a-profile-opens).
    /// `advisory`: manifests are cut, and the session's token opens their folder.
    ///
    /// Default: `enforced`.
    #[serde(default)]
    pub(super) profile_scope: ProfileScope,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Keys {
    /// `gateway` or `redirect`, as below.
    ///
    /// Default: `gateway`.
    #[serde(default)]
    pub(super) delivery: KeyDelivery,
    /// A key's token lives so long to twice as long, and no longer than the session.
    ///
    /// Default: 60.
    #[serde(default = "default_key_ttl_secs")]
    pub(super) ttl_secs: u64,
    /// [What keys are named](#names-of-keys), and nothing else: patterns of one or more path segments side
    /// by side, `*` standing for any characters of one.
    ///
    /// Default: `["*.key", "key*.bin"]`.
    #[serde(default = "default_key_names")]
    pub(super) names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Admin {
    /// Address and port, such as `127.0.0.1:9090`; without the table there is no such listener.
    pub(super) listen: SocketAddr,
    /// As in `[api]`: who may see the page and end sessions. A browser asks for it as a password,
    /// under any name. Without one, `listen` must be a loopback address. `/metrics` is for
    /// everybody who reaches the address.
    pub(super) bearer: Option<Key>,
    /// Several of them.
    #[serde(default)]
    pub(super) bearers: Vec<NamedKey>,
}

/// Where a secret is, never the secret itself.
pub(super) type Key = Secretive<KeyTable>;

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyTable {
    /// A file.
    pub(super) file: Option<String>,
    /// An environment variable.
    pub(super) env: Option<String>,
    /// A program with its arguments, which prints the key within ten seconds.
    pub(super) command: Option<Vec<String>>,
}

/// One of several keys: its name, its place, and when it is good.
pub(super) type NamedKey = Secretive<NamedKeyTable>;

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NamedKeyTable {
    /// Its name; a number from 0 to 255 for session keys.
    pub(super) id: KeyName,
    /// A file.
    pub(super) file: Option<String>,
    /// An environment variable.
    pub(super) env: Option<String>,
    /// A program with its arguments, which prints the key within ten seconds.
    pub(super) command: Option<Vec<String>>,
    /// From when on it signs, if it is the newest: `2027-01-01T00:00:00Z`, or Unix time.
    ///
    /// Default: always.
    pub(super) active_from: Option<Moment>,
    /// From when on it opens nothing.
    ///
    /// Default: never.
    pub(super) retired_from: Option<Moment>,
}

/// Session keys have numbers.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum KeyName {
    Number(u8),
    Text(String),
}

/// RFC 3339, as a date of TOML or as text; or Unix time.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Moment {
    Unix(u64),
    Text(String),
    Date(toml::value::Datetime),
}

/// A table. A value that is none is most likely the secret itself, so no message shows it.
#[derive(Clone)]
pub(super) struct Secretive<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Secretive<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Table<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Table<T> {
            type Value = Secretive<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("{ file = \"...\" }, { env = \"...\" } or { command = [...] }")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Secretive)
            }

            fn visit_str<E: de::Error>(self, _: &str) -> Result<Self::Value, E> {
                Err(E::custom(KEY_SHAPE))
            }

            fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self::Value, E> {
                Err(E::custom(KEY_SHAPE))
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self::Value, E> {
                Err(E::custom(KEY_SHAPE))
            }
        }

        deserializer.deserialize_any(Table(PhantomData))
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Limits {
    /// A longer path is 414.
    ///
    /// Default: 4096.
    pub(super) max_path_bytes: Option<usize>,
    /// A longer manifest is 502.
    ///
    /// Default: 16777216.
    pub(super) max_manifest_bytes: Option<usize>,
    /// The same for one line.
    ///
    /// Default: 65536.
    pub(super) max_line_bytes: Option<usize>,
    /// The same for the number of its lines.
    ///
    /// Default: 4000000.
    pub(super) max_lines: Option<usize>,
    /// The same for its URIs.
    ///
    /// Default: 1000000.
    pub(super) max_uris: Option<usize>,
    /// Bytes of one URI with its variables and identifiers filled in, and of the URL that players get.
    /// A `data:` URI may be longer.
    ///
    /// Default: 8192.
    pub(super) max_uri_bytes: Option<usize>,
    /// Steps of planning a manifest, about one for each byte that is read or written. A manifest that
    /// takes more is 502. The larger of `max_steps` and `steps_per_byte` holds.
    ///
    /// Default: 67108864.
    pub(super) max_steps: Option<usize>,
    /// Steps of planning for each byte of the manifest.
    ///
    /// Default: 16.
    pub(super) steps_per_byte: Option<usize>,
    /// Bytes of a rendered manifest, and of memory that the elements of an MPD take. A larger one is
    /// 502. The larger of `max_result_bytes` and `result_bytes_per_byte` holds.
    ///
    /// Default: 33554432.
    pub(super) max_result_bytes: Option<usize>,
    /// The same for each byte of the manifest.
    ///
    /// Default: 8.
    pub(super) result_bytes_per_byte: Option<usize>,
    /// Bytes of the segments that the DASH templates of a manifest are written out to.
    ///
    /// Default: 33554432.
    pub(super) max_expanded_bytes: Option<usize>,
    /// Segments that one DASH template is written out to; see [dash.md](dash.md).
    ///
    /// Default: 10000.
    pub(super) max_expanded_segments: Option<usize>,
    /// Compiled manifests that are kept, and their texts; [when an origin is asked
    /// again](operations.md#when-an-origin-is-asked).
    ///
    /// Default: 268435456.
    pub(super) cache_bytes: Option<u64>,
    /// Plans that are kept of one manifest, and their texts. They count to `cache_bytes`, too.
    ///
    /// Default: 67108864.
    pub(super) plan_bytes: Option<usize>,
    /// A longer manifest is compiled, planned and rendered on threads of its own, so that other
    /// requests do not wait for it.
    ///
    /// Default: 100000.
    pub(super) inline_manifest_bytes: Option<usize>,
    /// The number of these threads.
    ///
    /// Default: one less than there are processor cores, and 1 at least.
    pub(super) manifest_threads: Option<usize>,
    /// Manifests that wait for one of these threads; one more is 503 `manifest-busy`.
    ///
    /// Default: 256.
    pub(super) manifest_queue: Option<usize>,
    /// How long a request waits for these threads, all its turns together; then it is 503
    /// `manifest-busy`.
    ///
    /// Default: 1.
    pub(super) manifest_wait_secs: Option<u64>,
    /// Memory for manifests beside `cache_bytes`: while they are read from origins, and while rendered
    /// texts of more than 65536 bytes are sent. A text that many clients get at one time counts once. A
    /// request that finds no memory within `manifest_wait_secs` is answered 503 `manifest-busy`;
    /// meanwhile, bodies that are read more slowly than `min_body_bytes_per_sec` end.
    ///
    /// Default: 268435456.
    pub(super) manifest_buffer_bytes: Option<usize>,
    /// JSON that is read whole to learn whether it is a document with URIs, where its name is not
    /// that of a manifest. Longer JSON is delivered as it is.
    ///
    /// Default: 1048576.
    pub(super) json_bytes: Option<usize>,
    /// The same for all JSON that is read at one time; more waits for `manifest_wait_secs`, and is
    /// then 503 `manifest-busy`.
    ///
    /// Default: 33554432.
    pub(super) all_json_bytes: Option<usize>,
    /// Maximum heuristic freshness of a live manifest, for origins that send no `Cache-Control`. The
    /// heuristic is half of the target duration or of `@minimumUpdatePeriod`.
    ///
    /// Default: 10.
    pub(super) heuristic_secs: Option<u64>,
    /// How long after its time a manifest is served while its origin fails, unless that says
    /// otherwise (`stale-if-error`, `must-revalidate`).
    ///
    /// Default: 300.
    pub(super) stale_secs: Option<u64>,
    /// How long after its time a manifest is served while it is fetched again, unless the origin
    /// says otherwise (`stale-while-revalidate`).
    ///
    /// Default: 0.
    pub(super) revalidate_secs: Option<u64>,
    /// How long a manifest that an HTTP origin does not have (404, 410) is not asked for again.
    ///
    /// Default: 1.
    pub(super) missing_secs: Option<u64>,
    /// The same for segments and everything else. The segment that a live playlist names next appears in a
    /// moment, and the 404 of whoever asks too early is the answer for all who ask within this time.
    ///
    /// Default: 200.
    pub(super) missing_segment_ms: Option<u64>,
    /// Requests to one HTTP server that are in flight at once, each until the head of its answer; one
    /// more waits for `first_byte_secs`, and is then 503 `origin-busy`.
    ///
    /// Default: 1024.
    pub(super) origin_requests: Option<usize>,
    /// How many of `origin_requests` are for manifests, documents and keys alone, so that segments
    /// never keep them waiting.
    ///
    /// Default: an eighth of `origin_requests`.
    pub(super) origin_document_requests: Option<usize>,
    /// Bodies of one HTTP server, or of the folder of one route, that are on their way to clients at
    /// once; one more waits for `first_byte_secs`, and is then 503 `origin-busy`. Manifests, documents
    /// and keys do not count.
    ///
    /// Default: 4096.
    pub(super) origin_bodies: Option<usize>,
    /// Bytes per second that a client reads of a body at least. While another request waits for
    /// `origin_bodies`, the slowest body that is 10 seconds behind this rate ends. What the connection
    /// has taken counts as read, up to 256 KiB at a time. 0 is any rate.
    ///
    /// Default: 16384.
    pub(super) min_body_bytes_per_sec: Option<u64>,
    /// Requests of one session that are in flight at once, each until the head of its answer; one more
    /// is 503 `too-many-in-flight`. 0 is any number. All who open one link from one client address have
    /// one session: behind a proxy that `trusted_proxies` does not name, these are all viewers.
    ///
    /// Default: 512.
    pub(super) session_requests: Option<u32>,
    /// Bodies of one session that are in flight at once; the same.
    ///
    /// Default: 256.
    pub(super) session_bodies: Option<u32>,
    /// Requests of one client (an IPv4 address, or a /64) that are in flight at once; the same. Behind a
    /// proxy that `trusted_proxies` does not name, all clients are one.
    ///
    /// Default: 2048.
    pub(super) address_requests: Option<u32>,
    /// Bodies of one client that are in flight at once; the same.
    ///
    /// Default: 1024.
    pub(super) address_bodies: Option<u32>,
    /// How hard playlists are compressed that differ from viewer to viewer in every line, by a token
    /// for each file: 1 (fast) to 9 (small), or 0 to send them as they are. All others are compressed
    /// once.
    ///
    /// Default: 1.
    pub(super) gzip_level: Option<u32>,
    /// Open connections; one more is closed at once.
    ///
    /// Default: 20000.
    pub(super) connections: Option<usize>,
    /// From a connection to its first whole request, and for a TLS handshake.
    ///
    /// Default: 10.
    pub(super) first_request_secs: Option<u64>,
    /// From an answer to the next whole request of a connection (HTTP/1.1).
    ///
    /// Default: 75.
    pub(super) idle_secs: Option<u64>,
    /// How long a client may take nothing of what is sent.
    ///
    /// Default: 30.
    pub(super) stall_secs: Option<u64>,
    /// A longer head of a request is 431; 8192 at least.
    ///
    /// Default: 32768.
    pub(super) max_header_bytes: Option<usize>,
    /// Requests of one HTTP/2 connection at once.
    ///
    /// Default: 128.
    pub(super) max_concurrent_streams: Option<u32>,
    /// Links that one client (an IPv4 address, or a /64) may open sessions by in a second, ten
    /// times as many at once; beyond it 429.
    ///
    /// Default: any.
    pub(super) entries_per_sec: Option<u32>,
    /// The same of refused links and tokens. Good ones are served whatever else comes from there.
    ///
    /// Default: any.
    pub(super) refusals_per_sec: Option<u32>,
}

/// The certificate, and its key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tls {
    /// A PEM file: the server's own certificate first, then those that signed it.
    pub(super) certificate: String,
    /// Where its private key is, as PEM.
    pub(super) key: Key,
}

/// How the process stops.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stop {
    /// After SIGTERM: how long connections are taken while `/readyz` is 503 already, for load
    /// balancers that ask it.
    ///
    /// Default: 0.
    pub(super) notice_secs: Option<u64>,
    /// How long running requests may take after that.
    ///
    /// Default: 10.
    pub(super) drain_secs: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Timeouts {
    /// To connect to an origin (504).
    ///
    /// Default: 5.
    pub(super) connect_secs: Option<u64>,
    /// From the request to the head of the answer (504).
    ///
    /// Default: 30.
    pub(super) first_byte_secs: Option<u64>,
    /// Between two pieces of a body.
    ///
    /// Default: 30.
    pub(super) idle_secs: Option<u64>,
    /// How often a request is sent again that failed (no answer, 500, 502, 503): to the next
    /// origin, or after 0.1 s to the same.
    ///
    /// Default: 1.
    pub(super) retries: Option<usize>,
}

/// Checks of a route's origins.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Health {
    /// What is asked for below each origin's folder; any status below 500 is well.
    ///
    /// Default: the folder itself.
    #[serde(default)]
    pub(super) path: String,
    /// Between two checks.
    ///
    /// Default: 5.
    #[serde(default = "default_health_secs")]
    pub(super) every_secs: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Route {
    /// Its name, which is part of every session token.
    pub(super) id: String,
    /// The folder; `/s/`, `/v1/`, `/auth/`, `/healthz/` and `/readyz/` are the gateway's own.
    ///
    /// Default: `/`.
    #[serde(default = "default_path")]
    pub(super) path: String,
    /// `file:FOLDER`, or an `http(s)` URL: the folder that stands for `path`.
    pub(super) origin: Option<String>,
    /// In place of `origin`: several HTTP servers with the same files, `["https://a.example.com/",
    /// "https://b.example.com/"]`; the first that is well is asked.
    #[serde(default)]
    pub(super) origins: Vec<String>,
    /// [checks of HTTP origins](#health), such as `{ path = "health.txt", every_secs = 5 }`.
    ///
    /// Default: none.
    pub(super) health: Option<Health>,
    /// Further hosts whose URLs may be delivered: URLs of folders, or `{ url = "...", cdn = { ... }
    /// }` with a CDN of their own. They get the paths `/~1/...`, `/~2/...`.
    ///
    /// Default: none.
    #[serde(default)]
    pub(super) allow_hosts: Vec<Host>,
    /// Which folders are assets, such as `/videos/{asset}/`; a session opens no more than one.
    ///
    /// Default: none.
    pub(super) asset: Option<String>,
    /// `directory`: the manifest's own folder and all below it, never `/`; `file`: each URI gets a
    /// token of its own.
    ///
    /// Default: `directory`.
    #[serde(default)]
    pub(super) grant: GrantMode,
    /// Where the session token stands: `path` (`/s/{token}/...`) or `query` (`?sg={token}`).
    ///
    /// Default: `path`.
    #[serde(default)]
    pub(super) carry: Carry,
    /// Everything but playlists: `gateway` streams it, `cdn` signs the CDN's URL, `redirect` leads
    /// to it; [see below](#segments-from-the-gateway-or-from-a-cdn). A route with `[route.cdn]` has to
    /// name it.
    ///
    /// Default: `gateway`.
    pub(super) segments: Option<Segments>,
    /// URIs on hosts that are not named: `keep` as they are, or `refuse` the manifest. What would make
    /// players tell such hosts the manifest's URL, its query or its tokens is left out of it; `trust` keeps
    /// that, too: [reports, steering, remote elements and patches](security.md#tokens-and-players).
    ///
    /// Default: `keep`.
    #[serde(default)]
    pub(super) third_party: ThirdParty,
    /// URIs that hold a parameter which would be added: `refuse` the manifest, or `replace` the
    /// parameter.
    ///
    /// Default: `refuse`.
    #[serde(default)]
    pub(super) existing_token: Existing,
    /// Refuse every value that looks like a URI where none is known to stand.
    ///
    /// Default: `false`.
    #[serde(default)]
    pub(super) strict: bool,
    /// DASH templates that need a token for each segment and cannot be written out: `redirect`
    /// through the gateway, or `refuse`.
    ///
    /// Default: `redirect`.
    #[serde(default)]
    pub(super) unexpandable: Unexpandable,
    /// MPDs tell players with annex I to copy the session's parameter, instead of carrying it;
    /// needs `carry = "query"` and no `segments = "cdn"`.
    ///
    /// Default: `false`.
    #[serde(default)]
    pub(super) url_query_info: bool,
    /// URLs of licence servers are delivered like others, where the route has them.
    ///
    /// Default: `false`.
    #[serde(default)]
    pub(super) sign_licenses: bool,
    /// A folder such as `/_files/`: segments are left to the nginx in front, [by
    /// `X-Accel-Redirect`](#segments-from-a-server-that-you-have).
    ///
    /// Default: none.
    pub(super) accel: Option<String>,
    /// Bind sessions to the client's address (IPv6: its /64).
    ///
    /// Default: `false`.
    #[serde(default)]
    pub(super) bind_ip: bool,
    /// Parameters that are sent to the origin, and by `redirect` to the CDN; a `*` at the end
    /// stands for any rest. Directives of players (`_HLS_*`, `_DASH_*`) are sent where they are known and
    /// well-formed, and [where they belong](#directives-of-players).
    ///
    /// Default: `["_HLS_*"]`.
    #[serde(default = "default_forward_query")]
    pub(super) forward_query: Vec<String>,
    /// [links that open sessions](#routeentry-links-open-sessions).
    ///
    /// Default: none.
    pub(super) entry: Option<Entry>,
    /// [the CDN](#routecdn-segments-from-a-cdn).
    ///
    /// Default: none.
    pub(super) cdn: Option<Cdn>,
    /// [keys of encrypted segments](#keys-of-segments), delivered apart: `{ delivery = "gateway",
    /// ttl_secs = 60, names = ["*.key"] }`.
    ///
    /// Default: as segments.
    pub(super) keys: Option<Keys>,
}

/// A host: its URL alone, or a table.
#[derive(Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub(super) struct Host {
    /// The folder; its host and what is below it may be delivered.
    pub(super) url: String,
    /// As `[route.cdn]`, for this host.
    ///
    /// Default: none.
    pub(super) cdn: Option<Cdn>,
}

impl<'de> Deserialize<'de> for Host {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct UrlOrTable;

        impl<'de> Visitor<'de> for UrlOrTable {
            type Value = Host;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a URL, or { url = \"...\", cdn = { ... } }")
            }

            fn visit_str<E: de::Error>(self, url: &str) -> Result<Host, E> {
                Ok(Host { url: url.to_owned(), cdn: None })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Host, A::Error> {
                Host::deserialize(MapAccessDeserializer::new(map))
            }
        }

        deserializer.deserialize_any(UrlOrTable)
    }
}

/// What tables that sign or verify have in common.
macro_rules! signer {
    ($(#[$meta:meta])* $table:ident { $($(#[$field_meta:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $table {
            $($(#[$field_meta])* pub(super) $field: $type,)*
            /// A name of [schemes.md](schemes.md) or of a layout. That of links has its token in
            /// the query.
            ///
            /// Default: `gcore`.
            #[serde(default = "default_scheme")]
            pub(super) scheme: String,
            /// What a token is for: `file`, `directory` (its files, none below), `tree` (all below
            /// it). Of links also `either`, which is the file or else its directory, and
            /// `extension`, which is the directory for `directory_extensions` and the file for
            /// others.
            ///
            /// Default: for links the scheme's first, `file` for most; for a CDN `directory`, or
            /// what the scheme has nearest.
            pub(super) scope: Option<ScopeName>,
            /// Tokens are bound to the client's address. Sessions of such links are, too; a CDN
            /// must see the same address as the gateway.
            ///
            /// Default: `false`.
            #[serde(default)]
            pub(super) bind_ip: bool,
            /// How an address is hashed: `address`, `cidr`, `leading` or `octets`, and the bits
            /// that count for IPv4 and IPv6, as in `address/24/64`.
            ///
            /// Default: the scheme's.
            pub(super) ip_form: Option<String>,
            /// How long the CDN lets a token live from its making, for schemes that write that
            /// moment; no token is made to end later.
            ///
            /// Default: the scheme's.
            pub(super) lifetime_secs: Option<u64>,
            /// Fields of the scheme's own, such as `{ placement = "path" }`; `sluicegate schemes
            /// NAME` lists them.
            ///
            /// Default: the scheme's.
            #[serde(default)]
            pub(super) fields: BTreeMap<String, FieldValue>,
            /// Take a key that is shorter or longer than the CDN's console does.
            ///
            /// Default: `false`.
            #[serde(default)]
            pub(super) any_key_length: bool,
            /// The secret: of the links, or that shared with the CDN.
            pub(super) key: Option<Key>,
            /// [Several of them](#several-keys), in place of `key`.
            #[serde(default)]
            pub(super) keys: Vec<NamedKey>,
        }

        impl $table {
            pub(super) fn signer(&self) -> Signer<'_> {
                Signer {
                    scheme: &self.scheme,
                    scope: self.scope,
                    bind_ip: self.bind_ip,
                    ip_form: self.ip_form.as_deref(),
                    lifetime_secs: self.lifetime_secs,
                    fields: &self.fields,
                    any_key_length: self.any_key_length,
                    key: self.key.as_ref(),
                    keys: &self.keys,
                }
            }
        }
    };
}

signer! {
    Entry {
        /// How long after its expiry a link is still good, for clocks that differ.
        ///
        /// Default: 0.
        #[serde(default)]
        leeway_secs: u64,
        /// The [profile](#profile) of sessions that links open.
        ///
        /// Default: none.
        profile: Option<String>,
        /// With `scope = "extension"`: such as `["m3u8", "mpd"]`.
        ///
        /// Default: none.
        #[serde(default)]
        directory_extensions: Vec<String>,
    }
}

signer! {
    Cdn {
        /// The CDN's folder that stands for `path`.
        base_url: String,
        /// W: a token lives W to 2W seconds; with `cdn`, in manifests that are loaded once, at
        /// least as long as the session.
        ///
        /// Default: 3600.
        #[serde(default = "default_ttl_secs")]
        ttl_secs: u64,
    }
}

/// A scheme with its keys, from either table.
#[derive(Clone, Copy)]
pub(super) struct Signer<'r> {
    pub(super) scheme: &'r str,
    pub(super) scope: Option<ScopeName>,
    pub(super) bind_ip: bool,
    pub(super) ip_form: Option<&'r str>,
    pub(super) lifetime_secs: Option<u64>,
    pub(super) fields: &'r BTreeMap<String, FieldValue>,
    pub(super) any_key_length: bool,
    pub(super) key: Option<&'r Key>,
    pub(super) keys: &'r [NamedKey],
}

/// A field of a scheme's own.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum FieldValue {
    Text(String),
    Number(i64),
    Switch(bool),
}

impl fmt::Display for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => number.fmt(f),
            Self::Switch(switch) => switch.fmt(f),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ScopeName {
    File,
    Directory,
    Tree,
    /// The file, or else its directory: where links are verified.
    Either,
    /// The directory for some extensions, the file for others: where links are verified.
    Extension,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Existing {
    #[default]
    Refuse,
    Replace,
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8080))
}

/// Four hours: a session lives four to eight.
const fn default_session_secs() -> u64 {
    4 * 3600
}

fn default_store_prefix() -> String {
    "sluicegate".to_owned()
}

const fn default_store_timeout_ms() -> u64 {
    500
}

const fn default_ttl_secs() -> u64 {
    3600
}

const fn default_key_ttl_secs() -> u64 {
    60
}

fn default_key_names() -> Vec<String> {
    ["*.key", "key*.bin"].map(str::to_owned).to_vec()
}

const fn default_health_secs() -> u64 {
    5
}

fn default_path() -> String {
    "/".to_owned()
}

/// The delivery directives of low-latency HLS, which the origin must see.
fn default_forward_query() -> Vec<String> {
    vec!["_HLS_*".to_owned()]
}

fn default_scheme() -> String {
    "gcore".to_owned()
}
