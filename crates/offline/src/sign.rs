//! One manifest, signed for its place on a CDN.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use sluicegate_manifest::{ExistingToken, Kept, Limits, Place, RenderError, SignHost, Template};
use sluicegate_token::{Scheme, UnixTime};
use thiserror::Error;
use url::Url;

/// A host whose URIs are signed, with its scheme and the end of its tokens.
#[derive(Clone, Debug)]
pub struct Host {
    /// Scheme, host and port are what counts.
    pub url: Url,
    /// Signs its URLs.
    pub scheme: Arc<dyn Scheme>,
    /// The last good second of its tokens.
    pub expires: UnixTime,
}

/// What all manifests of a run have in common.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The hosts.
    pub hosts: Vec<Host>,
    /// The only client that tokens of bound keys are for.
    pub ip: Option<IpAddr>,
    /// What becomes of URIs that hold a token already.
    pub existing: ExistingToken,
    /// Whether what makes players tell other hosts the manifest's URL or its tokens stays.
    pub trusts_strangers: bool,
    /// Whether a manifest that names another host is refused.
    pub refuses_strangers: bool,
    /// The moment: a live MPD that is written out names the segments that are there now.
    pub now: UnixTime,
    /// The most that a manifest may have of each thing.
    pub limits: Limits,
}

/// A signed manifest.
#[derive(Clone, Debug)]
pub struct Signed {
    /// The text.
    pub text: Vec<u8>,
    /// How many tokens stand in it.
    pub tokens: usize,
    /// The last good second of those that end first; none if there are none.
    pub expires: Option<UnixTime>,
    /// URIs that stay as they are.
    pub kept: Vec<Kept>,
    /// Base URLs that were left out, by their slots.
    pub dropped: Vec<usize>,
    /// Where stands what was left out, since it would make players tell other hosts the manifest's URL or
    /// its tokens: offsets, rising.
    pub withheld: Vec<usize>,
    /// What plays longer than its tokens live, in seconds from now.
    pub outlives_tokens: Option<Duration>,
}

/// Why a manifest is not signed.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum SignError {
    /// It holds a URI that must not leave unsigned.
    #[error("{0}")]
    Uri(#[from] RenderError),
    /// A scheme refuses to sign.
    #[error("{0}")]
    Token(#[from] sluicegate_token::SignError),
}

/// Signs a manifest that is served at `url`.
///
/// # Errors
/// [`SignError`]; there is no text then.
pub fn sign(template: &Template, url: Url, terms: &Terms) -> Result<Signed, SignError> {
    let place = Place { now: Some(terms.now), ..Place::at(url) };
    let mut policy = SignHost::default()
        .existing(terms.existing)
        .trusting_strangers(terms.trusts_strangers)
        .refusing_strangers(terms.refuses_strangers);
    for host in &terms.hosts {
        policy = policy.and(&host.url, &*host.scheme);
    }
    let plan = template.plan(&place, &mut policy)?;
    let expires: Vec<_> = terms.hosts.iter().map(|host| host.expires).collect();
    let tokens = policy.sign_each(&expires, terms.ip)?;
    let first = expires.into_iter().min();
    let lifetime = first.map(|first| Duration::from_secs(first.0.saturating_sub(terms.now.0)));
    Ok(Signed {
        outlives_tokens: lifetime.and_then(|lifetime| template.plays_longer_than(lifetime)),
        tokens: plan.tokens(),
        expires: first.filter(|_| plan.tokens() > 0),
        kept: plan.kept().to_vec(),
        dropped: plan.dropped().to_vec(),
        withheld: plan.withheld().to_vec(),
        text: plan.into_text(&tokens),
    })
}
