//! `/v1/sessions`: a platform's backend opens sessions for viewers, looks at them and ends them.

pub(crate) mod call;
pub(crate) mod openapi;

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{FromRequest as _, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use sluicegate_manifest::CompileError;
use sluicegate_token::SessionId;

use self::call::{Filter, ListedSession, NewSession, OpenedSession, SessionPage, Urls};
use self::openapi::Failed;
use super::entry::session_path;
use crate::app::App;
use crate::request::RequestPath;
use crate::route::{Place, Route};
use crate::session::{self, Terms};
use crate::session_store::Opened;
use crate::templates::Resource;
use crate::{Error, bearer, media_type};

/// A session lives a month at most; its token's expiry has 32 bits.
const MAX_TTL_SECS: u64 = 31 * 86_400;
/// How long a call's body may take to come.
const MAX_CALL_TIME: Duration = Duration::from_secs(10);

/// Open a session for a viewer.
#[utoipa::path(
    post,
    path = "/v1/sessions",
    request_body = NewSession,
    responses(
        (status = 201, body = OpenedSession),
        (status = 400, description = "What is wrong with the call", body = Failed),
        (status = 401, description = "The bearer token is missing or wrong", body = Failed),
        (status = 403, description = "No session may be granted there", body = Failed),
        (status = 404, description = "No route has the path", body = Failed),
    ),
)]
pub(crate) async fn create(State(app): State<App>, request: Request) -> Result<Response, Error> {
    authorize(&app, request.headers())?;
    open(&app, request).await.map_err(of_call)
}

async fn open(app: &App, request: Request) -> Result<Response, Error> {
    let read = Json::<NewSession>::from_request(request, app);
    let call = tokio::time::timeout(MAX_CALL_TIME, read).await.map_err(|_| Error::CallTooSlow)?;
    let Json(call) = call.map_err(|rejection: JsonRejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Error::CallTooLarge,
        _ => Error::bad_call("body", rejection.body_text()),
    })?;
    if call.path.contains(['?', '#']) {
        return Err(Error::bad_call("path", "path: it holds a query or a fragment"));
    }
    if call.max_streams == Some(0) {
        return Err(Error::bad_call("max_streams", "max_streams: it must be 1 or more"));
    }
    let path = RequestPath::parse(&call.path, app.limits().max_path_bytes)?;
    let found = app.routes().iter().find_map(|route| Some((route, route.place(&path)?)));
    let (route, place) = found.filter(|(_, place)| place.host == 0).ok_or(Error::NoRoute)?;
    if route.config.bind_ip && call.ip.is_none() {
        let message = "ip: this route binds sessions to the client's address";
        return Err(Error::bad_call("ip", message));
    }

    let mut id = [0_u8; 14];
    getrandom::fill(&mut id).map_err(|error| Error::Internal(format!("random bytes: {error}")))?;
    let ttl_secs = call.ttl_secs(app.session_length_secs(), MAX_TTL_SECS)?;
    let now = app.now();
    let expires = now.saturating_add(ttl_secs);
    let id = SessionId(id);
    let profile = match &call.profile {
        None => None,
        Some(name) => Some(app.profile_named(name).ok_or_else(|| {
            Error::bad_call("profile", format!("profile: there is none named \"{name}\""))
        })?),
    };
    let terms = Terms { expires, bind_to: call.ip, profile };
    let (token, claims) = session::begin(app.signer(now)?, route, &place, id, &terms)?;
    if is_no_manifest(app, route, &place).await {
        let problem = "path: it is no manifest; name an HLS playlist or an MPD";
        return Err(Error::bad_call("path", problem));
    }
    let opened = Opened {
        route: route.config.id.clone(),
        path: place.path.to_string(),
        user: call.user,
        ip: call.ip,
        profile: call.profile,
        max_streams: call.max_streams,
        data: call.data,
        expires: claims.expires,
    };
    app.sessions().open(id, opened, now).await?;
    let url =
        format!("{}{}", app.public_host(), session_path(app.public_path(), route, &place, &token));
    let urls = match media_type::names_an_mpd(&place.raw) {
        true => Urls { hls: None, dash: Some(url) },
        false => Urls { hls: Some(url), dash: None },
    };
    let opened = OpenedSession { id: id.to_string(), expires_at: claims.expires.0, urls };
    Ok(answer(StatusCode::CREATED, Json(opened)))
}

