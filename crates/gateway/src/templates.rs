//! Compiled manifests: fetched once for all who ask at one time, kept, confirmed, and served for a
//! while when their origin fails.

mod edges;
mod life;

use std::future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use bytes::Bytes;
use headers::HeaderMapExt as _;
use moka::future::Cache;
use moka::ops::compute::Op;
use sha2::{Digest as _, Sha256};
use sluicegate_manifest::{CompileError, Format, LiveEdge, Options, Template};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use url::Url;

use self::edges::Edges;
pub(crate) use self::edges::Reached;
use self::life::{Allowed, Life, Standing};
use crate::buffers::{Buffer, Buffers};
use crate::config::Limits;
use crate::looks::Looks;
use crate::metrics::{CacheUse, Metrics};
use crate::origin::caching::Caching;
use crate::origin::{Conditions, DECODED, Fetched, Purpose};
use crate::planned::Plans;
use crate::route::{Place, Route};
use crate::workers::{Patience, Workers};
use crate::{Error, ErrorSource, directives, media_type, trace};

/// A manifest as an origin sent it, compiled.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) template: Template,
    /// Its own URL, after redirects.
    pub(crate) url: Url,
    /// Names the source in entity tags.
    pub(crate) digest: [u8; 32],
    pub(crate) content_type: HeaderValue,
    /// Asks the origin whether it has changed.
    validators: Conditions,
    pub(crate) plans: Plans,
    /// Of a live playlist whose server offers delivery directives.
    pub(crate) edge: Option<LiveEdge>,
    /// Memory for its source until the cache weighs it.
    buffer: Mutex<Buffer>,
}

impl Compiled {
    pub(crate) const fn format(&self) -> Format {
        self.template.format()
    }

    /// Bytes of memory that it takes now, its plans and their texts among them.
    fn size(&self) -> usize {
        size_of::<Self>() + self.url.as_str().len() + self.template.size() + self.plans.size()
    }
}

/// What is asked for: a resource of a route, with what of the viewer's query the origin sees.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Resource<'r> {
    pub(crate) route: &'r Arc<Route>,
    pub(crate) place: &'r Place,
    pub(crate) query: &'r str,
    /// By [`Route::resource_key`].
    pub(crate) key: &'r str,
    /// Of whoever asks.
    pub(crate) patience: &'r Patience,
}

/// A manifest that is kept, and when its origin said last that it is so.
#[derive(Clone, Debug)]
struct Kept {
    compiled: Arc<Compiled>,
    confirmed: Instant,
    said: Caching,
    life: Life,
}

impl Kept {
    fn is_fresh(&self) -> bool {
        self.life.standing(self.confirmed.elapsed()) == Standing::Fresh
    }
}

/// What a resource turned out to be that no name promises as a manifest, until the moment that is told.
#[derive(Clone, Debug)]
enum Seen {
    /// No document.
    Plain(Instant),
    /// A document that is refused.
    Refused(Error, Instant),
}

/// What is known of a resource before its origin is asked.
pub(crate) enum Known {
    Nothing,
    /// It is no document.
    Plain,
    /// It is a document, and refused.
    Refused(Error),
}

/// The compiled manifests, by route, path and query.
#[derive(Debug)]
pub(crate) struct Templates {
    cache: Cache<String, Kept>,
    /// Fetches that are under way: who asks meanwhile gets the same answer.
    under_way: Cache<String, Arc<Compiled>>,
    /// What an origin failed to answer a moment ago, and what of its answers was refused.
    failed: Cache<String, Error>,
    /// What was looked at without a name that promises a manifest.
    seen: Cache<String, Seen>,
    /// The ends of live playlists.
    edges: Edges,
    options: Arc<Options>,
    allowed: Allowed,
    workers: Workers,
    looks: Looks,
    buffers: Buffers,
    wait: Duration,
    plan_bytes: usize,
    metrics: Arc<Metrics>,
}

