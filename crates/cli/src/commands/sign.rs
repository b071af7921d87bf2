//! `sluicegate sign`: one link, or one a line.

mod batch;

use std::net::IpAddr;

use anyhow::anyhow;
use serde::Serialize;
use sluicegate_token::{Link, Scheme, SignError, Target, UnixTime};

use crate::exit::{Exit, Failed, Outcome};
use crate::link_args::{ExpiryArgs, SignArgs, parse_link};
use crate::scheme_args::ScopeName;
use crate::{clock, output};

const EXAMPLES: &str = "\
Examples:
  export SLUICEGATE_KEY=...
  sluicegate sign https://cdn.example.com/images/1.jpg
  sluicegate sign --scope directory --ttl 30d '/live/room 1/master.m3u8?lang=it'
  sluicegate sign --ip 203.0.113.7 --expires 2147483647 --key-file bound.key /images/1.jpg
  sluicegate sign --json /images/1.jpg | jq -r .expires_at
  sluicegate sign --batch --ttl 7d < urls.txt > signed.txt
  sluicegate sign --scheme gcore-mp4 --field speed=1000k /videos/1_a/b.mp4

The token goes where the scheme has it, for most at the end of the query. The path is signed as the
server sees it: escapes decoded, `//`, `.` and `..` resolved. Spaces and non-ASCII text are escaped
on output. With --batch, line N of the output is line N of the input, signed, and an empty line stays
one; a line that cannot be signed is left empty, told on stderr with its number, and makes the exit
code 1.";

/// Sign a link, or a list of them
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// URL (https://host/path), or path that begins with '/'
    #[arg(value_name = "URL", required_unless_present = "batch", conflicts_with = "batch")]
    url: Option<String>,
    /// Read URLs from standard input, one a line
    #[arg(long)]
    batch: bool,
    /// What the token opens [default: what the scheme has, for most the file]
    #[arg(long, value_enum)]
    scope: Option<ScopeName>,
    #[command(flatten)]
    sign: SignArgs,
    #[command(flatten)]
    expiry: ExpiryArgs,
    /// Print a JSON object that also tells what was signed; with --batch, one a line
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Signed<'s> {
    url: &'s str,
    scope: String,
    /// What the hash covers of the URL: for most schemes the decoded path.
    signed: &'s str,
    expires: u64,
    /// None after the year 9999.
    expires_at: Option<String>,
    ip: Option<IpAddr>,
}

/// What every link of one run has in common.
struct Signer<'s> {
    scheme: &'s dyn Scheme,
    expires: UnixTime,
    ip: Option<IpAddr>,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let link = args.url.as_deref().map(parse_link).transpose()?;
    let scheme = args.sign.scheme(args.scope.map(Into::into), &args.expiry)?;
    let expires = args.expiry.moment(&*scheme)?;
    let signer = Signer { scheme: &*scheme, expires, ip: args.sign.ip() };
    let Some(link) = link else { return batch::run(&signer, args.json) };
    let url = signer.sign(&link).map_err(not_signed)?;
    if args.json {
        output::line(&signer.json(&link, &url)?)?;
    } else {
        output::line(&url)?;
    }
    Ok(Exit::Ok)
}

impl Signer<'_> {
    fn sign(&self, link: &Link) -> Result<String, SignError> {
        link.sign(self.scheme, self.expires, self.ip)
    }

    fn json(&self, link: &Link, signed_url: &str) -> anyhow::Result<String> {
        let url = link.without_fragment();
        let target = Target { path: link.path(), url: url.as_bytes() };
        Ok(output::json_text(&Signed {
            url: signed_url,
            scope: self.scheme.scope().to_string(),
            signed: &String::from_utf8_lossy(&self.scheme.signed_part(&target)),
            expires: self.expires.0,
            expires_at: clock::rfc3339(self.expires),
            ip: self.ip,
        })?)
    }
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
