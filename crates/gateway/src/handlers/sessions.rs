//! `POST /v1/sessions`: a platform's backend opens a session for a viewer.

use std::net::IpAddr;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use sluicegate_token::SessionId;
use subtle::ConstantTimeEq as _;

use super::entry::session_path;
use crate::app::App;
use crate::request::RequestPath;
use crate::{Error, media_type, session};

/// A session lives a month at most; its token's expiry has 32 bits.
const MAX_TTL_SECS: u64 = 31 * 86_400;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewSession {
    /// The manifest's path on the gateway.
    path: String,
    /// How long the session lives: seconds, or text such as `"4h"`.
    ttl: Option<Ttl>,
    /// The client's address, if the session shall be bound to it.
    ip: Option<IpAddr>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Ttl {
    Secs(u64),
    Text(String),
}

#[derive(Serialize)]
struct OpenedSession {
    id: String,
    expires_at: u64,
    urls: Urls,
}

#[derive(Serialize)]
struct Urls {
    #[serde(skip_serializing_if = "Option::is_none")]
    hls: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dash: Option<String>,
}

pub(crate) async fn create(
    State(app): State<App>,
    headers: HeaderMap,
    call: Result<Json<NewSession>, JsonRejection>,
) -> Result<Response, Error> {
    authorize(&app, &headers)?;
    let Json(call) = call.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Error::CallTooLarge,
        _ => Error::BadCall(rejection.body_text()),
    })?;
    if call.path.contains(['?', '#']) {
        return Err(Error::BadCall("path: it holds a query or a fragment".to_owned()));
    }
    let path = RequestPath::parse(&call.path, app.limits().max_path_bytes)?;
    let found = app.routes().iter().find_map(|route| Some((route, route.place(&path)?)));
    let (route, place) = found.filter(|(_, place)| place.host == 0).ok_or(Error::NoRoute)?;
    if route.config.bind_ip && call.ip.is_none() {
        return Err(Error::BadCall(
            "ip: this route binds sessions to the client's address".to_owned(),
        ));
    }

    let mut id = [0_u8; 14];
    getrandom::fill(&mut id).map_err(|error| Error::Internal(format!("random bytes: {error}")))?;
    let ttl_secs = ttl_secs(call.ttl.as_ref(), app.session_length_secs())?;
    let now = app.now();
    let expires = now.saturating_add(ttl_secs);
    let id = SessionId(id);
    let (token, claims) = session::begin(app.signer(now)?, route, &place, id, expires, call.ip)?;
    let url =
        format!("{}{}", app.public_host(), session_path(app.public_path(), route, &place, &token));
    let urls = match media_type::names_an_mpd(&place.raw) {
        true => Urls { hls: None, dash: Some(url) },
        false => Urls { hls: Some(url), dash: None },
    };
    let opened = OpenedSession { id: id.to_string(), expires_at: claims.expires.0, urls };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(opened)).into_response())
}

fn authorize(app: &App, headers: &HeaderMap) -> Result<(), Error> {
    let api = app.api().ok_or(Error::NoRoute)?;
    let presented = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.as_bytes().split_first_chunk::<7>())
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(b"Bearer "))
        .map(|(_, token)| token)
        .ok_or(Error::Unauthorized)?;
    if bool::from(api.bearer.expose_secret().ct_eq(presented)) {
        Ok(())
    } else {
        Err(Error::Unauthorized)
    }
}

fn ttl_secs(ttl: Option<&Ttl>, default: u64) -> Result<u64, Error> {
    let secs = match ttl {
        None => default,
        Some(Ttl::Secs(secs)) => *secs,
        Some(Ttl::Text(text)) => humantime::parse_duration(text)
            .map_err(|error| {
                Error::BadCall(format!("ttl: {error}; write seconds, or text such as \"4h\""))
            })?
            .as_secs(),
    };
    if (1..=MAX_TTL_SECS).contains(&secs) {
        Ok(secs)
    } else {
        Err(Error::BadCall(format!("ttl: it must be 1 to {MAX_TTL_SECS} seconds")))
    }
}
