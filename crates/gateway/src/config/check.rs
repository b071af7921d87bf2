//! From the file's shape to a configuration that can be served.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::ExposeSecret as _;
use url::Url;

use super::profiles::profiles;
use super::routes::check_routes;
use super::signers::Keys;
use super::values::{folder_url, window, wrong};
use super::{AdminConfig, ApiConfig, Config, ConfigError, SessionConfig, bounds, raw};
use crate::client::TrustedProxies;
use crate::cors::AllowedSites;
use crate::{SharedConfig, TlsConfig};

pub(super) fn check(raw: raw::Config, folder: &Path) -> Result<Config, ConfigError> {
    let layouts = raw::Layouts { files: raw.layouts, tables: raw.inline_layouts };
    let mut keys = Keys::new(layouts, folder)?;
    let session = SessionConfig {
        keys: keys.session(&raw.session)?,
        length_secs: window(raw.session.length_secs, "session.length_secs")?,
        rules: bounds::rules(&raw.session)?,
        store: raw.session.store.map(|store| check_store(store, &mut keys)).transpose()?,
    };
    let api = raw.api.as_ref().map(|api| keys.bearers(api, "api")).transpose()?;
    let api = api.map(|bearers| ApiConfig { bearers });
    let admin = raw.admin.map(|admin| check_admin(admin, &mut keys)).transpose()?;
    let public_url = raw.public_url.as_deref().map(public_url).transpose()?;
    let profiles = profiles(raw.profiles)?;
    let routes = check_routes(raw.routes, folder, &profiles, &mut keys)?;
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
        connections: bounds::connections(&raw.limits, &raw.stop)?,
        rates: bounds::rates(&raw.limits)?,
        origin_addresses,
        public_url,
        trusted_proxies,
        allowed_sites,
        session,
        api,
        admin,
        profiles,
        limits: bounds::limits(&raw.limits)?,
        daterange_uris: raw.daterange_uris,
        timeouts: bounds::timeouts(&raw.timeouts),
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

fn public_url(text: &str) -> Result<Url, ConfigError> {
    let mut url = folder_url(text).map_err(|message| wrong("public_url", message))?;
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}
