//! Schemes with their keys: what `[route.entry]`, `[route.cdn]` and `[session]` say of them.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretSlice};
use sluicegate_token::{
    Binding, CdnKey, Gcore, KeyId, KeyPeriod, Layout, Opens, Placement, Presented, ResourcePath,
    RingKey, Scheme, SchemeKind, SchemeOptions, SchemeRing, Scope, SessionKey, SessionKeys, Target,
    UnixTime,
};

use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use super::values::wrong;
use super::{Bearer, ConfigError, raw};
use crate::key_source::{KeyProblem, KeySource};

/// Makes a key for a CDN, and a bearer token.
const KEYGEN: &str = "sluicegate keygen";
const SESSION_KEYGEN: &str = "sluicegate keygen --session";

/// What every table of keys needs: where relative paths begin, which layouts there are, and which
/// secrets were read so far.
pub(super) struct Keys<'f> {
    folder: &'f Path,
    layouts: Vec<Layout>,
    ring: Used,
    pub(super) warnings: Vec<String>,
    /// What was read.
    pub(super) files: Vec<PathBuf>,
}

/// Every secret of the configuration, to find one that serves two purposes.
#[derive(Default)]
struct Used {
    session: Vec<SessionKey>,
    bearers: Vec<(String, SecretSlice<u8>)>,
    cdn: Vec<(String, CdnKey, SecretSlice<u8>)>,
    signing: Vec<Signing>,
}

/// The use of a key: it verifies entry links or signs a CDN's tokens.
struct Signing {
    /// Index into [`Used::cdn`].
    key: usize,
    scheme: Arc<dyn Scheme>,
    /// True for a key of `[route.entry]`, false for a key of a CDN.
    is_entry: bool,
    /// False for the entry scopes `either` and `extension`, which accept several scopes.
    is_exact: bool,
}

impl<'f> Keys<'f> {
    /// Reads the layouts.
    pub(super) fn new(raw: raw::Layouts, folder: &'f Path) -> Result<Self, ConfigError> {
        let mut layouts: Vec<Layout> = Vec::new();
        let mut add = |place: String, layout: Result<Layout, String>| {
            let layout = layout.map_err(|problem| wrong(place.as_str(), problem))?;
            let is_known = SchemeKind::named(layout.name()).is_some()
                || layouts.iter().any(|known| known.name() == layout.name());
            if is_known {
                return Err(wrong(
                    place,
                    format!("the name \"{}\" is taken: give the layout another", layout.name()),
                ));
            }
            layouts.push(layout);
            Ok(())
        };
        let mut files = Vec::new();
        for file in &raw.files {
            let path = folder.join(file);
            files.push(path.clone());
            let text = std::fs::read_to_string(&path);
            let text = text.map_err(|error| format!("cannot read {}: {error}", path.display()));
            let layout = text.and_then(|text| Layout::parse(&text).map_err(|why| why.to_string()));
            add(format!("layouts: {file}"), layout)?;
        }
        for (table, number) in raw.tables.into_iter().zip(1..) {
            let layout = Layout::from_table(table).map_err(|why| why.to_string());
            add(format!("layout {number}"), layout)?;
        }
        Ok(Self { folder, layouts, ring: Used::default(), warnings: Vec::new(), files })
    }

    pub(super) fn session(&mut self, raw: &raw::Session) -> Result<SessionKeys, ConfigError> {
        let place = "session.key";
        let mut keys = Vec::new();
        match (&raw.key, &raw.keys[..]) {
            (Some(key), []) => {
                let text = self.read(&source(&key.0, place)?, place, SESSION_KEYGEN)?;
                let id = raw.key_id.unwrap_or(1);
                let key = SessionKey::from_text(id, text.expose_secret());
                keys.push((
                    key.map_err(|error| wrong(place, error.to_string()))?,
                    KeyPeriod::ALWAYS,
                ));
            }
            (None, named @ [_, ..]) if raw.key_id.is_none() => {
                for (raw::Secretive(named), number) in named.iter().zip(1..) {
                    let place = format!("session.keys: key {number}");
                    let raw::KeyName::Number(id) = named.id else {
                        return Err(wrong(place, "its id is a number from 0 to 255"));
                    };
                    let source = source_of(named, &place)?;
                    let text = self.read(&source, &place, SESSION_KEYGEN)?;
                    let key = SessionKey::from_text(id, text.expose_secret());
                    let key = key.map_err(|error| wrong(place.as_str(), error.to_string()))?;
                    keys.push((key, period(named, &place)?));
                }
            }
            _ => return Err(wrong("session", ONE_OR_SEVERAL)),
        }
        self.ring.session.extend(keys.iter().map(|(key, _)| key.clone()));
        let periods: Vec<_> = keys.iter().map(|(_, period)| *period).collect();
        check_periods(&periods, "session.keys")?;
        SessionKeys::with_periods(keys).map_err(|error| wrong("session.keys", error.to_string()))
    }

