//! Routes at work: how gateway paths, origin URLs and CDN URLs stand for each other.
//!
//! A route maps the folder `path` of the gateway to the folder of its origin and to the folder of
//! its CDN. A further host of `allow_hosts` has the gateway paths `/~1/...`, `/~2/...`, by its
//! place in the list, so that no host is ever taken from a request.

use std::sync::Arc;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use sluicegate_token::ResourcePath;
use url::Url;

use crate::config::{CdnConfig, HostConfig, RouteConfig};
use crate::directives;
use crate::metrics::Name;
use crate::origin::Origin;
use crate::request::RequestPath;

/// Stands for the origin's host where the origin is a folder on this machine. The name cannot
/// exist (RFC 6761 section 6.4).
const FOLDER_HOST: &str = "http://folder.invalid";

/// How much a session opens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GrantMode {
    /// The manifest's own folder and everything below it.
    #[default]
    Directory,
    /// Each URI of the manifest, one by one: for flat layouts, where neighbours must stay shut.
    File,
}

/// Where the session token stands in the URLs that an entry leads to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Carry {
    /// `/s/{token}/path`: relative URIs inherit it.
    #[default]
    Path,
    /// `/path?sg={token}` on every URI.
    Query,
}

/// How everything but playlists is delivered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Segments {
    /// The gateway checks and streams it.
    #[default]
    Gateway,
    /// From the CDN's URL, signed with the CDN's scheme.
    Cdn,
    /// From the gateway's URL, which redirects to the CDN's, signed anew at each request: for tokens
    /// that are shorter than players keep URLs.
    Redirect,
}

/// Who delivers the keys of encrypted segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyDelivery {
    /// The gateway, which sees to it that they are keys.
    #[default]
    Gateway,
    /// The CDN, to which the gateway redirects.
    Redirect,
}

/// What becomes of a DASH template that needs a token for each segment and cannot be written out as
/// a list of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unexpandable {
    /// Its segments are asked of the gateway, which redirects to the CDN or streams them.
    #[default]
    Redirect,
    /// The manifest is refused.
    Refuse,
}

/// What becomes of a URI on a host that the route does not name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ThirdParty {
    /// It stays as it is, and is reported. What would make players tell the host the manifest's URL or
    /// its tokens is left out.
    #[default]
    Keep,
    /// The manifest is refused.
    Refuse,
    /// It stays as it is, whatever players tell the host.
    Trust,
}

/// A route with its origin.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) config: RouteConfig,
    pub(crate) origin: Origin,
    /// The origins' folders as URLs, one at least; a stand-in for a folder of this machine.
    origin_bases: Vec<Url>,
    /// Its id, for metrics.
    pub(crate) name: Name,
    /// Number of segments of the route's path.
    path_depth: usize,
    /// The route's path as it stands in URLs.
    raw_path: String,
    /// Of what a rendered manifest depends on beside its source and its session.
    pub(crate) fingerprint: [u8; 32],
}

/// A resource of a route: which host, and where there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// 0 is the origin, n is entry n of `allow_hosts`.
    pub(crate) host: usize,
    /// The gateway's path, with `/~n` for a further host, as it stands in URLs.
    pub(crate) raw: Arc<str>,
    /// The same, decoded: what session tokens are for.
    pub(crate) path: ResourcePath,
}

/// What a URL of a manifest is to a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Located {
    /// A resource that the route delivers.
    Here(Place),
    /// On one of the route's hosts, and outside its folder there.
    Outside,
    /// On a host that the route does not name.
    Foreign,
}

impl Route {
    pub(crate) fn new(config: RouteConfig, origin: Origin) -> Self {
        let raw_path = encode_path(&config.path);
        let origin_bases = match &config.origin {
            crate::config::OriginConfig::Http(bases) => bases.clone(),
            crate::config::OriginConfig::Folder(_) => {
                let mut base = Url::parse(FOLDER_HOST).expect("the stand-in is a valid URL");
                base.set_path(&raw_path);
                vec![base]
            }
        };
        Self {
            path_depth: config.path.matches('/').count() - 1,
            fingerprint: Sha256::digest(format!("{config:?}")).into(),
            name: config.id.as_str().into(),
            origin,
            origin_bases,
            raw_path,
            config,
        }
    }

