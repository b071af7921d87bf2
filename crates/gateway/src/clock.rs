//! Where the gateway gets the time from, so that tests can set it.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use sluicegate_token::UnixTime;

/// A source of the current time.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The current second.
    fn now(&self) -> UnixTime;
}

/// The system's clock.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixTime {
        // A clock before 1970 gives 0, at which nothing has expired and every expiry is far: the
        // window rule still bounds what is issued.
        UnixTime(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
    }
}
