//! Why links and sessions are refused, for the log and the operators' pages: the viewer is told nothing
//! but the status.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sluicegate_token::{
    Effort, Explanation, Presented, Refusal, SchemeRing, SessionKeys, SessionPlace, UnixTime,
    explain, explain_session,
};

use crate::Error;
use crate::request::MediaRequest;
use crate::route::Route;

/// How many are explained in one second: an explanation costs some hundred hashes, and whoever
/// sends wrong tokens must not make the gateway work harder than others do.
const MOST_PER_SECOND: u64 = 20;

/// The last second, and how many were explained in it.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    second: AtomicU64,
    count: AtomicU64,
}

impl Refusals {
    /// The error of a refused link, with its cause if one is found.
    pub(crate) fn of_link(
        &self,
        ring: &SchemeRing,
        presented: &Presented<'_>,
        now: UnixTime,
        refusal: Refusal,
    ) -> Error {
        let cause = self
            .may_explain(now)
            .then(|| explain(ring, presented, now, Effort::Quick))
            .and_then(|explained| cause(&explained));
        let status = ring.status(&refusal);
        match cause {
            None if status == refusal.status() => Error::Refused(refusal),
            cause => {
                let cause = cause.unwrap_or_else(|| "no known mistake fits".to_owned());
                Error::Explained { status, refusal, cause }
            }
        }
    }

    /// The error of a refused session token, with its cause if one is found.
    pub(crate) fn of_session(
        &self,
        keys: &SessionKeys,
        routes: &[Arc<Route>],
        request: &MediaRequest,
        now: UnixTime,
        error: Error,
    ) -> Error {
        let Error::Refused(refusal) = &error else { return error };
        if !self.may_explain(now) {
            return error;
        }
        let Some(explained) = explained_session(keys, routes, request, now) else { return error };
        match cause(&explained) {
            Some(cause) => {
                Error::Explained { status: refusal.status(), refusal: refusal.clone(), cause }
            }
            None => error,
        }
    }

    fn may_explain(&self, now: UnixTime) -> bool {
        // Callers' moments differ by what they grant; only a later one begins another second.
        if self.second.fetch_max(now.0, Ordering::Relaxed) < now.0 {
            self.count.store(0, Ordering::Relaxed);
        }
        self.count.fetch_add(1, Ordering::Relaxed) < MOST_PER_SECOND
    }
}

/// Why a request's session token is accepted or refused, on all routes that have its path. None
/// without a token.
pub(crate) fn explained_session(
    keys: &SessionKeys,
    routes: &[Arc<Route>],
    request: &MediaRequest,
    now: UnixTime,
) -> Option<Explanation> {
    let (token, _) = request.token.as_ref()?;
    let places: Vec<_> =
        routes.iter().filter_map(|route| Some((route, route.place(&request.path)?))).collect();
    let places: Vec<_> = places
        .iter()
        .map(|(route, place)| SessionPlace { route: &route.config.id, path: &place.path })
        .collect();
    Some(explain_session(keys, token.as_bytes(), &places, request.client, now))
}

/// What an explanation adds to the refusal.
fn cause(explained: &Explanation) -> Option<String> {
    let causes: Vec<_> = explained.causes().map(ToString::to_string).collect();
    (!causes.is_empty()).then(|| causes.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_explained_than_a_second_allows() {
        let refusals = Refusals::default();
        let allowed = |now| (0..100).filter(|_| refusals.may_explain(UnixTime(now))).count();
        assert_eq!(allowed(5), 20);
        assert_eq!(allowed(5), 0);
        assert_eq!(allowed(6), 20);
    }
}
