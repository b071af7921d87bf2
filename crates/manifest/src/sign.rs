//! Signing for one CDN: a token per file, or one per directory that is computed once.

use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::net::IpAddr;

use sluicegate_token::{ByteList, ResourcePath, Scheme, Scope, SignError, UnixTime, query};
use url::Url;

use crate::policy::{Decision, TokenAt, TokenRef, Uri, UriPolicy, Varies};
use crate::{KeepReason, RefuseReason, Role};

/// Length of a Gcore query, `md5=..&expires=..`, from the year 2001 to 2286.
pub const GCORE_QUERY_LEN: usize = 45;

/// What to do with a URL that already holds a parameter which is about to be added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ExistingToken {
    /// Refuse the manifest: a verifier takes the first of two, so neither order is safe.
    #[default]
    Refuse,
    /// Drop the old parameter.
    Replace,
}

/// What of a manifest's URLs a CDN's scheme must sign: collected while the manifest is planned,
/// signed for each session.
#[derive(Clone, Debug)]
pub struct CdnPaths {
    list: u16,
    scope: Scope,
    parameters: &'static [&'static str],
    signed: ByteList,
    /// Which of these has a hash: the same directory, or file, has one token.
    known: HashMap<u64, u32>,
}

/// The policy of a manifest that is served by the CDN itself: every URI on one host is signed where
/// it stands, every other one stays. Tokens never go to another host.
#[derive(Debug)]
pub struct SignHost {
    paths: CdnPaths,
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

// === impl CdnPaths ===

impl CdnPaths {
    /// Collects for `scheme`; its tokens will be list `list` of those given to
    /// [`crate::Plan::render`].
    #[must_use]
    pub fn new(list: u16, scheme: &dyn Scheme) -> Self {
        Self {
            list,
            scope: scheme.scope(),
            parameters: scheme.parameters(),
            signed: ByteList::default(),
            known: HashMap::new(),
        }
    }

    /// The parameters that the scheme owns.
    #[must_use]
    pub const fn parameters(&self) -> &'static [&'static str] {
        self.parameters
    }

    /// Whether one token opens all that a URI of a template stands for.
    #[must_use]
    pub fn covers(&self, varies: Varies) -> bool {
        match varies {
            Varies::Nothing => true,
            Varies::Name => self.scope == Scope::Directory,
            Varies::Folder => false,
        }
    }

    /// The token that will open `url`.
    ///
    /// # Errors
    /// [`RefuseReason::Unsignable`] if the path cannot be decoded.
    pub fn token_for(&mut self, url: &Url) -> Result<TokenRef, RefuseReason> {
        let path = ResourcePath::parse(url.path().as_bytes())
            .map_err(|error| RefuseReason::Unsignable(error.to_string()))?;
        let index = self.want(self.scope.signed_part(&path));
        Ok(TokenRef { list: self.list, index })
    }

    /// Makes the tokens, in the order in which they were asked for.
    ///
    /// # Errors
    /// [`SignError`], for example if the key needs the client's address.
    pub fn sign(
        &self,
        scheme: &dyn Scheme,
        expires: UnixTime,
        ip: Option<IpAddr>,
    ) -> Result<ByteList, SignError> {
        let count = self.signed.len();
        let mut queries = ByteList::with_capacity(count, count * GCORE_QUERY_LEN);
        scheme.write_queries(&self.signed, expires, ip, &mut queries)?;
        Ok(queries)
    }

    fn want(&mut self, signed: &[u8]) -> u32 {
        let hash = self.known.hasher().hash_one(signed);
        let known = self.known.get(&hash).copied();
        if let Some(known) = known.filter(|&known| self.signed.get(known as usize) == signed) {
            return known;
        }
        // A source of less than 4 GiB has fewer URIs.
        let index = u32::try_from(self.signed.len()).unwrap_or(u32::MAX);
        self.signed.push(signed);
        self.known.insert(hash, index);
        index
    }
}

// === impl SignHost ===

impl SignHost {
    /// Signs every URI on `host` with `scheme`: scheme, host and port of this URL, which is often
    /// the manifest's own.
    #[must_use]
    pub fn new(host: &Url, scheme: &dyn Scheme) -> Self {
        Self {
            paths: CdnPaths::new(0, scheme),
            origin: host.origin(),
            existing: ExistingToken::Refuse,
        }
    }

    /// What to do with references that are signed already.
    #[must_use]
    pub fn existing(mut self, existing: ExistingToken) -> Self {
        self.existing = existing;
        self
    }

    /// Makes the tokens of a plan that this policy decided.
    ///
    /// # Errors
    /// As [`CdnPaths::sign`].
    pub fn sign(
        &self,
        scheme: &dyn Scheme,
        expires: UnixTime,
        ip: Option<IpAddr>,
    ) -> Result<[ByteList; 1], SignError> {
        self.paths.sign(scheme, expires, ip).map(|tokens| [tokens])
    }

    fn is_ours(&self, url: &Url) -> bool {
        self.origin == url.origin()
    }
}

impl UriPolicy for SignHost {
    fn token_len(&self) -> usize {
        GCORE_QUERY_LEN
    }

    fn decide(&mut self, uri: &Uri<'_>) -> Decision {
        if !self.is_ours(uri.url) {
            return Decision::Keep(KeepReason::ForeignHost);
        }
        match uri.role {
            Role::License => return Decision::Keep(KeepReason::License),
            // Only what is fetched gets a token.
            Role::BaseUrl => return Decision::Deliver { url: uri.url.clone(), token: None },
            _ if !self.paths.covers(uri.varies) => return Decision::Expand,
            _ => {}
        }
        let decided = self.existing.make_room(uri.url, self.paths.parameters()).and_then(|url| {
            let token = self.paths.token_for(&url)?;
            Ok(Decision::Deliver { url, token: Some(TokenAt::Query(token)) })
        });
        decided.unwrap_or_else(Decision::Refuse)
    }

    fn token_ampersands(&self) -> usize {
        self.paths.parameters().len().saturating_sub(1)
    }

    fn owned_parameters(&self) -> Vec<String> {
        self.paths.parameters().iter().map(|name| (*name).to_owned()).collect()
    }

    fn protects(&self, url: &Url) -> bool {
        self.is_ours(url)
    }
}