/// Bytes of what is remembered of resources beside manifests, each kind for itself. Viewers choose names.
const MAX_KNOWN_BYTES: u64 = 16 << 20;
/// Memory that an entry takes beside its key.
const ENTRY_BYTES: usize = 256;
/// For how long it is believed that a resource is no document.
const PLAIN_FOR: Duration = Duration::from_secs(300);
/// The same for JSON, of which the next answer may be one.
const PLAIN_JSON_FOR: Duration = Duration::from_secs(10);
/// For how long the end of a live playlist is remembered.
const EDGE_FOR: Duration = Duration::from_secs(30);
/// More are hardly fetched at once, or fail.
const MAX_UNDER_WAY: u64 = 100_000;
/// How long an origin that failed is left alone.
const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How long a viewer waits for an origin's answer if there is an older one.
const PATIENCE: Duration = Duration::from_secs(2);

impl Templates {
    pub(crate) fn new(options: Options, limits: &Limits, metrics: Arc<Metrics>) -> Self {
        let cache = Cache::builder()
            .max_capacity(limits.cache_bytes)
            .weigher(|key: &String, kept: &Kept| weight(key, kept.compiled.size()))
            .build();
        let allowed = Allowed {
            while_revalidate: limits.while_revalidate,
            if_error: limits.stale_for,
            heuristic: limits.heuristic_for,
        };
        Self {
            cache,
            under_way: Cache::new(MAX_UNDER_WAY),
            failed: known_for(RETRY_AFTER),
            seen: known_for(PLAIN_FOR),
            edges: known_for(EDGE_FOR),
            options: Arc::new(options),
            allowed,
            workers: Workers::new(limits),
            looks: Looks::new(limits),
            buffers: Buffers::new(limits, metrics.slow_bodies.clone()),
            wait: limits.manifest_wait,
            plan_bytes: limits.plan_bytes,
            metrics,
        }
    }

    /// How many manifests are kept, and their bytes.
    pub(crate) async fn size(&self) -> (u64, u64) {
        // The cache counts late.
        self.cache.run_pending_tasks().await;
        (self.cache.entry_count(), self.cache.weighted_size())
    }

    /// What a look at this resource told lately.
    pub(crate) async fn known(&self, resource: Resource<'_>) -> Known {
        match self.seen.get(resource.key).await {
            Some(Seen::Plain(until)) if Instant::now() < until => Known::Plain,
            Some(Seen::Refused(error, until)) if Instant::now() < until => Known::Refused(error),
            Some(_) | None => Known::Nothing,
        }
    }

    pub(crate) async fn remember_plain(&self, resource: Resource<'_>, is_json: bool) {
        let time = if is_json { PLAIN_JSON_FOR } else { PLAIN_FOR };
        let seen = Seen::Plain(Instant::now() + time);
        self.seen.insert(resource.key.to_owned(), seen).await;
    }

    /// Remembers why a document is refused, so that it is not fetched again for each who asks.
    pub(crate) async fn remember_refused(&self, resource: Resource<'_>, error: &Error) {
        if is_refusal(error) {
            let seen = Seen::Refused(error.clone(), Instant::now() + RETRY_AFTER);
            self.seen.insert(resource.key.to_owned(), seen).await;
        }
    }

    /// The threads for manifests that take long.
    pub(crate) const fn workers(&self) -> &Workers {
        &self.workers
    }

    /// How long one request waits for them.
    pub(crate) const fn patience(&self) -> Patience {
        Patience::new(self.wait)
    }

    /// The memory for JSON that is read to learn what it is.
    pub(crate) const fn looks(&self) -> &Looks {
        &self.looks
    }

    /// The memory for manifests that are read or sent.
    pub(crate) const fn buffers(&self) -> &Buffers {
        &self.buffers
    }

    /// Weighs a manifest again that holds more than before.
    pub(crate) async fn weigh(&self, key: &str, compiled: &Arc<Compiled>) {
        compiled.plans.shrink(self.plan_bytes);
        let again = |entry: Option<moka::Entry<String, Kept>>| {
            let kept = entry.map(moka::Entry::into_value);
            let same = kept.filter(|kept| Arc::ptr_eq(&kept.compiled, compiled));
            future::ready(same.map_or(Op::Nop, Op::Put))
        };
        self.cache.entry_by_ref(key).and_compute_with(again).await;
    }

    /// Whether a plan of so many bytes may be kept.
    pub(crate) const fn may_keep_plan(&self, bytes: usize) -> bool {
        bytes <= self.plan_bytes
    }

