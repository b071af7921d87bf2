//! Routes, with their origins and CDNs.

use std::path::Path;
use std::time::Duration;

use sluicegate_manifest::ExistingToken;
use sluicegate_token::ResourcePath;

use super::profiles::refuse_tokens_that_open_all;
use super::segment_keys::{check_keys, refuse_tokens_that_open_keys};
use super::signers::Keys;
use super::values::{folder_url, window, wrong};
use super::{
    CdnConfig, ConfigError, EntryConfig, HealthConfig, HostConfig, Hosts, OriginConfig,
    ProfileConfig, RESERVED, RouteConfig, raw,
};
use crate::AssetPattern;
use crate::route::{Carry, Segments};

/// Reads the routes: one at least, and no two with one id or one path.
pub(super) fn check_routes(
    raw: Vec<raw::Route>,
    folder: &Path,
    profiles: &[ProfileConfig],
    keys: &mut Keys<'_>,
) -> Result<Vec<RouteConfig>, ConfigError> {
    if raw.is_empty() {
        return Err(wrong("route", "there is none; add a [[route]] table with id and origin"));
    }
    let mut routes: Vec<RouteConfig> = Vec::with_capacity(raw.len());
    for raw in raw {
        let route = check_route(raw, folder, profiles, keys)?;
        if routes.iter().any(|earlier| earlier.id == route.id) {
            return Err(wrong(format!("route \"{}\"", route.id), "two routes have this id"));
        }
        if routes.iter().any(|earlier| earlier.path == route.path) {
            let place = format!("route \"{}\": path", route.id);
            return Err(wrong(place, "two routes have this path"));
        }
        routes.push(route);
    }
    Ok(routes)
}

/// A table of hosts, each with its scheme and keys.
pub(super) fn check_hosts(raw: raw::Hosts, folder: &Path) -> Result<Hosts, ConfigError> {
    let layouts = raw::Layouts { files: raw.layouts, tables: raw.inline_layouts };
    let mut keys = Keys::new(layouts, folder)?;
    let mut hosts: Vec<CdnConfig> = Vec::new();
    for (raw, number) in raw.hosts.iter().zip(1..) {
        let place = format!("host {number}");
        let host = check_cdn(raw, &place, &mut keys)?;
        if hosts.iter().any(|known| known.base_url.origin() == host.base_url.origin()) {
            return Err(wrong(format!("{place}.base_url"), "two rows are for this host"));
        }
        hosts.push(host);
    }
    Ok(Hosts { hosts, warnings: keys.warnings })
}

