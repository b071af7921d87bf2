//! Real players through the gateway: hls.js in Chromium, ffmpeg and GStreamer, with a real nginx
//! as the CDN and as the origin.
//!
//! After each playback in the browser, every URL that the player asked for is tried again with a
//! token that is missing, changed, another asset's or out of date.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod admin_page;
mod behind_cdn;
mod behind_server;
mod by_redirect;
mod carriers;
mod dash;
mod decoders;
mod edge;
mod playback;
mod replay;
mod session_url;
mod setup;
mod streams;
mod through_gateway;
