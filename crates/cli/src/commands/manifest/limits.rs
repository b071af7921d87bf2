//! Bounds on manifests: the argument that changes them, and what tells of it.

use std::borrow::Cow;

use sluicegate_manifest::{Limits, Options};

/// A manifest that is longer is not fetched, unless a limit says otherwise.
const MAX_FETCHED_BYTES: usize = 256 << 20;

/// The bounds that are not as they are without them.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct LimitArgs {
    /// Change a bound on manifests, by its key in [limits] of the gateway's configuration; may be given
    /// several times: --limit max_uri_bytes=65536
    #[arg(long = "limit", value_name = "KEY=VALUE", value_parser = parse_limit)]
    limits: Vec<Limit>,
}

/// A bound by its key.
#[derive(Clone, Copy, Debug)]
struct Limit {
    key: &'static str,
    value: usize,
}

impl LimitArgs {
    /// All bounds. Manifests are the caller's own files: what is long by itself is no danger, and what
    /// becomes of it stays bounded.
    pub(super) fn limits(&self) -> Limits {
        let mut limits = Limits::OWN_FILE;
        for Limit { key, value } in &self.limits {
            for (_, bound) in limits.by_key().into_iter().filter(|(known, _)| known == key) {
                *bound = *value;
            }
        }
        limits
    }

    /// Options that compile a manifest within these bounds.
    pub(super) fn options(&self) -> Options {
        Options { limits: self.limits(), ..Options::default() }
    }

    /// The same of one that is fetched.
    pub(super) fn for_fetched(&self) -> Options {
        let mut options = self.options();
        if options.limits.max_bytes == Limits::OWN_FILE.max_bytes {
            options.limits.max_bytes = MAX_FETCHED_BYTES;
        }
        options
    }
}

/// Adds to a problem the arguments that allow it. `keys` name the limits that it exceeds.
pub(super) fn with_limits(problem: String, keys: &[&str]) -> String {
    let arguments: Vec<_> = keys.iter().map(|key| format!("--limit {key}=…")).collect();
    match &arguments[..] {
        [] => problem,
        arguments => format!("{problem}: allow more by {}", arguments.join(" or ")),
    }
}

fn parse_limit(text: &str) -> Result<Limit, String> {
    let (key, value) = text.split_once('=').unwrap_or((text, ""));
    let mut limits = Limits::OWN_FILE;
    let keys = limits.by_key().map(|(key, _)| key);
    let problem: Cow<'_, str> = match (keys.iter().find(|known| **known == key), value.parse()) {
        (Some(key), Ok(value)) => return Ok(Limit { key, value }),
        (Some(key), Err(_)) => format!("{key} takes a whole number, such as {key}=65536").into(),
        (None, _) => "there is no such key".into(),
    };
    Err(format!("{problem}; KEY=VALUE has one of the keys {}", keys.join(", ")))
}
