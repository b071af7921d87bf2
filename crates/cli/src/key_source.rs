//! Where a key comes from: a file, an environment variable or a command, never the command line
//! itself, which every process list and shell history shows.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use secrecy::ExposeSecret as _;
use sluicegate_gateway::{KeyProblem, KeySource};
use sluicegate_token::{Binding, CdnKey};

use crate::exit::{Exit, Failed, OrExit as _};
use crate::output;

/// The variable that is read when no argument names another.
const DEFAULT_VARIABLE: &str = "SLUICEGATE_KEY";

/// The arguments that name a key.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct KeyArgs {
    /// File with the secret shared with the CDN, on one line
    #[arg(
        long, value_name = "FILE", conflicts_with_all = ["key_env", "key_command"],
        help_heading = "Key"
    )]
    key_file: Option<PathBuf>,
    /// Environment variable with the secret [default: SLUICEGATE_KEY]
    #[arg(long, value_name = "VAR", conflicts_with = "key_command", help_heading = "Key")]
    key_env: Option<String>,
    /// Command that prints the secret; words are split at spaces, no shell is asked
    #[arg(long, value_name = "COMMAND", help_heading = "Key")]
    key_command: Option<String>,
}

impl KeyArgs {
    /// Reads the key; a line end at its end is not part of it.
    pub(crate) fn read(&self, binding: Binding) -> Result<CdnKey, Failed> {
        let (source, from) = match (&self.key_file, &self.key_env, &self.key_command) {
            (Some(file), ..) => {
                (KeySource::File(file.clone()), format!("the key file {}", file.display()))
            }
            // The name given is not printed: it may well be the secret, typed in the wrong place.
            (_, Some(variable), _) => {
                (self.variable(variable)?, "the variable that --key-env names".to_owned())
            }
            (.., Some(command)) => {
                let words = command.split_ascii_whitespace().map(str::to_owned).collect();
                (KeySource::Command(words), "the command that --key-command names".to_owned())
            }
            (None, None, None) => (self.variable(DEFAULT_VARIABLE)?, DEFAULT_VARIABLE.to_owned()),
        };
        key_from(&source, &from, "command line", binding)
    }

    fn variable(&self, name: &str) -> Result<KeySource, Failed> {
        // `var_os` panics on such a name on some systems.
        let is_name = !name.is_empty() && !name.contains(['=', '\0']);
        let is_set = is_name && std::env::var_os(name).is_some_and(|value| !value.is_empty());
        if is_set { Ok(KeySource::Env(name.to_owned())) } else { Err(self.missing()) }
    }

    fn missing(&self) -> Failed {
        Failed::usage(if self.key_env.is_some() {
            anyhow!(
                "the variable that --key-env names is not set: export it (give its name, not the \
                 key), or pass --key-file F; `sluicegate keygen` makes a key"
            )
        } else {
            anyhow!(
                "no key: set {DEFAULT_VARIABLE}, or pass --key-file F; `sluicegate keygen` makes one"
            )
        })
    }
}

/// Reads a key from its place, which messages call `from`.
pub(crate) fn key_from(
    source: &KeySource,
    from: &str,
    id: &str,
    binding: Binding,
) -> Result<CdnKey, Failed> {
    let found = source.read().map_err(|problem| match problem {
        KeyProblem::Empty => {
            Failed::usage(anyhow!("{from} holds no key: write the key there, on one line"))
        }
        KeyProblem::Unreadable { why, .. } => anyhow!("cannot read {from}: {why}").into(),
        problem => anyhow::Error::new(problem).into(),
    })?;
    if let Some(warning) = found.warning {
        output::warning(&warning);
    }
    CdnKey::from_text(id, found.text.expose_secret(), binding)
        .with_context(|| format!("{from} holds no key: write the key there, on one line"))
        .or_exit(Exit::Usage)
}
