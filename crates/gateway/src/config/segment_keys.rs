//! `[route.keys]`: which keys are delivered apart, and that no other token opens them.

use sluicegate_token::Scope;

use super::values::{window, wrong};
use super::{ConfigError, KeysConfig, RouteConfig, raw};
use crate::route::{KeyDelivery, Segments};
use crate::{KeyNames, media_type};

/// Reads the table; `place` names it.
pub(super) fn check_keys(raw: &raw::Keys, place: &str) -> Result<KeysConfig, ConfigError> {
    let at = |key: &str| format!("{place}.{key}");
    Ok(KeysConfig {
        delivery: raw.delivery,
        ttl_secs: window(raw.ttl_secs, &at("ttl_secs"))?,
        names: KeyNames::parse(&raw.names).map_err(|problem| wrong(at("names"), problem))?,
    })
}

/// Refuses names that leave nothing to play, and tokens of a CDN that open keys beside what they are for.
pub(super) fn refuse_tokens_that_open_keys(route: &RouteConfig) -> Result<(), ConfigError> {
    let Some(keys) = &route.keys else { return Ok(()) };
    let at = |key: &str| format!("route \"{}\": {key}", route.id);
    if keys.names.cover(format!("{}index.m3u8", route.path).as_bytes()) {
        let problem = "they fit manifests in the route's own folder, too; make them narrower";
        return Err(wrong(at("keys.names"), problem));
    }
    let is_covered = |extension: &&&str| {
        keys.names.cover(format!("{}segment1.{extension}", route.path).as_bytes())
    };
    if let Some(extension) = media_type::SEGMENTS.iter().find(is_covered) {
        let problem = format!(
            "they fit segments such as segment1.{extension} in the route's own folder, too, which would be \
             refused without a token of a key; make them narrower, as in [\"*.key\"]"
        );
        return Err(wrong(at("keys.names"), problem));
    }
    if keys.delivery == KeyDelivery::Redirect && route.cdn.is_none() {
        let problem = "\"redirect\" needs a [route.cdn] table with base_url and key";
        return Err(wrong(at("keys.delivery"), problem));
    }
    let of_hosts = route.allow_hosts.iter().map(|host| host.cdn.as_ref());
    for (host, cdn) in std::iter::once(route.cdn.as_ref()).chain(of_hosts).enumerate() {
        let Some(cdn) = cdn else { continue };
        let scope = cdn.ring.scheme().scope();
        let table = match host {
            0 => "cdn.scope".to_owned(),
            host => format!("allow_hosts: host {host}: cdn.scope"),
        };
        if route.segments != Segments::Gateway
            && let Some(name) = keys.names.opened_beside(host, scope)
        {
            let problem = match scope {
                Scope::Directory => format!(
                    "a token of a directory for a segment would open the keys that keys.names tells \
                     beside it, by \"{name}\": set scope = \"file\", or keep keys in folders of their own \
                     and name these as a whole, as in keys.names = [\"keys/*\"]"
                ),
                _ => format!(
                    "a token of a tree for a segment would open the keys that keys.names tells below its \
                     folder, by \"{name}\": set scope = \"file\", or have keys on a further host without a \
                     CDN, as in keys.names = [\"/~1/*\"]"
                ),
            };
            return Err(wrong(at(&table), problem));
        }
        if keys.delivery == KeyDelivery::Redirect && scope != Scope::File {
            let problem = "the CDN's token for one key would open its neighbours: set scope = \"file\", or \
                           keys.delivery = \"gateway\"";
            return Err(wrong(at(&table), problem));
        }
    }
    Ok(())
}
