//! The shape of a layout's file. Every table refuses keys that it does not know.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::digest::{Algorithm, KeyText, Output};
use super::moment::MomentText;
use crate::ip::IpText;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Layout {
    pub(super) name: String,
    /// For people.
    pub(super) title: String,
    /// Where the layout is described.
    pub(super) source: String,
    pub(super) algorithm: Algorithm,
    #[serde(default)]
    pub(super) hmac: bool,
    #[serde(default)]
    pub(super) key: KeyText,
    #[serde(default)]
    pub(super) key_chars: Option<KeyChars>,
    pub(super) message: String,
    pub(super) output: Output,
    /// What a token can open; the first is the default.
    pub(super) scopes: Vec<ScopeName>,
    pub(super) query: Option<Vec<String>>,
    pub(super) path: Option<PathPlace>,
    #[serde(default)]
    pub(super) signed: Signed,
    #[serde(default)]
    pub(super) time: Time,
    #[serde(default)]
    pub(super) ip: Ip,
    #[serde(default)]
    pub(super) status: Status,
    /// Fields of its own, each with the value that it has unless one is given.
    #[serde(default)]
    pub(super) fields: BTreeMap<String, String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyChars {
    pub(super) min: usize,
    pub(super) max: usize,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum ScopeName {
    File,
    Directory,
    Tree,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PathPlace {
    /// How many segments stand before the token.
    #[serde(default)]
    pub(super) after: usize,
    /// The token's segments.
    pub(super) segments: String,
}

/// Which bytes of a path are signed.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Signed {
    /// As the server reads it, or as it is written in the URL.
    pub(super) form: PathForm,
    /// A directory without the slash at its end.
    pub(super) no_last_slash: bool,
    /// Extensions of files that are left out, as nginx's documentation does for playlists and
    /// segments.
    pub(super) strip_extensions: Vec<String>,
    /// A last segment that is not signed, alone or with `=` and a value: Gcore's `/download=name`.
    pub(super) drop_last_segment: Option<String>,
    /// How many leading segments a tree has; else it is the file's own directory.
    pub(super) tree_segments: Option<usize>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PathForm {
    #[default]
    Decoded,
    Raw,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Time {
    /// Whether the moment is that of issue, and a token lives `ttl_secs` from then.
    pub(super) is_issue: bool,
    pub(super) ttl_secs: Option<u64>,
    pub(super) text: MomentText,
    /// A token is over when its last second begins, not when that ends.
    pub(super) over_at_expiry: bool,
}

#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Ip {
    pub(super) v4_bits: u8,
    pub(super) v6_bits: u8,
    pub(super) text: IpText,
}

impl Default for Ip {
    fn default() -> Self {
        Self { v4_bits: 32, v6_bits: 128, text: IpText::Address }
    }
}

/// What the CDN answers.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Status {
    pub(super) refused: u16,
    pub(super) expired: u16,
}

impl Default for Status {
    fn default() -> Self {
        Self { refused: 403, expired: 403 }
    }
}
