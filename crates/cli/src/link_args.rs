//! The arguments that commands share: which link, which scheme, which key, until when.

use std::net::IpAddr;
use std::time::Duration;

use clap::ValueEnum;
use sluicegate_token::{Binding, CdnKey, Gcore, Link, Scheme, Scope, UnixTime};

use crate::clock;
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

/// Until when a token is good.
#[derive(Debug, clap::Args)]
pub(crate) struct ExpiryArgs {
    /// The last second in which the link is good, as Unix time
    #[arg(
        long, value_name = "UNIX", conflicts_with = "ttl",
        value_parser = clap::value_parser!(u64).range(1..=i64::MAX as u64)
    )]
    expires: Option<u64>,
    /// How long the link is good from now: 90s, 10m, 2h, 30d
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = parse_ttl)]
    ttl: Duration,
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
        Ok(self.scheme.with_key(self.key.read(binding)?, self.scope.into()))
    }

    /// The client's address as it is hashed: an IPv4-mapped one as IPv4.
    pub(crate) fn ip(&self) -> Option<IpAddr> {
        self.ip.map(sluicegate_token::ip::canonical)
    }
}

impl SchemeName {
    pub(crate) fn with_key(self, key: CdnKey, scope: Scope) -> Box<dyn Scheme> {
        match self {
            Self::Gcore => Box::new(Gcore::new(key, scope)),
        }
    }

    /// The scheme for what asks only how its tokens are written: nothing is signed with it.
    pub(crate) fn without_key(self) -> Box<dyn Scheme> {
        self.with_key(CdnKey::plain("none", b"none"), Scope::Directory)
    }
}

impl ExpiryArgs {
    /// The last good second.
    pub(crate) fn moment(&self) -> UnixTime {
        self.expires.map_or_else(|| clock::now().saturating_add(self.ttl.as_secs()), UnixTime)
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

fn parse_ttl(text: &str) -> Result<Duration, String> {
    let ttl = humantime::parse_duration(text)
        .map_err(|error| format!("{error} (write it as 90s, 10m, 2h or 30d)"))?;
    if ttl.as_secs() == 0 {
        return Err("a link needs at least one second (1s)".to_owned());
    }
    Ok(ttl)
}
