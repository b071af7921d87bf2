//! The seam where a caller says what shall become of each URI.

use std::fmt;

use url::Url;

use crate::{RefuseReason, Role};

/// One URI that a policy decides.
#[derive(Clone, Copy, Debug)]
pub struct Uri<'t> {
    /// What it is.
    pub role: Role,
    /// Where it leads: resolved against the manifest's own URL by RFC 3986.
    pub url: &'t Url,
}

/// What shall become of a URI.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It stays as it is written.
    Keep(KeepReason),
    /// A player shall fetch this URL with the query that the policy wrote, if any. The reference
    /// keeps its written form if that leads there.
    Deliver(Url),
    /// The manifest must not leave.
    Refuse(RefuseReason),
}

/// Why a URI stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeepReason {
    /// It holds its content itself (`data:`) or is for a DRM system (`skd:`).
    NotFetched,
    /// Its scheme is not HTTP.
    ForeignScheme,
    /// It is on a host that is none of ours.
    ForeignHost,
    /// The value is empty.
    Empty,
    /// The policy signs nothing.
    Identity,
}

/// Decides what becomes of each URI of a manifest.
pub trait UriPolicy {
    /// Decides one URI whose scheme is HTTP or HTTPS.
    ///
    /// For [`Decision::Deliver`], the parameters to add are appended to `query`, which is empty
    /// when the call begins, in the form `a=b&c=d`.
    fn decide(&mut self, uri: &Uri<'_>, query: &mut Vec<u8>) -> Decision;

    /// Whether an absolute URL in an unclassified place names something protected: an origin's
    /// host or a protected prefix. Such a manifest is refused.
    fn protects(&self, url: &Url) -> bool;

    /// Whether every unclassified value that looks like a URI is refused, a foreign one too.
    fn is_strict(&self) -> bool {
        false
    }
}

impl fmt::Display for KeepReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFetched => "not fetched over HTTP",
            Self::ForeignScheme => "foreign scheme",
            Self::ForeignHost => "foreign host",
            Self::Empty => "empty",
            Self::Identity => "nothing is signed",
        })
    }
}
