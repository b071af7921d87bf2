//! What the tests of the other crates need from outside: a real nginx, a real browser, real players.
//!
//! * [`nginx`] starts Debian's nginx with `secure_link` locations and reads its access log.
//! * [`browser`] plays a stream in Chromium, [`players`] in ffmpeg and GStreamer.
//! * [`gateway`] runs a gateway of this process with a [`clock`] that the test sets, [`server`] any
//!   other router: an origin, or the token-checking stand-in CDN (`sluicegate_gateway::Edge`).
//! * [`certificate`] makes one for TLS.
//! * [`redis`] starts Debian's Redis, which replicas share.
//! * [`live`] is an origin whose stream has no end: HLS, plain and low-latency, and DASH.
//! * [`misbehaving`] is an origin that fails as it is told.
//! * [`http`] sends requests whose target reaches the server byte for byte.
//! * [`broken`] breaks tokens as clients do, and finds their parts in logs.
//! * [`process`] ends every child, also when the test panics; [`tools`] skips a test that lacks one.
//!
//! All servers listen on loopback. A test that cannot set up panics, so these functions return
//! results only where a failure is something to look at.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot set up must fail")]

pub mod broken;
pub mod browser;
pub mod certificate;
pub mod clock;
pub mod fixtures;
pub mod gateway;
pub mod http;
pub mod live;
pub mod misbehaving;
pub mod nginx;
pub mod players;
pub mod port;
pub mod process;
pub mod redis;
pub mod server;
pub mod tools;

pub use browser::Browser;
pub use gateway::Gateway;
pub use live::LiveOrigin;
pub use misbehaving::{Misbehaving, Mood};
pub use nginx::Nginx;
pub use process::Process;
pub use redis::Redis;
pub use server::Server;
