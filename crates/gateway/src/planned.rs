//! Plans of a manifest, kept beside it: made once for each kind of session, rendered for each.

mod kept;

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use arc_swap::ArcSwapOption;
use bytes::Bytes;

use sluicegate_manifest::{
    CdnPaths, Format, GCORE_QUERY_LEN, Place as Placement, Plan, Template, Variables,
};
use sluicegate_token::session::Grant;
use sluicegate_token::{ByteList, KeyId, RingKey, Scope, SessionKey, UnixTime};
use url::Url;

pub(crate) use self::kept::Plans;
use crate::Error;
use crate::buffers::{Buffer, Buffers, SentText};
use crate::compression::{self, Coding, Form, Once, Payload};
use crate::config::ProfileConfig;
use crate::metrics::Metrics;
use crate::policy::{CONTEXT_VARIABLE, RoutePolicy, SESSION_LIST, Scene};
use crate::profile_scope::{Confines, ProfileScope};
use crate::request::{Carried, SESSION_PARAMETER};
use crate::route::Segments;
use crate::session::{self, Admitted, Extension};
use crate::work::Work;
use crate::workers::Patience;

/// A plan, and what its tokens are for.
#[derive(Debug)]
pub(crate) struct Planned {
    plan: Plan,
    /// What further session tokens are for, after the manifest's own.
    extended: Vec<Extension>,
    /// By host, what tokens of its CDN are for.
    cdns: Vec<Option<ByteList>>,
    /// What was rendered last, if no session's token stands in it: a crowd gets the same bytes.
    shared: Option<ArcSwapOption<Shared>>,
    /// Its text for players that take gzip.
    gzip: Once,
    /// The text that is sent to a crowd.
    sent: SentText<Vec<TextTerms>>,
    /// What it takes while it is not kept.
    pub(crate) buffer: Buffer,
}

/// A text that is the same for all sessions of a kind, as long as the tokens of the CDNs are.
#[derive(Debug)]
struct Shared {
    /// Of each host with a CDN, the key that signs and until when.
    terms: Vec<TextTerms>,
    text: Bytes,
    compressed: OnceLock<(Form, Bytes)>,
}

/// Of a host with a CDN, the key that signs and until when.
type TextTerms = Option<(KeyId, UnixTime)>;

/// What plans of one manifest on one route depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kind {
    /// What it seals is sealed with this key.
    signer: u8,
    grant: Grant,
    carried: Carried,
    raw_path: Arc<str>,
    variables: Variables,
    /// The moment, if the manifest says something else at each.
    now: Option<UnixTime>,
    /// The session's profile.
    profile: Option<u8>,
}

/// A kind that is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) scene: Scene<'a>,
    /// The query that players see, if the manifest takes values from it. A viewer chose it, so that no
    /// plan with one is kept.
    pub(crate) query: &'a str,
    pub(crate) variables: &'a Variables,
    pub(crate) now: Option<UnixTime>,
}

/// A body, and what became of the plan.
pub(crate) struct Rendered {
    pub(crate) payload: Payload,
    /// The plan holds more than before.
    pub(crate) has_grown: bool,
    /// Tokens to compress the plan's text with once for all, which is yet to be done.
    pub(crate) to_compress: Option<Vec<ByteList>>,
}

/// When the CDN's tokens of a rendering end, and for whom they are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CdnTerms<'k> {
    pub(crate) key: &'k RingKey,
    pub(crate) expires: UnixTime,
    pub(crate) ip: Option<std::net::IpAddr>,
}

/// For whom a manifest is rendered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Session<'a> {
    pub(crate) signer: &'a SessionKey,
    pub(crate) admitted: &'a Admitted,
    /// When the URLs of keys end.
    pub(crate) keys_end: Option<UnixTime>,
    /// Told how long it takes to render.
    pub(crate) metrics: &'a Metrics,
}

impl<'k> CdnTerms<'k> {
    /// What of them decides over a text that is for nobody alone.
    const fn of_all(self) -> (&'k KeyId, UnixTime) {
        (&self.key.id, self.expires)
    }
}

