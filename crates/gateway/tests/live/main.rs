//! Live streams through the gateway: plain HLS and Low-Latency HLS from an origin that runs in real
//! time, judged by what that origin was asked for and when.
//!
//! The long plays of `proof` run with `make proof`.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod dash;
mod directives;
mod endurance;
mod playback;
mod proof;
mod reloads;
mod renewal;
mod rotation;
mod setup;