fn check_route(
    raw: raw::Route,
    folder: &Path,
    profiles: &[ProfileConfig],
    keys: &mut Keys<'_>,
) -> Result<RouteConfig, ConfigError> {
    let at = |key: &str| format!("route \"{}\": {key}", raw.id);
    if raw.id.is_empty() {
        return Err(wrong("route", "an id is empty"));
    }
    let is_folder = raw.path.starts_with('/') && raw.path.ends_with('/');
    let decoded = ResourcePath::from_decoded(raw.path.as_bytes());
    if !is_folder || decoded.is_ok_and(|path| path.as_bytes() != raw.path.as_bytes()) {
        return Err(wrong(at("path"), "it must be a folder that begins and ends with '/'"));
    }
    if let Some(reserved) = RESERVED.iter().find(|reserved| raw.path.starts_with(**reserved)) {
        return Err(wrong(at("path"), format!("{reserved} is the gateway's own")));
    }
    let asset = raw
        .asset
        .as_deref()
        .map(AssetPattern::parse)
        .transpose()
        .map_err(|message| wrong(at("asset"), message))?;
    if let Some(asset) = asset.as_ref().filter(|asset| !asset.may_be_below(&raw.path)) {
        let problem = format!(
            "no folder of {asset} is below the route's path {}, so that no session could begin: a pattern \
             begins at the root of the gateway's paths, as in \"{}{{asset}}/\"",
            raw.path, raw.path
        );
        return Err(wrong(at("asset"), problem));
    }
    let entry = raw
        .entry
        .as_ref()
        .map(|entry| {
            let ring = keys.entry(entry, &at("entry"))?;
            let profile = match &entry.profile {
                None => 0,
                Some(name) => profiles
                    .iter()
                    .find(|profile| profile.name == *name)
                    .map(|profile| profile.id)
                    .ok_or_else(|| wrong(at("entry.profile"), "no [[profile]] has this name"))?,
            };
            Ok(EntryConfig { ring, leeway_secs: entry.leeway_secs, profile })
        })
        .transpose()?;
    let cdn = raw.cdn.as_ref().map(|raw| check_cdn(raw, &at("cdn"), keys)).transpose()?;
    let mut allow_hosts = Vec::with_capacity(raw.allow_hosts.len());
    for (host, number) in raw.allow_hosts.iter().zip(1..) {
        let place = at(&format!("allow_hosts: host {number}"));
        allow_hosts.push(HostConfig {
            url: folder_url(&host.url).map_err(|message| wrong(place.as_str(), message))?,
            cdn: host
                .cdn
                .as_ref()
                .map(|raw| check_cdn(raw, &format!("{place}: cdn"), keys))
                .transpose()?,
        });
    }
    if raw.segments.is_none() && cdn.is_some() {
        let problem = "it is missing, and [route.cdn] alone does not say who delivers segments: give \
                       \"cdn\" or \"redirect\" for the CDN, or \"gateway\"";
        return Err(wrong(at("segments"), problem));
    }
    let segments = raw.segments.unwrap_or_default();
    let needs_cdn = match segments {
        Segments::Gateway => None,
        Segments::Cdn => Some("cdn"),
        Segments::Redirect => Some("redirect"),
    };
    if let Some(name) = needs_cdn.filter(|_| cdn.is_none()) {
        let problem = format!("\"{name}\" needs a [route.cdn] table with base_url and key");
        return Err(wrong(at("segments"), problem));
    }
    if let Some(accel) = &raw.accel {
        let is_folder = accel.starts_with('/') && accel.ends_with('/');
        if !is_folder || !accel.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(wrong(at("accel"), "it must be a folder that begins and ends with '/'"));
        }
        if segments != Segments::Gateway {
            return Err(wrong(at("accel"), "it goes with segments = \"gateway\""));
        }
    }
    if raw.url_query_info && (raw.carry != Carry::Query || segments == Segments::Cdn) {
        return Err(wrong(
            at("url_query_info"),
            "players copy the session's parameter alone: it needs carry = \"query\", and segments \
             that the gateway delivers or redirects",
        ));
    }
    let segment_keys = raw.keys.as_ref().map(|raw| check_keys(raw, &at("keys"))).transpose()?;
    let route = RouteConfig {
        origin: origins(raw.origin.as_deref(), &raw.origins, folder)
            .map_err(|message| wrong(at("origin"), message))?,
        health: raw.health.map(|raw| health(raw, &at("health"))).transpose()?,
        existing_token: match raw.existing_token {
            raw::Existing::Refuse => ExistingToken::Refuse,
            raw::Existing::Replace => ExistingToken::Replace,
        },
        id: raw.id,
        path: raw.path,
        allow_hosts,
        asset,
        grant: raw.grant,
        carry: raw.carry,
        segments,
        third_party: raw.third_party,
        strict: raw.strict,
        unexpandable: raw.unexpandable,
        url_query_info: raw.url_query_info,
        sign_licenses: raw.sign_licenses,
        accel: raw.accel,
        bind_ip: raw.bind_ip,
        forward_query: raw.forward_query,
        entry,
        cdn,
        keys: segment_keys,
    };
    refuse_tokens_that_open_keys(&route)?;
    refuse_tokens_that_open_all(&route, profiles)?;
    Ok(route)
}

/// `place` names the table.
fn check_cdn(raw: &raw::Cdn, place: &str, keys: &mut Keys<'_>) -> Result<CdnConfig, ConfigError> {
    let at = |key: &str| format!("{place}.{key}");
    Ok(CdnConfig {
        base_url: folder_url(&raw.base_url).map_err(|message| wrong(at("base_url"), message))?,
        ring: keys.cdn(raw, place)?,
        ttl_secs: window(raw.ttl_secs, &at("ttl_secs"))?,
    })
}

/// One origin, or several HTTP servers with the same.
fn origins(one: Option<&str>, several: &[String], folder: &Path) -> Result<OriginConfig, String> {
    match (one, several) {
        (Some(one), []) => origin(one, folder),
        (Some(_), _) => Err("give one of origin and origins".to_owned()),
        (None, []) => Err("it is missing: where are the media?".to_owned()),
        (None, [one]) => origin(one, folder),
        (None, several) => {
            let urls = several.iter().map(|text| folder_url(text)).collect::<Result<_, _>>();
            urls.map(OriginConfig::Http)
                .map_err(|message| format!("{message}; several origins are HTTP servers"))
        }
    }
}

fn health(raw: raw::Health, place: &str) -> Result<HealthConfig, ConfigError> {
    let is_path = !raw.path.starts_with('/') && !raw.path.contains(['?', '#', ':']);
    if !is_path {
        let problem = "it must be relative to the origin's folder, such as \"health.txt\"";
        return Err(wrong(format!("{place}.path"), problem));
    }
    let secs = window(raw.every_secs, &format!("{place}.every_secs"))?;
    Ok(HealthConfig { path: raw.path, every: Duration::from_secs(secs) })
}

fn origin(text: &str, folder: &Path) -> Result<OriginConfig, String> {
    let Some(path) = text.strip_prefix("file:") else {
        return folder_url(text).map(|url| OriginConfig::Http(vec![url])).map_err(|message| {
            format!("{message}; an origin is \"file:FOLDER\" or \"https://host/folder/\"")
        });
    };
    let path =
        folder.join(path.strip_prefix("//").filter(|rest| rest.starts_with('/')).unwrap_or(path));
    match std::fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => Ok(OriginConfig::Folder(path)),
        Ok(_) => Err(format!("{} is not a folder", path.display())),
        Err(error) => Err(format!("the folder {}: {error}", path.display())),
    }
}
