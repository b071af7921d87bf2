//! Manifests as bytes with slots: every URI is found, resolved, decided and spliced, and no other
//! byte changes.
//!
//! [`Template::compile`] walks a manifest once and remembers where each URI stands.
//! [`Template::plan`] resolves each of them against the manifest's own URL and asks a [`UriPolicy`]
//! what shall become of it. [`Plan::render`] copies the text with a session's tokens in their
//! places. Nothing is ever printed from a model, so comments, unknown tags, attribute order and
//! line ends leave as they came. [`undo`] gives the source back.
//!
//! ```
//! use sluicegate_manifest::{Options, Place, SignHost, Template, undo};
//! use sluicegate_token::{CdnKey, Gcore, Scope, UnixTime};
//!
//! let source = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n360p/index.m3u8\n";
//! let template = Template::compile(source.as_bytes().to_vec().into(), &Options::default())?;
//!
//! let gcore = Gcore::new(CdnKey::plain("k", b"secret_key"), Scope::Directory);
//! let place = Place::at("https://cdn.example.com/vod/master.m3u8".parse()?);
//! let mut policy = SignHost::new(&place.base, &gcore);
//! let plan = template.plan(&place, &mut policy)?;
//!
//! let tokens = policy.sign(UnixTime(2_147_483_647), None)?;
//! let rendered = plan.render(&tokens);
//! let text = String::from_utf8(rendered.bytes.clone())?;
//! assert!(text.contains("360p/index.m3u8?md5="));
//! assert_eq!(undo(&rendered.bytes, &rendered.edits), source.as_bytes());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod asset_list;
mod budget;
mod dash;
mod detect;
mod edit;
mod error;
mod hls;
mod json;
mod limits;
mod plan;
mod policy;
mod profile;
mod quoting;
mod render;
mod resolve;
mod role;
mod sign;
mod slot;
mod steering;
mod strangers;
mod strip;
mod template;
mod variables;
mod vtt;

pub use detect::Format;
pub use edit::{Edit, undo};
pub use error::{CompileError, RefuseReason, RenderError};
pub use hls::attributes::{Attribute, Attributes, UnterminatedQuote};
pub use hls::lines::{Line, LineKind, Lines};
pub use hls::live_edge::LiveEdge;
pub use limits::{Limits, Options};
pub use plan::{Decided, Kept, Place, Plan};
pub use policy::{Decision, KeepReason, OwnQuery, TokenAt, TokenRef, Uri, UriPolicy, Varies};
pub use profile::Profile;
pub use quoting::Quoting;
pub use render::{Placed, Rendered};
pub use role::Role;
pub use sign::{CdnPaths, ExistingToken, GCORE_QUERY_LEN, SignHost};
pub use slot::Slot;
pub use strip::{StripError, StripReason, strip};
pub use template::Template;
pub use variables::Variables;