    pub(super) fn bearers(
        &mut self,
        raw: &raw::Bearers,
        table: &str,
    ) -> Result<Vec<Bearer>, ConfigError> {
        let mut found = Vec::new();
        match (&raw.bearer, &raw.bearers[..]) {
            (Some(raw::Secretive(bearer)), []) => {
                let place = format!("{table}.bearer");
                let token = self.bearer(&source(bearer, &place)?, &place)?;
                found.push(Bearer { name: table.to_owned(), token });
            }
            (None, named @ [_, ..]) => {
                for (raw::Secretive(named), number) in named.iter().zip(1..) {
                    let place = format!("{table}.bearers: token {number}");
                    if named.active_from.is_some() || named.retired_from.is_some() {
                        return Err(wrong(place, "it is good as long as it stands here"));
                    }
                    let name = match &named.id {
                        raw::KeyName::Number(number) => number.to_string(),
                        raw::KeyName::Text(text) => text.clone(),
                    };
                    let token = self.bearer(&source_of(named, &place)?, &place)?;
                    found.push(Bearer { name, token });
                }
            }
            _ => {
                let shape =
                    "give either bearer = { ... }, or bearers = [{ id = \"...\", ... }, ...]";
                return Err(wrong(table, shape));
            }
        }
        Ok(found)
    }

    /// A password of a server that is asked.
    pub(super) fn password(
        &mut self,
        raw::Secretive(raw): &raw::Key,
        place: &str,
    ) -> Result<SecretSlice<u8>, ConfigError> {
        let text = self.read(&source(raw, place)?, place, "the server's administrator has it")?;
        Ok(text.expose_secret().trim_ascii().to_vec().into())
    }

    /// The key of a certificate.
    pub(super) fn tls_key(
        &mut self,
        raw::Secretive(raw): &raw::Key,
        place: &str,
    ) -> Result<SecretSlice<u8>, ConfigError> {
        self.read(
            &source(raw, place)?,
            place,
            "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
        )
    }

    fn bearer(&mut self, source: &KeySource, place: &str) -> Result<SecretSlice<u8>, ConfigError> {
        let text = self.read(source, place, KEYGEN)?;
        let token = text.expose_secret().trim_ascii();
        if token.len() < MIN_BEARER_BYTES || !token.iter().all(u8::is_ascii_graphic) {
            return Err(wrong(
                place,
                format!(
                    "a bearer token has {MIN_BEARER_BYTES} or more printable characters; \
                     `{KEYGEN}` makes one"
                ),
            ));
        }
        let bearer: SecretSlice<u8> = token.to_vec().into();
        self.ring.bearers.push((place.to_owned(), bearer.clone()));
        Ok(bearer)
    }

    /// The links of `[route.entry]`, which are verified alone.
    pub(super) fn entry(
        &mut self,
        raw: &raw::Entry,
        place: &str,
    ) -> Result<SchemeRing, ConfigError> {
        let at = |key: &str| format!("{place}.{key}");
        let signer = raw.signer();
        let is_by_extension = signer.scope == Some(raw::ScopeName::Extension);
        if is_by_extension == raw.directory_extensions.is_empty() {
            return Err(wrong(
                at("directory_extensions"),
                "it goes with scope = \"extension\": those files open with their directory's token",
            ));
        }
        let opens = match signer.scope {
            Some(raw::ScopeName::Either) => Opens::Either,
            Some(raw::ScopeName::Extension) => Opens::DirectoryOf(raw.directory_extensions.clone()),
            _ => Opens::Scope,
        };
        let scope = match opens {
            Opens::Scope => signer.scope.and_then(scope),
            _ => Some(Scope::File),
        };
        let ring = self.ring(signer, scope, place)?;
        if ring.scheme().placement() != Placement::Query {
            return Err(wrong(
                at("scheme"),
                "links carry their token in the query here, and this scheme puts it into the path",
            ));
        }
        if opens != Opens::Scope && ring.scheme().with_scope(Scope::Directory).is_none() {
            return Err(wrong(at("scope"), "this scheme has no tokens of directories"));
        }
        Ok(ring.opens(opens))
    }

