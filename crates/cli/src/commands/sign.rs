//! `sluicegate sign`: one link.

use std::net::IpAddr;

use anyhow::anyhow;
use serde::Serialize;
use sluicegate_token::SignError;

use crate::exit::{Exit, Failed, Outcome};
use crate::link_args::{ExpiryArgs, LinkArgs};
use crate::{clock, output};

const EXAMPLES: &str = "\
Examples:
  export SLUICEGATE_KEY=...
  sluicegate sign https://cdn.example.com/images/1.jpg
  sluicegate sign --scope directory --ttl 30d '/live/room 1/master.m3u8?lang=it'
  sluicegate sign --ip 203.0.113.7 --expires 2147483647 --key-file bound.key /images/1.jpg
  sluicegate sign --json /images/1.jpg | jq -r .expires_at

The token goes at the end of the query. The path is signed as the server sees it: escapes
decoded, `//`, `.` and `..` resolved. Spaces and non-ASCII text are escaped on output.";

/// Sign a link
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    link: LinkArgs,
    #[command(flatten)]
    expiry: ExpiryArgs,
    /// Print a JSON object that also tells what was signed
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Signed<'s> {
    url: &'s str,
    scope: String,
    /// The decoded path that the hash covers.
    signed: &'s str,
    expires: u64,
    /// None after the year 9999.
    expires_at: Option<String>,
    ip: Option<IpAddr>,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let link = args.link.link()?;
    let scheme = args.link.scheme()?;
    let expires = args.expiry.moment();
    let url = link.sign(&*scheme, expires, args.link.ip()).map_err(not_signed)?;
    if args.json {
        output::json(&Signed {
            url: &url,
            scope: scheme.scope().to_string(),
            signed: &String::from_utf8_lossy(scheme.scope().signed_part(link.path())),
            expires: expires.0,
            expires_at: clock::rfc3339(expires),
            ip: args.link.ip(),
        })?;
    } else {
        output::line(&url)?;
    }
    Ok(Exit::Ok)
}

fn not_signed(error: SignError) -> Failed {
    match error {
        SignError::AlreadySigned(_) => Failed {
            exit: Exit::Refused,
            error: anyhow!("{error}: take the old token off and sign the URL again"),
        },
        _ => Failed::usage(error),
    }
}
