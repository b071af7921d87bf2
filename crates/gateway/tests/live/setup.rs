//! Gateways in front of a live origin, and their viewers.

use sluicegate_testkit::gateway::CDN_SECRET;
use sluicegate_testkit::http::{Client, Response};
use sluicegate_testkit::nginx::{Scope, SecureLink};
use sluicegate_testkit::{Gateway, LiveOrigin, Nginx};
use url::{Position, Url};

/// A configuration with one route at `/`, entered by signed links; `settings` are further lines of
/// the route.
pub(crate) fn config(origin: &str, settings: &str) -> String {
    format!(
        r#"
        [session]
        key = {{ file = "session.key" }}
        [[route]]
        id = "live"
        origin = "{origin}"
        entry = {{ key = {{ file = "entry.key" }} }}
        {settings}
        "#
    )
}

pub(crate) fn gateway(origin: &LiveOrigin, settings: &str) -> Gateway {
    Gateway::start(&config(&origin.url("/"), settings))
}

/// The settings of a route whose segments come from a CDN, with one token for each folder.
pub(crate) fn by_cdn(base_url: &str, ttl_secs: u64) -> String {
    format!(
        r#"
        segments = "cdn"
        cdn = {{ base_url = "{base_url}", scope = "directory", ttl_secs = {ttl_secs}, key = {{ file = "cdn.key" }} }}
        "#
    )
}

/// An nginx that stands for the CDN: it takes segments from the origin for whoever has a token.
pub(crate) fn nginx_before(origin: &LiveOrigin) -> Nginx {
    nginx_before_url(&origin.url("/"))
}

/// The same before any origin.
pub(crate) fn nginx_before_url(origin: &str) -> Nginx {
    let location = SecureLink {
        prefix: "/".to_owned(),
        root: None,
        scope: Scope::Directory,
        secret: CDN_SECRET.to_owned(),
        bind_ip: false,
    };
    Nginx::builder().secure_proxy(location, origin).start()
}

/// A session at a gateway, with a connection of its own.
pub(crate) struct Viewer {
    client: Client,
    /// Where the multivariant playlist is.
    pub(crate) master: Url,
}

impl Viewer {
    /// Enters by a link to a multivariant playlist.
    pub(crate) fn enter(gateway: &Gateway, path: &str) -> Self {
        let mut client = Client::connect(gateway.addr()).unwrap();
        let link = Url::parse(&gateway.entry_link(path)).unwrap();
        let entry = client.get(link[Position::BeforePath..].as_bytes(), &[]).unwrap();
        assert_eq!(entry.status, 302, "{}", entry.text());
        let master = link.join(entry.header("location").unwrap()).unwrap();
        Self { client, master }
    }

    /// The text at a URL.
    pub(crate) fn playlist(&mut self, url: &Url) -> String {
        let response = self.get(url);
        assert_eq!(response.status, 200, "{}", response.text());
        response.text()
    }

    pub(crate) fn get(&mut self, url: &Url) -> Response {
        self.client.get(url[Position::BeforePath..].as_bytes(), &[]).unwrap()
    }

    /// The URL of the variant that has this name, as the multivariant playlist says it.
    pub(crate) fn variant(&mut self, name: &str) -> Url {
        let master = self.master.clone();
        let text = self.playlist(&master);
        let line = text.lines().find(|line| !line.starts_with('#') && line.contains(name));
        master.join(line.unwrap()).unwrap()
    }
}

/// A URL with the directives of a blocking reload.
pub(crate) fn awaiting(playlist: &Url, msn: u64, part: u64) -> Url {
    with_query(playlist, &format!("_HLS_msn={msn}&_HLS_part={part}"))
}

/// A URL with further parameters.
pub(crate) fn with_query(url: &Url, more: &str) -> Url {
    let mut url = url.clone();
    let query = url.query().map_or_else(|| more.to_owned(), |old| format!("{old}&{more}"));
    url.set_query(Some(&query));
    url
}

/// Media sequence number and part of a playlist's preload hint: what comes next.
pub(crate) fn hinted(playlist: &str) -> (u64, u64) {
    let (_, after) = playlist.split_once("#EXT-X-PRELOAD-HINT:").unwrap();
    let (_, after) = after.split_once("part-").unwrap();
    let (place, _) = after.split_once(".m4s").unwrap();
    let (msn, part) = place.split_once('.').unwrap();
    (msn.parse().unwrap(), part.parse().unwrap())
}

/// The `n`th part after a place; a segment has five.
pub(crate) const fn parts_later((msn, part): (u64, u64), n: u64) -> (u64, u64) {
    (msn + (part + n) / 5, (part + n) % 5)
}
