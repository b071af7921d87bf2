//! What a CDN's token looks like: the trait that each scheme implements, and what verifying tells.

pub(crate) mod akamai;
pub(crate) mod bunny;
pub(crate) mod cloudfront;
pub(crate) mod gcore;
pub(crate) mod kind;
pub(crate) mod nginx_secret;
pub(crate) mod ring;
mod wildcard;

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use thiserror::Error;

use crate::layout::scheme::without_token;
use crate::path::folder_of;
use crate::{Binding, ByteList, LayoutScheme, ResourcePath, UnixTime, shown};

/// How much one token opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The one file.
    File,
    /// The files that lie directly in the directory; no subdirectory.
    Directory,
    /// All that lies below a folder.
    Tree,
}

/// Where a token stands in a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Placement {
    /// At the end of the query.
    Query,
    /// In the path, as segments of their own.
    Path {
        /// How many segments of the path stand before them.
        after: usize,
        /// How many they are.
        segments: usize,
    },
}

impl Placement {
    /// A path without the segments that hold the token, if tokens stand in paths.
    #[must_use]
    pub fn path_without_token(self, path: &[u8]) -> Cow<'_, [u8]> {
        let without = match self {
            Self::Query => None,
            Self::Path { after, segments } => without_token(path, after, segments),
        };
        without.map_or(Cow::Borrowed(path), |(_, rest)| Cow::Owned(rest))
    }

    /// A path for a log or a message: what stands in a token's place is shown as far as
    /// [`shown::path`] shows it, be it a right one or not.
    #[must_use]
    pub fn path_without_secrets(self, path: &str) -> Cow<'_, str> {
        let Self::Path { after, segments: count } = self else { return Cow::Borrowed(path) };
        // The first is before the leading slash.
        let places = after + 1..after + 1 + count;
        let shown = path.split('/').enumerate().map(|(at, segment)| match places.contains(&at) {
            true => shown::path(segment, 0),
            false => Cow::Borrowed(segment),
        });
        Cow::Owned(shown.collect::<Vec<_>>().join("/"))
    }
}

/// A URL that a token is made for.
#[derive(Clone, Copy, Debug)]
pub struct Target<'u> {
    /// Its path.
    pub path: &'u ResourcePath,
    /// The URL as it is written, from its origin or from its path on.
    pub url: &'u [u8],
}

/// A way to put a token on a URL, with its key.
pub trait Scheme: fmt::Debug + Send + Sync {
    /// The scheme's name, as configurations write it.
    fn name(&self) -> &str;

    /// The query parameters that the scheme owns. A URL that already holds one of them, in any
    /// case, cannot be signed again: a verifier may take the first.
    fn parameters(&self) -> Vec<&str>;

    /// How much each token opens.
    fn scope(&self) -> Scope;

    /// Whether its tokens are bound to the client's address.
    fn binding(&self) -> Binding;

    /// Where each token stands.
    fn placement(&self) -> Placement {
        Placement::Query
    }

    /// What of a URL a token is made of: all URLs with the same have the same token.
    fn signed_part<'t>(&self, target: &Target<'t>) -> Cow<'t, [u8]> {
        Cow::Borrowed(self.scope().signed_part(target.path))
    }

    /// Whether [`Self::signed_part`] is that of the scope, and the decoded path is all that it needs.
    fn signs_decoded_path(&self) -> bool {
        false
    }

    /// Appends the token that opens `signed`, which [`Self::signed_part`] gave, until `expires`:
    /// parameters without a leading `?` or `&`, or segments without a slash around them.
    ///
    /// # Errors
    /// [`SignError`]; nothing is appended then.
    fn write_token(
        &self,
        signed: &[u8],
        expires: UnixTime,
        ip: Option<IpAddr>,
        out: &mut Vec<u8>,
    ) -> Result<(), SignError>;

    /// Appends the token that opens a URL.
    ///
    /// # Errors
    /// As [`Self::write_token`].
    fn write_token_for(
        &self,
        target: &Target<'_>,
        expires: UnixTime,
        ip: Option<IpAddr>,
        out: &mut Vec<u8>,
    ) -> Result<(), SignError> {
        self.write_token(&self.signed_part(target), expires, ip, out)
    }

    /// Appends to `tokens` the token that opens each of `signed`.
    ///
    /// # Errors
    /// [`SignError`]; nothing useful is appended then.
    fn write_tokens(
        &self,
        signed: &ByteList,
        expires: UnixTime,
        ip: Option<IpAddr>,
        tokens: &mut ByteList,
    ) -> Result<(), SignError> {
        let mut token = Vec::new();
        for signed in signed.iter() {
            token.clear();
            self.write_token(signed, expires, ip, &mut token)?;
            tokens.push(&token);
        }
        Ok(())
    }

    /// Decides whether a request is let in: parse, decode, compare in constant time, then expiry.
    ///
    /// # Errors
    /// [`Refusal`] says why not.
    fn verify(&self, presented: &Presented<'_>, now: UnixTime) -> Result<Valid, Refusal>;

    /// The HTTP status with which the CDN refuses.
    fn status(&self, refusal: &Refusal) -> u16 {
        refusal.status()
    }

    /// Whether the end of a URL's path may be read as the beginning of what is hashed behind it, so that one
    /// token is for `/a1` and for `/a`, with another end, address or lifetime.
    fn may_shift_path(&self) -> bool {
        false
    }

    /// How long a token lives from its making, in seconds, if that is all that its CDN knows: then
    /// its end cannot be chosen.
    fn lifetime_secs(&self) -> Option<u64> {
        None
    }

    /// The same scheme and key for another scope, where a verifier may know either.
    fn with_scope(&self, _scope: Scope) -> Option<Arc<dyn Scheme>> {
        None
    }

    /// The same scheme and key as data, of which [`crate::explain()`] knows the common mistakes.
    fn as_layout(&self) -> Option<LayoutScheme> {
        None
    }
}