    /// What manifests are compiled with.
    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// Whether this resource was a manifest when it was fetched last.
    pub(crate) fn knows(&self, resource: Resource<'_>) -> bool {
        self.knows_key(resource.key)
    }

    /// The same for a resource by its key.
    pub(crate) fn knows_key(&self, key: &str) -> bool {
        self.cache.contains_key(key)
    }

    /// Drops what is no manifest any more.
    pub(crate) async fn forget(&self, resource: Resource<'_>) {
        self.cache.invalidate(resource.key).await;
    }

    /// The compiled manifest: kept, if it is good still, or else fetched or confirmed, once for all
    /// who ask at one time. If the origin fails, what it said lately is still good.
    pub(crate) async fn fetch(
        self: &Arc<Self>,
        resource: Resource<'_>,
    ) -> Result<Arc<Compiled>, Error> {
        let known = self.cache.get(resource.key).await;
        if let Some(known) = known.as_ref().filter(|known| known.is_fresh()) {
            self.metrics.manifest(CacheUse::Hit);
            return Ok(Arc::clone(&known.compiled));
        }
        // What is not there makes a large future, which most requests need not carry along.
        Box::pin(self.fetch_anew(resource, known)).await
    }

    async fn fetch_anew(
        self: &Arc<Self>,
        resource: Resource<'_>,
        known: Option<Kept>,
    ) -> Result<Arc<Compiled>, Error> {
        let standing = known.as_ref().map(|known| known.life.standing(known.confirmed.elapsed()));
        if let (Some(known), Some(Standing::Updating)) = (&known, standing) {
            self.metrics.manifest(CacheUse::Updating);
            let is_tried =
                self.failed.contains_key(resource.key) || self.under_way.contains_key(resource.key);
            if !is_tried {
                self.update(resource, Some(known.clone()));
            }
            return Ok(Arc::clone(&known.compiled));
        }
        let fallback = known.clone().filter(|_| standing == Some(Standing::Stale));
        if let Some(error) = self.failed.get(resource.key).await {
            return match fallback {
                Some(stale) => {
                    self.metrics.manifest(CacheUse::Stale);
                    Ok(stale.compiled)
                }
                None => Err(error),
            };
        }
        self.metrics.manifest(CacheUse::Miss);
        let Some(stale) = fallback else { return self.refresh(resource, known.as_ref()).await };
        let update = self.update(resource, known);
        let answered = match tokio::time::timeout(PATIENCE, update).await {
            Ok(answered) => {
                answered.unwrap_or_else(|error| Err(Error::Internal(error.to_string())))
            }
            Err(_) => Err(Error::OriginTimeout("the patience that there is with an older answer")),
        };
        match answered {
            Err(error)
                if error.source_kind() == ErrorSource::Origin
                    || matches!(error, Error::ManifestBusy) =>
            {
                self.metrics.manifest(CacheUse::Stale);
                tracing::warn!(
                    route = resource.route.config.id,
                    path = %resource.place.path,
                    reason = %error,
                    "the origin failed; what it said before is served"
                );
                Ok(stale.compiled)
            }
            answered => answered,
        }
    }

    /// Fetches or confirms in a task of its own, which goes on if nobody waits any more.
    fn update(
        self: &Arc<Self>,
        resource: Resource<'_>,
        known: Option<Kept>,
    ) -> JoinHandle<Result<Arc<Compiled>, Error>> {
        let (templates, route) = (Arc::clone(self), Arc::clone(resource.route));
        let place = resource.place.clone();
        let (query, key) = (resource.query.to_owned(), resource.key.to_owned());
        let trace = trace::current();
        let update = async move {
            let patience = &templates.patience();
            let resource =
                Resource { route: &route, place: &place, query: &query, key: &key, patience };
            templates.refresh(resource, known.as_ref()).await
        };
        tokio::spawn(async move {
            match trace {
                Some(trace) => trace.within(update).await,
                None => update.await,
            }
        })
    }

    /// Fetches or confirms, once for all who ask at one time.
    async fn refresh(
        &self,
        resource: Resource<'_>,
        known: Option<&Kept>,
    ) -> Result<Arc<Compiled>, Error> {
        let made = async {
            // Another one may have come to its end since this one looked.
            match self.cache.get(resource.key).await.filter(Kept::is_fresh) {
                Some(kept) => Ok(kept.compiled),
                None => self.ask(resource, known).await,
            }
        };
        self.once(resource, made).await
    }

