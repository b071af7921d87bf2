//! The file's shape. Every table refuses keys that it does not know.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::net::SocketAddr;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::OnFailure;
use crate::route::{Carry, GrantMode, KeyDelivery, Segments, ThirdParty, Unexpandable};

/// What is said of a key that is written otherwise.
pub(super) const KEY_SHAPE: &str = "give one of { file = \"...\" }, { env = \"...\" } and { command = [\"program\", \"argument\"] }; a key \
     never stands in the configuration";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    #[serde(default = "default_listen")]
    pub(super) listen: SocketAddr,
    pub(super) tls: Option<Tls>,
    #[serde(default)]
    pub(super) stop: Stop,
    #[serde(default)]
    pub(super) origin_addresses: Vec<String>,
    pub(super) public_url: Option<String>,
    #[serde(default)]
    pub(super) trusted_proxies: Vec<String>,
    #[serde(default)]
    pub(super) allowed_sites: Vec<String>,
    pub(super) session: Session,
    pub(super) api: Option<Bearers>,
    pub(super) admin: Option<Admin>,
    #[serde(default, rename = "profile")]
    pub(super) profiles: Vec<Profile>,
    #[serde(default)]
    pub(super) limits: Limits,
    #[serde(default)]
    pub(super) daterange_uris: Vec<String>,
    /// Files of layouts, one each.
    #[serde(default)]
    pub(super) layouts: Vec<String>,
    /// Layouts that stand in the configuration itself.
    #[serde(default, rename = "layout")]
    pub(super) inline_layouts: Vec<toml::Table>,
    #[serde(default)]
    pub(super) timeouts: Timeouts,
    #[serde(default, rename = "route")]
    pub(super) routes: Vec<Route>,
}

/// A table of hosts alone, for manifests that are signed as files.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Hosts {
    #[serde(default)]
    pub(super) layouts: Vec<String>,
    #[serde(default, rename = "layout")]
    pub(super) inline_layouts: Vec<toml::Table>,
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
    pub(super) key: Option<Key>,
    pub(super) key_id: Option<u8>,
    #[serde(default)]
    pub(super) keys: Vec<NamedKey>,
    #[serde(default = "default_session_secs")]
    pub(super) length_secs: u64,
    pub(super) idle_secs: Option<u64>,
    pub(super) stream_secs: Option<u64>,
    pub(super) max_streams: Option<u32>,
    pub(super) max_streams_per_user: Option<u32>,
    pub(super) store: Option<Store>,
}

/// What replicas share.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Store {
    pub(super) url: String,
    pub(super) username: Option<String>,
    pub(super) password: Option<Key>,
    #[serde(default = "default_store_prefix")]
    pub(super) prefix: String,
    #[serde(default)]
    pub(super) on_failure: OnFailure,
    #[serde(default = "default_store_timeout_ms")]
    pub(super) timeout_ms: u64,
}

