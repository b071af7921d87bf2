//! The gateway: it lets a viewer in by a signed link or by a session that a backend opened, and
//! hands players manifests in which every URI is signed for that session.
//!
//! [`Config::load`] reads and checks the configuration, [`App::build`] makes the service from it
//! without binding anything, [`serve`] runs it. [`Edge`] is a stand-in for a token-checking CDN,
//! for development and tests.

mod admin;
mod app;
mod asset;
mod bearer;
mod blocking_reload;
mod buffers;
mod client;
mod clock;
mod cmcd;
mod compression;
mod config;
mod cors;
mod delivery;
mod directives;
mod edge;
mod error;
mod events;
mod explain;
mod fetch;
mod front;
mod hand_over;
mod handlers;
mod in_flight;
mod key;
mod key_names;
mod key_source;
mod layers;
mod live;
mod looks;
mod making;
mod manifest;
mod media_type;
mod metrics;
mod observer;
mod origin;
mod page;
mod planned;
mod policy;
mod process;
mod profile_scope;
mod rates;
mod redirect;
mod refusals;
mod request;
mod route;
mod serve;
mod session;
mod session_store;
mod templates;
mod trace;
mod variables;
mod work;
mod workers;

pub use app::App;
pub use asset::AssetPattern;
pub use client::TrustedProxies;
pub use clock::{Clock, SystemClock};
pub use config::{
    AdminConfig, ApiConfig, Bearer, CdnConfig, Config, ConfigError, EntryConfig, HealthConfig,
    HostConfig, Hosts, KeysConfig, Limits, OriginConfig, ProfileConfig, RouteConfig, SessionConfig,
    Timeouts,
};
pub use cors::AllowedSites;
pub use edge::Edge;
pub use error::{Error, ErrorSource};
pub use explain::Subject;
pub use fetch::{Document, Fetcher};
pub use front::{Answering, Front};
pub use in_flight::InFlightLimits;
pub use key_names::KeyNames;
pub use key_source::{FoundKey, KeyProblem, KeySource};
pub use live::{Bound, Live, ReloadError};
pub use media_type::{by_name as media_type_of, names_a_media_file};
pub use profile_scope::ProfileScope;
pub use rates::RateLimits;
pub use route::{Carry, GrantMode, KeyDelivery, Segments, ThirdParty, Unexpandable};
pub use serve::{ConnectionLimits, Door, Inherited, Tls, TlsConfig};
pub use serve::{Listening, ServeError, bind, serve, shutdown_signal};

pub use session_store::{Ended, OnFailure, SessionRules, SharedConfig};
pub use sluicegate_manifest::ExistingToken;
pub use trace::{Recorder, Span, SpanKind, record_traces};