    /// Makes a compiled manifest once for all who ask at one time.
    async fn once(
        &self,
        resource: Resource<'_>,
        made: impl Future<Output = Result<Arc<Compiled>, Error>>,
    ) -> Result<Arc<Compiled>, Error> {
        let answered = self.under_way.try_get_with_by_ref(resource.key, made).await;
        self.under_way.invalidate(resource.key).await;
        answered.map_err(|error| Error::clone(&error))
    }

    async fn ask(
        &self,
        resource: Resource<'_>,
        known: Option<&Kept>,
    ) -> Result<Arc<Compiled>, Error> {
        let answered = self.ask_origin(resource, known).await;
        let is_local = resource.route.origin.is_local(resource.place);
        match &answered {
            // It said of the manifest itself that it is gone.
            Err(Error::NotFound) => self.cache.invalidate(resource.key).await,
            Err(error) if is_refusal(error) || is_trouble(error) && !is_local => {
                self.failed.insert(resource.key.to_owned(), error.clone()).await;
            }
            Ok(_) | Err(_) => {}
        }
        answered
    }

    async fn ask_origin(
        &self,
        resource: Resource<'_>,
        known: Option<&Kept>,
    ) -> Result<Arc<Compiled>, Error> {
        let anew = || HeaderMap::from_iter([(header::ACCEPT_ENCODING, DECODED)]);
        let mut conditions = anew();
        if let Some(known) = known {
            conditions.extend(known.compiled.validators.clone());
        }
        let Resource { route, place, query, .. } = resource;
        let mut fetched =
            route.origin.fetch(route, place, query, Purpose::Document, &conditions).await?;
        if fetched.status == StatusCode::NOT_MODIFIED
            && known.is_some_and(|known| known.compiled.url != fetched.url)
        {
            // A redirect leads elsewhere now, or another origin answers, where the validators say
            // nothing of what is known.
            fetched = route.origin.fetch(route, place, query, Purpose::Document, &anew()).await?;
        }
        match (fetched.status, known) {
            (StatusCode::NOT_MODIFIED, Some(known)) => {
                let said = fetched.caching.or(known.said);
                self.keep(resource, &known.compiled, said).await;
                Ok(Arc::clone(&known.compiled))
            }
            (StatusCode::OK, _) => self.accept(resource, fetched).await,
            (status, _) => Err(Error::OriginStatus(status.as_u16())),
        }
    }

    async fn keep(&self, resource: Resource<'_>, compiled: &Arc<Compiled>, said: Caching) {
        let Resource { key, query, .. } = resource;
        // The answer to what one player measured is for that player.
        if said.no_store || directives::are_individual(query) {
            return self.cache.invalidate(key).await;
        }
        let life = Life::of(&said, &compiled.template, self.allowed);
        let kept = Kept { compiled: Arc::clone(compiled), confirmed: Instant::now(), said, life };
        // In turn with whoever weighs it again.
        self.cache.entry_by_ref(key).and_upsert_with(|_| future::ready(kept)).await;
        *compiled.buffer.lock().unwrap_or_else(PoisonError::into_inner) = Buffer::default();
    }

    /// The compiled manifest of a body that has begun to arrive. Of many that arrive at one time, one is
    /// compiled.
    pub(crate) async fn accept_once(
        &self,
        resource: Resource<'_>,
        fetched: Fetched,
    ) -> Result<Arc<Compiled>, Error> {
        match self.known(resource).await {
            Known::Refused(error) => Err(error),
            Known::Nothing | Known::Plain => {
                self.once(resource, self.accept(resource, fetched)).await
            }
        }
    }

