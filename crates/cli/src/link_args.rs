//! The arguments that `sign` and `verify` share: which link, which scheme, which key.

use std::net::IpAddr;

use clap::ValueEnum;
use sluicegate_token::{Binding, Gcore, Link, Scheme, Scope};

use crate::exit::{Exit, Failed, OrExit as _};
use crate::key_source::KeyArgs;

/// How a link is signed.
#[derive(Debug, clap::Args)]
pub(crate) struct LinkArgs {
    /// URL (https://host/path), or path that begins with '/'
    #[arg(value_name = "URL")]
    url: String,
    /// Layout of the token
    #[arg(long, value_enum, default_value_t = SchemeName::Gcore)]
    scheme: SchemeName,
    /// What the token opens
    #[arg(long, value_enum, default_value_t = ScopeName::File)]
    scope: ScopeName,
    /// The only client address that may use the link; the key must be one for bound links
    #[arg(long, value_name = "ADDR")]
    ip: Option<IpAddr>,
    #[command(flatten)]
    key: KeyArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum SchemeName {
    /// Gcore's secure token, which is nginx secure_link
    Gcore,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ScopeName {
    /// The one file
    File,
    /// Every file directly in the file's directory, none in a subdirectory
    Directory,
}

impl LinkArgs {
    /// The link, split into its parts.
    pub(crate) fn link(&self) -> Result<Link, Failed> {
        Link::parse(&self.url).or_exit(Exit::Usage)
    }

    /// The scheme with its key. An address means that the key is for bound links.
    pub(crate) fn scheme(&self) -> Result<Box<dyn Scheme>, Failed> {
        let binding = if self.ip.is_some() { Binding::Ip } else { Binding::Plain };
        let key = self.key.read(binding)?;
        Ok(match self.scheme {
            SchemeName::Gcore => Box::new(Gcore::new(key, self.scope.into())),
        })
    }

    /// The client's address as it is hashed: an IPv4-mapped one as IPv4.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        self.ip.map(sluicegate_token::ip::canonical)
    }
}

impl From<ScopeName> for Scope {
    fn from(name: ScopeName) -> Self {
        match name {
            ScopeName::File => Self::File,
            ScopeName::Directory => Self::Directory,
        }
    }
}
