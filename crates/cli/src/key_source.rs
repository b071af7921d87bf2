//! Where a key comes from: a file or an environment variable, never the command line itself, which
//! every process list and shell history shows.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use sluicegate_token::{Binding, CdnKey};
use zeroize::Zeroizing;

use crate::exit::{Exit, Failed, OrExit as _};

/// The variable that is read when no argument names another.
const DEFAULT_VARIABLE: &str = "SLUICEGATE_KEY";

/// The arguments that name a key.
#[derive(Debug, clap::Args)]
pub(crate) struct KeyArgs {
    /// File with the secret shared with the CDN, on one line
    #[arg(long, value_name = "FILE", conflicts_with = "key_env", help_heading = "Key")]
    key_file: Option<PathBuf>,
    /// Environment variable with the secret [default: SLUICEGATE_KEY]
    #[arg(long, value_name = "VAR", help_heading = "Key")]
    key_env: Option<String>,
}

impl KeyArgs {
    /// Reads the key; a line end at its end is not part of it.
    pub(crate) fn read(&self, binding: Binding) -> Result<CdnKey, Failed> {
        let (text, from) = match (&self.key_file, &self.key_env) {
            (Some(file), _) => {
                let text = fs::read(file)
                    .with_context(|| format!("cannot read the key file {}", file.display()))?;
                (Some(text), format!("the key file {}", file.display()))
            }
            // The name given is not printed: it may well be the secret, typed in the wrong place.
            (None, Some(variable)) => {
                (variable_bytes(variable), "the variable that --key-env names".to_owned())
            }
            (None, None) => (variable_bytes(DEFAULT_VARIABLE), DEFAULT_VARIABLE.to_owned()),
        };
        let text = Zeroizing::new(text.ok_or_else(|| self.missing())?);
        CdnKey::from_text("command line", &text, binding)
            .with_context(|| format!("{from} holds no key: write the key there, on one line"))
            .or_exit(Exit::Usage)
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

/// The variable's bytes as they are, whatever their encoding; an empty one counts as absent.
fn variable_bytes(name: &str) -> Option<Vec<u8>> {
    // `var_os` panics on such a name on some systems.
    if name.is_empty() || name.contains(['=', '\0']) {
        return None;
    }
    std::env::var_os(name).map(|value| value.into_encoded_bytes()).filter(|value| !value.is_empty())
}
