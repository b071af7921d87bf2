//! Signing for one CDN: a token per file, or one per directory that is computed once.

use std::collections::HashMap;
use std::net::IpAddr;

use sluicegate_token::{ResourcePath, Scheme, Scope, UnixTime, query};
use url::Url;

use crate::{Decision, RefuseReason, Uri, UriPolicy};

/// What to do with a URL that already holds a parameter which is about to be added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExistingToken {
    /// Refuse the manifest: a verifier takes the first of two, so neither order is safe.
    #[default]
    Refuse,
    /// Drop the old parameter.
    Replace,
}

/// Makes the CDN query of each URL of one manifest.
#[derive(Debug)]
pub struct CdnSigner<'k> {
    scheme: &'k dyn Scheme,
    expires: UnixTime,
    ip: Option<IpAddr>,
    /// Under directory scope: the query of each directory seen so far.
    by_directory: HashMap<Vec<u8>, Vec<u8>>,
}

/// The policy of a manifest that is served by the CDN itself: every URI on one host is signed where
/// it stands, every other one stays. Tokens never go to another host.
#[derive(Debug)]
pub struct SignHost<'k> {
    signer: CdnSigner<'k>,
    origin: url::Origin,
    existing: ExistingToken,
}

// === impl ExistingToken ===

impl ExistingToken {
    /// The URL with room for `parameters`.
    ///
    /// # Errors
    /// [`RefuseReason::ExistingToken`] if it holds one of them, in any case of letters, and the
    /// rule is to refuse.
    pub fn make_room(self, url: &Url, parameters: &[&str]) -> Result<Url, RefuseReason> {
        let present = url.query().unwrap_or_default().as_bytes();
        let Some(found) = parameters.iter().find(|name| query::count(present, name) > 0) else {
            return Ok(url.clone());
        };
        match self {
            Self::Refuse => Err(RefuseReason::ExistingToken((*found).to_owned())),
            Self::Replace => {
                let is_taken = |name: &[u8]| {
                    parameters.iter().any(|taken| name.eq_ignore_ascii_case(taken.as_bytes()))
                };
                let rest = query::without(present, is_taken);
                let mut url = url.clone();
                url.set_query(std::str::from_utf8(&rest).ok().filter(|rest| !rest.is_empty()));
                Ok(url)
            }
        }
    }
}

// === impl CdnSigner ===

impl<'k> CdnSigner<'k> {
    /// Signs with `scheme` until `expires`, for the client `ip` if the key binds to an address.
    #[must_use]
    pub fn new(scheme: &'k dyn Scheme, expires: UnixTime, ip: Option<IpAddr>) -> Self {
        Self { scheme, expires, ip, by_directory: HashMap::new() }
    }

    /// The parameters that the scheme owns.
    #[must_use]
    pub fn parameters(&self) -> &'static [&'static str] {
        self.scheme.parameters()
    }

    /// The last good second of every token that this makes.
    #[must_use]
    pub const fn expires(&self) -> UnixTime {
        self.expires
    }

    /// Appends the query that opens `url`.
    ///
    /// # Errors
    /// [`RefuseReason::Unsignable`] if the path cannot be decoded or the key needs an address.
    pub fn write_query(&mut self, url: &Url, query: &mut Vec<u8>) -> Result<(), RefuseReason> {
        let unsignable = |why: String| RefuseReason::Unsignable(why);
        let path = ResourcePath::parse(url.path().as_bytes())
            .map_err(|error| unsignable(error.to_string()))?;
        if self.scheme.scope() == Scope::Directory
            && let Some(known) = self.by_directory.get(path.directory())
        {
            query.extend_from_slice(known);
            return Ok(());
        }
        let start = query.len();
        self.scheme
            .write_query(&path, self.expires, self.ip, query)
            .map_err(|error| unsignable(error.to_string()))?;
        if self.scheme.scope() == Scope::Directory {
            self.by_directory.insert(path.directory().to_vec(), query[start..].to_vec());
        }
        Ok(())
    }
}

// === impl SignHost ===

impl<'k> SignHost<'k> {
    /// Signs every URI on `host` with `signer`: scheme, host and port of this URL, which is often
    /// the manifest's own.
    #[must_use]
    pub fn new(host: &Url, signer: CdnSigner<'k>) -> Self {
        Self { signer, origin: host.origin(), existing: ExistingToken::Refuse }
    }

    /// What to do with references that are signed already.
    #[must_use]
    pub const fn existing(mut self, existing: ExistingToken) -> Self {
        self.existing = existing;
        self
    }

    fn is_ours(&self, url: &Url) -> bool {
        self.origin == url.origin()
    }
}

impl UriPolicy for SignHost<'_> {
    fn decide(&mut self, uri: &Uri<'_>, query: &mut Vec<u8>) -> Decision {
        if !self.is_ours(uri.url) {
            return Decision::Keep(crate::KeepReason::ForeignHost);
        }
        let signed = self
            .existing
            .make_room(uri.url, self.signer.parameters())
            .and_then(|url| self.signer.write_query(&url, query).map(|()| url));
        signed.map_or_else(Decision::Refuse, Decision::Deliver)
    }

    fn protects(&self, url: &Url) -> bool {
        self.is_ours(url)
    }
}