    /// The resource that a gateway path names here, if it is one of this route's.
    pub(crate) fn place(&self, request: &RequestPath) -> Option<Place> {
        let place =
            |host| Place { host, raw: Arc::clone(&request.raw), path: request.decoded.clone() };
        let number = host_number(request.written()[1..].split('/').next()?.as_bytes());
        // Tokens are for decoded paths, so no other spelling may name another host's resource.
        if number != host_number(request.decoded.segments().next()?) {
            return None;
        }
        match number {
            Some(number) => {
                let host = self.config.allow_hosts.get(number.checked_sub(1)?)?;
                let on_host = request.raw.get(host_prefix(number).len()..)?;
                let is_here =
                    on_host.starts_with(host.url.path()) && !self.is_found_before(number, on_host);
                is_here.then(|| place(number))
            }
            None => request.decoded.is_under(self.config.path.as_bytes()).then(|| place(0)),
        }
    }

    /// Reports if [`Self::locate`] finds a path of a further host elsewhere. A resource has one place: by
    /// a second one, rules for the names of keys, and what a profile leaves out, would not hold.
    fn is_found_before(&self, number: usize, on_host: &str) -> bool {
        let own = &self.config.allow_hosts[number - 1].url;
        let mut before = self.bases().take_while(|(host, _)| *host < number);
        before.any(|(_, base)| is_same_origin(base, own) && on_host.starts_with(base.path()))
    }

    /// The URLs below which resources lie, each with the number of its host, in the order of precedence.
    fn bases(&self) -> impl Iterator<Item = (usize, &Url)> {
        let own = self.origin_bases.iter().chain(self.config.cdn.as_ref().map(|cdn| &cdn.base_url));
        let further = self.config.allow_hosts.iter().enumerate().flat_map(|(index, host)| {
            let cdn = host.cdn.as_ref().map(|cdn| &cdn.base_url);
            std::iter::once(&host.url).chain(cdn).map(move |base| (index + 1, base))
        });
        own.map(|base| (0, base)).chain(further)
    }

    /// The URLs of a resource at its origins, one at least; `query` is sent with it.
    pub(crate) fn origin_urls(&self, place: &Place, query: &str) -> Vec<Url> {
        let mut urls = match self.host_of(place) {
            Some(host) => {
                let mut url = host.url.clone();
                url.set_path(&place.raw[host_prefix(place.host).len()..]);
                vec![url]
            }
            None => self.origin_bases.iter().map(|base| self.below(base, place)).collect(),
        };
        for url in &mut urls {
            url.set_query(Some(query).filter(|query| !query.is_empty()));
        }
        urls
    }

    /// What stands for a resource of an origin in caches: all that its URL depends on.
    pub(crate) fn resource_key(&self, place: &Place, query: &str) -> String {
        // Neither a route's id nor a path of a request can hold a space.
        [&self.config.id, " ", &place.raw, "?", query].concat()
    }

    /// The CDN of a host: of the origin, or of an entry of `allow_hosts`.
    pub(crate) fn cdn_at(&self, host: usize) -> Option<&CdnConfig> {
        match host.checked_sub(1) {
            None => self.config.cdn.as_ref(),
            Some(at) => self.config.allow_hosts.get(at)?.cdn.as_ref(),
        }
    }

    /// How many hosts there are, the origin among them.
    pub(crate) fn hosts(&self) -> usize {
        1 + self.config.allow_hosts.len()
    }

    /// The CDN's URL of a resource; none where its host has no CDN.
    pub(crate) fn cdn_url(&self, place: &Place, query: Option<&str>) -> Option<Url> {
        let cdn = self.cdn_at(place.host)?;
        let mut url = match self.host_of(place) {
            Some(host) => {
                let rest = place.raw.get(host_prefix(place.host).len()..)?;
                let mut url = cdn.base_url.clone();
                url.set_path(&format!("{}{}", url.path(), rest.strip_prefix(host.url.path())?));
                url
            }
            None => self.below(&cdn.base_url, place),
        };
        url.set_query(query);
        Some(url)
    }

    fn host_of(&self, place: &Place) -> Option<&HostConfig> {
        self.config.allow_hosts.get(place.host.checked_sub(1)?)
    }

