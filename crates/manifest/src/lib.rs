//! Manifests as bytes with slots: every URI is found, resolved, decided and spliced, and no other
//! byte changes.
//!
//! [`Template::compile`] walks a manifest once and remembers where each URI stands.
//! [`Template::render`] resolves each of them against the manifest's own URL, asks a [`UriPolicy`]
//! what shall become of it, and copies the source with the answers spliced in. Nothing is ever
//! printed from a model, so comments, unknown tags, attribute order and line ends leave as they
//! came. [`undo`] gives the source back.
//!
//! ```
//! use sluicegate_manifest::{CdnSigner, Limits, Place, SignHost, Template, undo};
//! use sluicegate_token::{CdnKey, Gcore, Scope, UnixTime};
//!
//! let source = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n360p/index.m3u8\n";
//! let template = Template::compile(source.as_bytes().to_vec().into(), &Limits::default())?;
//!
//! let gcore = Gcore::new(CdnKey::plain("k", b"secret_key"), Scope::Directory);
//! let place = Place::at("https://cdn.example.com/vod/master.m3u8".parse()?);
//! let signer = CdnSigner::new(&gcore, UnixTime(2_147_483_647), None);
//! let mut policy = SignHost::new(&place.base, signer);
//! let rendered = template.render(&place, &mut policy)?;
//!
//! let text = String::from_utf8(rendered.bytes.clone())?;
//! assert!(text.contains("360p/index.m3u8?md5="));
//! assert_eq!(undo(&rendered.bytes, &rendered.edits), source.as_bytes());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod detect;
mod edit;
mod error;
mod hls;
mod limits;
mod policy;
mod resolve;
mod role;
mod sign;
mod template;

pub use detect::Format;
pub use edit::{Edit, undo};
pub use error::{CompileError, RefuseReason, RenderError};
pub use hls::attributes::{Attribute, Attributes, Quoting, UnterminatedQuote};
pub use hls::lines::{Line, LineKind, Lines};
pub use limits::Limits;
pub use policy::{Decision, KeepReason, Uri, UriPolicy};
pub use role::Role;
pub use sign::{CdnSigner, ExistingToken, SignHost};
pub use template::{Kept, Place, Rendered, Slot, Template};
