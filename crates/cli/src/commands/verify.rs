//! `sluicegate verify`: what an edge would answer to a link, and why.

use serde::Serialize;
use sluicegate_token::{Refusal, UnixTime, Valid};

use crate::exit::{Exit, Outcome};
use crate::link_args::{SignArgs, parse_link, present};
use crate::output::{Tone, coloured};
use crate::scheme_args::CheckedScopeArgs;
use crate::{clock, output};

const EXAMPLES: &str = "\
Examples:
  export SLUICEGATE_KEY=...
  sluicegate verify 'https://cdn.example.com/images/1.jpg?md5=...&expires=2147483647'
  sluicegate verify --scope directory --ip 203.0.113.7 --key-file bound.key '/live/1.ts?md5=...'
  sluicegate verify --scope either --key-file cdn.key 'https://cdn.example.com/a/1.ts?md5=...'
  sluicegate verify --now 1800000000 --json '/images/1.jpg?md5=...' | jq .status

Put the URL in single quotes: the shell takes `&` for its own.
Exit code 0: the link is good. 1: it is refused, with the status an edge answers.";

/// Check a signed link and say why it is refused
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// URL (https://host/path), or path that begins with '/'
    #[arg(value_name = "URL")]
    url: String,
    #[command(flatten)]
    scope: CheckedScopeArgs,
    #[command(flatten)]
    sign: SignArgs,
    /// Check as if it were this Unix time
    #[arg(long, value_name = "UNIX")]
    now: Option<u64>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Verdict {
    valid: bool,
    status: u16,
    code: Option<&'static str>,
    reason: Option<String>,
    /// None unless the token is right: nobody vouches for the expiry otherwise.
    expires: Option<u64>,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let link = parse_link(&args.url)?;
    let ring = args.sign.ring(&args.scope)?;
    let now = args.now.map_or_else(clock::now, UnixTime);
    let verified = present(&link, args.sign.ip(), |presented| ring.verify(presented, now));
    let status = verified.as_ref().map_or_else(|refusal| ring.status(refusal), |_| 200);
    if args.json {
        output::json(&Verdict::new(&verified, status, now))?;
    } else {
        output::line(&in_words(&verified, status, now))?;
        if let Some(unchecked) = verified.as_ref().ok().and_then(|valid| valid.unchecked) {
            output::note(&format!("Not checked here: {unchecked}."));
        }
        if let Some(hint) = verified.as_ref().err().and_then(hint) {
            output::note(hint);
        }
    }
    Ok(if verified.is_ok() { Exit::Ok } else { Exit::Refused })
}

impl Verdict {
    fn new(verified: &Result<Valid, Refusal>, status: u16, now: UnixTime) -> Self {
        match verified {
            Ok(valid) => Self {
                valid: true,
                status,
                code: None,
                reason: None,
                // A token without an end has none.
                expires: Some(valid.expires.0).filter(|&secs| secs != u64::MAX),
            },
            Err(refusal) => Self {
                valid: false,
                status,
                code: Some(refusal.code()),
                reason: Some(refusal.to_string()),
                expires: match refusal {
                    Refusal::Expired { ago_secs } => Some(now.saturating_sub(*ago_secs).0),
                    _ => None,
                },
            },
        }
    }
}

pub(super) fn in_words(verified: &Result<Valid, Refusal>, status: u16, now: UnixTime) -> String {
    match verified {
        Ok(Valid { expires: UnixTime(u64::MAX), .. }) => {
            format!("{} without an end", coloured("valid", Tone::Good))
        }
        Ok(Valid { expires, .. }) => {
            let until = clock::rfc3339(*expires).unwrap_or_else(|| format!("Unix time {expires}"));
            let left = clock::approximately(expires.saturating_sub(now.0).0);
            format!("{} until {until} (in {left})", coloured("valid", Tone::Good))
        }
        Err(refusal) => {
            format!("{} ({status}): {refusal}", coloured("refused", Tone::Bad))
        }
    }
}

/// What to try next.
fn hint(refusal: &Refusal) -> Option<&'static str> {
    match refusal {
        Refusal::WrongToken => {
            Some("`sluicegate explain` tries the known mistakes and names the one that fits.")
        }
        Refusal::Missing(_) => {
            Some("Is the URL in single quotes? `sluicegate sign` puts a token on a link.")
        }
        Refusal::Expired { .. } => Some("`sluicegate sign` makes a fresh link."),
        _ => None,
    }
}
