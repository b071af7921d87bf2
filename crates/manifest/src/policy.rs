//! The seam where a caller says what shall become of each URI.

use std::fmt;

use url::Url;

use crate::{RefuseReason, Role};

/// One URI that a policy decides.
#[derive(Clone, Copy, Debug)]
pub struct Uri<'t> {
    /// What it is.
    pub role: Role,
    /// Where it leads: resolved against the manifest's own URL by RFC 3986, in DASH through its
    /// base URLs.
    pub url: &'t Url,
    /// Whether it stands for many files: a DASH template. Something stands then in the URL for what
    /// differs from segment to segment.
    pub varies: Varies,
    /// What the references of a remote element, or of a patch, are resolved against instead of
    /// its own URL.
    pub context: Option<&'t Url>,
}

/// What of a URL differs from segment to segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Varies {
    /// Nothing: it is one file.
    #[default]
    Nothing,
    /// The file's name, or the query: all files are in one folder.
    Name,
    /// A folder of its path.
    Folder,
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
    /// A DASH template must be written out, so that each of its segments has a URI, and a token, of
    /// its own. Of what is one file it means nothing.
    Expand,
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

impl<'t> Uri<'t> {
    /// One file.
    #[must_use]
    pub const fn of(role: Role, url: &'t Url) -> Self {
        Self { role, url, varies: Varies::Nothing, context: None }
    }
}

impl TokenRef {
    /// What stands for the token in the path of a planned URL. Tokens in base64url never look like
    /// it, and a URL keeps it as it is.
    #[must_use]
    pub fn placeholder(self) -> String {
        format!("~{}.{}~", self.list, self.index)
    }
}

/// What becomes of the query of an MPD's own URL, if the MPD tells players to copy it (ISO/IEC 23009-1
/// annex I).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OwnQuery {
    /// It holds no token, and may go anywhere.
    Open,
    /// Its token may go to the host that serves the MPD, and to no other.
    #[default]
    ForItsHost,
    /// It is never copied.
    ForItself,
}

/// Why a URI stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeepReason {
    /// It holds its content itself (`data:`), is for a DRM system (`skd:`), or is an identifier.
    NotFetched,
    /// Its scheme is not HTTP.
    ForeignScheme,
    /// It is on a host that is none of ours.
    ForeignHost,
    /// The value is empty.
    Empty,
    /// The policy signs nothing.
    Identity,
    /// It asks for a licence, which the CDN's tokens do not open.
    License,
    /// It is on one of our hosts, outside what tokens are made for, and no media.
    NotMedia,
    /// It tells of something else: another presentation, or a page for people.
    ReportedOnly,
    /// No Representation uses it.
    Unused,
}

/// Decides what becomes of each URI of a manifest.
pub trait UriPolicy {
    /// Decides one URI whose scheme is HTTP or HTTPS.
    fn decide(&mut self, uri: &Uri<'_>) -> Decision;

    /// Whether each file beside `base`, or in a folder below, is delivered from where it is written, with
    /// a token at the end of its query that its decoded path alone tells. Then
    /// [`Self::token_of_path`] may be asked for it, which needs no URL.
    fn signs_paths_beside(&mut self, _base: &Url) -> bool {
        false
    }

    /// The token of a file by its decoded path, where [`Self::signs_paths_beside`] holds. Nothing else
    /// may ask.
    fn token_of_path(&mut self, _path: &[u8]) -> TokenRef {
        TokenRef { list: 0, index: u32::MAX }
    }

    /// The length that most tokens of this policy have, in bytes. Any length is right; the true
    /// one makes rendering fast.
    fn token_len(&self) -> usize {
        0
    }

    /// How many `&` a token of this policy has, which are longer in XML. As with
    /// [`Self::token_len`], any number is right.
    fn token_ampersands(&self) -> usize {
        0
    }

    /// Decides a template that [`Decision::Expand`] was said of and that cannot be written out, for
    /// this reason.
    fn decide_unexpandable(&mut self, _uri: &Uri<'_>, reason: &str) -> Decision {
        Decision::Refuse(RefuseReason::NotExpandable(reason.to_owned()))
    }

    /// Whether players of a DASH manifest shall copy this token from the query of the MPD's own URL
    /// to the segments (ISO/IEC 23009-1 annex I), instead of finding it there. The manifest says so
    /// then in an EssentialProperty of each AdaptationSet, which other players leave out.
    fn is_copied_by_players(&self, _token: TokenRef) -> bool {
        false
    }

    /// Whether a DASH manifest gets an absolute base URL, if it has none: for players that resolve
    /// its references against the URL before a redirect, or against its Location.
    fn writes_absolute_bases(&self) -> bool {
        false
    }

    /// Where a player shall load a dynamic DASH manifest again that names no Location; `served` is
    /// where it was loaded. Without one it stays there, and its token ends.
    fn location(&mut self, _served: &Url) -> Option<Decision> {
        None
    }

    /// Whether a manifest may make players tell its own URL, its query or its tokens to hosts that are none
    /// of ours. If not, what would make them do so is left out: reports of metrics, steering servers,
    /// remote elements and patches of such hosts, and elements that players read differently.
    fn trusts_strangers(&self) -> bool {
        false
    }

    /// What becomes of the query of a DASH manifest's own URL, unless strangers are trusted.
    fn own_query(&self) -> OwnQuery {
        OwnQuery::ForItsHost
    }

    /// Whether each reference of a DASH manifest that gets a token in its query is written as an absolute
    /// URL, so that no reader takes the token to another host.
    fn writes_absolute_references(&self) -> bool {
        false
    }

    /// Whether an absolute URL in an unclassified place names something protected: an origin's
    /// host or a protected prefix. Such a manifest is refused.
    fn protects(&self, url: &Url) -> bool;

    /// Whether a manifest that names a host which is none of ours is refused, wherever it names one.
    fn refuses_foreign_hosts(&self) -> bool {
        false
    }

    /// The query parameters that this policy's tokens use, in any case of letters: no pathway clone
    /// of a content steering manifest may set them, and no variable may take them.
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
            Self::License => "for a licence server",
            Self::NotMedia => "outside what is signed, and no media",
            Self::ReportedOnly => "not a part of this presentation",
            Self::Unused => "no Representation uses it",
        })
    }
}