/// Whether the name of a resource, or its content, shows that it is no manifest. An origin that fails now
/// may answer when the viewer comes.
async fn is_no_manifest(app: &App, route: &Arc<Route>, place: &Place) -> bool {
    if media_type::names_a_manifest(&place.raw) {
        return false;
    }
    if place.raw.ends_with('/') || media_type::names_media(&place.raw) {
        return true;
    }
    let (query, key) = ("", &route.resource_key(place, ""));
    let patience = &app.templates().patience();
    match app.templates().fetch(Resource { route, place, query, key, patience }).await {
        Ok(compiled) => !compiled.format().is_manifest(),
        Err(error) => matches!(error, Error::Manifest(CompileError::NotAManifest)),
    }
}

/// List sessions whose time is not over.
#[utoipa::path(
    get,
    path = "/v1/sessions",
    params(Filter),
    responses(
        (status = 200, body = SessionPage),
        (status = 400, description = "What is wrong with the call", body = Failed),
        (status = 401, description = "The bearer token is missing or wrong", body = Failed),
    ),
)]
pub(crate) async fn list(
    State(app): State<App>,
    headers: HeaderMap,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Response, Error> {
    authorize(&app, &headers)?;
    page(&app, filter).await
}

/// A page of the list, for whoever may see it.
pub(crate) async fn page(
    app: &App,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Response, Error> {
    read_page(app, filter).await.map_err(of_call)
}

async fn read_page(
    app: &App,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<Response, Error> {
    let Query(filter) =
        filter.map_err(|rejection| Error::bad_call("query", rejection.body_text()))?;
    let (limit, after) = (filter.limit()?, filter.after()?);
    // One more, to know whether there is a further page.
    let mut found = app
        .sessions()
        .list(|seen| filter.wants(seen), filter.user(), after, limit + 1, app.now())
        .await?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| has_more).map(|seen| seen.id.to_string());
    let now = app.now();
    let sessions = found.into_iter().map(|seen| ListedSession::new(seen, now)).collect();
    Ok(answer(StatusCode::OK, Json(SessionPage { sessions, next })))
}

/// Look at a session.
#[utoipa::path(
    get,
    path = "/v1/sessions/{id}",
    params(("id" = String, Path, description = "28 hexadecimal digits")),
    responses(
        (status = 200, body = ListedSession),
        (status = 401, description = "The bearer token is missing or wrong", body = Failed),
        (status = 404, description = "It is not known here", body = Failed),
    ),
)]
pub(crate) async fn show(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    authorize(&app, &headers)?;
    let id = call::parse_id(&id).map_err(of_call)?;
    let found = app.sessions().find(id, app.now()).await.map_err(|error| of_call(error.into()))?;
    let seen = found.ok_or_else(|| of_call(Error::NoSession))?;
    Ok(answer(StatusCode::OK, Json(ListedSession::new(seen, app.now()))))
}

/// End a session, even if it is not known here: its next request is 403. CDN tokens that it was given
/// end by their own time.
#[utoipa::path(
    delete,
    path = "/v1/sessions/{id}",
    params(("id" = String, Path, description = "28 hexadecimal digits")),
    responses(
        (status = 204, description = "It is over"),
        (status = 401, description = "The bearer token is missing or wrong", body = Failed),
    ),
)]
pub(crate) async fn end(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Error> {
    authorize(&app, &headers)?;
    revoke(&app, &id).await
}

/// Ends a session, for whoever may.
pub(crate) async fn revoke(app: &App, id: &str) -> Result<Response, Error> {
    let id = call::parse_id(id).map_err(of_call)?;
    let now = app.now();
    // A session of a link ends with the window after the one in which it began.
    let longest = MAX_TTL_SECS.max(app.session_length_secs().saturating_mul(2));
    let unknown = Opened::unknown(now.saturating_add(longest));
    app.sessions().revoke(id, unknown, now).await.map_err(|error| of_call(error.into()))?;
    tracing::info!(session = %id, "a session was ended");
    Ok(answer(StatusCode::NO_CONTENT, ()))
}

/// What the caller is shown with its reason.
fn of_call(error: Error) -> Error {
    Error::Call(Box::new(error))
}

fn answer(status: StatusCode, body: impl axum::response::IntoResponse) -> Response {
    (status, [(header::CACHE_CONTROL, "no-store")], body).into_response()
}

fn authorize(app: &App, headers: &HeaderMap) -> Result<(), Error> {
    let api = app.api().ok_or(Error::NoRoute)?;
    let token = bearer::of_header(headers).ok_or(Error::Unauthorized)?;
    let name = bearer::find(&api.bearers, token).ok_or(Error::Unauthorized)?;
    tracing::debug!(bearer = name, "a call of the API");
    Ok(())
}
