//! GET and HEAD of anything that is not the gateway's own: media with a session, or an entry.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::Response;
use sluicegate_manifest::Variables;
use sluicegate_token::{UnixTime, query};

use super::entry;
use crate::app::App;
use crate::manifest::Given;
use crate::policy::QUERY_VARIABLE;
use crate::request::MediaRequest;
use crate::route::{KeyDelivery, Route, Segments};
use crate::session::Admitted;
use crate::session_store::{Opened, StreamId};
use crate::{Error, delivery, directives, in_flight, media_type, session, variables};

pub(crate) async fn media(app: &App, request: Request) -> Result<Response, Error> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return Err(Error::READ_ONLY);
    }
    let uri = request.uri();
    let client = app.trusted_proxies().client(&request);
    let media = MediaRequest::parse(uri.path(), uri.query(), client, app.limits().max_path_bytes)?;
    match answer(app, &media, request.method(), request.headers()).await {
        // Of what is refused logs show no more than its token vouches for.
        Err(error) if error.may_be_vouched() => {
            let vouched = match &media.token {
                Some(_) => session::vouched(app.keys(), app.routes(), &media),
                None => entry::vouched(app, &media),
            };
            Ok(error.answer_to_vouched(vouched))
        }
        answered => answered,
    }
}

async fn answer(
    app: &App,
    media: &MediaRequest,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response, Error> {
    if media.token.is_none() {
        let _in_flight = app.in_flight().begin(None, media.client)?;
        return Box::pin(entry::enter(app, media)).await;
    }
    let now = app.now();
    let (admitted, in_flight) = admit(app, media, method, headers, now).await?;
    let sealed = media.variables.as_deref();
    let (route, place) = (&admitted.route, &admitted.place);
    let variables = variables::open(app.keys(), route, place, sealed, now)?;
    let query = with_own_query(forwarded(route, &media.query), &variables);
    let given = Given { query: &media.query, variables: &variables, sealed };
    let response = delivery::deliver(app, &admitted, &query, &given, method, headers).await?;
    in_flight.answer(response)
}

/// Lets a request of a session in: by its token, by the bounds of what is in flight, and by what is known
/// of the session. `method` is that of the client.
pub(super) async fn admit(
    app: &App,
    media: &MediaRequest,
    method: &Method,
    headers: &HeaderMap,
    now: UnixTime,
) -> Result<(Admitted, in_flight::Request), Error> {
    let admitted = session::admit(app.keys(), app.routes(), media, now).map_err(|error| {
        let explained = || app.refusals().of_session(app.keys(), app.routes(), media, now, error);
        app.rates().refuse(media.client, explained)
    })?;
    // A store that answers slowly holds no more requests than may be in flight.
    let in_flight = app.in_flight().begin(Some(admitted.claims.session), media.client)?;
    // HEAD plays nothing, unless it tells where to play.
    let plays = method == Method::GET || tells_where_to_play(&admitted);
    let agent = headers.get(header::USER_AGENT).map(HeaderValue::as_bytes);
    let stream = plays.then(|| StreamId::of(media.client, agent.unwrap_or_default()));
    let unknown = || {
        let (route, path) = (&admitted.route.config.id, &admitted.place.path);
        // A key's token ends before its session may.
        let expires = match admitted.is_for_key() {
            true => now.window_expiry(app.session_length_secs()),
            false => admitted.claims.expires,
        };
        Opened::by_token(route, path, expires)
    };
    app.sessions().admit(admitted.claims.session, unknown, stream, now).await?;
    Ok((admitted, in_flight))
}

/// Whether the answer may be a URL of the CDN with a token.
fn tells_where_to_play(admitted: &Admitted) -> bool {
    let (route, place) = (&admitted.route, &admitted.place);
    let is_redirected = route.config.segments != Segments::Gateway;
    let keys = route.config.keys.as_ref().map(|keys| keys.delivery);
    match admitted.is_for_key() {
        true => keys == Some(KeyDelivery::Redirect),
        false => is_redirected && !media_type::names_a_manifest(&place.raw),
    }
}

/// What the origin is asked with: the query that the manifest itself wrote for this document comes
/// first, and a viewer adds to it alone.
fn with_own_query(forwarded: String, variables: &Variables) -> String {
    let mut own = variables.imported.iter().filter(|(name, _)| name == QUERY_VARIABLE);
    let Some((_, own)) = own.next() else { return forwarded };
    let is_own = |name: &[u8]| {
        query::parameters(own.as_bytes()).any(|(own, _)| own.eq_ignore_ascii_case(name))
    };
    let further = query::without(forwarded.as_bytes(), is_own);
    match further.is_empty() {
        true => own.clone(),
        false => format!("{own}&{}", String::from_utf8_lossy(&further)),
    }
}

/// What of a viewer's query goes on to the origin. A link's own parameters never do.
pub(crate) fn forwarded(route: &Route, raw_query: &str) -> String {
    if raw_query.is_empty() {
        return String::new();
    }
    let entry = route.config.entry.as_ref();
    let owned = entry.map(|entry| entry.ring.scheme().parameters()).unwrap_or_default();
    let is_link =
        |name: &[u8]| owned.iter().any(|parameter| name.eq_ignore_ascii_case(parameter.as_bytes()));
    let is_dropped =
        |name: &[u8]| is_link(name) || directives::is_directive(name) || !route.forwards(name);
    // Each of a player's directives once, in one order, so that viewers choose no spelling.
    let mut directives: Vec<_> = query::parameters(raw_query.as_bytes())
        .filter(|(name, _)| directives::is_directive(name) && !is_link(name))
        .filter_map(|(name, value)| Some((name, value?)))
        .filter(|(name, value)| route.forwards_directive(name, value))
        .collect();
    directives.sort_by_key(|(name, _)| *name);
    directives.dedup_by_key(|(name, _)| *name);
    let others = query::without(raw_query.as_bytes(), is_dropped);
    if directives.is_empty() {
        return String::from_utf8_lossy(&others).into_owned();
    }
    let mut kept: Vec<u8> = Vec::with_capacity(raw_query.len());
    for (name, value) in directives {
        kept.extend_from_slice(name);
        kept.push(b'=');
        kept.extend_from_slice(value);
        kept.push(b'&');
    }
    kept.extend_from_slice(&others);
    if others.is_empty() {
        kept.pop();
    }
    String::from_utf8_lossy(&kept).into_owned()
}
