//! Plans of a manifest, kept beside it: made once for each kind of session, rendered for each.

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use arc_swap::{ArcSwap, ArcSwapOption};
use bytes::Bytes;

use sluicegate_manifest::{
    CdnPaths, Format, GCORE_QUERY_LEN, Place as Placement, Plan, Template, Variables,
};
use sluicegate_token::session::Grant;
use sluicegate_token::{ByteList, KeyId, RingKey, Scope, SessionKey, UnixTime};
use url::Url;

use crate::Error;
use crate::compression::{self, Coding, Form, Once, Payload};
use crate::metrics::Metrics;
use crate::policy::{CONTEXT_VARIABLE, RoutePolicy, SESSION_LIST, Scene};
use crate::request::{Carried, SESSION_PARAMETER};
use crate::route::Segments;
use crate::session::{self, Admitted, Extension};

/// How many kinds of sessions are kept for one manifest; they differ in grant and carrier.
const MAX_PLANS: usize = 8;

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
}

/// A text that is the same for all sessions of a kind, as long as the tokens of the CDNs are.
#[derive(Debug)]
struct Shared {
    /// Of each host with a CDN, the key that signs and until when.
    terms: Vec<Option<(KeyId, UnixTime)>>,
    text: Bytes,
    compressed: OnceLock<(Form, Bytes)>,
}

/// What plans of one manifest on one route depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Kind {
    /// What it seals is sealed with this key.
    signer: u8,
    grant: Grant,
    carried: Carried,
    raw_path: Arc<str>,
    /// The query that players see, if the manifest takes values from it.
    query: String,
    variables: Variables,
    /// The moment, if the manifest says something else at each.
    now: Option<UnixTime>,
    /// The session's profile.
    profile: Option<u8>,
}

/// A kind that is looked for.
struct Asked<'a> {
    scene: Scene<'a>,
    query: &'a str,
    variables: &'a Variables,
    now: Option<UnixTime>,
}

/// The plans made so far, the newest last.
#[derive(Debug, Default)]
pub(crate) struct Plans(ArcSwap<Vec<(Kind, Arc<Planned>)>>);

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

