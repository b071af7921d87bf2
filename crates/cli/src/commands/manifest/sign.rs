//! `sluicegate manifest sign`: one manifest with a token on every URI.

use std::net::IpAddr;

use clap::ValueEnum;
use sluicegate_manifest::{ExistingToken, KeepReason, Kept, Place, RenderError, SignHost};
use sluicegate_token::{Binding, ip};

use super::{BaseUrl, Input, parse_base_url, refusal, uris};
use crate::clock;
use crate::exit::{Exit, Failed, OrExit as _, Outcome};
use crate::key_source::KeyArgs;
use crate::link_args::{ExpiryArgs, SchemeName, ScopeName};
use crate::output;

const EXAMPLES: &str = "\
Examples:
  export SLUICEGATE_KEY=...
  sluicegate manifest sign --base-url https://cdn.example.com/videos/a/ master.m3u8 > signed.m3u8
  sluicegate manifest sign --base-url https://cdn.example.com/a.m3u8 --ttl 6h - < a.m3u8
  sluicegate manifest sign --base-url https://cdn.example.com/ --scope file --key-file cdn.key a.m3u8
  sluicegate manifest sign --base-url https://cdn.example.com/videos/a/ manifest.mpd > signed.mpd

A base URL that ends in '/' is the folder in which the manifest lies, any other is the manifest's
own. URIs on its host are signed, those on other hosts stay, and no other byte changes. If one URI
must not leave unsigned and cannot be signed, nothing is printed. Playlists that the manifest names
need a run of their own.

In a DASH manifest a template whose directory depends on the Representation moves into each of them,
and with --scope file it is written out as a list of segments.";

/// Sign every URI of a manifest
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    #[command(flatten)]
    input: Input,
    /// Where players fetch the manifest, or its folder with a '/' at the end
    #[arg(long, value_name = "URL", value_parser = parse_base_url)]
    base_url: BaseUrl,
    /// Layout of the token
    #[arg(long, value_enum, default_value_t = SchemeName::Gcore)]
    scheme: SchemeName,
    /// What each token opens
    #[arg(long, value_enum, default_value_t = ScopeName::Directory)]
    scope: ScopeName,
    #[command(flatten)]
    expiry: ExpiryArgs,
    /// The only client address that may use the tokens; the key must be one for bound links
    #[arg(long, value_name = "ADDR")]
    ip: Option<IpAddr>,
    /// What to do with URIs that hold a token already
    #[arg(long, value_enum, default_value_t = Existing::Refuse)]
    existing_token: Existing,
    #[command(flatten)]
    key: KeyArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Existing {
    /// Print nothing
    Refuse,
    /// Drop the old token
    Replace,
}

pub(super) fn run(args: &Args) -> Outcome {
    let own_url = args.input.own_url(&args.base_url)?;
    // A live MPD that is written out names the segments that are there now.
    let place = Place { now: Some(clock::now()), ..Place::at(own_url) };
    let binding = if args.ip.is_some() { Binding::Ip } else { Binding::Plain };
    let scheme = args.scheme.with_key(args.key.read(binding)?, args.scope.into());
    let template = args.input.template()?;

    let mut policy = SignHost::new(&place.base, &*scheme).existing(args.existing_token.into());
    let plan =
        template.plan(&place, &mut policy).map_err(|error| not_planned(&args.input, &error))?;
    let client = args.ip.map(ip::canonical);
    let tokens = policy.sign(args.expiry.moment(), client).or_exit(Exit::Usage)?;
    let mut signed = Vec::new();
    plan.render_into(&tokens, &mut signed);
    output::bytes(&signed)?;
    if let Some(note) = kept_note(plan.kept()) {
        output::note(&note);
    }
    if let Some(note) = dropped_note(plan.dropped()) {
        output::note(&note);
    }
    Ok(Exit::Ok)
}

impl From<Existing> for ExistingToken {
    fn from(existing: Existing) -> Self {
        match existing {
            Existing::Refuse => Self::Refuse,
            Existing::Replace => Self::Replace,
        }
    }
}

fn not_planned(input: &Input, error: &RenderError) -> Failed {
    match error {
        RenderError::Refused { line, offset, carrier, role, reason } => input.refused(&format!(
            "line {line} (byte {offset}), {carrier}, {role}: {}",
            refusal(reason)
        )),
        _ => input.refused(&error.to_string()),
    }
}

/// One line on what was left out of a DASH manifest, if anything was.
fn dropped_note(dropped: &[usize]) -> Option<String> {
    let count = dropped.len();
    let what = if count == 1 { "1 BaseURL".to_owned() } else { format!("{count} BaseURLs") };
    (count > 0).then(|| {
        format!("{what} left out: they are alternatives on hosts that this token does not open")
    })
}

/// One line on what stayed unsigned, if anything did.
fn kept_note(kept: &[Kept]) -> Option<String> {
    let mut counts: Vec<(KeepReason, usize)> = Vec::new();
    for Kept { reason, .. } in kept {
        match counts.iter_mut().find(|(known, _)| known == reason) {
            Some((_, count)) => *count += 1,
            None => counts.push((*reason, 1)),
        }
    }
    let parts: Vec<_> =
        counts.iter().map(|(reason, count)| format!("{} kept: {reason}", uris(*count))).collect();
    (!parts.is_empty()).then(|| parts.join("; "))
}
