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
    /// A player shall fetch this URL. The reference keeps its written form if that leads there.
    Deliver {
        /// The URL, its token left out or held by a placeholder.
        url: Url,
        /// The token that goes with it.
        token: Option<TokenAt>,
    },
    /// The manifest must not leave.
    Refuse(RefuseReason),
}

/// Where a URL's token stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenAt {
    /// At the end of the query: the token's text is one or more parameters, `a=b&c=d`.
    Query(TokenRef),
    /// In the path, where the URL holds [`TokenRef::placeholder`].
    Path(TokenRef),
}

/// A token that is not known until a session is: one of those that are given to
/// [`crate::Plan::render`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenRef {
    /// Which list of tokens.
    pub list: u16,
    /// Which one of the list, from 0.
    pub index: u32,
}

impl TokenRef {
    /// What stands for the token in the path of a planned URL. Tokens in base64url never look like
    /// it, and a URL keeps it as it is.
    #[must_use]
    pub fn placeholder(self) -> String {
        format!("~{}.{}~", self.list, self.index)
    }
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
    fn decide(&mut self, uri: &Uri<'_>) -> Decision;

    /// The length that most tokens of this policy have, in bytes. Any length is right; the true
    /// one makes rendering fast.
    fn token_len(&self) -> usize {
        0
    }

    /// Whether an absolute URL in an unclassified place names something protected: an origin's
    /// host or a protected prefix. Such a manifest is refused.
    fn protects(&self, url: &Url) -> bool;

    /// The query parameters that this policy's tokens use, in any case of letters: no pathway clone
    /// of a content steering manifest may set them.
    fn owned_parameters(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether a pathway clone may send URIs to this host as they are, with tokens that are for
    /// another.
    fn may_replace_host(&self, _host: &str) -> bool {
        false
    }

    /// Whether players may be offered delta updates: not if the segments' tokens are shorter than
    /// the session, since a player keeps the old URLs of what an update skips.
    fn allows_delta_updates(&self) -> bool {
        true
    }

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
