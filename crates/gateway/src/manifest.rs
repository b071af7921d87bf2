//! Manifests: fetched, compiled once, rendered for each session.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use headers::{ETag, HeaderMapExt as _, IfNoneMatch};
use moka::future::Cache;
use sha2::{Digest as _, Sha256};
use sluicegate_manifest::{CompileError, Format, Options, Template, Variables};
use sluicegate_token::{Binding, SessionKey, UnixTime};
use url::Url;

use crate::Error;
use crate::app::App;
use crate::media_type;
use crate::origin::{Conditions, Fetched};
use crate::planned::{self, CdnTerms, Plans};
use crate::policy::Scene;
use crate::request::Carried;
use crate::route::{Place, Route, Segments};
use crate::session::Admitted;

/// A manifest as an origin sent it, compiled.
#[derive(Debug)]
pub(crate) struct Compiled {
    template: Template,
    /// Its own URL, after redirects.
    url: Url,
    /// Names the source in entity tags.
    digest: [u8; 32],
    content_type: HeaderValue,
    /// Asks the origin whether it has changed.
    validators: Conditions,
    plans: Plans,
}

impl Compiled {
    pub(crate) const fn format(&self) -> Format {
        self.template.format()
    }
}

/// The compiled manifests, by route, origin URL and query.
#[derive(Debug)]
pub(crate) struct Templates {
    cache: Cache<String, Arc<Compiled>>,
    /// What was looked at and is no document, whatever its name.
    plain: Cache<String, ()>,
    options: Options,
}

/// How many resources are known not to be documents, and for how long that is believed.
const MAX_PLAIN: u64 = 100_000;
const PLAIN_FOR: Duration = Duration::from_secs(300);

impl Templates {
    pub(crate) fn new(options: Options, cache_bytes: u64) -> Self {
        let cache = Cache::builder()
            .max_capacity(cache_bytes)
            .weigher(|key: &String, compiled: &Arc<Compiled>| {
                let slots = std::mem::size_of_val(compiled.template.slots());
                u32::try_from(key.len() + compiled.template.source().len() + slots)
                    .unwrap_or(u32::MAX)
            })
            .build();
        let plain = Cache::builder().max_capacity(MAX_PLAIN).time_to_live(PLAIN_FOR).build();
        Self { cache, plain, options }
    }

    /// Whether this resource was looked at lately and is no document.
    pub(crate) fn is_plain(&self, route: &Route, place: &Place, query: &str) -> bool {
        self.plain.contains_key(&key(route, place, query))
    }

    pub(crate) async fn remember_plain(&self, route: &Route, place: &Place, query: &str) {
        self.plain.insert(key(route, place, query), ()).await;
    }

    /// The most bytes that a manifest may have.
    pub(crate) const fn max_bytes(&self) -> usize {
        self.options.limits.max_bytes
    }

    /// Whether this resource was a manifest when it was fetched last.
    pub(crate) fn knows(&self, route: &Route, place: &Place, query: &str) -> bool {
        self.cache.contains_key(&key(route, place, query))
    }

    /// Drops what is no manifest any more.
    pub(crate) async fn forget(&self, route: &Route, place: &Place, query: &str) {
        self.cache.invalidate(&key(route, place, query)).await;
    }

    /// The compiled manifest, fetched again or confirmed by the origin.
    pub(crate) async fn fetch(
        &self,
        route: &Route,
        place: &Place,
        query: &str,
    ) -> Result<Arc<Compiled>, Error> {
        let key = key(route, place, query);
        let known = self.cache.get(&key).await;
        let conditions = known.as_ref().map(|known| known.validators.clone()).unwrap_or_default();
        let mut fetched = route.origin.fetch(route, place, query, &conditions).await?;
        if fetched.status == StatusCode::NOT_MODIFIED
            && known.as_ref().is_some_and(|known| known.url != fetched.url)
        {
            // A redirect leads elsewhere now, where the validators say nothing of what is known.
            fetched = route.origin.fetch(route, place, query, &Conditions::new()).await?;
        }
        match (fetched.status, known) {
            (StatusCode::NOT_MODIFIED, Some(known)) => Ok(known),
            (StatusCode::OK, _) => self.accept(route, place, query, fetched).await,
            (status, _) => Err(Error::OriginStatus(status.as_u16())),
        }
    }

    /// Compiles and remembers a manifest whose body has begun to arrive.
    pub(crate) async fn accept(
        &self,
        route: &Route,
        place: &Place,
        query: &str,
        mut fetched: Fetched,
    ) -> Result<Arc<Compiled>, Error> {
        if let Some(encoding) = fetched.headers.get(header::CONTENT_ENCODING)
            && encoding != "identity"
        {
            return Err(Error::OriginEncoding(
                String::from_utf8_lossy(encoding.as_bytes()).into_owned(),
            ));
        }
        let limit = self.options.limits.max_bytes;
        let announced =
            fetched.headers.typed_get::<headers::ContentLength>().map_or(0, |len| len.0);
        if usize::try_from(announced).unwrap_or(usize::MAX) > limit {
            let bytes = usize::try_from(announced).unwrap_or(usize::MAX);
            return Err(CompileError::TooLong { bytes, limit }.into());
        }
        let validators = validators(&fetched.headers);
        let start = fetched.body.peek(Format::SNIFF_BYTES).await?;
        match Format::detect(start) {
            Some(format) if !format.may_hold_uris(start) => {
                return Err(CompileError::NotAManifest.into());
            }
            Some(_) => {}
            None if Format::needs_whole(start) => {}
            None => {
                // Not worth reading to its end.
                Template::compile(Bytes::copy_from_slice(start), &self.options)?;
                return Err(CompileError::NotAManifest.into());
            }
        }
        let source = fetched.body.read_to_limit(limit).await?;
        let digest = Sha256::digest(&source).into();
        let template = Template::compile(source, &self.options)?;
        let origins = fetched.headers.get(header::CONTENT_TYPE);
        let content_type = media_type::of_document(template.format(), origins);
        let compiled = Arc::new(Compiled {
            template,
            content_type,
            url: fetched.url,
            digest,
            validators,
            plans: Plans::default(),
        });
        // Without a validator each request fetches it whole, so keeping it has no use.
        if !compiled.validators.is_empty() {
            self.cache.insert(key(route, place, query), Arc::clone(&compiled)).await;
        }
        Ok(compiled)
    }
}

