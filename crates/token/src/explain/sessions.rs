//! Why a session token is refused.

use std::net::IpAddr;

use super::{Explanation, Mistake};
use crate::session::{BoundBits, SessionToken, read_claims};
use crate::{Refusal, ResourcePath, SessionKeys, UnixTime, Valid, shown};

/// Where a session token is shown: a route, and the path on it.
#[derive(Clone, Copy, Debug)]
pub struct SessionPlace<'p> {
    /// The route's id.
    pub route: &'p str,
    /// The request's path on that route.
    pub path: &'p ResourcePath,
}

/// Says why a session token is accepted or refused at the first of `places`; the others are those
/// where it might be right.
///
/// What a token says of itself is read before its MAC is checked, and told as such.
#[must_use]
pub fn explain_session(
    keys: &SessionKeys,
    token: &[u8],
    places: &[SessionPlace<'_>],
    ip: Option<IpAddr>,
    now: UnixTime,
) -> Explanation {
    let verify = |place: &SessionPlace<'_>| keys.verify(token, place.route, place.path, ip, now);
    let verdict = match places.first() {
        Some(place) => verify(place).map(|claims| Valid::until(claims.expires, &claims.session.0)),
        None => Err(Refusal::WrongToken),
    };
    let status = verdict.as_ref().map_or_else(Refusal::status, |_| 200);
    let mistakes = match &verdict {
        Ok(_) => Vec::new(),
        Err(refusal) => mistakes(refusal, token, places, verify),
    };
    Explanation { verdict, status, mistakes }
}

fn mistakes(
    refusal: &Refusal,
    token: &[u8],
    places: &[SessionPlace<'_>],
    verify: impl Fn(&SessionPlace<'_>) -> Result<crate::SessionClaims, Refusal>,
) -> Vec<Mistake> {
    if token.len() != SessionToken::CHARS {
        return vec![Mistake::SessionTokenLength(token.len())];
    }
    if let Some(mistake) = Mistake::of(refusal) {
        return vec![mistake];
    }
    for place in places.iter().skip(1) {
        match verify(place) {
            Ok(_) => return vec![Mistake::SessionOfRoute(place.route.to_owned())],
            Err(Refusal::Expired { ago_secs }) => {
                let route = Mistake::SessionOfRoute(place.route.to_owned());
                return vec![route, Mistake::Expired { ago_secs }];
            }
            Err(_) => {}
        }
    }
    let (Some(claims), Some(place)) = (read_claims(token), places.first()) else {
        return Vec::new();
    };
    let depth = claims.grant.depth();
    let is_exact = claims.grant.is_exact();
    let segments = place.path.segments().count();
    if !claims.grant.fits(segments) {
        return vec![Mistake::SessionDepth { depth, is_exact }];
    }
    let asked: Vec<_> = place.path.segments().take(usize::from(depth)).collect();
    let asked = format!("/{}", String::from_utf8_lossy(&asked.join(&b'/')));
    // The path may hold what a client made of a token.
    let asked = shown::path(&asked, 0).into_owned();
    let mut mistakes = vec![Mistake::SessionElsewhere { asked }];
    match claims.bound_bits {
        Some(BoundBits::V4(bits) | BoundBits::V6(bits)) => {
            mistakes.push(Mistake::SessionBound { bits });
        }
        None => {}
    }
    mistakes
}
