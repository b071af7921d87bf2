//! Keys of encrypted segments, where a route delivers them apart (RFC 8216bis section 4.4.4.4).

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use sluicegate_token::UnixTime;

use crate::origin::{Conditions, Purpose};
use crate::route::KeyDelivery;
use crate::session::Admitted;
use crate::{Error, redirect};

/// The length of a key of AES-128, which all methods of HLS use.
const KEY_BYTES: usize = 16;

/// Answers with a key, or with where it is. Nobody may keep it.
pub(crate) async fn deliver(
    admitted: &Admitted,
    query: &str,
    now: UnixTime,
) -> Result<Response, Error> {
    let Admitted { route, place, .. } = admitted;
    // A token for a key may be older than the configuration.
    let keys = route.config.keys.as_ref();
    if let Some(keys) = keys.filter(|keys| keys.delivery == KeyDelivery::Redirect)
        && route.cdn_at(place.host).is_some()
    {
        return redirect::to_cdn(admitted, query, Some(keys.ttl_secs), now);
    }
    let fetched =
        route.origin.fetch(route, place, query, Purpose::Document, &Conditions::new()).await?;
    if fetched.status != StatusCode::OK {
        return Err(Error::OriginStatus(fetched.status.as_u16()));
    }
    // An error page, or a playlist that a mistake puts there, is of no use to a player.
    let key = fetched.body.read_to_limit(KEY_BYTES).await?;
    match key.len() {
        KEY_BYTES => {}
        len if len < KEY_BYTES => return Err(Error::NotAKey("less")),
        _ => return Err(Error::NotAKey("more")),
    }
    let mut response = Response::new(Body::from(key));
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(KEY_BYTES));
    let content_type = HeaderValue::from_static("application/octet-stream");
    headers.insert(header::CONTENT_TYPE, content_type);
    Ok(response)
}
