//! Blocking playlist reload and delta updates of live playlists (RFC 8216bis section 6.2.5): viewers choose what
//! they ask for, and of one playlist the origin is asked for what comes next alone, once for all.

use std::sync::Arc;

use sluicegate_manifest::LiveEdge;

use crate::Error;
use crate::directives::Reload;
use crate::route::{Place, Route};
use crate::templates::{Compiled, Reached, Resource, Templates};
use crate::workers::Patience;

/// A request whose directives were compared with what the playlist holds.
#[derive(Debug)]
pub(crate) struct Settled {
    /// The query with which the origin is, or was, asked.
    pub(crate) query: String,
    /// The playlist, where it was fetched for the comparison.
    pub(crate) compiled: Option<Arc<Compiled>>,
}

/// A request of which nothing but its directives is known.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'r> {
    pub(crate) route: &'r Arc<Route>,
    pub(crate) place: &'r Place,
    pub(crate) query: &'r str,
    /// Whether the name promises a manifest.
    pub(crate) is_named: bool,
    pub(crate) patience: &'r Patience,
}

/// How a request compares with the end of the playlist.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    /// The playlist has what is asked for.
    Nothing,
    /// It will have it, and this comes next.
    For(Reload),
    /// It is too far ahead.
    Refused,
}

/// What is asked for may be so many answers ahead: two segments, and the parts of two.
const MOST_ANSWERS: usize = 64;

/// Compares the directives of a request with what the playlist holds, and waits for what comes next. None if
/// there are no such directives.
///
/// # Errors
/// [`Error::TooFarAhead`], and the origin's.
pub(crate) async fn settle(
    templates: &Arc<Templates>,
    asked: Asked<'_>,
) -> Result<Option<Settled>, Error> {
    let Some((wanted, rest)) = Reload::take(asked.query) else { return Ok(None) };
    let plain = asked.route.resource_key(asked.place, &rest);
    let fetch = async |reload: Reload| {
        let query = reload.query(&rest);
        let key = asked.route.resource_key(asked.place, &query);
        let Asked { route, place, patience, .. } = asked;
        let resource = Resource { route, place, query: &query, key: &key, patience };
        let compiled = templates.fetch(resource).await?;
        let reached = templates.reached_by(resource, &compiled).await;
        Ok::<_, Error>((Settled { query, compiled: Some(compiled) }, reached))
    };
    let mut newest = None;
    let mut reached = match templates.reached(&plain).await {
        Some(reached) => reached,
        None if asked.is_named || templates.knows_key(&plain) => {
            match fetch(Reload::default()).await {
                Ok((settled, Some(reached))) => {
                    newest = Some(settled);
                    reached
                }
                Ok((settled, None)) => return Ok(Some(settled)),
                Err(error) if asked.is_named => return Err(error),
                Err(_) => return Ok(Some(Settled { query: rest, compiled: None })),
            }
        }
        // What it is shows without directives.
        None => return Ok(Some(Settled { query: rest, compiled: None })),
    };
    let skip = wanted.skip.filter(|_| reached.edge.can_skip);
    let mut is_checked = newest.is_some();
    for _ in 0..MOST_ANSWERS {
        match wait(&reached.edge, wanted) {
            Wait::Nothing => break,
            Wait::Refused if is_checked => {
                let (asked, next) = (wanted.msn.unwrap_or_default(), reached.edge.next_msn);
                return Err(Error::TooFarAhead { asked, next });
            }
            Wait::Refused => {
                // Another replica may know more.
                is_checked = true;
                let (settled, new) = fetch(reached.by).await?;
                newest = Some(settled);
                let Some(new) = new else { return Ok(newest) };
                reached = new;
            }
            Wait::For(next) => {
                let (settled, new) = fetch(Reload { skip, ..next }).await?;
                let is_ahead = new.is_some_and(|new| position(&new) > position(&reached));
                newest = Some(settled);
                match new {
                    Some(new) if is_ahead => reached = new,
                    // It has ended, or its server does not wait.
                    _ => return Ok(newest),
                }
            }
        }
    }
    let query = Reload { skip, ..reached.by }.query(&rest);
    Ok(Some(match newest {
        Some(settled) if settled.query == query => settled,
        _ => Settled { query, compiled: None },
    }))
}