    /// The CDN of `[route.cdn]`, whose URLs are signed.
    pub(super) fn cdn(&mut self, raw: &raw::Cdn, place: &str) -> Result<SchemeRing, ConfigError> {
        let signer = raw.signer();
        let only_verified =
            matches!(signer.scope, Some(raw::ScopeName::Either | raw::ScopeName::Extension));
        if only_verified {
            return Err(wrong(
                format!("{place}.scope"),
                "what is signed has one scope: file, directory or tree",
            ));
        }
        self.ring(signer, signer.scope.and_then(scope), place)
    }

    /// A scheme in the ring of its keys. Without a scope it is what the scheme has for directories,
    /// or else for trees, or files.
    fn ring(
        &mut self,
        raw: raw::Signer<'_>,
        wanted: Option<Scope>,
        place: &str,
    ) -> Result<SchemeRing, ConfigError> {
        let at = |key: &str| format!("{place}.{key}");
        let kind = self.kind(raw.scheme).map_err(|problem| wrong(at("scheme"), problem))?;
        let ip = raw.ip_form.map(str::parse).transpose();
        let ip = ip.map_err(|problem: String| wrong(at("ip_form"), problem))?;
        let is_entry = place.ends_with("entry");
        // A link is for what the scheme has first.
        let default = (!is_entry).then(|| kind.widest_scope());
        let options = SchemeOptions {
            scope: wanted.or(default),
            ip,
            ttl_secs: raw.lifetime_secs,
            fields: raw
                .fields
                .iter()
                .map(|(name, value)| (name.clone(), value.to_string()))
                .collect(),
            any_key_len: raw.any_key_length,
        };
        let binding = if raw.bind_ip { Binding::Ip } else { Binding::Plain };
        let mut found = Vec::new();
        match (raw.key, raw.keys) {
            (Some(raw::Secretive(key)), []) => {
                let place = at("key");
                let source = source(key, &place)?;
                found.push((KeyId::new(source.name()), source, KeyPeriod::ALWAYS, place));
            }
            (None, named @ [_, ..]) => {
                for (raw::Secretive(named), number) in named.iter().zip(1..) {
                    let place = at(&format!("keys: key {number}"));
                    let id = match &named.id {
                        raw::KeyName::Number(number) => number.to_string(),
                        raw::KeyName::Text(text) => text.clone(),
                    };
                    let source = source_of(named, &place)?;
                    found.push((KeyId::new(id), source, period(named, &place)?, place));
                }
            }
            _ => return Err(wrong(place, ONE_OR_SEVERAL)),
        }
        let periods: Vec<_> = found.iter().map(|(_, _, period, _)| *period).collect();
        check_periods(&periods, &at("keys"))?;
        let mut keys: Vec<RingKey> = Vec::new();
        for (id, source, period, place) in found {
            if keys.iter().any(|known| known.id == id) {
                return Err(wrong(place, format!("two keys have the id \"{id}\"")));
            }
            let text = self.read(&source, &place, KEYGEN)?;
            let key = CdnKey::from_text(id.to_string(), text.expose_secret(), binding)
                .map_err(|error| wrong(place.as_str(), error.to_string()))?;
            let index = self.ring.cdn.len();
            self.ring.cdn.push((place.clone(), key.clone(), text));
            // The wrong file is a better guess than a key of a wrong length.
            self.check()?;
            let scheme = kind.with_key(key, &options);
            let scheme = scheme.map_err(|error| wrong(place, advice(&error)))?;
            let is_exact =
                !matches!(raw.scope, Some(raw::ScopeName::Either | raw::ScopeName::Extension));
            let signing = Signing { key: index, scheme: Arc::clone(&scheme), is_entry, is_exact };
            self.ring.signing.push(signing);
            keys.push(RingKey { id, scheme, period });
        }
        SchemeRing::new(keys).ok_or_else(|| wrong(place, ONE_OR_SEVERAL))
    }

    fn kind(&self, name: &str) -> Result<SchemeKind, String> {
        let own = self.layouts.iter().find(|layout| layout.name() == name).cloned();
        own.map(SchemeKind::Layout).or_else(|| SchemeKind::named(name)).ok_or_else(|| {
            let known: Vec<_> = SchemeKind::all().map(|kind| kind.name().to_owned()).collect();
            format!(
                "there is no scheme \"{name}\"; there are {}, and those that `layouts` and \
                 [[layout]] bring",
                known.join(", ")
            )
        })
    }

