//! Why a token is refused: the known mistakes are tried with the key at hand, and the one that fits
//! is named.
//!
//! A hash that is right under another reading cannot be so by chance, so what is named is what
//! happened. Nothing here makes a token: neither secrets nor tokens are in an [`Explanation`].
//!
//! ```
//! use sluicegate_token::{
//!     CdnKey, Effort, Gcore, Link, Mistake, Presented, Scope, SchemeRing, UnixTime, explain,
//! };
//!
//! let key = CdnKey::plain("2026-a", b"secret_key");
//! let directory = Gcore::new(key.clone(), Scope::Directory);
//! let signed = Link::parse("/videos/a/1.ts")?.sign(&directory, UnixTime(2_000_000_000), None)?;
//!
//! let file = SchemeRing::of(std::sync::Arc::new(Gcore::new(key, Scope::File)));
//! let received = Link::parse(&signed)?;
//! let presented = Presented::at(received.path(), received.query(), None);
//! let explained = explain(&file, &presented, UnixTime(1_900_000_000), Effort::Thorough);
//! assert_eq!(explained.mistakes, [Mistake::DirectorySigned]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod addresses;
mod layouts;
mod messages;
mod mistake;
mod paths;
mod readings;
mod sessions;
mod trials;

use std::fmt;

pub use self::mistake::Mistake;
pub use self::sessions::{SessionPlace, explain_session};
use crate::{Presented, Refusal, RingKey, SchemeRing, UnixTime, Valid};

/// How much may be tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Some hundred hashes, one mistake at a time: for a server's log.
    Quick,
    /// Up to some hundred thousand: several mistakes at once, and the names of neighbours.
    Thorough,
}

/// What is wrong with a URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// What a server says.
    pub verdict: Result<Valid, Refusal>,
    /// The HTTP status that goes with it.
    pub status: u16,
    /// What is wrong, if something known fits; of an accepted token, what is odd.
    pub mistakes: Vec<Mistake>,
}

impl Explanation {
    /// The mistakes that say more than the refusal does.
    pub fn causes(&self) -> impl Iterator<Item = &Mistake> {
        let said = self.verdict.as_ref().err().and_then(Mistake::of);
        self.mistakes.iter().filter(move |mistake| said.as_ref() != Some(*mistake))
    }
}

/// Says why a request is let in or refused.
#[must_use]
pub fn explain(
    ring: &SchemeRing,
    presented: &Presented<'_>,
    now: UnixTime,
    effort: Effort,
) -> Explanation {
    let verdict = ring.verify(presented, now);
    let status = verdict.as_ref().map_or_else(|refusal| ring.status(refusal), |_| 200);
    let mistakes = match &verdict {
        Ok(valid) => oddities(ring, presented, *valid, now),
        Err(refusal @ (Refusal::Expired { .. } | Refusal::NotYetValid { .. })) => {
            let doubled = doubled(ring, presented, now);
            doubled.into_iter().chain(Mistake::of(refusal)).collect()
        }
        Err(refusal) => {
            let found = layouts::search(ring, presented, now, effort)
                .or_else(|| trials::search(ring, presented, now, effort));
            found.unwrap_or_else(|| Mistake::of(refusal).into_iter().collect())
        }
    };
    Explanation { verdict, status, mistakes }
}

/// The ring's keys, those first that are accepted, and what it is to have used one.
fn keys(ring: &SchemeRing, now: UnixTime) -> Vec<(Option<Mistake>, &RingKey)> {
    let (accepted, retired): (Vec<_>, Vec<_>) =
        ring.keys().iter().partition(|key| key.period.is_accepted(now));
    let retired = retired
        .into_iter()
        .map(|key| (Some(Mistake::OtherKey { id: key.id.clone(), is_retired: true }), key));
    accepted.into_iter().map(|key| (None, key)).chain(retired).collect()
}

/// Whether a token that is over hides a better one behind it.
fn doubled(ring: &SchemeRing, presented: &Presented<'_>, now: UnixTime) -> Option<Mistake> {
    let own = ring.scheme().parameters();
    let readings = readings::of(presented.query.unwrap_or_default(), &own);
    let opens =
        |query: &[u8]| ring.verify(&Presented { query: Some(query), ..*presented }, now).is_ok();
    readings.into_iter().find_map(|(mistake, query)| mistake.filter(|_| opens(&query)))
}

/// What is odd about a token that opens.
fn oddities(
    ring: &SchemeRing,
    presented: &Presented<'_>,
    valid: Valid,
    now: UnixTime,
) -> Vec<Mistake> {
    let mut odd = Vec::new();
    if are_milliseconds(valid.expires, now) {
        odd.push(Mistake::Milliseconds);
    }
    odd.extend(layouts::oddities(ring, presented, now));
    odd
}

/// A moment that is one in milliseconds: thousands of years away otherwise.
fn are_milliseconds(moment: UnixTime, now: UnixTime) -> bool {
    const CENTURY_SECS: u64 = 36_525 * 86_400;
    let far = now.saturating_add(30 * CENTURY_SECS);
    moment > far && UnixTime(moment.0 / 1000) <= now.saturating_add(CENTURY_SECS)
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            Ok(_) => f.write_str("valid")?,
            Err(refusal) => write!(f, "{refusal}")?,
        }
        for mistake in self.causes() {
            write!(f, "; {mistake}")?;
        }
        Ok(())
    }
}