/// Who may call.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Bearers {
    pub(super) bearer: Option<Key>,
    #[serde(default)]
    pub(super) bearers: Vec<NamedKey>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Profile {
    pub(super) id: u8,
    pub(super) name: String,
    pub(super) max_height: Option<u32>,
    pub(super) max_bitrate: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Keys {
    #[serde(default)]
    pub(super) delivery: KeyDelivery,
    #[serde(default = "default_key_ttl_secs")]
    pub(super) ttl_secs: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Admin {
    pub(super) listen: SocketAddr,
    pub(super) bearer: Option<Key>,
    #[serde(default)]
    pub(super) bearers: Vec<NamedKey>,
}

/// Where a secret is, never the secret itself.
pub(super) type Key = Secretive<KeyTable>;

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyTable {
    pub(super) file: Option<String>,
    pub(super) env: Option<String>,
    pub(super) command: Option<Vec<String>>,
}

/// One of several keys: its name, its place, and when it is good.
pub(super) type NamedKey = Secretive<NamedKeyTable>;

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NamedKeyTable {
    pub(super) id: KeyName,
    pub(super) file: Option<String>,
    pub(super) env: Option<String>,
    pub(super) command: Option<Vec<String>>,
    pub(super) active_from: Option<Moment>,
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
    pub(super) max_path_bytes: Option<usize>,
    pub(super) max_manifest_bytes: Option<usize>,
    pub(super) max_line_bytes: Option<usize>,
    pub(super) max_lines: Option<usize>,
    pub(super) max_uris: Option<usize>,
    pub(super) max_expanded_segments: Option<usize>,
    pub(super) cache_bytes: Option<u64>,
    pub(super) stale_secs: Option<u64>,
    pub(super) revalidate_secs: Option<u64>,
    pub(super) missing_secs: Option<u64>,
    pub(super) origin_requests: Option<usize>,
    pub(super) connections: Option<usize>,
    pub(super) first_request_secs: Option<u64>,
    pub(super) idle_secs: Option<u64>,
    pub(super) stall_secs: Option<u64>,
    pub(super) max_header_bytes: Option<usize>,
    pub(super) max_concurrent_streams: Option<u32>,
    pub(super) entries_per_sec: Option<u32>,
    pub(super) refusals_per_sec: Option<u32>,
}

/// The certificate, and its key.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Tls {
    pub(super) certificate: String,
    pub(super) key: Key,
}

/// How the process stops.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stop {
    pub(super) notice_secs: Option<u64>,
    pub(super) drain_secs: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Timeouts {
    pub(super) connect_secs: Option<u64>,
    pub(super) first_byte_secs: Option<u64>,
    pub(super) idle_secs: Option<u64>,
    pub(super) retries: Option<usize>,
}

/// Checks of a route's origins.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Health {
    #[serde(default)]
    pub(super) path: String,
    #[serde(default = "default_health_secs")]
    pub(super) every_secs: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Route {
    pub(super) id: String,
    #[serde(default = "default_path")]
    pub(super) path: String,
    pub(super) origin: Option<String>,
    #[serde(default)]
    pub(super) origins: Vec<String>,
    pub(super) health: Option<Health>,
    #[serde(default)]
    pub(super) allow_hosts: Vec<Host>,
    pub(super) asset: Option<String>,
    #[serde(default)]
    pub(super) grant: GrantMode,
    #[serde(default)]
    pub(super) carry: Carry,
    #[serde(default)]
    pub(super) segments: Segments,
    #[serde(default)]
    pub(super) third_party: ThirdParty,
    #[serde(default)]
    pub(super) existing_token: Existing,
    #[serde(default)]
    pub(super) strict: bool,
    #[serde(default)]
    pub(super) unexpandable: Unexpandable,
    #[serde(default)]
    pub(super) url_query_info: bool,
    #[serde(default)]
    pub(super) sign_licenses: bool,
    pub(super) accel: Option<String>,
    #[serde(default)]
    pub(super) bind_ip: bool,
    #[serde(default = "default_forward_query")]
    pub(super) forward_query: Vec<String>,
    pub(super) entry: Option<Entry>,
    pub(super) cdn: Option<Cdn>,
    pub(super) keys: Option<Keys>,
}

/// A host: its URL alone, or a table.
#[derive(Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub(super) struct Host {
    pub(super) url: String,
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
            #[serde(default = "default_scheme")]
            pub(super) scheme: String,
            pub(super) scope: Option<ScopeName>,
            #[serde(default)]
            pub(super) bind_ip: bool,
            pub(super) ip_form: Option<String>,
            pub(super) lifetime_secs: Option<u64>,
            #[serde(default)]
            pub(super) fields: BTreeMap<String, FieldValue>,
            #[serde(default)]
            pub(super) any_key_length: bool,
            pub(super) key: Option<Key>,
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
        #[serde(default)]
        leeway_secs: u64,
        profile: Option<String>,
        #[serde(default)]
        directory_extensions: Vec<String>,
    }
}

signer! {
    Cdn {
        base_url: String,
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
