//! The arguments that name a scheme: one of the known, or a file that describes another.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use clap::ValueEnum;
use sluicegate_token::{
    CdnKey, IpForm, Layout, Opens, Scheme, SchemeError, SchemeKind, SchemeOptions, Scope,
};

use crate::exit::{Exit, Failed, OrExit as _};

/// Which scheme, and how.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct SchemeArgs {
    /// Layout of the token: a name that `sluicegate schemes` lists, or a layout's file
    #[arg(long, value_name = "NAME|FILE", default_value = "gcore", help_heading = "Scheme")]
    scheme: String,
    /// A field of the scheme's own; may be given several times
    #[arg(long = "field", value_name = "NAME=VALUE", value_parser = parse_field, help_heading = "Scheme")]
    fields: Vec<(String, String)>,
    /// How an address is written: address, cidr, leading or octets, and the bits that count
    /// (address/24/64)
    #[arg(long, value_name = "FORM", help_heading = "Scheme")]
    ip_form: Option<IpForm>,
    /// How long the CDN lets a token live from its making, for schemes that write that moment
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, help_heading = "Scheme")]
    lifetime: Option<Duration>,
    /// Take a key that is shorter or longer than the CDN's console allows
    #[arg(long, help_heading = "Scheme")]
    any_key_length: bool,
}

/// What a token opens, where it is made.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum ScopeName {
    /// The one file
    File,
    /// Every file directly in the file's directory, none in a subdirectory
    Directory,
    /// Everything below the file's directory
    Tree,
}

/// What a token may open, where it is checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CheckedScope {
    /// The one file
    File,
    /// Every file directly in the directory
    Directory,
    /// Everything below the directory
    Tree,
    /// The file, or else its directory
    Either,
    /// The directory for --directory-extensions, the file for others
    Extension,
}

/// What tokens are taken for, where they are checked.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckedScopeArgs {
    /// What a token opens [default: what the scheme has, for most the file]
    #[arg(long, value_enum)]
    scope: Option<CheckedScope>,
    /// With --scope extension: files of these extensions open with their directory's token
    #[arg(
        long,
        value_name = "EXT,..",
        value_delimiter = ',',
        default_value = "m3u8,mpd,ts,m4s,mp4,vtt"
    )]
    directory_extensions: Vec<String>,
}

impl SchemeArgs {
    /// The scheme without a key.
    pub(crate) fn kind(&self) -> Result<SchemeKind, Failed> {
        if let Some(kind) = SchemeKind::named(&self.scheme) {
            return Ok(kind);
        }
        let path = Path::new(&self.scheme);
        let is_file = path.extension().is_some_and(|extension| extension == "toml")
            || path.components().count() > 1;
        if !is_file {
            return Err(Failed::usage(anyhow!(
                "there is no scheme '{}': `sluicegate schemes` lists those that are known, and \
                 --scheme takes the file of a layout, too",
                self.scheme
            )));
        }
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the layout {}", path.display()))?;
        let layout = Layout::parse(&text).with_context(|| path.display().to_string());
        Ok(SchemeKind::Layout(layout.or_exit(Exit::Usage)?))
    }

    /// The scheme with a key. `lives` is how long a token shall live, for those that say so in the
    /// URL.
    pub(crate) fn with_key(
        &self,
        key: CdnKey,
        scope: Option<Scope>,
        lives: Option<Duration>,
    ) -> Result<Arc<dyn Scheme>, Failed> {
        let kind = self.kind()?;
        let says_so = matches!(&kind, SchemeKind::Layout(layout) if layout.writes_lifetime());
        let lifetime = self.lifetime.or(lives.filter(|_| says_so));
        let options = SchemeOptions {
            scope,
            ip: self.ip_form,
            ttl_secs: lifetime.map(|lifetime| lifetime.as_secs()),
            fields: self.fields.iter().cloned().collect::<BTreeMap<_, _>>(),
            any_key_len: self.any_key_length,
        };
        kind.with_key(key, &options).map_err(|error| {
            Failed::usage(match error {
                SchemeError::KeyLen { .. } => {
                    anyhow!("{error}; --any-key-length lets it through")
                }
                error => error.into(),
            })
        })
    }
}

impl CheckedScopeArgs {
    /// The scope of the scheme, and what its tokens are taken for.
    pub(crate) fn of(&self) -> (Option<Scope>, Opens) {
        match self.scope {
            None => (None, Opens::Scope),
            Some(CheckedScope::File) => (Some(Scope::File), Opens::Scope),
            Some(CheckedScope::Directory) => (Some(Scope::Directory), Opens::Scope),
            Some(CheckedScope::Tree) => (Some(Scope::Tree), Opens::Scope),
            Some(CheckedScope::Either) => (Some(Scope::File), Opens::Either),
            Some(CheckedScope::Extension) => {
                (Some(Scope::File), Opens::DirectoryOf(self.directory_extensions.clone()))
            }
        }
    }
}

impl From<ScopeName> for Scope {
    fn from(name: ScopeName) -> Self {
        match name {
            ScopeName::File => Self::File,
            ScopeName::Directory => Self::Directory,
            ScopeName::Tree => Self::Tree,
        }
    }
}

/// A length of time as people write it.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let duration = humantime::parse_duration(text)
        .map_err(|error| format!("{error} (write it as 90s, 10m, 2h or 30d)"))?;
    if duration.as_secs() == 0 {
        return Err("a link needs at least one second (1s)".to_owned());
    }
    Ok(duration)
}

fn parse_field(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("write it as NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}