    fn read(
        &mut self,
        source: &KeySource,
        place: &str,
        keygen: &str,
    ) -> Result<SecretSlice<u8>, ConfigError> {
        let source = match source {
            KeySource::File(path) => {
                let path = self.folder.join(path);
                self.files.push(path.clone());
                KeySource::File(path)
            }
            other => other.clone(),
        };
        let found = source.read().map_err(|problem| match problem {
            KeyProblem::Unreadable { .. } => {
                wrong(place, format!("{problem}; `{keygen} --out FILE` makes a key"))
            }
            _ => wrong(place, problem.to_string()),
        })?;
        if let Some(warning) = found.warning {
            let warning = format!("{place}: {warning}");
            if !self.warnings.contains(&warning) {
                self.warnings.push(warning);
            }
        }
        Ok(found.text)
    }

    // A CDN secret can be searched offline from one link, so nothing else may hang on it.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        for (at, (place, bearer)) in self.ring.bearers.iter().enumerate() {
            let bearer = bearer.expose_secret();
            if self.ring.session.iter().any(|key| key.same_secret(bearer)) {
                return Err(wrong(place.as_str(), "it equals a session key; make another"));
            }
            let is_same = |(_, earlier): &&(String, SecretSlice<u8>)| {
                bool::from(earlier.expose_secret().ct_eq(bearer))
            };
            if let Some((earlier, _)) = self.ring.bearers[..at].iter().find(is_same) {
                return Err(wrong(place.as_str(), format!("it equals {earlier}; make another")));
            }
        }
        for (at, (place, key, text)) in self.ring.cdn.iter().enumerate() {
            let secret = text.expose_secret().trim_ascii_end();
            if self.ring.session.iter().any(|session| session.same_secret(secret)) {
                return Err(wrong(place.as_str(), "it equals a session key; make another"));
            }
            if self.ring.bearers.iter().any(|(_, bearer)| key.same_secret(bearer.expose_secret())) {
                return Err(wrong(place.as_str(), "it equals a bearer token; make another"));
            }
            let clash = self.ring.cdn[..at].iter().any(|(_, earlier, text)| {
                earlier.binding() != key.binding()
                    && key.same_secret(text.expose_secret().trim_ascii_end())
            });
            if clash {
                return Err(wrong(
                    place.as_str(),
                    "one key serves plain and IP-bound links: the plain token of /a.jpg1.2.3.4 is the \
                     bound token of /a.jpg; use two keys",
                ));
            }
        }
        Ok(())
    }
}

impl Keys<'_> {
    /// Refuses a configuration in which a token that the gateway hands out could be a link: whoever
    /// has a segment's URL would begin sessions with it, past their ends and limits.
    pub(super) fn refuse_tokens_as_links(&self) -> Result<(), ConfigError> {
        let (entries, cdns): (Vec<_>, Vec<_>) =
            self.ring.signing.iter().partition(|signing| signing.is_entry);
        for entry in entries {
            let (entry_place, _, entry_text) = &self.ring.cdn[entry.key];
            let clash = cdns.iter().find_map(|cdn| {
                let (place, _, text) = &self.ring.cdn[cdn.key];
                let is_same = is_same_secret(entry_text, text) && !is_apart(entry, cdn);
                (is_same || signs_links_of(cdn, entry)).then_some(place)
            });
            if let Some(cdn_place) = clash {
                let problem = format!(
                    "it is the secret of {}, too, or the same key in another spelling, so that a \
                     token of that CDN could begin sessions as a link: use two keys. One will do \
                     where both have scheme = \"gcore\", the links scope = \"file\", and the CDN \
                     scope = \"directory\"",
                    cdn_place
                );
                return Err(wrong(entry_place.as_str(), problem));
            }
        }
        Ok(())
    }
}

/// Reports if no token of the CDN verifies as an entry link, although both use the same secret. Gcore
/// hashes the signed path. The path of a directory token ends with a slash, and no session begins there.
fn is_apart(entry: &Signing, cdn: &Signing) -> bool {
    let are_gcore = [entry, cdn].iter().all(|signing| signing.scheme.name() == Gcore::NAME);
    are_gcore
        && entry.is_exact
        && entry.scheme.scope() == Scope::File
        && cdn.scheme.scope() != Scope::File
}

