//! The gateway over HTTP, as its clients see it.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod first_light;
