//! The search for schemes that are code: whole requests are tried, as they may have been meant.

use std::net::IpAddr;

use super::{Effort, Mistake, addresses, paths, readings};
use crate::{Presented, Refusal, ResourcePath, Scheme, SchemeRing, Scope, Target, UnixTime};

/// A request as it may have been meant.
struct Meant {
    mistake: Option<Mistake>,
    query: Option<Vec<u8>>,
    /// The URL without its query, if that is another.
    url: Option<Vec<u8>>,
    ip: Option<IpAddr>,
}

/// The mistake under which the token is right, and what else is to be said of it.
pub(super) fn search(
    ring: &SchemeRing,
    presented: &Presented<'_>,
    now: UnixTime,
    effort: Effort,
) -> Option<Vec<Mistake>> {
    for (of_key, key) in super::keys(ring, now) {
        for meant in requests(&*key.scheme, presented, effort) {
            let Some(end) = opens(&*key.scheme, presented, &meant, now) else { continue };
            return Some(of_key.into_iter().chain(meant.mistake).chain(end).collect());
        }
    }
    None
}

/// None if it opens nothing; else what is to be said of its time.
fn opens(
    scheme: &dyn Scheme,
    presented: &Presented<'_>,
    meant: &Meant,
    now: UnixTime,
) -> Option<Option<Mistake>> {
    let url = meant.url.as_deref().unwrap_or(presented.url);
    let asked = Target { path: presented.path, url };
    let path = match &meant.url {
        Some(_) => ResourcePath::parse(asked.raw_path()).ok()?,
        None => presented.path.clone(),
    };
    let query = meant.query.as_deref().or(presented.query);
    match scheme.verify(&Presented { path: &path, url, query, ip: meant.ip }, now) {
        Ok(_) => Some(None),
        Err(refusal @ (Refusal::Expired { .. } | Refusal::NotYetValid { .. })) => {
            Some(Mistake::of(&refusal))
        }
        Err(_) => None,
    }
}

fn requests(scheme: &dyn Scheme, presented: &Presented<'_>, effort: Effort) -> Vec<Meant> {
    let ip = presented.ip;
    let mut meant = vec![Meant { mistake: None, query: None, url: None, ip }];
    let own = scheme.parameters();
    for (mistake, query) in readings::of(presented.query.unwrap_or_default(), &own) {
        meant.push(Meant { mistake, query: Some(query), url: None, ip });
    }
    for (mistake, bytes) in addresses::candidates(b"", None) {
        let ip = std::str::from_utf8(&bytes).ok().and_then(|text| text.parse().ok());
        meant.push(Meant { mistake: Some(mistake), query: None, url: None, ip });
    }
    let target = presented.target();
    let raw = target.raw_path();
    let origin = target.origin();
    let mut of_paths = paths::candidates(raw, &target, presented, Scope::File, &own);
    if effort == Effort::Thorough && scheme.scope() == Scope::File {
        of_paths.extend(paths::neighbours(raw, &target, Scope::File));
    }
    for (mistake, path) in of_paths {
        let url = [origin, &path].concat();
        meant.push(Meant { mistake: Some(mistake), query: None, url: Some(url), ip });
    }
    meant
}
