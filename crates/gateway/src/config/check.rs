//! From the file's shape to a configuration that can be served.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::ExposeSecret as _;
use sluicegate_manifest::ExistingToken;
use sluicegate_token::ResourcePath;
use url::Url;

use super::segment_keys::{check_keys, refuse_tokens_that_open_keys};
use super::signers::Keys;
use super::{
    AdminConfig, ApiConfig, CdnConfig, Config, ConfigError, EntryConfig, HealthConfig, HostConfig,
    Hosts, Limits, OriginConfig, ProfileConfig, RESERVED, RouteConfig, SessionConfig, Timeouts,
    raw,
};
use crate::AssetPattern;
use crate::client::TrustedProxies;
use crate::cors::AllowedSites;
use crate::in_flight::InFlightLimits;
use crate::profile_scope::{ProfileScope, signs_all_alike};
use crate::rates::RateLimits;
use crate::route::{Carry, Segments};
use crate::session;
use crate::{ConnectionLimits, SessionRules, SharedConfig, TlsConfig};

/// A longer time has no end for anybody, and moments that far away cannot be calculated with.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
/// A year: beyond it a window is surely a mistake, and every expiry still fits 32 bits.
const MAX_WINDOW_SECS: u64 = 366 * 86_400;

pub(super) fn check(raw: raw::Config, folder: &Path) -> Result<Config, ConfigError> {
    let layouts = raw::Layouts { files: raw.layouts, tables: raw.inline_layouts };
    let mut keys = Keys::new(layouts, folder)?;
    let session = SessionConfig {
        keys: keys.session(&raw.session)?,
        length_secs: window(raw.session.length_secs, "session.length_secs")?,
        rules: rules(&raw.session)?,
        store: raw.session.store.map(|store| check_store(store, &mut keys)).transpose()?,
    };
    let api = raw.api.as_ref().map(|api| keys.bearers(api, "api")).transpose()?;
    let api = api.map(|bearers| ApiConfig { bearers });
    let admin = raw.admin.map(|admin| check_admin(admin, &mut keys)).transpose()?;
    let public_url = raw.public_url.as_deref().map(public_url).transpose()?;
    if raw.routes.is_empty() {
        return Err(wrong("route", "there is none; add a [[route]] table with id and origin"));
    }
    let profiles = profiles(raw.profiles)?;
    let mut routes = Vec::new();
    for route in raw.routes {
        routes.push(check_route(route, folder, &profiles, &mut keys)?);
    }
    for (at, route) in routes.iter().enumerate() {
        if routes[..at].iter().any(|earlier| earlier.id == route.id) {
            return Err(wrong(format!("route \"{}\"", route.id), "two routes have this id"));
        }
        if routes[..at].iter().any(|earlier| earlier.path == route.path) {
            return Err(wrong(
                format!("route \"{}\": path", route.id),
                "two routes have this path",
            ));
        }
    }
    keys.check()?;
    keys.refuse_tokens_as_links()?;
    let trusted_proxies = TrustedProxies::parse(&raw.trusted_proxies).map_err(|text| {
        let problem = format!("'{text}' is neither an address nor a network such as 10.0.0.0/8");
        wrong("trusted_proxies", problem)
    })?;
    let allowed_sites = AllowedSites::parse(&raw.allowed_sites).map_err(|text| {
        let problem = format!(
            "'{text}' is no origin as browsers write it, such as https://tv.example.com: scheme, host \
             in small letters, and a port only if it is another than the scheme's"
        );
        wrong("allowed_sites", problem)
    })?;
    let origin_addresses = addresses(&raw.origin_addresses)?;
    let tls = raw.tls.map(|tls| check_tls(&tls, folder, &mut keys)).transpose()?;
    Ok(Config {
        listen: raw.listen,
        tls,
        connections: connections(&raw.limits, &raw.stop)?,
        rates: rates(&raw.limits)?,
        origin_addresses,
        public_url,
        trusted_proxies,
        allowed_sites,
        session,
        api,
        admin,
        profiles,
        limits: limits(&raw.limits)?,
        daterange_uris: raw.daterange_uris,
        timeouts: timeouts(&raw.timeouts),
        routes,
        warnings: keys.warnings,
        files: keys.files,
    })
}

