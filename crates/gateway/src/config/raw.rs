//! The file's shape. Every table refuses keys that it does not know.

use std::fmt;
use std::net::SocketAddr;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::route::{Carry, GrantMode, Segments, ThirdParty, Unexpandable};

/// What is said of a key that is written otherwise.
pub(super) const KEY_SHAPE: &str =
    "give one of { file = \"...\" } and { env = \"...\" }; a key never stands in the configuration";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    #[serde(default = "default_listen")]
    pub(super) listen: SocketAddr,
    pub(super) public_url: Option<String>,
    pub(super) session: Session,
    pub(super) api: Option<Api>,
    #[serde(default)]
    pub(super) limits: Limits,
    #[serde(default)]
    pub(super) daterange_uris: Vec<String>,
    #[serde(default)]
    pub(super) timeouts: Timeouts,
    #[serde(default, rename = "route")]
    pub(super) routes: Vec<Route>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Session {
    pub(super) key: Key,
    #[serde(default = "default_key_id")]
    pub(super) key_id: u8,
    #[serde(default = "default_session_secs")]
    pub(super) length_secs: u64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Api {
    pub(super) bearer: Key,
}

/// Where a secret is: a file or an environment variable, never the configuration itself.
#[derive(Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
pub(super) struct Key {
    pub(super) file: Option<String>,
    pub(super) env: Option<String>,
}

/// A value that is no table is most likely the secret itself, so no message shows it.
impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Table;

        impl<'de> Visitor<'de> for Table {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("{ file = \"...\" } or { env = \"...\" }")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Key, A::Error> {
                Key::deserialize(MapAccessDeserializer::new(map))
            }

            fn visit_str<E: de::Error>(self, _: &str) -> Result<Key, E> {
                Err(E::custom(KEY_SHAPE))
            }

            fn visit_i64<E: de::Error>(self, _: i64) -> Result<Key, E> {
                Err(E::custom(KEY_SHAPE))
            }

            fn visit_f64<E: de::Error>(self, _: f64) -> Result<Key, E> {
                Err(E::custom(KEY_SHAPE))
            }
        }

        deserializer.deserialize_any(Table)
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
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Timeouts {
    pub(super) connect_secs: Option<u64>,
    pub(super) first_byte_secs: Option<u64>,
    pub(super) idle_secs: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Route {
    pub(super) id: String,
    #[serde(default = "default_path")]
    pub(super) path: String,
    pub(super) origin: String,
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
    #[serde(default)]
    pub(super) bind_ip: bool,
    #[serde(default = "default_forward_query")]
    pub(super) forward_query: Vec<String>,
    pub(super) entry: Option<Entry>,
    pub(super) cdn: Option<Cdn>,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entry {
    #[serde(default)]
    pub(super) scheme: SchemeName,
    #[serde(default = "file_scope")]
    pub(super) scope: ScopeName,
    #[serde(default)]
    pub(super) bind_ip: bool,
    #[serde(default)]
    pub(super) leeway_secs: u64,
    pub(super) key: Key,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cdn {
    pub(super) base_url: String,
    #[serde(default)]
    pub(super) scheme: SchemeName,
    #[serde(default = "directory_scope")]
    pub(super) scope: ScopeName,
    #[serde(default = "default_ttl_secs")]
    pub(super) ttl_secs: u64,
    #[serde(default)]
    pub(super) bind_ip: bool,
    pub(super) key: Key,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum SchemeName {
    #[default]
    Gcore,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ScopeName {
    File,
    Directory,
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

const fn default_key_id() -> u8 {
    1
}

/// Four hours: a session lives four to eight.
const fn default_session_secs() -> u64 {
    4 * 3600
}

const fn default_ttl_secs() -> u64 {
    3600
}

fn default_path() -> String {
    "/".to_owned()
}

/// The delivery directives of low-latency HLS, which the origin must see.
fn default_forward_query() -> Vec<String> {
    vec!["_HLS_*".to_owned()]
}

const fn file_scope() -> ScopeName {
    ScopeName::File
}

const fn directory_scope() -> ScopeName {
    ScopeName::Directory
}