/// Whether a text with these terms is for one viewer alone.
fn is_for_one(terms: &[Option<CdnTerms<'_>>]) -> bool {
    terms.iter().flatten().any(|terms| terms.ip.is_some())
}

fn are_same(known: &[TextTerms], terms: &[Option<CdnTerms<'_>>]) -> bool {
    let known = known.iter().map(|terms| terms.as_ref().map(|(key, expires)| (key, *expires)));
    known.eq(terms.iter().map(|terms| terms.map(CdnTerms::of_all)))
}

fn text_terms(terms: &[Option<CdnTerms<'_>>]) -> Vec<TextTerms> {
    terms.iter().map(|terms| terms.map(|terms| (terms.key.id.clone(), terms.expires))).collect()
}

impl Shared {
    fn size(&self) -> usize {
        let compressed = self.compressed.get().map_or(0, |(_, bytes)| bytes.len());
        size_of::<Self>() + self.text.len() + compressed
    }

    fn is_for(&self, terms: &[Option<CdnTerms<'_>>]) -> bool {
        are_same(&self.terms, terms)
    }

    /// Once for all: it may take its time.
    fn compressed(
        &self,
        copy: impl FnOnce() -> Result<Option<Vec<u8>>, Error>,
    ) -> Result<Payload, Error> {
        let (form, bytes) = match self.compressed.get() {
            Some(known) => known,
            None => {
                let new = match copy()? {
                    Some(copy) => (Form::Copy, copy.into()),
                    None => {
                        (Form::Gzip, compression::gzip(&self.text, compression::FOR_ALL)?.into())
                    }
                };
                self.compressed.get_or_init(|| new)
            }
        };
        Ok(Payload::whole(*form, bytes.clone()))
    }
}

impl Asked<'_> {
    fn is(&self, known: &Kind) -> bool {
        let Self { scene, variables, now, .. } = self;
        known.signer == scene.signer.id()
            && known.grant == scene.grant
            && known.carried == scene.carried
            && known.raw_path == scene.place.raw
            && known.variables == **variables
            && known.now == *now
            && known.profile == scene.profile.map(|profile| profile.id)
    }

    fn kind(&self) -> Kind {
        let Self { scene, variables, now, .. } = *self;
        Kind {
            signer: scene.signer.id(),
            grant: scene.grant,
            carried: scene.carried,
            raw_path: Arc::clone(&scene.place.raw),
            variables: variables.clone(),
            now,
            profile: scene.profile.map(|profile| profile.id),
        }
    }
}

/// The moment that a plan is for, if the manifest says something else at each: templates of a live
/// stream that are written out as lists of segments.
pub(crate) fn moment(template: &Template, scene: Scene<'_>, now: UnixTime) -> Option<UnixTime> {
    let config = &scene.route.config;
    let mut cdns = (0..scene.route.hosts()).filter_map(|host| scene.route.cdn_at(host));
    let is_written_out = match config.segments {
        Segments::Cdn => cdns.any(|cdn| cdn.ring.scheme().scope() == Scope::File),
        _ => matches!(scene.grant, Grant::Exact { .. }),
    };
    Some(now).filter(|_| template.is_dynamic() && is_written_out)
}

/// Makes a plan, which takes its time: `max_steps` at most, if that is less than the limits allow.
///
/// # Errors
/// [`Error::Uri`] if the manifest is refused, or takes more steps.
pub(crate) fn make(
    template: &Template,
    base: &Url,
    asked: &Asked<'_>,
    max_steps: Option<usize>,
) -> Result<Planned, Error> {
    let Asked { scene, query, variables, now } = *asked;
    let whole = template;
    let within;
    let template = match scene.profile {
        None => template,
        Some(profile) => {
            within = template.without(&template.excess(&profile.profile)?, scene.options)?;
            &within
        }
    };
    let mut served = scene
        .served()
        .ok_or_else(|| Error::Internal("a request's path makes no URL".to_owned()))?;
    served.set_query(Some(query).filter(|query| !query.is_empty()));
    // A part of an MPD is resolved as if it stood there.
    let context = variables.imported.iter().find(|(name, _)| name == CONTEXT_VARIABLE);
    let base = match context.and_then(|(_, context)| Url::parse(context).ok()) {
        Some(context) if template.format().is_part() => context,
        _ => base.clone(),
    };
    let mut work = Work::of(whole, max_steps);
    let mut placement = Placement { base, served, variables: variables.clone(), now, max_steps };
    let is_enforced = |profile: &&ProfileConfig| profile.scope == ProfileScope::Enforced;
    let confines = match scene.profile.filter(is_enforced) {
        None => None,
        Some(_) => Some(Confines::of(whole, template, &mut placement, scene.route, &mut work)?),
    };
    let exported = match template.format() {
        // The playlists of a pathway clone import from the multivariant playlist.
        Format::Steering => variables.imported.clone(),
        _ => template
            .own_variables()
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect(),
    };
    let mut policy = RoutePolicy::new(scene, confines.as_ref(), exported);
    let plan = work.plan(template, &mut placement, &mut policy)?;
    for kept in plan.kept() {
        let slot = &template.slots()[kept.slot];
        tracing::debug!(
            route = scene.route.config.id,
            path = %scene.place.path,
            line = slot.line(),
            carrier = %template.carrier(slot),
            reason = %kept.reason,
            "a URI stays as it is"
        );
    }
    // A manifest may have very many of each: one line tells of them all.
    if let Some((templates, reason)) = &policy.unexpanded {
        tracing::warn!(
            route = scene.route.config.id,
            path = %scene.place.path,
            templates,
            reason,
            "templates go through the gateway: they cannot be written out"
        );
    }
    if let Some(&first) = plan.dropped().first() {
        tracing::warn!(
            route = scene.route.config.id,
            path = %scene.place.path,
            line = template.slots()[first].line(),
            base_urls = plan.dropped().len(),
            "base URLs are left out: the token of their alternatives does not open what they lead to"
        );
    }
    if let Some(&first) = plan.withheld().first() {
        tracing::warn!(
            route = scene.route.config.id,
            path = %scene.place.path,
            offset = first,
            count = plan.withheld().len(),
            "what would tell other hosts this URL or its tokens is left out; third_party = \"trust\" keeps it"
        );
    }
    let cdns = policy.cdns.into_iter().map(|paths| paths.map(CdnPaths::into_signed)).collect();
    let shared = (!plan.takes_from(SESSION_LIST)).then(ArcSwapOption::empty);
    Ok(Planned {
        plan,
        extended: policy.extended,
        cdns,
        shared,
        gzip: Once::default(),
        sent: SentText::default(),
        buffer: Buffer::default(),
    })
}

impl Planned {
    /// Bytes of memory that it takes now, beside the manifest's own `source`.
    pub(crate) fn size(&self, source: &Bytes) -> usize {
        let of_extension = |extension: &Extension| {
            size_of::<Extension>()
                + extension.place.raw.len()
                + extension.place.path.as_bytes().len()
        };
        let is_of_source = self.plan.source().as_ptr() == source.as_ptr();
        let shared = self.shared.as_ref().and_then(ArcSwapOption::load_full);
        size_of::<Self>()
            + self.plan.size()
            + if is_of_source { 0 } else { self.plan.source().len() }
            + self.extended.iter().map(of_extension).sum::<usize>()
            + self.cdns.iter().flatten().map(ByteList::size).sum::<usize>()
            + shared.map_or(0, |shared| shared.size())
            + self.gzip.size()
    }

    /// About as much work as rendering takes, in bytes of a manifest that is compiled: copying is far
    /// faster, and a token takes as long as a line.
    pub(crate) fn work(&self) -> usize {
        const BYTES_COPIED: usize = 16;
        const BYTES_PER_TOKEN: usize = 64;
        let signed = self.cdns.iter().flatten().map(ByteList::len).sum::<usize>();
        let tokens = signed + self.extended.len();
        self.plan.size() / BYTES_COPIED + tokens.saturating_mul(BYTES_PER_TOKEN)
    }

    /// Memory for the body while it is made and sent.
    ///
    /// # Errors
    /// [`Error::ManifestBusy`].
    pub(crate) async fn buffer(
        &self,
        buffers: &Buffers,
        patience: &Patience,
        terms: &[Option<CdnTerms<'_>>],
    ) -> Result<Buffer, Error> {
        let bytes = self.plan.text_len();
        if !self.is_shared(terms) {
            return buffers.reserve(patience, bytes).await;
        }
        let this = (|known: &Vec<_>| are_same(known, terms), || text_terms(terms));
        buffers.share(&self.sent, this, patience, bytes).await
    }

    /// The text that is the same for all, if it is made.
    fn shared_text(&self, terms: &[Option<CdnTerms<'_>>]) -> Option<Arc<Shared>> {
        let shared = self.shared.as_ref().and_then(ArcSwapOption::load_full);
        shared.filter(|shared| shared.is_for(terms) && !is_for_one(terms))
    }

    /// Whether the body is there and need not be made.
    pub(crate) fn has_body(&self, terms: &[Option<CdnTerms<'_>>], coding: Coding) -> bool {
        self.shared_text(terms)
            .is_some_and(|shared| coding == Coding::Identity || shared.compressed.get().is_some())
    }

    /// Whether the body is one for all, so that the first who asks makes it for the others.
    pub(crate) fn is_shared(&self, terms: &[Option<CdnTerms<'_>>]) -> bool {
        self.shared.is_some() && !is_for_one(terms)
    }

    /// The body for one session. `level` is how hard is compressed what nobody else gets.
    pub(crate) fn body(
        &self,
        session: &Session<'_>,
        terms: &[Option<CdnTerms<'_>>],
        coding: Coding,
        level: u32,
    ) -> Result<Rendered, Error> {
        let mut to_compress = None;
        let Some(shared) = self.shared.as_ref().filter(|_| !is_for_one(terms)) else {
            let began = Instant::now();
            let tokens = self.tokens(session, terms)?;
            let payload = match coding {
                Coding::Identity => Ok(Payload::whole(Form::Plain, self.text(&tokens).into())),
                Coding::Gzip => match self.gzip.body(&self.plan, &tokens) {
                    Some(copy) => Ok(Payload::whole(Form::Copy, copy.into())),
                    None => {
                        let text = self.text(&tokens);
                        to_compress = self.gzip.is_wanted().then_some(tokens);
                        Payload::for_one(text, level)
                    }
                },
            };
            session.metrics.rendered(began.elapsed());
            return payload.map(|payload| Rendered { payload, has_grown: false, to_compress });
        };
        let known = shared.load_full();
        let mut has_grown = false;
        let shared = match known.filter(|known| known.is_for(terms)) {
            Some(known) => known,
            None => {
                let began = Instant::now();
                let new = Arc::new(Shared {
                    terms: text_terms(terms),
                    text: self.text(&self.tokens(session, terms)?).into(),
                    compressed: OnceLock::new(),
                });
                session.metrics.rendered(began.elapsed());
                shared.store(Some(Arc::clone(&new)));
                has_grown = true;
                new
            }
        };
        let payload = match coding {
            Coding::Identity => Payload::whole(Form::Plain, shared.text.clone()),
            Coding::Gzip => {
                has_grown |= shared.compressed.get().is_none();
                shared.compressed(|| {
                    let tokens = self.tokens(session, terms)?;
                    let copy = self.gzip.body(&self.plan, &tokens);
                    to_compress = self.gzip.is_wanted().then_some(tokens);
                    Ok(copy)
                })?
            }
        };
        Ok(Rendered { payload, has_grown, to_compress })
    }

    /// Compresses the text once for whichever tokens come to stand in it.
    pub(crate) fn compress(&self, tokens: &[ByteList]) {
        self.gzip.make(&self.plan, tokens);
    }

    /// Lets the next request see to it that the text is compressed.
    pub(crate) fn compress_later(&self) {
        self.gzip.want_again();
    }

    fn text(&self, tokens: &[ByteList]) -> Vec<u8> {
        let mut text = Vec::new();
        self.plan.render_into(tokens, &mut text);
        text
    }

    /// The tokens of one session.
    fn tokens(
        &self,
        session: &Session<'_>,
        terms: &[Option<CdnTerms<'_>>],
    ) -> Result<Vec<ByteList>, Error> {
        let Session { signer, admitted, keys_end, .. } = *session;
        let mut sessions = ByteList::default();
        let mut push = |token: &sluicegate_token::SessionToken| match admitted.carried {
            Carried::Path => sessions.push(token.as_str().as_bytes()),
            Carried::Query => {
                sessions.push_pieces([
                    SESSION_PARAMETER.as_bytes(),
                    b"=",
                    token.as_str().as_bytes(),
                ]);
            }
        };
        push(&admitted.token);
        for extension in &self.extended {
            push(&session::extend(signer, admitted, extension, keys_end));
        }
        let mut tokens = vec![sessions];
        for (host, signed) in self.cdns.iter().enumerate() {
            let mut of_cdn = ByteList::default();
            if let (Some(signed), Some(Some(terms))) = (signed, terms.get(host)) {
                of_cdn = ByteList::with_capacity(signed.len(), signed.len() * GCORE_QUERY_LEN);
                let scheme = &terms.key.scheme;
                scheme
                    .write_tokens(signed, terms.expires, terms.ip, &mut of_cdn)
                    .map_err(|error| Error::Unsignable(error.to_string()))?;
            }
            tokens.push(of_cdn);
        }
        Ok(tokens)
    }
}
