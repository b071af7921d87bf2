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
//! let presented = Presented { path: received.path(), query: received.query(), ip: None };
//! assert!(gcore.verify(&presented, UnixTime(1_800_000_000)).is_ok());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod batch;
pub mod ip;
mod key;
mod link;
mod path;
pub mod query;
mod scheme;
pub mod session;
mod time;

pub use batch::ByteList;
pub use ip::IpPrefix;
pub use key::{Binding, CdnKey, KeyError, KeyId, SessionKey, SessionKeys};
pub use link::{Link, LinkError};
pub use path::{PathError, ResourcePath};
pub use scheme::gcore::Gcore;
pub use scheme::{Presented, Refusal, Scheme, Scope, SignError, Valid};
pub use session::{SessionClaims, SessionId, SessionToken};
pub use time::UnixTime;
