//! Manifests, rendered for each session.

use std::net::IpAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use headers::{ETag, HeaderMapExt as _, IfNoneMatch};
use sha2::{Digest as _, Sha256};
use sluicegate_manifest::{Template, Variables};
use sluicegate_token::{Binding, UnixTime};

use crate::Error;
use crate::app::App;
use crate::compression::{Coding, Form};
use crate::making::Making;
use crate::planned::{self, CdnTerms, Session};
use crate::policy::Scene;
use crate::request::Carried;
use crate::route::Segments;
use crate::session::Admitted;
use crate::templates::{Compiled, Resource};

/// How many headers an answer has, those among them that are added to every one.
const MOST_HEADERS: usize = 14;

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

/// The scene of a session's manifest.
pub(crate) fn scene<'a>(
    app: &'a App,
    admitted: &'a Admitted,
    now: UnixTime,
) -> Result<Scene<'a>, Error> {
    if admitted.is_for_media() {
        return Err(Error::BeyondMediaToken);
    }
    Ok(Scene {
        signer: app.signer(now)?,
        public_host: app.public_host(),
        public_path: app.public_path(),
        route: &admitted.route,
        place: &admitted.place,
        grant: admitted.claims.grant,
        carried: admitted.carried,
        options: app.templates().options(),
        profile: match admitted.profile() {
            0 => None,
            id => Some(app.profile(id).ok_or(Error::UnknownProfile(id))?),
        },
    })
}

/// Renders the manifest of a resource for a session and answers with it.
pub(crate) async fn respond(
    app: &App,
    admitted: &Admitted,
    resource: Resource<'_>,
    compiled: &Arc<Compiled>,
    given: &Given<'_>,
    request: &HeaderMap,
    now: UnixTime,
) -> Result<Response, Error> {
    let scene = scene(app, admitted, now)?;
    let terms = cdn_terms(admitted, &compiled.template, now)?;
    let moment = planned::moment(&compiled.template, scene, now);
    let coding = Coding::wanted(request);
    let keys = admitted.route.config.keys.as_ref();
    let keys_end = keys.map(|keys| now.window_expiry(keys.ttl_secs));
    let moments = (moment, keys_end);
    let etag = entity_tag(admitted, compiled, given, scene, &terms, moments);
    let mut response = Response::new(Body::empty());
    let headers = response.headers_mut();
    headers.reserve(MOST_HEADERS);
    // It bears tokens: no shared cache may keep it, and a player asks before it uses it again.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(header::CONTENT_TYPE, compiled.content_type.clone());
    // Browsers show XML as a document, with the scripts that are in it.
    if compiled.content_type.as_bytes().ends_with(b"xml") {
        headers.insert(header::CONTENT_SECURITY_POLICY, crate::delivery::SANDBOX);
    }
    headers.insert(header::VARY, HeaderValue::from_name(header::ACCEPT_ENCODING));
    if let Some(known) = request.typed_get::<IfNoneMatch>() {
        let mut tags = Form::taken(coding).iter().map(|form| tag_of(etag, *form));
        let is_known =
            |tag: &String| tag.parse::<ETag>().is_ok_and(|tag| !known.precondition_passes(&tag));
        if let Some(tag) = tags.find(is_known) {
            insert_tag(headers, tag);
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            return Ok(response);
        }
    }

    let made = Making { app, admitted, resource, compiled, given, now, moment };
    let planned = match made.known(scene) {
        Some(planned) => planned?,
        None => Box::pin(made.plan(scene)).await?,
    };
    let is_short =
        planned.has_body(&terms, coding) || app.templates().workers().is_short(planned.work());
    let buffer = planned.buffer(app.templates().buffers(), resource.patience, &terms).await?;
    let payload = match is_short {
        true => {
            let session = Session {
                signer: scene.signer,
                admitted,
                keys_end,
                metrics: &app.observer().metrics,
            };
            let rendered = planned.body(&session, &terms, coding, app.limits().gzip_level)?;
            match rendered.has_grown || rendered.to_compress.is_some() {
                true => Box::pin(made.settle(&planned, rendered)).await,
                false => rendered.payload,
            }
        }
        false => Box::pin(made.render(&planned, &terms, coding, keys_end)).await?,
    };
    let headers = response.headers_mut();
    insert_tag(headers, tag_of(etag, payload.form));
    if payload.form != Form::Plain {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    *response.body_mut() = payload.into_body(buffer);
    Ok(response)
}

/// For each host that has a CDN. Live playlists bring fresh tokens with each reload, so theirs may
/// be short. Whatever is loaded once must hold for the session.
pub(crate) fn cdn_terms<'a>(
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
    scene: Scene<'_>,
    terms: &[Option<CdnTerms<'_>>],
    moments: (Option<UnixTime>, Option<UnixTime>),
) -> [u8; 16] {
    let mut hash = Sha256::new();
    hash.update(compiled.digest);
    hash.update(compiled.url.as_str());
    hash.update(admitted.route.fingerprint);
    hash.update(admitted.token.as_str());
    hash.update([u8::from(admitted.carried == Carried::Query)]);
    // Each with an end that it cannot hold, so that no two requests look alike.
    for text in [&*admitted.place.raw, given.query, given.sealed.unwrap_or_default()] {
        hash.update(text);
        hash.update([0]);
    }
    hash.update([scene.signer.id()]);
    if let Some(profile) = scene.profile {
        hash.update(format!("{:?}", (&profile.profile, profile.scope)));
    }
    for terms in terms {
        hash.update(terms.map_or(0, |terms| terms.expires.0).to_be_bytes());
        hash.update(terms.map_or("", |terms| terms.key.id.as_str()));
        hash.update([0]);
    }
    for moment in [moments.0, moments.1] {
        hash.update(moment.map_or(0, |moment| moment.0).to_be_bytes());
    }
    match admitted.client {
        None => {}
        Some(IpAddr::V4(client)) => hash.update(client.octets()),
        Some(IpAddr::V6(client)) => hash.update(client.octets()),
    }
    let digest: [u8; 32] = hash.finalize().into();
    let (half, _) = digest.split_first_chunk::<16>().expect("32 bytes have a first half");
    *half
}

/// The tag of one form of a text.
fn tag_of(text: [u8; 16], form: Form) -> String {
    // As long as it will be, so that it need not be moved.
    let mut tag = String::with_capacity(24 + form.tag_suffix().len());
    tag.push('"');
    URL_SAFE_NO_PAD.encode_string(text, &mut tag);
    tag.push_str(form.tag_suffix());
    tag.push('"');
    tag
}

fn insert_tag(headers: &mut HeaderMap, tag: String) {
    let value = HeaderValue::try_from(tag);
    headers.insert(header::ETAG, value.expect("base64url in quotes is a header's value"));
}