    /// The path below the route's folder, decoded: where a folder origin looks.
    pub(crate) fn path_in_folder<'p>(&self, place: &'p Place) -> &'p [u8] {
        &place.path.as_bytes()[self.config.path.len()..]
    }

    /// What a URL is to this route. The origin's own URL counts, and the CDN's, and those of
    /// `allow_hosts`.
    pub(crate) fn locate(&self, url: &Url) -> Located {
        let mut is_ours = false;
        for (number, base) in self.bases() {
            if !is_same_origin(base, url) {
                continue;
            }
            is_ours = true;
            let Some(rest) = below_folder(base, url) else { continue };
            let raw = match number.checked_sub(1).and_then(|at| self.config.allow_hosts.get(at)) {
                None => format!("{}{rest}", self.raw_path),
                Some(host) => format!("{}{}{rest}", host_prefix(number), host.url.path()),
            };
            return self.place_of(number, &raw);
        }
        if is_ours { Located::Outside } else { Located::Foreign }
    }

    /// Whether a whole folder may be opened around a resource: not a root, not less than an asset.
    pub(crate) fn may_grant_folder_of(&self, place: &Place) -> Result<(), String> {
        let directory = place.path.directory();
        if directory == b"/" {
            return Err("its folder is the root; use grant = \"file\"".to_owned());
        }
        match self.host_of(place) {
            Some(host) => {
                // All that the host may deliver is more than one asset.
                let whole = format!("{}{}", host_prefix(place.host), host.url.path());
                if directory.len() <= whole.len() {
                    return Err("its folder is all that the host may deliver".to_owned());
                }
            }
            None => {
                if let Some(asset) =
                    self.config.asset.as_ref().filter(|asset| !asset.covers(&place.path))
                {
                    return Err(format!("its folder is no asset of the pattern {asset}"));
                }
            }
        }
        Ok(())
    }

    /// Whether a resource is a key by its name, so that its own token alone opens it.
    pub(crate) fn names_a_key(&self, place: &Place) -> bool {
        let keys = self.config.keys.as_ref();
        keys.is_some_and(|keys| keys.names.cover(place.path.as_bytes()))
    }

    /// Whether a viewer's parameter is passed to the origin.
    pub(crate) fn forwards(&self, name: &[u8]) -> bool {
        // Segments that a delta update skips would keep their old CDN tokens (RFC 8216bis section
        // 6.2.5.1; without the directive the playlist comes whole).
        if name == b"_HLS_skip" && self.config.segments == Segments::Cdn {
            return false;
        }
        self.config.forward_query.iter().any(|pattern| match pattern.strip_suffix('*') {
            Some(start) => name.starts_with(start.as_bytes()),
            None => name == pattern.as_bytes(),
        })
    }

    /// Whether a player's directive is passed to the origin.
    pub(crate) fn forwards_directive(&self, name: &[u8], value: &[u8]) -> bool {
        let mut patterns = self.config.forward_query.iter();
        let is_named = patterns.any(|pattern| pattern.as_bytes() == name);
        self.forwards(name) && directives::is_well_formed(name, value, is_named)
    }

    fn below(&self, base: &Url, place: &Place) -> Url {
        let rest = place.raw[1..]
            .splitn(self.path_depth + 1, '/')
            .nth(self.path_depth)
            .unwrap_or_default();
        let mut url = base.clone();
        url.set_path(&format!("{}{rest}", base.path()));
        url
    }

    fn place_of(&self, host: usize, raw: &str) -> Located {
        // What the gateway would refuse as a request is not delivered under another name either.
        match RequestPath::parse(raw, usize::MAX).ok().and_then(|path| self.place(&path)) {
            Some(place) if place.host == host => Located::Here(place),
            _ => Located::Outside,
        }
    }
}

/// The text of `url`'s path below the folder `base`.
fn below_folder<'u>(base: &Url, url: &'u Url) -> Option<&'u str> {
    url.path().strip_prefix(base.path())
}

/// Compares origins (RFC 6454) of URLs that have hosts, without copying them.
fn is_same_origin(one: &Url, other: &Url) -> bool {
    one.scheme() == other.scheme()
        && one.host() == other.host()
        && one.port_or_known_default() == other.port_or_known_default()
}

fn host_prefix(number: usize) -> String {
    format!("/~{number}")
}

/// The number of a path whose first segment is `~n`.
fn host_number(first_segment: &[u8]) -> Option<usize> {
    let digits = std::str::from_utf8(first_segment).ok()?.strip_prefix('~')?;
    let is_canonical = !digits.starts_with('0') && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_canonical.then(|| digits.parse().ok()).flatten()
}

/// Percent-encodes what may not stand in a URL's path.
fn encode_path(path: &str) -> String {
    let mut url = Url::parse(FOLDER_HOST).expect("the stand-in is a valid URL");
    // `set_path` leaves a percent sign as it is.
    url.set_path(&path.replace('%', "%25"));
    url.path().to_owned()
}

#[cfg(test)]
mod tests;
