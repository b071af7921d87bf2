//! Bearer tokens: who calls.

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret as _;
use subtle::ConstantTimeEq as _;

use crate::config::Bearer;

/// The token of `Authorization: Bearer ...`.
pub(crate) fn of_header(headers: &HeaderMap) -> Option<&[u8]> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, token) = value.split_first_chunk::<7>()?;
    scheme.eq_ignore_ascii_case(b"Bearer ").then_some(token)
}

/// The password of `Authorization: Basic ...`, by which browsers send it; the user's name is free.
pub(crate) fn of_password(headers: &HeaderMap) -> Option<Vec<u8>> {
    let value = headers.get(header::AUTHORIZATION)?.as_bytes();
    let (scheme, encoded) = value.split_first_chunk::<6>()?;
    let decoded =
        STANDARD.decode(encoded).ok().filter(|_| scheme.eq_ignore_ascii_case(b"Basic "))?;
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    Some(decoded[colon + 1..].to_vec())
}

/// The name of whoever has this token.
pub(crate) fn find<'b>(bearers: &'b [Bearer], token: &[u8]) -> Option<&'b str> {
    let is_it = |bearer: &&Bearer| bool::from(bearer.token.expose_secret().ct_eq(token));
    bearers.iter().find(is_it).map(|bearer| bearer.name.as_str())
}