/// What a request shows.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'r> {
    /// The request's path.
    pub path: &'r ResourcePath,
    /// The request's URL as it is written, from its origin or from its path on; the query may be
    /// absent here.
    pub url: &'r [u8],
    /// The raw query, without `?`.
    pub query: Option<&'r [u8]>,
    /// The client's address, if known.
    pub ip: Option<IpAddr>,
}

// === impl Target ===

impl<'u> Target<'u> {
    /// A path alone.
    #[must_use]
    pub fn of(path: &'u ResourcePath) -> Self {
        Self { path, url: path.as_bytes() }
    }

    /// What stands before the path: scheme, host and port, if they are there.
    #[must_use]
    pub fn origin(&self) -> &'u [u8] {
        let url = &self.url[..memchr::memchr(b'#', self.url).unwrap_or(self.url.len())];
        url.strip_suffix(self.raw_request()).unwrap_or(url)
    }

    /// The path as it is written.
    #[must_use]
    pub fn raw_path(&self) -> &'u [u8] {
        let request = self.raw_request();
        &request[..memchr::memchr(b'?', request).unwrap_or(request.len())]
    }

    /// Path and query as they are written.
    #[must_use]
    pub fn raw_request(&self) -> &'u [u8] {
        let url = &self.url[..memchr::memchr(b'#', self.url).unwrap_or(self.url.len())];
        let path = &url[..memchr::memchr(b'?', url).unwrap_or(url.len())];
        let authority = if path.starts_with(b"//") {
            b"//".len()
        } else if path.starts_with(b"/") {
            return url;
        } else {
            memchr::memmem::find(path, b"://").map_or(0, |colon| colon + b"://".len())
        };
        let rest = path.get(authority..).unwrap_or_default();
        memchr::memchr(b'/', rest).map_or(b"/", |slash| &url[authority + slash..])
    }
}

// === impl Presented ===

impl<'r> Presented<'r> {
    /// A request of which the decoded path is known alone.
    #[must_use]
    pub fn at(path: &'r ResourcePath, query: Option<&'r [u8]>, ip: Option<IpAddr>) -> Self {
        Self { path, url: path.as_bytes(), query, ip }
    }

    /// What a token must be for.
    #[must_use]
    pub const fn target(&self) -> Target<'r> {
        Target { path: self.path, url: self.url }
    }
}

/// A token that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Valid {
    /// The last second in which the token is good.
    pub expires: UnixTime,
    /// What else the token asks for and nobody here can know, such as the client's country.
    pub unchecked: Option<&'static str>,
    /// What tells it from other tokens.
    pub mark: TokenMark,
}

/// What tells a verified token from others, in whatever way it is written: of its right hash or signature
/// the first 16 bytes. Many texts may be one token: base64 has spare bits, hexadecimal has two cases, and
/// there are parameters that nobody signs. `Debug` does not show it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TokenMark([u8; 16]);

impl TokenMark {
    /// The mark of a token of this hash.
    #[must_use]
    pub fn of(hash: &[u8]) -> Self {
        let mut mark = [0; 16];
        for (mark, byte) in mark.iter_mut().zip(hash) {
            *mark = *byte;
        }
        Self(mark)
    }

    /// Its bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for TokenMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenMark(..)")
    }
}

impl Valid {
    /// A token of this hash that is good until then, without any condition.
    #[must_use]
    pub fn until(expires: UnixTime, hash: &[u8]) -> Self {
        Self { expires, unchecked: None, mark: TokenMark::of(hash) }
    }
}

/// Why a URL was not signed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SignError {
    /// The key binds its links to an address and none was given.
    #[error("this key binds links to the client's address: give the address")]
    NoClientAddress,
    /// The key is for plain links and an address was given.
    #[error("this key makes plain links: leave the address out, or use a key for bound links")]
    PlainKey,
    /// nginx takes an expiry of zero for no token at all.
    #[error("the expiry must be later than 0 and at most {}", i64::MAX)]
    BadExpiry,
    /// The URL already holds a parameter of the scheme.
    #[error("the URL already holds the parameter '{0}'")]
    AlreadySigned(String),
    /// The scheme signs whole URLs.
    #[error("this scheme signs whole URLs: give scheme and host, too")]
    NoHost,
    /// The URL has no place for a token of this scheme.
    #[error("the URL cannot take a token: {0}")]
    NoPlace(&'static str),
    /// Every key of the ring is retired, or not active yet.
    #[error("no key is active: give one whose `active_from` is past and that is not retired")]
    NoActiveKey,
}

