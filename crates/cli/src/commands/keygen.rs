//! `sluicegate keygen`: a random key.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sluicegate_token::SessionKey;
use zeroize::Zeroizing;

use crate::exit::{Exit, Outcome};
use crate::output;

/// 32 characters, the longest key that Gcore takes (6 to 32).
const CDN_KEY_BYTES: usize = 24;

const EXAMPLES: &str = "\
Examples:
  sluicegate keygen --out cdn.key
  sluicegate keygen --session --out session.key
  SLUICEGATE_KEY=$(sluicegate keygen)

Without --session: a secret for the CDN, 32 characters of A-Z a-z 0-9 _ - (Gcore takes 6 to 32).
With it: a key for the gateway's session tokens, 32 bytes as 43 characters of base64url.
Links for anybody, links bound to an address and sessions need a key each.";

/// Make a random key
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Make a key for the gateway's session tokens rather than for a CDN
    #[arg(long)]
    session: bool,
    /// Write the key to a new file that its owner alone may read, rather than to stdout
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let key = if args.session {
        random_text::<{ SessionKey::LEN }>()?
    } else {
        random_text::<CDN_KEY_BYTES>()?
    };
    match &args.out {
        None => output::line(&key)?,
        Some(file) => {
            write_new(file, &key)?;
            output::note(&format!("wrote {}", file.display()));
        }
    }
    Ok(Exit::Ok)
}

fn random_text<const LEN: usize>() -> anyhow::Result<Zeroizing<String>> {
    let mut bytes = Zeroizing::new([0_u8; LEN]);
    getrandom::fill(&mut bytes[..]).context("the system gave no random bytes")?;
    Ok(Zeroizing::new(URL_SAFE_NO_PAD.encode(&bytes[..])))
}

/// Writes a file that must not exist yet: a key that is overwritten ends every link made with it.
fn write_new(path: &Path, key: &str) -> anyhow::Result<()> {
    let mut file = create_new(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => anyhow!(
            "{} exists already and a key is never overwritten: give another name, or move the file away",
            path.display()
        ),
        _ => anyhow::Error::new(error).context(format!("cannot create {}", path.display())),
    })?;
    let written = writeln!(file, "{key}").and_then(|()| file.sync_all());
    written.with_context(|| {
        // Half a key is worse than none; if it cannot be removed, the error below says enough.
        let _ = fs::remove_file(path);
        format!("cannot write {}", path.display())
    })
}

fn create_new(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path)
}
