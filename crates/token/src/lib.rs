//! URL tokens for media delivery, as pure functions: no I/O, no clock, no randomness.
//!
//! Two kinds live here.
//!
//! * **CDN tokens** open a file, or the files of one directory, at a CDN's edge. A [`Scheme`]
//!   says what is hashed, how it is written and where it stands in the URL; [`Gcore`] is the
//!   scheme of Gcore's CDN and of any nginx whose `secure_link_md5` has the same layout.
//! * **Session tokens** open the gateway for one viewer: see [`session`].
//!
//! ```
//! use sluicegate_token::{CdnKey, Gcore, Link, Presented, Scheme, Scope, UnixTime};
//!
//! let gcore = Gcore::new(CdnKey::plain("2026-a", b"secret_key"), Scope::File);
//! let link = Link::parse("/images/1.jpg")?;
//! let signed = link.sign(&gcore, UnixTime(2_147_483_647), None)?;
//! assert_eq!(signed, "/images/1.jpg?md5=vHEnxR8VaxpEDgyNzJuWwA&expires=2147483647");
//!
//! let received = Link::parse(&signed)?;
//! let presented = Presented::at(received.path(), received.query(), None);
//! assert!(gcore.verify(&presented, UnixTime(1_800_000_000)).is_ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod batch;
mod explain;
pub mod ip;
mod key;
mod layout;
mod link;
mod path;
pub mod query;
mod scheme;
pub mod session;
pub mod shown;
mod time;

pub use batch::ByteList;
pub use explain::{Effort, Explanation, Mistake, SessionPlace, explain, explain_session};
pub use ip::{IpForm, IpPrefix, IpText};
pub use key::{Binding, CdnKey, KeyError, KeyId, SessionKey, SessionKeys};
pub use layout::digest::{Algorithm, KeyText, Output};
pub use layout::moment::MomentText;
pub use layout::scheme::LayoutScheme;
pub use layout::template::TemplateError;
pub use layout::{Layout, LayoutError};
pub use link::{Link, LinkError};
pub use path::{PathError, ResourcePath};
pub use scheme::akamai::Akamai;
pub use scheme::bunny::Bunny;
pub use scheme::cloudfront::CloudFront;
pub use scheme::gcore::Gcore;
pub use scheme::kind::{SchemeError, SchemeKind, SchemeOptions};
pub use scheme::nginx_secret::NginxSecret;
pub use scheme::ring::{KeyPeriod, Opens, RingKey, SchemeRing};
pub use scheme::{
    Placement, Presented, Refusal, Scheme, Scope, SignError, Target, TokenMark, Valid,
};
pub use session::{SessionClaims, SessionId, SessionToken};
pub use time::UnixTime;