/// Reports if a token that the CDN's key makes verifies as an entry link. One key may be written in two
/// ways, as PEM text is.
fn signs_links_of(cdn: &Signing, entry: &Signing) -> bool {
    const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    let Ok(path) = ResourcePath::parse(b"/probe/index.m3u8") else { return false };
    let url = b"https://probe.invalid/probe/index.m3u8";
    let now = UnixTime(1_800_000_000);
    let ip = Some(CLIENT);
    let mut token = Vec::new();
    let bound_to = ip.filter(|_| cdn.scheme.binding() == Binding::Ip);
    let target = Target { path: &path, url };
    let until = now.saturating_add(600);
    if cdn.scheme.write_token_for(&target, until, bound_to, &mut token).is_err() {
        return false;
    }
    let presented = Presented { path: &path, url, query: Some(&token), ip };
    entry.scheme.verify(&presented, now).is_ok()
}

/// Compares two secrets in constant time. Hexadecimal digits compare without regard to case, since some
/// schemes write their keys in them.
fn is_same_secret(one: &SecretSlice<u8>, other: &SecretSlice<u8>) -> bool {
    let spelling = |text: &SecretSlice<u8>| {
        let text = text.expose_secret().trim_ascii();
        let is_hex = !text.is_empty() && text.iter().all(u8::is_ascii_hexdigit);
        Zeroizing::new(if is_hex { text.to_ascii_lowercase() } else { text.to_vec() })
    };
    spelling(one).ct_eq(&spelling(other)).into()
}

const ONE_OR_SEVERAL: &str = "give either key = { ... }, or keys = [{ id = \"...\", ... }, ...]";

/// Shorter bearer tokens can be guessed.
const MIN_BEARER_BYTES: usize = 16;

/// What to do about a scheme that a key does not fit.
fn advice(error: &sluicegate_token::SchemeError) -> String {
    match error {
        sluicegate_token::SchemeError::KeyLen { .. } => {
            format!("{error}; any_key_length = true lets it through")
        }
        _ => error.to_string(),
    }
}

const fn scope(name: raw::ScopeName) -> Option<Scope> {
    match name {
        raw::ScopeName::File => Some(Scope::File),
        raw::ScopeName::Directory => Some(Scope::Directory),
        raw::ScopeName::Tree => Some(Scope::Tree),
        raw::ScopeName::Either | raw::ScopeName::Extension => None,
    }
}

fn source(raw: &raw::KeyTable, place: &str) -> Result<KeySource, ConfigError> {
    one_source(raw.file.as_ref(), raw.env.as_ref(), raw.command.as_ref(), place)
}

fn source_of(raw: &raw::NamedKeyTable, place: &str) -> Result<KeySource, ConfigError> {
    one_source(raw.file.as_ref(), raw.env.as_ref(), raw.command.as_ref(), place)
}

fn one_source(
    file: Option<&String>,
    env: Option<&String>,
    command: Option<&Vec<String>>,
    place: &str,
) -> Result<KeySource, ConfigError> {
    match (file, env, command) {
        (Some(file), None, None) => Ok(KeySource::File(file.into())),
        (None, Some(name), None) => Ok(KeySource::Env(name.clone())),
        (None, None, Some(words)) => Ok(KeySource::Command(words.clone())),
        _ => Err(wrong(place, raw::KEY_SHAPE)),
    }
}

fn period(raw: &raw::NamedKeyTable, place: &str) -> Result<KeyPeriod, ConfigError> {
    let moment = |name: &str, raw: &Option<raw::Moment>| {
        let Some(raw) = raw else { return Ok(None) };
        let text = match raw {
            raw::Moment::Unix(secs) => return Ok(Some(UnixTime(*secs))),
            raw::Moment::Text(text) => text.clone(),
            raw::Moment::Date(date) => date.to_string(),
        };
        let problem = "write a moment with its zone, as 2026-12-01T00:00:00Z";
        let read = UnixTime::from_rfc3339(&text).map(Some);
        read.ok_or_else(|| wrong(format!("{place}: {name}"), problem))
    };
    let active_from = moment("active_from", &raw.active_from)?.unwrap_or(UnixTime(0));
    let retired_from = moment("retired_from", &raw.retired_from)?;
    if retired_from.is_some_and(|retired| retired <= active_from) {
        return Err(wrong(place, "it is retired before it is active"));
    }
    Ok(KeyPeriod { active_from, retired_from })
}

/// There must be no moment without a key that signs.
fn check_periods(periods: &[KeyPeriod], place: &str) -> Result<(), ConfigError> {
    if periods.contains(&KeyPeriod::ALWAYS) {
        return Ok(());
    }
    let last = periods.iter().any(|period| period.retired_from.is_none());
    if last {
        return Ok(());
    }
    Err(wrong(place, "a day comes when all are retired: leave retired_from out of the newest"))
}
