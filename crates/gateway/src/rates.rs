//! How much one client may ask for: links that open sessions, and tokens that are wrong.
//!
//! Clients are told apart as sessions are: by an IPv4 address, or by the /64 of an IPv6 one.

use std::net::IpAddr;
use std::num::NonZeroU32;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use sluicegate_token::IpPrefix;

use crate::Error;

/// So many seconds' worth may come at once: players open a page's streams together.
const BURST_SECS: u32 = 10;

/// What one client may ask for in a second; ten times as much at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RateLimits {
    /// Links that open sessions.
    pub entries_per_sec: Option<NonZeroU32>,
    /// Links and tokens that are refused. Good ones are served whatever else the client sends.
    pub refusals_per_sec: Option<NonZeroU32>,
}

/// Counts what clients ask for.
#[derive(Debug)]
pub(crate) struct Rates {
    entries: Option<Limiter>,
    refusals: Option<Limiter>,
}

type Limiter = DefaultKeyedRateLimiter<IpPrefix>;

impl Rates {
    pub(crate) fn new(limits: RateLimits) -> Self {
        let limiter = |rate: NonZeroU32| {
            let burst = rate.saturating_mul(NonZeroU32::MIN.saturating_add(BURST_SECS - 1));
            RateLimiter::keyed(Quota::per_second(rate).allow_burst(burst))
        };
        Self {
            entries: limits.entries_per_sec.map(limiter),
            refusals: limits.refusals_per_sec.map(limiter),
        }
    }

    /// Whether a client may open another session.
    ///
    /// # Errors
    /// [`Error::TooManyRequests`].
    pub(crate) fn enter(&self, client: Option<IpAddr>) -> Result<(), Error> {
        match (&self.entries, client) {
            (Some(entries), Some(client)) => check(entries, client),
            _ => Ok(()),
        }
    }

    /// What a client is told whose token is refused: the error itself, or that there were too many.
    pub(crate) fn refuse(&self, client: Option<IpAddr>, error: impl FnOnce() -> Error) -> Error {
        match (&self.refusals, client) {
            (Some(refusals), Some(client)) => match check(refusals, client) {
                Ok(()) => error(),
                // Why it is wrong is not looked for then.
                Err(too_many) => too_many,
            },
            _ => error(),
        }
    }

    /// Forgets clients that have not asked for anything lately.
    pub(crate) fn sweep(&self) {
        for limiter in [&self.entries, &self.refusals].into_iter().flatten() {
            limiter.retain_recent();
            limiter.shrink_to_fit();
        }
    }
}

fn check(limiter: &Limiter, client: IpAddr) -> Result<(), Error> {
    limiter.check_key(&IpPrefix::for_session(client)).map_err(|not_until| {
        let wait = not_until.wait_time_from(DefaultClock::default().now());
        Error::TooManyRequests { retry_secs: wait.as_secs() + 1 }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(entries: u32, refusals: u32) -> Rates {
        Rates::new(RateLimits {
            entries_per_sec: NonZeroU32::new(entries),
            refusals_per_sec: NonZeroU32::new(refusals),
        })
    }

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn one_client_is_not_in_the_others_way() {
        let rates = rates(1, 0);
        let let_in = (0..30).filter(|_| rates.enter(ip("192.0.2.1")).is_ok()).count();
        assert!((10..13).contains(&let_in), "{let_in}");
        assert!(rates.enter(ip("192.0.2.2")).is_ok());
        for number in 0..10 {
            rates.enter(ip(&format!("2001:db8::{number}"))).unwrap();
        }
        let refused = rates.enter(ip("2001:db8::ffff"));
        assert!(
            matches!(refused, Err(Error::TooManyRequests { retry_secs: 1..=2 })),
            "{refused:?}"
        );
        assert!(rates.enter(ip("2001:db8:0:1::1")).is_ok(), "another /64");
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let rates = rates(0, 0);
        assert!((0..1000).all(|_| rates.enter(ip("192.0.2.1")).is_ok()));
        let refused = rates.refuse(ip("192.0.2.1"), || Error::NoRoute);
        assert!(matches!(refused, Error::NoRoute));
        rates.sweep();
    }
}
