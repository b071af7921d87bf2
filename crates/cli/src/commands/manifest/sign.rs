//! `sluicegate manifest sign`: manifests with a token on every URI.

#[cfg(feature = "object-store")]
mod remote;
mod report;
mod tree;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::anyhow;
use clap::ValueEnum;
use sluicegate_manifest::{ExistingToken, KeepReason, Kept};
use sluicegate_offline::{Host, SignError, Signed, Terms, sign};
use url::Url;

use super::hosts::{HostArgs, ThirdParty};
#[cfg(not(feature = "object-store"))]
use super::no_store;
use super::{BaseUrl, Input, LimitArgs, names_store, parse_base_url, uris};
use crate::exit::{Exit, Failed, OrExit as _, Outcome};
use crate::link_args::ExpiryArgs;
use crate::{clock, output};

const EXAMPLES: &str = "\
Examples:
  export SLUICEGATE_KEY=...
  sluicegate manifest sign --base-url https://cdn.example.com/videos/a/ master.m3u8 > signed.m3u8
  sluicegate manifest sign --base-url https://cdn.example.com/videos/ --ttl 30d videos --out signed
  sluicegate manifest sign --base-url https://cdn.example.com/a/ --out signed --link a/master.m3u8
  sluicegate manifest sign --base-url https://cdn.example.com/live/ --watch live --out www --link
  sluicegate manifest sign --base-url https://cdn.example.com/a/ s3://packaged/a --out s3://public/a
  sluicegate manifest sign --base-url https://cdn.example.com/a.m3u8 --ttl 6h - < a.m3u8
  sluicegate manifest sign --base-url https://cdn.example.com/ --scope file --key-file cdn.key a.m3u8
  sluicegate manifest sign --base-url https://cdn.example.com/videos/a/ manifest.mpd > signed.mpd
  sluicegate manifest sign --base-url https://a.example.com/v/ --policy hosts.toml a.m3u8 > s.m3u8
  sluicegate manifest sign --base-url https://a.example.com/v/ --limit max_uri_bytes=65536 a.m3u8

A base URL that ends in '/' is the folder in which the manifest lies, any other is the manifest's
own. URIs on its host are signed, those on other hosts stay, what would make players tell those hosts
of tokens is left out, and no other byte changes. If one URI must not leave unsigned and cannot be
signed, nothing is printed.

With --out many are signed: files, with the playlists that they lead to, and folders with all that is
below them, found by their content. Each is written whole or not at all, to its place below the output
folder; media files stay where they are, unless --copy or --link brings them along. A manifest that
cannot be signed is named, the others are written all the same, and the exit code is 1.

Folders of object storage take credentials, region and endpoint from the environment, as
AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT.

With --watch a live packager's folder is signed as it changes, until Ctrl-C: a playlist as soon as all
that it names is there, and all of them anew when half of their tokens' time is over.

With --policy each host has its row: [[host]] with base_url, scheme, scope, ttl_secs, bind_ip and key,
as [route.cdn] of the gateway's configuration. The manifest's own host may be one of them.

The bounds are those of [limits] in the gateway's configuration, but for the length of a manifest and its
lines, and the number of its lines and URIs: these have none. A manifest that exceeds one is refused,
with the --limit that allows it.

In a DASH manifest a template whose directory depends on the Representation moves into each of them,
and with --scope file it is written out as a list of segments.";

/// Sign every URI of a manifest, or of all manifests of a folder
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Manifests, or - for standard input; with --out folders and patterns, too
    #[arg(value_name = "FILE", required = true)]
    inputs: Vec<PathBuf>,
    /// Where players fetch the manifest, or its folder with a '/' at the end
    #[arg(long, value_name = "URL", value_parser = parse_base_url)]
    base_url: BaseUrl,
    #[command(flatten)]
    expiry: ExpiryArgs,
    #[command(flatten)]
    hosts: HostArgs,
    /// What to do with URIs that hold a token already
    #[arg(long, value_enum, default_value_t = Existing::Refuse)]
    existing_token: Existing,
    /// What to do with other hosts, and with parts that make players send them the manifest's URL or its
    /// tokens
    #[arg(long, value_enum, default_value_t = ThirdParty::Keep)]
    third_party: ThirdParty,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    tree: tree::TreeArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Existing {
    /// Print nothing
    Refuse,
    /// Drop the old token
    Replace,
}

