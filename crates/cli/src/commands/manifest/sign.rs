//! `sluicegate manifest sign`: one manifest with a token on every URI.

use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum;
use sluicegate_manifest::{ExistingToken, KeepReason, Kept, Place, RenderError, SignHost};
use sluicegate_token::{Scheme, UnixTime};
use url::Url;

use super::{BaseUrl, Input, parse_base_url, refusal, uris};
use crate::exit::{Exit, Failed, OrExit as _, Outcome};
use crate::link_args::{ExpiryArgs, SignArgs};
use crate::scheme_args::ScopeName;
use crate::{clock, config_file, output};

const EXAMPLES: &str = "\
Examples:
  export SLUICEGATE_KEY=...
  sluicegate manifest sign --base-url https://cdn.example.com/videos/a/ master.m3u8 > signed.m3u8
  sluicegate manifest sign --base-url https://cdn.example.com/a.m3u8 --ttl 6h - < a.m3u8
  sluicegate manifest sign --base-url https://cdn.example.com/ --scope file --key-file cdn.key a.m3u8
  sluicegate manifest sign --base-url https://cdn.example.com/videos/a/ manifest.mpd > signed.mpd
  sluicegate manifest sign --base-url https://a.example.com/v/ --policy hosts.toml a.m3u8 > s.m3u8

A base URL that ends in '/' is the folder in which the manifest lies, any other is the manifest's
own. URIs on its host are signed, those on other hosts stay, and no other byte changes. If one URI
must not leave unsigned and cannot be signed, nothing is printed. Playlists that the manifest names
need a run of their own.

With --policy each host has its row: [[host]] with base_url, scheme, scope, ttl_secs, bind_ip and key,
as [route.cdn] of the gateway's configuration. The manifest's own host may be one of them.

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
    /// What each token opens [default: the directory, or the nearest that the scheme has]
    #[arg(long, value_enum)]
    scope: Option<ScopeName>,
    #[command(flatten)]
    expiry: ExpiryArgs,
    #[command(flatten)]
    sign: SignArgs,
    /// Hosts with schemes and keys of their own: a TOML file of [[host]] tables
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// What to do with URIs that hold a token already
    #[arg(long, value_enum, default_value_t = Existing::Refuse)]
    existing_token: Existing,
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
    let rows = rows(args, &place.base)?;
    let template = args.input.template()?;

    let mut policy = SignHost::default().existing(args.existing_token.into());
    for row in &rows {
        policy = policy.and(&row.host, &*row.scheme);
    }
    let plan =
        template.plan(&place, &mut policy).map_err(|error| not_planned(&args.input, &error))?;
    let expires: Vec<_> = rows.iter().map(|row| row.expires).collect();
    let tokens = policy.sign_each(&expires, args.sign.ip()).or_exit(Exit::Usage)?;
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

/// A host whose URIs are signed, with its scheme and the end of its tokens.
struct Row {
    host: Url,
    scheme: Arc<dyn Scheme>,
    expires: UnixTime,
}

/// The rows of the policy's file, and one for the manifest's own host if it has none there.
fn rows(args: &Args, base: &Url) -> Result<Vec<Row>, Failed> {
    let hosts = args.policy.as_deref().map(config_file::load_hosts).transpose()?;
    let now = clock::now();
    let mut rows = Vec::new();
    for cdn in hosts.unwrap_or_default() {
        let key = cdn.ring.signing(now).or_exit(Exit::Refused)?;
        let expires = args.expiry.given(&*key.scheme)?.unwrap_or_else(|| cdn.window_expiry(now));
        rows.push(Row { scheme: Arc::clone(&key.scheme), expires, host: cdn.base_url });
    }
    if !rows.iter().any(|row| row.host.origin() == base.origin()) {
        let scope = match args.scope {
            Some(scope) => scope.into(),
            None => args.sign.scheme.kind()?.widest_scope(),
        };
        let scheme = args.sign.scheme(Some(scope), &args.expiry)?;
        let expires = args.expiry.moment(&*scheme)?;
        rows.push(Row { host: base.clone(), scheme, expires });
    }
    Ok(rows)
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
