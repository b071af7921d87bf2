//! The arguments that commands share: which address, which scheme, which key, until when.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use sluicegate_token::{Binding, Link, Presented, RingKey, Scheme, SchemeRing, Scope, UnixTime};

use crate::clock;
use crate::exit::{Exit, Failed, OrExit as _};
use crate::key_source::KeyArgs;
use crate::scheme_args::{CheckedScopeArgs, SchemeArgs, parse_duration};

/// Who may use a link, and how it is signed.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct SignArgs {
    #[command(flatten)]
    pub(crate) scheme: SchemeArgs,
    /// The only client address that may use the link; the key must be one for bound links
    #[arg(long, value_name = "ADDR")]
    ip: Option<IpAddr>,
    #[command(flatten)]
    key: KeyArgs,
}

/// Until when a token is good.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct ExpiryArgs {
    /// The last second in which the link is good, as Unix time
    #[arg(
        long, value_name = "UNIX", conflicts_with = "ttl",
        value_parser = clap::value_parser!(u64).range(1..=i64::MAX as u64)
    )]
    expires: Option<u64>,
    /// How long the link is good from now: 90s, 10m, 2h, 30d [default: 1h]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    ttl: Option<Duration>,
}

const DEFAULT_TTL: Duration = Duration::from_secs(3600);

impl SignArgs {
    /// The scheme with its key. An address means that the key is for bound links.
    pub(crate) fn scheme(
        &self,
        scope: Option<Scope>,
        expiry: &ExpiryArgs,
    ) -> Result<Arc<dyn Scheme>, Failed> {
        self.scheme.with_key(self.key.read(binding(self.ip))?, scope, expiry.ttl)
    }

    /// The client's address as it is hashed: an IPv4-mapped one as IPv4.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        self.ip.map(sluicegate_token::ip::canonical)
    }

    /// The one key that links are checked with.
    pub(crate) fn ring(&self, scope: &CheckedScopeArgs) -> Result<SchemeRing, Failed> {
        self.ring_with(scope, binding(self.ip), Vec::new())
    }

    /// The same, with another binding and further keys.
    pub(crate) fn ring_with(
        &self,
        scope: &CheckedScopeArgs,
        binding: Binding,
        further: Vec<RingKey>,
    ) -> Result<SchemeRing, Failed> {
        let (scope, opens) = scope.of();
        let scheme = self.scheme.with_key(self.key.read(binding)?, scope, None)?;
        Ok(SchemeRing::of(scheme).with(further).opens(opens))
    }
}

/// An address on the command line means that the key is for bound links.
pub(crate) const fn binding(ip: Option<IpAddr>) -> Binding {
    if ip.is_some() { Binding::Ip } else { Binding::Plain }
}

/// Reads a link, split into its parts.
pub(crate) fn parse_link(url: &str) -> Result<Link, Failed> {
    Link::parse(url).or_exit(Exit::Usage)
}

/// Shows a link to a verifier.
pub(crate) fn present<R>(
    link: &Link,
    ip: Option<IpAddr>,
    show: impl FnOnce(&Presented<'_>) -> R,
) -> R {
    let url = link.without_fragment();
    show(&Presented { path: link.path(), url: url.as_bytes(), query: link.query(), ip })
}

impl ExpiryArgs {
    /// The last good second of a link that `scheme` signs now.
    pub(crate) fn moment(&self, scheme: &dyn Scheme) -> Result<UnixTime, Failed> {
        let default = scheme.lifetime_secs().unwrap_or(DEFAULT_TTL.as_secs());
        Ok(self.given(scheme)?.unwrap_or_else(|| clock::now().saturating_add(default)))
    }

    /// Whether links end at one moment, whenever they are made.
    pub(crate) const fn is_fixed(&self) -> bool {
        self.expires.is_some()
    }

    /// The same, if the command line says it.
    pub(crate) fn given(&self, scheme: &dyn Scheme) -> Result<Option<UnixTime>, Failed> {
        if let Some(expires) = self.expires {
            return Ok(Some(UnixTime(expires)));
        }
        let lifetime = scheme.lifetime_secs();
        if let (Some(ttl), Some(lifetime)) = (self.ttl, lifetime)
            && ttl.as_secs() > lifetime
        {
            return Err(Failed::usage(anyhow::anyhow!(
                "a token of this scheme lives {lifetime} s from its making, and --ttl asks for \
                 more: pass --lifetime as the CDN has it"
            )));
        }
        Ok(self.ttl.map(|ttl| clock::now().saturating_add(ttl.as_secs())))
    }
}