/// What of a request's query decides with what a manifest says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given<'r> {
    /// The query that the player sees, tokens taken off.
    pub(crate) query: &'r str,
    /// The variables of the manifest that led here.
    pub(crate) variables: &'r Variables,
    /// The same as they came.
    pub(crate) sealed: Option<&'r str>,
}

/// Renders a manifest for a session and answers with it.
pub(crate) fn respond(
    app: &App,
    admitted: &Admitted,
    compiled: &Compiled,
    given: &Given<'_>,
    request: &HeaderMap,
    now: UnixTime,
) -> Result<Response, Error> {
    let signer = app.signer(now)?;
    let scene = Scene {
        signer,
        public_host: app.public_host(),
        public_path: app.public_path(),
        route: &admitted.route,
        place: &admitted.place,
        grant: admitted.claims.grant,
        carried: admitted.carried,
        max_expanded: app.limits().max_expanded_segments,
    };
    let terms = cdn_terms(admitted, &compiled.template, now)?;
    let moment = planned::moment(&compiled.template, scene, now);
    let etag = entity_tag(admitted, compiled, given, signer, &terms, moment);
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.typed_insert(etag.clone());
    // It bears tokens: no shared cache may keep it, and a player asks before it uses it again.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(header::CONTENT_TYPE, compiled.content_type.clone());
    if request.typed_get::<IfNoneMatch>().is_some_and(|known| !known.precondition_passes(&etag)) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        return Ok(response);
    }

    let variables = given.variables.clone();
    let plans = &compiled.plans;
    let planned =
        plans.of(&compiled.template, &compiled.url, scene, given.query, variables, moment)?;
    let text = planned.render(signer, admitted, &terms)?;
    response.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(text.len()));
    *response.body_mut() = Body::from(text);
    Ok(response)
}

/// For each host that has a CDN. Live playlists bring fresh tokens with each reload, so theirs may
/// be short. Whatever is loaded once must hold for the session.
fn cdn_terms<'a>(
    admitted: &'a Admitted,
    template: &Template,
    now: UnixTime,
) -> Result<Vec<Option<CdnTerms<'a>>>, Error> {
    let route = &admitted.route;
    let terms = |host| {
        let Some(cdn) = route.cdn_at(host) else { return Ok(None) };
        let key = cdn.ring.signing(now).map_err(|error| Error::Unsignable(error.to_string()))?;
        let window = cdn.window_expiry(now);
        let is_reloaded = template.is_reloaded();
        let session = cdn.no_later(admitted.claims.expires, now);
        let expires = if is_reloaded { window } else { window.max(session) };
        let ip = admitted.client.filter(|_| cdn.ring.binding() == Binding::Ip);
        Ok(Some(CdnTerms { key, expires, ip }))
    };
    let has_cdns = route.config.segments == Segments::Cdn;
    (0..if has_cdns { route.hosts() } else { 0 }).map(terms).collect()
}

/// Over the source, the session, the token window and the route's settings: the same text has the
/// same tag, and a new token a new one.
fn entity_tag(
    admitted: &Admitted,
    compiled: &Compiled,
    given: &Given<'_>,
    signer: &SessionKey,
    terms: &[Option<CdnTerms<'_>>],
    moment: Option<UnixTime>,
) -> ETag {
    let mut hash = Sha256::new();
    hash.update(compiled.digest);
    hash.update(compiled.url.as_str());
    hash.update(admitted.route.fingerprint.as_bytes());
    hash.update(admitted.token.as_str());
    hash.update([u8::from(admitted.carried == Carried::Query)]);
    // Each with an end that it cannot hold, so that no two requests look alike.
    for text in [admitted.place.raw.as_str(), given.query, given.sealed.unwrap_or_default()] {
        hash.update(text);
        hash.update([0]);
    }
    hash.update([signer.id()]);
    for terms in terms {
        hash.update(terms.map_or(0, |terms| terms.expires.0).to_be_bytes());
        hash.update(terms.map_or(String::new(), |terms| terms.key.id.to_string()));
        hash.update([0]);
    }
    hash.update(moment.map_or(0, |moment| moment.0).to_be_bytes());
    if let Some(client) = admitted.client {
        hash.update(client.to_string());
    }
    let mut text = String::from("\"");
    for byte in &hash.finalize()[..16] {
        use std::fmt::Write as _;
        let written = write!(text, "{byte:02x}");
        debug_assert!(written.is_ok());
    }
    text.push('"');
    text.parse().expect("hexadecimal digits in quotes are an entity tag")
}

fn key(route: &Route, place: &Place, query: &str) -> String {
    format!("{} {}", route.config.id, route.origin_url(place, query))
}

fn validators(headers: &HeaderMap) -> Conditions {
    let mut conditions = HeaderMap::new();
    if let Some(etag) = headers.get(header::ETAG) {
        conditions.insert(header::IF_NONE_MATCH, etag.clone());
    } else if let Some(modified) = headers.get(header::LAST_MODIFIED) {
        conditions.insert(header::IF_MODIFIED_SINCE, modified.clone());
    }
    conditions
}