/// Why a token was refused, for logs and for `verify`; a client is told the status alone.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// A parameter is absent or empty.
    #[error("the parameter '{0}' is missing")]
    Missing(Cow<'static, str>),
    /// The token's text is no encoded hash.
    #[error("the token is not well-formed: {0}")]
    MalformedToken(&'static str),
    /// The expiry is no positive decimal number of seconds.
    #[error("the expiry is not a positive decimal number")]
    MalformedExpiry,
    /// The hash is of something else: another path, expiry, address or key.
    #[error("the token does not match: another path, expiry, address or key was signed")]
    WrongToken,
    /// The token is bound to an address and the client's is not known.
    #[error("the token is bound to an address and the client's address is not known")]
    NoClientAddress,
    /// The token is bound to an address, which is not the client's.
    #[error("the token is not for this client's address")]
    OtherClient,
    /// The token is right, and for other URLs.
    #[error("the token is for other URLs than this one")]
    NotCovered,
    /// The token is for a whole URL, and the host is not known.
    #[error("the token is for a whole URL: scheme and host are not known")]
    NoHost,
    /// The token's time has not come.
    #[error("the token is good in {in_secs} s, not yet")]
    NotYetValid {
        /// Seconds until its first good second.
        in_secs: u64,
    },
    /// The token names a key that is not known here.
    #[error("the token names the key {0}, which is not known")]
    UnknownKey(u8),
    /// The token is right and its time is over.
    #[error("the token expired {ago_secs} s ago")]
    Expired {
        /// Seconds since its last good second.
        ago_secs: u64,
    },
}

// === impl Scope ===

impl Scope {
    /// The bytes of `path` that a token of this scope signs.
    #[must_use]
    pub fn signed_part(self, path: &ResourcePath) -> &[u8] {
        self.part_of(path.as_bytes())
    }

    /// The same of the bytes of a path that is decoded and normalised.
    #[must_use]
    pub fn part_of(self, path: &[u8]) -> &[u8] {
        match self {
            Self::File => path,
            Self::Directory | Self::Tree => folder_of(path),
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Tree => "tree",
        })
    }
}

// === impl Refusal ===

impl Refusal {
    /// The HTTP status that goes with it: 410 for a right token whose time is over, else 403.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::Expired { .. } => 410,
            _ => 403,
        }
    }

    /// A short constant name, for metrics and scripts.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) => "token-missing",
            Self::MalformedToken(_) => "token-malformed",
            Self::MalformedExpiry => "expiry-malformed",
            Self::WrongToken => "token-wrong",
            Self::NoClientAddress => "client-address-unknown",
            Self::UnknownKey(_) => "key-unknown",
            Self::OtherClient => "client-address-other",
            Self::NotCovered => "token-not-covering",
            Self::NoHost => "host-unknown",
            Self::NotYetValid { .. } => "token-not-yet-valid",
            Self::Expired { .. } => "token-expired",
        }
    }
}

/// The expiry rule of nginx and of session tokens: `expires == now` is still good.
pub(crate) fn check_expiry(expires: UnixTime, now: UnixTime) -> Result<(), Refusal> {
    if expires < now { Err(Refusal::Expired { ago_secs: now.0 - expires.0 }) } else { Ok(()) }
}

/// What every scheme with an expiry asks of it, and of the client's address.
pub(crate) fn check_terms(
    binding: Binding,
    expires: UnixTime,
    ip: Option<IpAddr>,
) -> Result<(), SignError> {
    if expires.0 == 0 || i64::try_from(expires.0).is_err() {
        return Err(SignError::BadExpiry);
    }
    check_client(binding, ip)
}

/// An address goes with a key for bound links, and with no other.
pub(crate) fn check_client(binding: Binding, ip: Option<IpAddr>) -> Result<(), SignError> {
    match (binding, ip) {
        (Binding::Ip, None) => Err(SignError::NoClientAddress),
        (Binding::Plain, Some(_)) => Err(SignError::PlainKey),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_and_query_are_what_stands_behind_the_host() {
        let path = ResourcePath::parse(b"/").unwrap();
        for (url, request, raw_path) in [
            ("/a/b?x=1#t", "/a/b?x=1", "/a/b"),
            ("https://h:8/a?u=http://x/y", "/a?u=http://x/y", "/a"),
            ("//h/a/http://x/y?z", "/a/http://x/y?z", "/a/http://x/y"),
            ("https://h", "/", "/"),
            ("/a//b", "/a//b", "/a//b"),
        ] {
            let target = Target { path: &path, url: url.as_bytes() };
            assert_eq!(target.raw_request(), request.as_bytes(), "{url}");
            assert_eq!(target.raw_path(), raw_path.as_bytes(), "{url}");
            let origin = url.split("/a").next().unwrap();
            assert_eq!(target.origin(), origin.as_bytes(), "{url}");
        }
    }
}
