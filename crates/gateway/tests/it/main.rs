//! The gateway over HTTP, as its clients see it.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod admin;
mod assets;
mod auth;
mod bounds;
mod broken_tokens;
mod cache;
mod compression;
mod cors;
mod dash;
mod documents;
mod door;
mod door_abuse;
mod entry;
mod errors;
mod failover;
mod faults;
mod field_reports;
mod first_light;
mod health;
mod key_authority;
mod keys;
mod live_reload;
mod logs;
mod manifests;
mod origins;
mod outage;
mod paths;
mod profile_confines;
mod profile_scope;
mod profiles;
mod rates;
mod redirect;
mod replicas;
mod schemes;
mod segments;
mod session_limits;
mod sessions_api;
mod slow_readers;
mod streaming;
mod support;
mod tokens;
mod trusted_proxies;
mod variables;
