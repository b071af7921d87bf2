//! Signing for one CDN: a token per file, or one per directory that is computed once.

use std::collections::HashMap;
use std::hash::BuildHasher as _;
use std::net::IpAddr;

use sluicegate_token::{
    Binding, ByteList, Placement, ResourcePath, Scheme, Scope, SignError, Target, UnixTime, query,
};
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
pub struct CdnPaths<'s> {
    list: u16,
    scheme: &'s dyn Scheme,
    scope: Scope,
    parameters: Vec<String>,
    signed: ByteList,
    /// Which of these has a hash: the same directory, or file, has one token.
    known: HashMap<u64, u32>,
}

/// The policy of a manifest that is served by the CDN itself: every URI on a host that has a scheme
/// is signed where it stands, every other one stays. Tokens never go to another host.
#[derive(Debug, Default)]
pub struct SignHost<'s> {
    rows: Vec<Row<'s>>,
    existing: ExistingToken,
    trusts_strangers: bool,
    refuses_strangers: bool,
    /// The row of the manifest's own host, once that is asked for.
    own: usize,
}

/// A host and its scheme.
#[derive(Debug)]
struct Row<'s> {
    origin: url::Origin,
    paths: CdnPaths<'s>,
}

// === impl ExistingToken ===

impl ExistingToken {
    /// The URL with room for `parameters`.
    ///
    /// # Errors
    /// [`RefuseReason::ExistingToken`] if it holds one of them, in any case of letters, and the
    /// rule is to refuse.
    pub fn make_room<P: AsRef<str>>(
        self,
        url: &Url,
        parameters: &[P],
    ) -> Result<Url, RefuseReason> {
        let present = url.query().unwrap_or_default().as_bytes();
        let mut names = parameters.iter().map(AsRef::as_ref);
        let Some(found) = names.find(|name| query::count(present, name) > 0) else {
            return Ok(url.clone());
        };
        match self {
            Self::Refuse => Err(RefuseReason::ExistingToken(found.to_owned())),
            Self::Replace => {
                let is_taken = |name: &[u8]| {
                    let mut taken = parameters.iter().map(|taken| taken.as_ref().as_bytes());
                    taken.any(|taken| name.eq_ignore_ascii_case(taken))
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

impl<'s> CdnPaths<'s> {
    /// Collects for `scheme`; its tokens will be list `list` of those given to
    /// [`crate::Plan::render`].
    #[must_use]
    pub fn new(list: u16, scheme: &'s dyn Scheme) -> Self {
        Self {
            list,
            scheme,
            scope: scheme.scope(),
            parameters: scheme.parameters().into_iter().map(str::to_owned).collect(),
            signed: ByteList::default(),
            known: HashMap::new(),
        }
    }

    /// The parameters that the scheme owns.
    #[must_use]
    pub fn parameters(&self) -> &[String] {
        &self.parameters
    }

    /// Whether one token opens all that a URI of a template stands for.
    #[must_use]
    pub fn covers(&self, varies: Varies) -> bool {
        match varies {
            Varies::Nothing => true,
            Varies::Name => self.scope != Scope::File,
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
        let target = Target { path: &path, url: url.as_str().as_bytes() };
        let index = self.want(&self.scheme.signed_part(&target));
        Ok(TokenRef { list: self.list, index })
    }

    /// Whether the tokens stand in queries, and decoded paths are all that they need.
    fn signs_paths(&self) -> bool {
        self.scheme.placement() == Placement::Query && self.scheme.signs_decoded_path()
    }

    /// The token that will open the file at a decoded path, where [`Self::signs_paths`] holds.
    fn token_of_path(&mut self, path: &[u8]) -> TokenRef {
        let signed = self.scope.part_of(path);
        let last = self.signed.len().wrapping_sub(1);
        let index = match self.scope {
            // The files of a folder stand together, and so do the ranges of a file.
            _ if !self.signed.is_empty() && are_same(self.signed.get(last), signed) => narrow(last),
            // A file that is named twice gets its token twice: cheaper than looking for it.
            Scope::File => {
                self.signed.push(signed);
                narrow(last.wrapping_add(1))
            }
            Scope::Directory | Scope::Tree => self.want(signed),
        };
        TokenRef { list: self.list, index }
    }

    /// What delivers `url` with the token that will open it.
    ///
    /// # Errors
    /// [`RefuseReason::Unsignable`] if the path cannot be decoded, [`RefuseReason::ExistingToken`].
    pub fn deliver(
        &mut self,
        url: &Url,
        existing: ExistingToken,
    ) -> Result<Decision, RefuseReason> {
        let mut url = existing.make_room(url, &self.parameters)?;
        let token = self.token_for(&url)?;
        let token = match self.scheme.placement() {
            Placement::Query => TokenAt::Query(token),
            Placement::Path { after, .. } => {
                let path = path_with(url.path(), after, &token.placeholder());
                url.set_path(&path);
                TokenAt::Path(token)
            }
        };
        Ok(Decision::Deliver { url, token: Some(token) })
    }

    /// Makes the tokens, in the order in which they were asked for.
    ///
    /// # Errors
    /// [`SignError`], for example if the key needs the client's address.
    pub fn sign(&self, expires: UnixTime, ip: Option<IpAddr>) -> Result<ByteList, SignError> {
        let count = self.signed.len();
        let mut tokens = ByteList::with_capacity(count, count * GCORE_QUERY_LEN);
        self.scheme.write_tokens(&self.signed, expires, ip, &mut tokens)?;
        Ok(tokens)
    }

    /// What was asked for, in order: for [`Scheme::write_tokens`].
    #[must_use]
    pub fn into_signed(self) -> ByteList {
        self.signed
    }

    fn want(&mut self, signed: &[u8]) -> u32 {
        let hash = self.known.hasher().hash_one(signed);
        let known = self.known.get(&hash).copied();
        if let Some(known) = known.filter(|&known| self.signed.get(known as usize) == signed) {
            return known;
        }
        let index = narrow(self.signed.len());
        self.signed.push(signed);
        self.known.insert(hash, index);
        index
    }
}

// === impl SignHost ===

impl<'s> SignHost<'s> {
    /// Signs every URI on `host` with `scheme`: scheme, host and port of this URL, which is often
    /// the manifest's own.
    #[must_use]
    pub fn new(host: &Url, scheme: &'s dyn Scheme) -> Self {
        Self::default().and(host, scheme)
    }

    /// Signs every URI on another host with its own scheme. Of two for one host the first counts.
    #[must_use]
    pub fn and(mut self, host: &Url, scheme: &'s dyn Scheme) -> Self {
        // Nobody has thousands of CDNs.
        let list = u16::try_from(self.rows.len()).unwrap_or(u16::MAX);
        self.rows.push(Row { origin: host.origin(), paths: CdnPaths::new(list, scheme) });
        self
    }

    /// What to do with references that are signed already.
    #[must_use]
    pub fn existing(mut self, existing: ExistingToken) -> Self {
        self.existing = existing;
        self
    }

    /// Keeps what makes players tell other hosts the manifest's URL or its tokens, as
    /// [`UriPolicy::trusts_strangers`] says.
    #[must_use]
    pub fn trusting_strangers(mut self, trusts_strangers: bool) -> Self {
        self.trusts_strangers = trusts_strangers;
        self
    }

    /// Refuses a manifest that names any host but those that are signed for, as
    /// [`UriPolicy::refuses_foreign_hosts`] says.
    #[must_use]
    pub fn refusing_strangers(mut self, refuses_strangers: bool) -> Self {
        self.refuses_strangers = refuses_strangers;
        self
    }

    /// Makes the tokens of a plan that this policy decided: a list for each host. Those that are
    /// bound to an address get `ip`.
    ///
    /// # Errors
    /// As [`CdnPaths::sign`].
    pub fn sign(&self, expires: UnixTime, ip: Option<IpAddr>) -> Result<Vec<ByteList>, SignError> {
        self.sign_each(&vec![expires; self.rows.len()], ip)
    }

    /// The same with an end for each host, in the order in which they were given.
    ///
    /// # Errors
    /// As [`CdnPaths::sign`].
    pub fn sign_each(
        &self,
        expires: &[UnixTime],
        ip: Option<IpAddr>,
    ) -> Result<Vec<ByteList>, SignError> {
        let binds_any = self.rows.iter().any(|row| row.paths.scheme.binding() == Binding::Ip);
        let of_row = |(row, expires): (&Row<'_>, &UnixTime)| {
            let is_bound = row.paths.scheme.binding() == Binding::Ip || !binds_any;
            row.paths.sign(*expires, ip.filter(|_| is_bound))
        };
        self.rows.iter().zip(expires).map(of_row).collect()
    }

    fn row(&mut self, url: &Url) -> Option<&mut Row<'s>> {
        let origin = url.origin();
        self.rows.iter_mut().find(|row| row.origin == origin)
    }
}

impl UriPolicy for SignHost<'_> {
    fn token_len(&self) -> usize {
        GCORE_QUERY_LEN
    }

    fn signs_paths_beside(&mut self, base: &Url) -> bool {
        let origin = base.origin();
        let own = self.rows.iter().position(|row| row.origin == origin);
        self.own = own.unwrap_or_default();
        own.is_some_and(|own| self.rows[own].paths.signs_paths())
    }

    fn token_of_path(&mut self, path: &[u8]) -> TokenRef {
        self.rows[self.own].paths.token_of_path(path)
    }

    fn decide(&mut self, uri: &Uri<'_>) -> Decision {
        let existing = self.existing;
        let refuses = self.refuses_strangers;
        let Some(row) = self.row(uri.url) else {
            return match refuses {
                true => Decision::Refuse(RefuseReason::ForeignHost),
                false => Decision::Keep(KeepReason::ForeignHost),
            };
        };
        match uri.role {
            Role::License => return Decision::Keep(KeepReason::License),
            // Only what is fetched gets a token.
            Role::BaseUrl => return Decision::Deliver { url: uri.url.clone(), token: None },
            _ if !row.paths.covers(uri.varies) => return Decision::Expand,
            _ => {}
        }
        row.paths.deliver(uri.url, existing).unwrap_or_else(Decision::Refuse)
    }

    fn token_ampersands(&self) -> usize {
        let parameters = self.rows.first().map_or(0, |row| row.paths.parameters.len());
        parameters.saturating_sub(1)
    }

    fn owned_parameters(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for name in self.rows.iter().flat_map(|row| &row.paths.parameters) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }

    fn trusts_strangers(&self) -> bool {
        self.trusts_strangers
    }

    fn refuses_foreign_hosts(&self) -> bool {
        self.refuses_strangers
    }

    fn protects(&self, url: &Url) -> bool {
        let origin = url.origin();
        self.rows.iter().any(|row| row.origin == origin)
    }
}

/// The path with a segment more behind its first ones.
fn path_with(path: &str, after: usize, segment: &str) -> String {
    let at = path.match_indices('/').nth(after).map_or(path.len(), |(at, _)| at);
    format!("{}/{segment}{}", &path[..at], &path[at..])
}

/// Whether two paths are the same. Those of one manifest begin alike, and differ near their ends.
#[inline]
fn are_same(one: &[u8], other: &[u8]) -> bool {
    one.last_chunk::<16>() == other.last_chunk::<16>() && one == other
}

/// A source of less than 4 GiB has fewer URIs.
fn narrow(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