fn check_store(raw: raw::Store, keys: &mut Keys<'_>) -> Result<SharedConfig, ConfigError> {
    let at = |key: &str| format!("session.store.{key}");
    let url = Url::parse(&raw.url).ok().filter(|url| {
        matches!(url.scheme(), "redis" | "rediss") && url.has_host() && url.query().is_none()
    });
    let url = url.ok_or_else(|| {
        let shape = "redis://host:6379/0, or rediss:// with TLS, is what it looks like";
        wrong(at("url"), shape)
    })?;
    if url.password().is_some() || !url.username().is_empty() {
        let problem = "a password never stands in the configuration: give username, and password = \
                       { file = \"...\" } or { env = \"...\" }";
        return Err(wrong(at("url"), problem));
    }
    if raw.prefix.is_empty() || raw.prefix.contains(['{', '}']) {
        return Err(wrong(at("prefix"), "a name without braces, such as sluicegate"));
    }
    if raw.timeout_ms == 0 {
        return Err(wrong(at("timeout_ms"), "it must be 1 or more"));
    }
    let password = raw.password.map(|password| keys.password(&password, &at("password")));
    Ok(SharedConfig {
        url,
        username: raw.username,
        password: password.transpose()?,
        prefix: raw.prefix,
        on_failure: raw.on_failure,
        timeout: Duration::from_millis(raw.timeout_ms),
    })
}

fn check_tls(raw: &raw::Tls, folder: &Path, keys: &mut Keys<'_>) -> Result<TlsConfig, ConfigError> {
    let path = folder.join(&raw.certificate);
    let certificates = std::fs::read(&path).map_err(|error| {
        wrong("tls.certificate", format!("cannot read {}: {error}", path.display()))
    })?;
    keys.files.push(path);
    let key = keys.tls_key(&raw.key, "tls.key")?;
    TlsConfig::of_pem(&certificates, key.expose_secret()).map_err(|problem| wrong("tls", problem))
}

fn connections(raw: &raw::Limits, stop: &raw::Stop) -> Result<ConnectionLimits, ConfigError> {
    let default = ConnectionLimits::default();
    // Less than this hyper takes for no bound that can be held.
    const SMALLEST_HEADER_BYTES: usize = 8 << 10;
    let max_header_bytes = raw.max_header_bytes.unwrap_or(default.max_header_bytes);
    if max_header_bytes < SMALLEST_HEADER_BYTES {
        let problem = format!("it must be {SMALLEST_HEADER_BYTES} or more");
        return Err(wrong("limits.max_header_bytes", problem));
    }
    for (name, value) in [
        ("connections", raw.connections.map(|count| count as u64)),
        ("first_request_secs", raw.first_request_secs),
        ("idle_secs", raw.idle_secs),
        ("stall_secs", raw.stall_secs),
        ("max_concurrent_streams", raw.max_concurrent_streams.map(u64::from)),
    ] {
        if value == Some(0) {
            return Err(wrong(format!("limits.{name}"), "it must be 1 or more"));
        }
    }
    Ok(ConnectionLimits {
        connections: raw.connections.unwrap_or(default.connections),
        first_request: secs(raw.first_request_secs, default.first_request),
        idle: secs(raw.idle_secs, default.idle),
        stall: secs(raw.stall_secs, default.stall),
        max_header_bytes,
        max_concurrent_streams: raw
            .max_concurrent_streams
            .unwrap_or(default.max_concurrent_streams),
        notice: secs(stop.notice_secs, default.notice),
        drain: secs(stop.drain_secs, default.drain),
    })
}

fn rates(raw: &raw::Limits) -> Result<RateLimits, ConfigError> {
    let rate = |value: Option<u32>, name: &str| {
        let none = || wrong(format!("limits.{name}"), "it must be 1 or more");
        value.map(|rate| NonZeroU32::new(rate).ok_or_else(none)).transpose()
    };
    Ok(RateLimits {
        entries_per_sec: rate(raw.entries_per_sec, "entries_per_sec")?,
        refusals_per_sec: rate(raw.refusals_per_sec, "refusals_per_sec")?,
    })
}

fn addresses(raw: &[String]) -> Result<Vec<IpNet>, ConfigError> {
    let read = |text: &String| {
        let single = || text.parse::<IpAddr>().map(IpNet::from);
        text.parse::<IpNet>().or_else(|_| single()).map_err(|_| {
            let problem =
                format!("'{text}' is neither an address nor a network such as 127.0.0.0/8");
            wrong("origin_addresses", problem)
        })
    };
    raw.iter().map(read).collect()
}

fn profiles(raw: Vec<raw::Profile>) -> Result<Vec<ProfileConfig>, ConfigError> {
    let mut profiles: Vec<ProfileConfig> = Vec::new();
    for raw in raw {
        let place = format!("profile \"{}\"", raw.name);
        if !(1..=session::MAX_PROFILE).contains(&raw.id) {
            let problem = format!("a number from 1 to {}", session::MAX_PROFILE);
            return Err(wrong(format!("{place}: id"), problem));
        }
        if raw.name.is_empty()
            || profiles.iter().any(|known| known.id == raw.id || known.name == raw.name)
        {
            return Err(wrong(place, "names and ids are not empty, and no two are alike"));
        }
        if raw.max_height.is_none() && raw.max_bitrate.is_none() {
            return Err(wrong(place, "it leaves nothing out: give max_height or max_bitrate"));
        }
        let profile = sluicegate_manifest::Profile {
            max_height: raw.max_height,
            max_bitrate: raw.max_bitrate,
        };
        let scope = raw.profile_scope;
        profiles.push(ProfileConfig { id: raw.id, name: raw.name, profile, scope });
    }
    Ok(profiles)
}