const fn position(reached: &Reached) -> (u64, u64) {
    (reached.edge.next_msn, reached.edge.parts_of_next)
}

/// What a request waits for (RFC 8216bis section 6.2.5.2).
fn wait(edge: &LiveEdge, wanted: Reload) -> Wait {
    let next = edge.next_msn;
    let Some(msn) = wanted.msn.filter(|_| edge.can_block_reload) else { return Wait::Nothing };
    if msn > next.saturating_add(1) {
        return Wait::Refused;
    }
    let parts = wanted.part.zip(edge.part_limit);
    let Some((part, limit)) = parts else {
        return match msn < next {
            true => Wait::Nothing,
            false => Wait::For(Reload { msn: Some(next), ..Reload::default() }),
        };
    };
    // A part behind the last one of a segment is of the segment after it.
    let (msn, part) = match part.checked_sub(edge.parts_of_last) {
        Some(part) if msn + 1 == next && edge.parts_of_last > 0 => (next, part),
        _ => (msn, part),
    };
    let limit = if msn == next { edge.parts_of_next.saturating_add(limit) } else { limit };
    match msn {
        _ if msn < next || (msn == next && part < edge.parts_of_next) => Wait::Nothing,
        _ if part >= limit => Wait::Refused,
        _ => Wait::For(Reload { msn: Some(next), part: Some(edge.parts_of_next), skip: None }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn players_wait_for_what_comes_next_alone() {
        let whole = LiveEdge {
            next_msn: 12,
            parts_of_last: 0,
            parts_of_next: 0,
            part_limit: None,
            can_block_reload: true,
            can_skip: false,
        };
        let parts = LiveEdge { parts_of_last: 4, parts_of_next: 2, part_limit: Some(6), ..whole };
        let deaf = LiveEdge { can_block_reload: false, ..parts };
        let at = |msn, part| Wait::For(Reload { msn: Some(msn), part, skip: None });
        for (edge, msn, part, expected) in [
            (whole, None, None, Wait::Nothing),
            (whole, None, Some(3), Wait::Nothing),
            (whole, Some(0), None, Wait::Nothing),
            (whole, Some(11), None, Wait::Nothing),
            (whole, Some(11), Some(9), Wait::Nothing),
            (whole, Some(12), None, at(12, None)),
            (whole, Some(12), Some(999), at(12, None)),
            (whole, Some(13), None, at(12, None)),
            (whole, Some(14), None, Wait::Refused),
            (whole, Some(u64::MAX), None, Wait::Refused),
            (parts, Some(11), None, Wait::Nothing),
            (parts, Some(12), None, at(12, None)),
            (parts, Some(11), Some(3), Wait::Nothing),
            // The last segment has four: these are the next one's.
            (parts, Some(11), Some(4), Wait::Nothing),
            (parts, Some(11), Some(6), at(12, Some(2))),
            (parts, Some(10), Some(99), Wait::Nothing),
            (parts, Some(12), Some(1), Wait::Nothing),
            (parts, Some(12), Some(2), at(12, Some(2))),
            (parts, Some(12), Some(7), at(12, Some(2))),
            (parts, Some(12), Some(8), Wait::Refused),
            (parts, Some(13), Some(0), at(12, Some(2))),
            (parts, Some(13), Some(6), Wait::Refused),
            (parts, Some(14), Some(0), Wait::Refused),
            (deaf, Some(99), Some(99), Wait::Nothing),
        ] {
            let wanted = Reload { msn, part, skip: None };
            assert_eq!(wait(&edge, wanted), expected, "{msn:?} {part:?} of {edge:?}");
        }
        let last = LiveEdge { next_msn: u64::MAX, ..parts };
        assert_eq!(wait(&last, Reload { msn: Some(0), part: Some(5), skip: None }), Wait::Nothing);
    }
}
