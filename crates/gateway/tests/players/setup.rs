//! Configurations of test gateways, and the servers beside them.

use sluicegate_testkit::gateway::CDN_SECRET;
use sluicegate_testkit::nginx::{Scope, SecureLink};
use sluicegate_testkit::{Gateway, Nginx, fixtures};
use sluicegate_token::{CdnKey, Gcore, Link, UnixTime};

/// The window L of a session's expiry: a session lives L to 2L.
pub(crate) const SESSION_SECS: u64 = 3600;

/// The folder of the nginx that stands for the CDN.
pub(crate) const CDN_FOLDER: &str = "/cdn/";

/// A configuration with one route over `origin`, entered by signed links; `settings` are further
/// lines of the route.
pub(crate) fn config(origin: &str, settings: &str) -> String {
    format!(
        r#"
        [session]
        key = {{ file = "session.key" }}
        length_secs = {SESSION_SECS}
        [[route]]
        id = "vod"
        origin = "{origin}"
        entry = {{ key = {{ file = "entry.key" }} }}
        {settings}
        "#
    )
}

/// The folder of all streams as a route's origin.
pub(crate) fn streams_origin() -> String {
    format!("file:{}", fixtures::streams().display())
}

/// All streams, with the session token in the `path` or in the `query`.
pub(crate) fn streams_config(carry: &str) -> String {
    config(&streams_origin(), &format!("carry = \"{carry}\""))
}

/// How long CDN tokens live where it does not matter.
const CDN_TTL_SECS: u64 = 3600;

/// The settings of a route whose segments a CDN at `base_url` delivers: `segments` is the mode.
fn cdn_settings(segments: &str, base_url: &str, scope: Scope, ttl_secs: u64) -> String {
    let scope = format!("{scope:?}").to_lowercase();
    format!(
        r#"
        segments = "{segments}"
        cdn = {{ base_url = "{base_url}", scope = "{scope}", ttl_secs = {ttl_secs}, key = {{ file = "cdn.key" }} }}
        "#
    )
}

/// A gateway in front of a CDN that serves all streams.
pub(crate) fn gateway_before(cdn_url: &str, scope: Scope) -> Gateway {
    let settings = cdn_settings("cdn", cdn_url, scope, CDN_TTL_SECS);
    Gateway::start(&config(&streams_origin(), &settings))
}

/// The same by redirects, whose tokens live so long at least.
pub(crate) fn redirecting_gateway(cdn_url: &str, scope: Scope, ttl_secs: u64) -> Gateway {
    let settings = cdn_settings("redirect", cdn_url, scope, ttl_secs);
    Gateway::start(&config(&streams_origin(), &settings))
}

/// An nginx that serves all streams below [`CDN_FOLDER`] to whoever has a token.
pub(crate) fn nginx_cdn(scope: Scope) -> Nginx {
    nginx_cdn_at(CDN_FOLDER, scope)
}

/// The same below another folder.
pub(crate) fn nginx_cdn_at(prefix: &str, scope: Scope) -> Nginx {
    Nginx::builder().secure_link(cdn_location(prefix, scope)).start()
}

/// All streams below a folder of the CDN, for whoever has a token.
pub(crate) fn cdn_location(prefix: &str, scope: Scope) -> SecureLink {
    SecureLink {
        prefix: prefix.to_owned(),
        root: Some(fixtures::streams()),
        scope,
        secret: CDN_SECRET.to_owned(),
        bind_ip: false,
    }
}

/// What the CDN checks and what signs links to it.
pub(crate) fn cdn_scheme(scope: Scope) -> Gcore {
    let scope = match scope {
        Scope::File => sluicegate_token::Scope::File,
        Scope::Directory | Scope::CapturedDirectory => sluicegate_token::Scope::Directory,
    };
    Gcore::new(CdnKey::plain("cdn", CDN_SECRET.as_bytes()), scope)
}

/// A link to a path of the CDN.
pub(crate) fn cdn_link(path: &str, scope: Scope, expires: UnixTime) -> String {
    Link::parse(path).unwrap().sign(&cdn_scheme(scope), expires, None).unwrap()
}