fn check_admin(raw: raw::Admin, keys: &mut Keys<'_>) -> Result<AdminConfig, ConfigError> {
    let has_bearers = raw.bearer.is_some() || !raw.bearers.is_empty();
    if !has_bearers && !raw.listen.ip().is_loopback() {
        let problem = "whoever reaches this address could end sessions: give a bearer, or listen on \
                       a loopback address";
        return Err(wrong("admin.listen", problem));
    }
    let bearers = raw::Bearers { bearer: raw.bearer, bearers: raw.bearers };
    let bearers = if has_bearers { keys.bearers(&bearers, "admin")? } else { Vec::new() };
    Ok(AdminConfig { listen: raw.listen, bearers })
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
    let needs_cdn = match raw.segments {
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
        if raw.segments != Segments::Gateway {
            return Err(wrong(at("accel"), "it goes with segments = \"gateway\""));
        }
    }
    if raw.url_query_info && (raw.carry != Carry::Query || raw.segments == Segments::Cdn) {
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
        segments: raw.segments,
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

/// Refuses a CDN whose tokens open all alike for links of a profile that keeps something shut.
fn refuse_tokens_that_open_all(
    route: &RouteConfig,
    profiles: &[ProfileConfig],
) -> Result<(), ConfigError> {
    let id = route.entry.as_ref().map_or(0, |entry| entry.profile);
    let profile = profiles.iter().find(|profile| profile.id == id);
    let Some(profile) = profile.filter(|profile| profile.scope == ProfileScope::Enforced) else {
        return Ok(());
    };
    let delivers = route.segments != Segments::Gateway;
    let Some(_) = route.cdn.as_ref().filter(|cdn| delivers && signs_all_alike(cdn)) else {
        return Ok(());
    };
    let problem = format!(
        "one token of this CDN opens what the profile \"{}\" of [route.entry] leaves out, too: use \
         scope = \"file\", or give the profile profile_scope = \"advisory\"",
        profile.name
    );
    Err(wrong(format!("route \"{}\": cdn.scope", route.id), problem))
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

/// An HTTP URL that stands for a folder: no query, no fragment, no user, a slash at the end.
fn folder_url(text: &str) -> Result<Url, String> {
    let mut url = Url::parse(text).map_err(|error| format!("\"{text}\" is not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(format!("\"{text}\" is not an http or https URL"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("the URL holds a user or a password".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("\"{text}\" has a query or a fragment"));
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

fn public_url(text: &str) -> Result<Url, ConfigError> {
    let mut url = folder_url(text).map_err(|message| wrong("public_url", message))?;
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

pub(super) fn window(secs: u64, place: &str) -> Result<u64, ConfigError> {
    if (1..=MAX_WINDOW_SECS).contains(&secs) {
        Ok(secs)
    } else {
        Err(wrong(place, format!("it must be 1 to {MAX_WINDOW_SECS} seconds")))
    }
}

fn rules(raw: &raw::Session) -> Result<SessionRules, ConfigError> {
    let default = SessionRules::default();
    let at_least_one = |value: Option<u64>, name: &str| match value {
        Some(0) => Err(wrong(format!("session.{name}"), "it must be 1 or more")),
        value => Ok(value),
    };
    let count = |value: Option<u32>, name: &str| {
        at_least_one(value.map(u64::from), name)?;
        Ok::<_, ConfigError>(value)
    };
    Ok(SessionRules {
        idle_secs: at_least_one(raw.idle_secs, "idle_secs")?,
        stream_secs: at_least_one(raw.stream_secs, "stream_secs")?.unwrap_or(default.stream_secs),
        max_streams: count(raw.max_streams, "max_streams")?,
        max_streams_per_user: count(raw.max_streams_per_user, "max_streams_per_user")?,
    })
}

fn limits(raw: &raw::Limits) -> Result<Limits, ConfigError> {
    let default = Limits::default();
    for (name, value) in [
        ("origin_requests", raw.origin_requests),
        ("origin_bodies", raw.origin_bodies),
        ("manifest_threads", raw.manifest_threads),
        ("manifest_buffer_bytes", raw.manifest_buffer_bytes),
        ("json_bytes", raw.json_bytes),
        ("all_json_bytes", raw.all_json_bytes),
    ] {
        if value == Some(0) {
            return Err(wrong(format!("limits.{name}"), "it must be 1 or more"));
        }
    }
    if raw.gzip_level.is_some_and(|level| level > 9) {
        return Err(wrong("limits.gzip_level", "it is a number from 0 to 9"));
    }
    let origin_requests = raw.origin_requests.unwrap_or(default.origin_requests);
    if raw.origin_document_requests.is_some_and(|documents| documents >= origin_requests) {
        let message = format!("it must be less than origin_requests = {origin_requests}");
        return Err(wrong("limits.origin_document_requests", message));
    }
    Ok(Limits {
        max_path_bytes: raw.max_path_bytes.unwrap_or(default.max_path_bytes),
        manifest: sluicegate_manifest::Limits {
            max_bytes: raw.max_manifest_bytes.unwrap_or(default.manifest.max_bytes),
            max_line_bytes: raw.max_line_bytes.unwrap_or(default.manifest.max_line_bytes),
            max_lines: raw.max_lines.unwrap_or(default.manifest.max_lines),
            max_uris: raw.max_uris.unwrap_or(default.manifest.max_uris),
            max_uri_bytes: raw.max_uri_bytes.unwrap_or(default.manifest.max_uri_bytes),
            max_steps: raw.max_steps.unwrap_or(default.manifest.max_steps),
            steps_per_byte: raw.steps_per_byte.unwrap_or(default.manifest.steps_per_byte),
            max_result_bytes: raw.max_result_bytes.unwrap_or(default.manifest.max_result_bytes),
            result_bytes_per_byte: raw
                .result_bytes_per_byte
                .unwrap_or(default.manifest.result_bytes_per_byte),
            max_expanded_bytes: raw
                .max_expanded_bytes
                .unwrap_or(default.manifest.max_expanded_bytes),
            max_expanded_segments: raw
                .max_expanded_segments
                .unwrap_or(default.manifest.max_expanded_segments),
        },
        cache_bytes: raw.cache_bytes.unwrap_or(default.cache_bytes),
        plan_bytes: raw.plan_bytes.unwrap_or(default.plan_bytes),
        inline_manifest_bytes: raw.inline_manifest_bytes.unwrap_or(default.inline_manifest_bytes),
        manifest_threads: raw.manifest_threads.unwrap_or(default.manifest_threads),
        manifest_queue: raw.manifest_queue.unwrap_or(default.manifest_queue),
        manifest_wait: secs(raw.manifest_wait_secs, default.manifest_wait),
        manifest_buffer_bytes: raw.manifest_buffer_bytes.unwrap_or(default.manifest_buffer_bytes),
        json_bytes: raw.json_bytes.unwrap_or(default.json_bytes),
        all_json_bytes: raw.all_json_bytes.unwrap_or(default.all_json_bytes),
        heuristic_for: secs(raw.heuristic_secs, default.heuristic_for),
        stale_for: secs(raw.stale_secs, default.stale_for),
        while_revalidate: secs(raw.revalidate_secs, default.while_revalidate),
        missing_for: secs(raw.missing_secs, default.missing_for),
        missing_segment_for: raw
            .missing_segment_ms
            .map_or(default.missing_segment_for, |ms| Duration::from_millis(ms).min(LONGEST)),
        origin_requests,
        origin_document_requests: raw.origin_document_requests.unwrap_or(origin_requests / 8),
        origin_bodies: raw.origin_bodies.unwrap_or(default.origin_bodies),
        min_body_bytes_per_sec: raw
            .min_body_bytes_per_sec
            .unwrap_or(default.min_body_bytes_per_sec),
        in_flight: InFlightLimits {
            session_requests: raw.session_requests.unwrap_or(default.in_flight.session_requests),
            session_bodies: raw.session_bodies.unwrap_or(default.in_flight.session_bodies),
            address_requests: raw.address_requests.unwrap_or(default.in_flight.address_requests),
            address_bodies: raw.address_bodies.unwrap_or(default.in_flight.address_bodies),
        },
        gzip_level: raw.gzip_level.unwrap_or(default.gzip_level),
    })
}

fn timeouts(raw: &raw::Timeouts) -> Timeouts {
    let default = Timeouts::default();
    Timeouts {
        connect: secs(raw.connect_secs, default.connect),
        first_byte: secs(raw.first_byte_secs, default.first_byte),
        idle: secs(raw.idle_secs, default.idle),
        retries: raw.retries.unwrap_or(default.retries),
    }
}

fn secs(given: Option<u64>, default: Duration) -> Duration {
    given.map_or(default, |secs| Duration::from_secs(secs).min(LONGEST))
}

pub(super) fn wrong(place: impl Into<String>, message: impl Into<String>) -> ConfigError {
    ConfigError::Value { place: place.into(), message: message.into() }
}