pub(super) fn run(args: &Args) -> Outcome {
    if args.tree.is_to_store() || args.inputs.iter().any(|input| names_store(input)) {
        args.tree.refuse_for_store()?;
        #[cfg(feature = "object-store")]
        return remote::run(args);
        #[cfg(not(feature = "object-store"))]
        return Err(no_store());
    }
    if args.tree.is_watch() {
        return watch::run(args);
    }
    if args.tree.is_wanted() {
        return tree::run(args);
    }
    let [file] = &args.inputs[..] else {
        return Err(Failed::usage(anyhow!(
            "several manifests are signed into a folder: give it by --out"
        )));
    };
    if file.is_dir() {
        return Err(Failed::usage(anyhow!(
            "a folder's manifests are signed into another folder: give it by --out"
        )));
    }
    let input = Input { file: file.clone() };
    let own_url = input.own_url(&args.base_url)?;
    let terms = terms(args, &own_url)?;
    let template = input.template(&args.limits)?;
    let signed = sign(&template, own_url, &terms).map_err(|error| not_signed(&input, &error))?;
    output::bytes(&signed.text)?;
    for note in kept_note(&signed.kept).into_iter().chain(left_out_notes(&signed)) {
        output::note(&note);
    }
    Ok(Exit::Ok)
}

/// The hosts of the policy's file, and the manifest's own if it is not among them.
fn terms(args: &Args, base: &Url) -> Result<Terms, Failed> {
    let signers = args.hosts.hosts(base, &args.expiry)?;
    let now = clock::now();
    let mut hosts = Vec::new();
    for cdn in signers.listed {
        let key = cdn.ring.signing(now).or_exit(Exit::Refused)?;
        let expires = args.expiry.given(&*key.scheme)?.unwrap_or_else(|| cdn.window_expiry(now));
        hosts.push(Host { scheme: Arc::clone(&key.scheme), expires, url: cdn.base_url });
    }
    if let Some(scheme) = signers.own {
        let expires = args.expiry.moment(&*scheme)?;
        hosts.push(Host { url: base.clone(), scheme, expires });
    }
    Ok(Terms {
        hosts,
        ip: args.hosts.sign.ip(),
        existing: args.existing_token.into(),
        trusts_strangers: args.third_party == ThirdParty::Trust,
        refuses_strangers: args.third_party == ThirdParty::Refuse,
        now,
        limits: args.limits.limits(),
    })
}

impl From<Existing> for ExistingToken {
    fn from(existing: Existing) -> Self {
        match existing {
            Existing::Refuse => Self::Refuse,
            Existing::Replace => Self::Replace,
        }
    }
}

fn not_signed(input: &Input, error: &SignError) -> Failed {
    match error {
        SignError::Token(error) => Failed::usage(error.clone()),
        error => input.refused(&report::problem(error)),
    }
}

/// One line for each kind of what was left out.
fn left_out_notes(signed: &Signed) -> impl Iterator<Item = String> {
    let counted = |count: usize, what: &str| match count {
        0 => None,
        1 => Some(format!("1 {what}")),
        _ => Some(format!("{count} {what}s")),
    };
    let dropped = counted(signed.dropped.len(), "BaseURL").map(|what| {
        format!("{what} left out: they are alternatives on hosts that this token does not open")
    });
    let withheld = counted(signed.withheld.len(), "part").map(|what| {
        format!(
            "{what} left out: they would tell other hosts the manifest's URL or its tokens; \
             `--third-party trust` keeps them"
        )
    });
    dropped.into_iter().chain(withheld)
}

/// One line on what stayed unsigned, if anything did.
fn kept_note(kept: &[Kept]) -> Option<String> {
    let counts = kept_by_reason(kept);
    let parts: Vec<_> =
        counts.iter().map(|(reason, count)| format!("{} kept: {reason}", uris(*count))).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}

/// How many stayed for each reason, in the order in which they come.
fn kept_by_reason(kept: &[Kept]) -> Vec<(KeepReason, usize)> {
    let mut counts: Vec<(KeepReason, usize)> = Vec::new();
    for Kept { reason, .. } in kept {
        match counts.iter_mut().find(|(known, _)| known == reason) {
            Some((_, count)) => *count += 1,
            None => counts.push((*reason, 1)),
        }
    }
    counts
}
