//! The arguments that say how URIs of which hosts are signed.

use std::path::PathBuf;
use std::sync::Arc;

use sluicegate_gateway::CdnConfig;
use sluicegate_token::Scheme;
use url::Url;

use crate::config_file;
use crate::exit::Failed;
use crate::link_args::{ExpiryArgs, SignArgs};
use crate::scheme_args::ScopeName;

/// The scheme of the manifest's own host, and a file of others.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct HostArgs {
    /// What each token opens [default: the directory, or the nearest that the scheme has]
    #[arg(long, value_enum)]
    scope: Option<ScopeName>,
    #[command(flatten)]
    pub(super) sign: SignArgs,
    /// Hosts with schemes and keys of their own: a TOML file of [[host]] tables
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

/// What becomes of hosts that nothing is signed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum ThirdParty {
    /// Keep URIs on other hosts; leave out steering servers, reports, remote elements and patches there
    Keep,
    /// Refuse a manifest that names another host
    Refuse,
    /// Keep all of it
    Trust,
}

/// Who signs for which host.
pub(super) struct Hosts {
    /// Those of the policy's file.
    pub(super) listed: Vec<CdnConfig>,
    /// The scheme of the manifests' own host, if that is not among them.
    pub(super) own: Option<Arc<dyn Scheme>>,
}

impl HostArgs {
    /// Those of the policy's file.
    pub(super) fn listed(&self) -> Result<Vec<CdnConfig>, Failed> {
        let listed = self.policy.as_deref().map(config_file::load_hosts).transpose()?;
        Ok(listed.unwrap_or_default())
    }

    /// The hosts, where manifests lie at `base`.
    pub(super) fn hosts(&self, base: &Url, expiry: &ExpiryArgs) -> Result<Hosts, Failed> {
        let listed = self.listed()?;
        if listed.iter().any(|host| host.base_url.origin() == base.origin()) {
            return Ok(Hosts { listed, own: None });
        }
        let scope = match self.scope {
            Some(scope) => scope.into(),
            None => self.sign.scheme.kind()?.widest_scope(),
        };
        let own = self.sign.scheme(Some(scope), expiry)?;
        Ok(Hosts { listed, own: Some(own) })
    }
}