    /// Compiles and remembers a manifest whose body has begun to arrive.
    async fn accept(
        &self,
        resource: Resource<'_>,
        mut fetched: Fetched,
    ) -> Result<Arc<Compiled>, Error> {
        if let Some(encoding) = fetched.headers.get(header::CONTENT_ENCODING)
            && encoding != "identity"
        {
            return Err(Error::OriginEncoding(
                String::from_utf8_lossy(encoding.as_bytes()).into_owned(),
            ));
        }
        let mut limit = self.options.limits.max_bytes;
        let announced =
            fetched.headers.typed_get::<headers::ContentLength>().map_or(0, |len| len.0);
        if usize::try_from(announced).unwrap_or(usize::MAX) > limit {
            let bytes = usize::try_from(announced).unwrap_or(usize::MAX);
            return Err(CompileError::TooLong { bytes, limit }.into());
        }
        let validators = validators(&fetched.headers);
        let start = fetched.body.peek(Format::SNIFF_BYTES).await?;
        let mut look = None;
        match Format::detect(start) {
            Some(format) if !format.may_hold_uris(start) => {
                return Err(CompileError::NotAManifest.into());
            }
            Some(_) => {}
            None if Format::needs_whole(start) => {
                if !media_type::names_a_manifest(&resource.place.raw) {
                    limit = limit.min(self.looks.most_bytes());
                }
                look = Some(self.looks.begin(resource.patience, limit).await?);
            }
            None => {
                // Not worth reading to its end.
                Template::compile(Bytes::copy_from_slice(start), &self.options)?;
                return Err(CompileError::NotAManifest.into());
            }
        }
        let (source, buffer) = self.buffers.read(fetched.body, resource.patience, limit).await?;
        if look.is_some() && source.len() > limit {
            return Err(CompileError::TooLong { bytes: source.len(), limit }.into());
        }
        let options = Arc::clone(&self.options);
        let is_short = self.workers.is_short(source.len());
        let origins = fetched.headers.get(header::CONTENT_TYPE);
        // An origin without validators, or that forbids to keep a manifest, sends the same again and again.
        let known = self.cache.get(resource.key).await.map(|kept| kept.compiled).filter(|known| {
            known.url == fetched.url
                && known.validators == validators
                && known.content_type == media_type::of_document(known.format(), origins)
        });
        let known_digest = known.as_ref().map(|known| known.digest);
        let work = move || {
            let digest: [u8; 32] = Sha256::digest(&source).into();
            let is_known = known_digest == Some(digest);
            (!is_known).then(|| (digest, Template::compile(source, &options)))
        };
        let worked = match is_short {
            true => work(),
            false => self.workers.run(resource.patience, work).await?,
        };
        let (digest, template) = match (worked, known) {
            (Some((digest, template)), _) => (digest, template?),
            (None, Some(known)) => {
                self.keep(resource, &known, fetched.caching).await;
                return Ok(known);
            }
            (None, None) => return Err(Error::Internal("a known manifest is gone".to_owned())),
        };
        let content_type = media_type::of_document(template.format(), origins);
        let plans = Plans::of(template.source().clone());
        let edge = template.live_edge();
        let compiled = Arc::new(Compiled {
            template,
            content_type,
            url: fetched.url,
            digest,
            validators,
            plans,
            edge,
            buffer: Mutex::new(buffer),
        });
        // Without a validator each request fetches it whole; it is kept for when the origin fails.
        self.keep(resource, &compiled, fetched.caching).await;
        if compiled.format() == Format::Hls {
            self.reached_by(resource, &compiled).await;
        }
        Ok(compiled)
    }
}

/// Whether what an origin sent is refused, which takes the same work each time.
const fn is_refusal(error: &Error) -> bool {
    matches!(error, Error::Manifest(_) | Error::Uri(_))
}

/// What an entry weighs: its key, what it holds, and what the cache takes for it.
fn weight(key: &str, bytes: usize) -> u32 {
    u32::try_from(key.len() + bytes + ENTRY_BYTES).unwrap_or(u32::MAX)
}

/// A cache of what is known of resources for some time.
fn known_for<V: Clone + Send + Sync + 'static>(time: Duration) -> Cache<String, V> {
    Cache::builder()
        .max_capacity(MAX_KNOWN_BYTES)
        .weigher(|key: &String, _: &V| weight(key, 0))
        .time_to_live(time)
        .build()
}

/// Whether an error is the origin's trouble. That something is no manifest may be no trouble at all.
const fn is_trouble(error: &Error) -> bool {
    matches!(error.source_kind(), ErrorSource::Origin)
        && !matches!(error, Error::Manifest(CompileError::NotAManifest))
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
