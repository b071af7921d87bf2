//! `sluicegate verify`: what an edge would answer to a link, and why.

use serde::Serialize;
use sluicegate_token::{Presented, Refusal, UnixTime, Valid};

use crate::exit::{Exit, Outcome};
use crate::link_args::LinkArgs;
use crate::output::{Tone, coloured};
use crate::{clock, output};

const EXAMPLES: &str = "\
Examples:
  export SLUICEGATE_KEY=...
  sluicegate verify 'https://cdn.example.com/images/1.jpg?md5=...&expires=2147483647'
  sluicegate verify --scope directory --ip 203.0.113.7 --key-file bound.key '/live/1.ts?md5=...'
  sluicegate verify --now 1800000000 --json '/images/1.jpg?md5=...' | jq .status

Put the URL in single quotes: the shell takes `&` for its own.
Exit code 0: the link is good. 1: it is refused, with the status an edge answers.";

/// Check a signed link and say why it is refused
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    link: LinkArgs,
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
    let link = args.link.link()?;
    let scheme = args.link.scheme()?;
    let now = args.now.map_or_else(clock::now, UnixTime);
    let presented = Presented::at(link.path(), link.query(), args.link.ip());
    let verified = scheme.verify(&presented, now);
    if args.json {
        output::json(&Verdict::new(&verified, now))?;
    } else {
        output::line(&in_words(&verified, now))?;
        if let Some(hint) = verified.as_ref().err().and_then(hint) {
            output::note(hint);
        }
    }
    Ok(if verified.is_ok() { Exit::Ok } else { Exit::Refused })
}

impl Verdict {
    fn new(verified: &Result<Valid, Refusal>, now: UnixTime) -> Self {
        match verified {
            Ok(valid) => Self {
                valid: true,
                status: 200,
                code: None,
                reason: None,
                expires: Some(valid.expires.0),
            },
            Err(refusal) => Self {
                valid: false,
                status: refusal.status(),
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

fn in_words(verified: &Result<Valid, Refusal>, now: UnixTime) -> String {
    match verified {
        Ok(Valid { expires }) => {
            let until = clock::rfc3339(*expires).unwrap_or_else(|| format!("Unix time {expires}"));
            let left = clock::approximately(expires.saturating_sub(now.0).0);
            format!("{} until {until} (in {left})", coloured("valid", Tone::Good))
        }
        Err(refusal) => {
            let status = refusal.status();
            format!("{} ({status}): {refusal}", coloured("refused", Tone::Bad))
        }
    }
}

/// What to try next.
fn hint(refusal: &Refusal) -> Option<&'static str> {
    match refusal {
        Refusal::WrongToken => Some(
            "Check --scope, --ip and the key: the token covers all three, with path and expiry.",
        ),
        Refusal::Missing(_) => {
            Some("Is the URL in single quotes? `sluicegate sign` puts a token on a link.")
        }
        Refusal::Expired { .. } => Some("`sluicegate sign` makes a fresh link."),
        _ => None,
    }
}
