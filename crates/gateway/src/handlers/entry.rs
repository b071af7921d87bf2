//! Entry by a signed link: a manifest's URL with a valid token leads to its session URL.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use percent_encoding::{CONTROLS, utf8_percent_encode};
use sluicegate_token::{
    Binding, IpPrefix, Presented, Refusal, Scope, SessionId, TokenMark, UnixTime,
};

use super::media::forwarded;
use crate::app::App;
use crate::config::EntryConfig;
use crate::request::{Carried, MediaRequest, SESSION_PARAMETER, carrying_path};
use crate::route::{Carry, Place, Route};
use crate::session::{self, Terms};
use crate::session_store::Opened;
use crate::templates::Resource;
use crate::{Error, media_type};

/// Answers a request without a session token: 302 to the session URL for a valid link.
pub(crate) async fn enter(app: &App, request: &MediaRequest) -> Result<Response, Error> {
    let no_token = || Error::from(Refusal::Missing("session token".into()));
    let found = app.routes().iter().find_map(|route| Some((route, route.place(&request.path)?)));
    let (route, place) = found.filter(|(_, place)| place.host == 0).ok_or_else(no_token)?;
    let entry = route.config.entry.as_ref().ok_or_else(no_token)?;

    // A CDN's token of a directory is for a path that ends so, and may be made with the key of links.
    if place.raw.ends_with('/') {
        return Err(Error::EntryNotAManifest);
    }
    if entry.ring.scheme().may_shift_path() && !media_type::ends_like_no_shorter_name(&place.raw) {
        return Err(Error::EntryNotAManifest);
    }
    app.rates().enter(request.client)?;
    let now = app.now();
    let link = verify(app, entry, request, now)?;
    if !is_manifest(app, route, &place, &forwarded(route, &request.query)).await? {
        return Err(Error::EntryNotAManifest);
    }

    let is_bound = route.config.bind_ip || entry.ring.binding() == Binding::Ip;
    let bind_to =
        if is_bound { Some(request.client.ok_or(Refusal::NoClientAddress)?) } else { None };
    // The same link from the same place is the same session, so that a reload stays in it.
    let client = request.client.map(IpPrefix::for_session);
    let id = SessionId::of_link(&route.config.id, link, client);
    let signer = app.signer(now)?;
    let expires = now.window_expiry(app.session_length_secs());
    let profile = app.profile(entry.profile);
    let terms = Terms { expires, bind_to, profile };
    let (token, claims) = session::begin(signer, route, &place, id, &terms)?;
    let known = Opened::by_token(&route.config.id, &place.path, claims.expires);
    let profile = profile.map(|profile| profile.name.clone());
    app.sessions().open(id, Opened { ip: bind_to, profile, ..known }, now).await?;

    let mut location = session_path(app.public_path(), route, &place, &token);
    let kept = forwarded(route, &request.query);
    if !kept.is_empty() {
        location.push(if location.contains('?') { '&' } else { '?' });
        // A Location is ASCII; requests are not always.
        location.extend(utf8_percent_encode(&kept, CONTROLS));
    }
    redirect(&location)
}

/// The path and query under which a session begins.
pub(crate) fn session_path(
    public_path: &str,
    route: &Route,
    place: &Place,
    token: &sluicegate_token::SessionToken,
) -> String {
    match route.config.carry {
        Carry::Path => carrying_path(public_path, token.as_str(), Carried::Path, &place.raw),
        Carry::Query => {
            let path = carrying_path(public_path, token.as_str(), Carried::Query, &place.raw);
            format!("{path}?{SESSION_PARAMETER}={}", token.as_str())
        }
    }
}

fn verify(
    app: &App,
    entry: &EntryConfig,
    request: &MediaRequest,
    now: UnixTime,
) -> Result<TokenMark, Error> {
    let url = url_of(app, request);
    let presented = presented(&url, request);
    // What has not begun gets no leeway.
    let late = now.saturating_sub(entry.leeway_secs);
    let verified = match entry.ring.verify(&presented, now) {
        Err(Refusal::Expired { .. }) if late < now => entry.ring.verify(&presented, late),
        verified => verified,
    };
    let valid = verified.map_err(|refusal| {
        let explained = || app.refusals().of_link(&entry.ring, &presented, now, refusal);
        app.rates().refuse(request.client, explained)
    })?;
    match valid.unchecked {
        None => Ok(valid.mark),
        Some(what) => Err(Error::Unchecked(what)),
    }
}

/// How many segments of a request's path its link's token covers, whether its time is over or not: the
/// platform has signed them. Of schemes that know patterns of URLs none is.
pub(crate) fn vouched(app: &App, request: &MediaRequest) -> usize {
    let is_here = |route: &Arc<Route>| route.place(&request.path).is_some();
    let route = app.routes().iter().find(|route| is_here(route));
    let Some(entry) = route.and_then(|route| route.config.entry.as_ref()) else { return 0 };
    if !entry.ring.scheme().signs_decoded_path() || entry.ring.scheme().scope() == Scope::Tree {
        return 0;
    }
    let url = url_of(app, request);
    match entry.ring.verify(&presented(&url, request), app.now()) {
        // A token of the directory may be taken, too.
        Ok(_) | Err(Refusal::Expired { .. }) => request.path.decoded.segments().count() - 1,
        Err(_) => 0,
    }
}

fn url_of(app: &App, request: &MediaRequest) -> String {
    format!("{}{}{}", app.public_host(), app.public_path(), request.path.written())
}

fn presented<'r>(url: &'r str, request: &'r MediaRequest) -> Presented<'r> {
    Presented {
        path: &request.path.decoded,
        url: url.as_bytes(),
        query: Some(request.query.as_bytes()),
        ip: request.client,
    }
}

/// A link to a segment or a picture must not open the folder around it.
async fn is_manifest(
    app: &App,
    route: &Arc<Route>,
    place: &Place,
    query: &str,
) -> Result<bool, Error> {
    if media_type::names_a_manifest(&place.raw) {
        return Ok(true);
    }
    let key = &route.resource_key(place, query);
    let patience = &app.templates().patience();
    match app.templates().fetch(Resource { route, place, query, key, patience }).await {
        Ok(compiled) => Ok(compiled.format().is_manifest()),
        Err(Error::Manifest(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

fn redirect(location: &str) -> Result<Response, Error> {
    let location = HeaderValue::from_str(location)
        .map_err(|_| Error::Internal("a session URL is no header value".to_owned()))?;
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::FOUND;
    response.headers_mut().insert(header::LOCATION, location);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}