impl Shared {
    fn is_for(&self, terms: &[Option<CdnTerms<'_>>]) -> bool {
        let known = self.terms.iter();
        let known = known.map(|terms| terms.as_ref().map(|(key, expires)| (key, *expires)));
        known.eq(terms.iter().map(|terms| terms.map(CdnTerms::of_all)))
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

impl Plans {
    /// The plan for a session's kind, made now if it is the first.
    pub(crate) fn of(
        &self,
        template: &Template,
        base: &Url,
        scene: Scene<'_>,
        viewers_query: &str,
        variables: &Variables,
        now: Option<UnixTime>,
    ) -> Result<Arc<Planned>, Error> {
        let query = if template.reads_its_query() { viewers_query } else { "" };
        let asked = Asked { scene, query, variables, now };
        if let Some(known) = self.find(&asked) {
            return Ok(known);
        }
        let kind = asked.kind();
        let planned = Arc::new(make(template, base, scene, &kind)?);
        self.0.rcu(|plans| {
            let too_many = (plans.len() + 1).saturating_sub(MAX_PLANS);
            let kept = plans.iter().skip(too_many).cloned();
            kept.chain([(kind.clone(), Arc::clone(&planned))]).collect::<Vec<_>>()
        });
        Ok(planned)
    }

    fn find(&self, asked: &Asked<'_>) -> Option<Arc<Planned>> {
        let plans = self.0.load();
        plans.iter().find(|(known, _)| asked.is(known)).map(|(_, planned)| Arc::clone(planned))
    }
}

impl Asked<'_> {
    fn is(&self, known: &Kind) -> bool {
        let Self { scene, query, variables, now } = self;
        known.signer == scene.signer.id()
            && known.grant == scene.grant
            && known.carried == scene.carried
            && known.raw_path == scene.place.raw
            && known.query == *query
            && known.variables == **variables
            && known.now == *now
            && known.profile == scene.profile.map(|profile| profile.id)
    }

    fn kind(&self) -> Kind {
        let Self { scene, query, variables, now } = *self;
        Kind {
            signer: scene.signer.id(),
            grant: scene.grant,
            carried: scene.carried,
            raw_path: Arc::clone(&scene.place.raw),
            query: query.to_owned(),
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

fn make(template: &Template, base: &Url, scene: Scene<'_>, kind: &Kind) -> Result<Planned, Error> {
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
    served.set_query(Some(&kind.query).filter(|query| !query.is_empty()).map(String::as_str));
    // A part of an MPD is resolved as if it stood there.
    let context = kind.variables.imported.iter().find(|(name, _)| name == CONTEXT_VARIABLE);
    let base = match context.and_then(|(_, context)| Url::parse(context).ok()) {
        Some(context) if template.format().is_part() => context,
        _ => base.clone(),
    };
    let placement = Placement { base, served, variables: kind.variables.clone(), now: kind.now };
    let exported = match template.format() {
        // The playlists of a pathway clone import from the multivariant playlist.
        Format::Steering => kind.variables.imported.clone(),
        _ => template
            .own_variables()
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect(),
    };
    let mut policy = RoutePolicy::new(scene, exported);
    let plan = template.plan(&placement, &mut policy)?;
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
    for &dropped in plan.dropped() {
        tracing::warn!(
            route = scene.route.config.id,
            path = %scene.place.path,
            line = template.slots()[dropped].line(),
            "a base URL is left out: the token of its alternatives does not open what it leads to"
        );
    }
    let cdns = policy.cdns.into_iter().map(|paths| paths.map(CdnPaths::into_signed)).collect();
    let shared = (!plan.takes_from(SESSION_LIST)).then(ArcSwapOption::empty);
    Ok(Planned { plan, extended: policy.extended, cdns, shared, gzip: Once::default() })
}

impl Planned {
    /// The body for one session. `level` is how hard is compressed what nobody else gets.
    pub(crate) fn body(
        self: &Arc<Self>,
        session: &Session<'_>,
        terms: &[Option<CdnTerms<'_>>],
        coding: Coding,
        level: u32,
    ) -> Result<Payload, Error> {
        let is_for_one = terms.iter().flatten().any(|terms| terms.ip.is_some());
        let Some(shared) = self.shared.as_ref().filter(|_| !is_for_one) else {
            let began = Instant::now();
            let tokens = self.tokens(session, terms)?;
            let payload = match coding {
                Coding::Identity => Ok(Payload::whole(Form::Plain, self.text(&tokens).into())),
                Coding::Gzip => match self.copy(&tokens) {
                    Some(copy) => Ok(Payload::whole(Form::Copy, copy.into())),
                    None => Payload::for_one(self.text(&tokens), level),
                },
            };
            session.metrics.rendered(began.elapsed());
            return payload;
        };
        let known = shared.load_full();
        let shared = match known.filter(|known| known.is_for(terms)) {
            Some(known) => known,
            None => {
                let began = Instant::now();
                let new = Arc::new(Shared {
                    terms: terms
                        .iter()
                        .map(|terms| terms.map(|terms| (terms.key.id.clone(), terms.expires)))
                        .collect(),
                    text: self.text(&self.tokens(session, terms)?).into(),
                    compressed: OnceLock::new(),
                });
                session.metrics.rendered(began.elapsed());
                shared.store(Some(Arc::clone(&new)));
                new
            }
        };
        match coding {
            Coding::Identity => Ok(Payload::whole(Form::Plain, shared.text.clone())),
            Coding::Gzip => shared.compressed(|| Ok(self.copy(&self.tokens(session, terms)?))),
        }
    }

    /// The compressed body, by copying what was compressed once. None until that is so.
    fn copy(self: &Arc<Self>, tokens: &[ByteList]) -> Option<Vec<u8>> {
        if self.gzip.is_wanted() {
            let (planned, tokens) = (Arc::clone(self), tokens.to_vec());
            drop(tokio::task::spawn_blocking(move || planned.gzip.make(&planned.plan, &tokens)));
        }
        self.gzip.body(&self.plan, tokens)
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
