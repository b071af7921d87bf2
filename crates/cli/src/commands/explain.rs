//! `sluicegate explain`: why a URL is refused.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;
use sluicegate_gateway::{App, KeySource, Subject, SystemClock};
use sluicegate_token::{
    Binding, Effort, Explanation, KeyId, KeyPeriod, Link, Mistake, Presented, Refusal, RingKey,
    SchemeRing, Scope, UnixTime, explain,
};

use super::verify::in_words;
use crate::exit::{Exit, Failed, Outcome};
use crate::key_source::key_from;
use crate::link_args::{SignArgs, binding, parse_link, present};
use crate::output::{Tone, coloured};
use crate::scheme_args::CheckedScopeArgs;
use crate::{clock, config_file, output};

const EXAMPLES: &str = "\
Examples:
  export SLUICEGATE_KEY=...
  sluicegate explain 'https://cdn.example.com/images/1.jpg?md5=...&expires=2147483647'
  sluicegate explain --scope directory --ip 203.0.113.7 --key-file bound.key '/live/1.ts?md5=...'
  sluicegate explain --older-key-file last-year.key '/images/1.jpg?md5=...'
  sluicegate explain --other /images/cat.png '/images/dog.png?md5=...'
  sluicegate explain --config gateway.toml 'https://play.example.com/s/.../videos/a/master.m3u8'
  sluicegate explain --json '/images/1.jpg?md5=...' | jq -r '.causes[].code'

Tries the known mistakes with the key at hand and names the one that fits: a hash that is right in
another way is no accident. With --config it knows the gateway's routes and keys, and explains its
session tokens, too. Neither a key nor a token is printed.
Exit code 0: the link is good. 1: it is refused.";

/// Say why a link is refused
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// URL (https://host/path), or path that begins with '/'
    #[arg(value_name = "URL")]
    url: String,
    /// Take schemes, keys and routes from the gateway's configuration
    #[arg(
        long, value_name = "FILE",
        conflicts_with_all = ["scheme", "scope", "key_file", "key_env", "key_command", "plain",
            "older_key_file"]
    )]
    config: Option<PathBuf>,
    #[command(flatten)]
    scope: CheckedScopeArgs,
    #[command(flatten)]
    sign: SignArgs,
    /// The key is for plain links, although --ip says who asked
    #[arg(long, requires = "ip")]
    plain: bool,
    /// A key that is no longer accepted; may be given several times
    #[arg(long, value_name = "FILE", help_heading = "Key")]
    older_key_file: Vec<PathBuf>,
    /// Another URL or path that the token may have been made for; may be given several times
    #[arg(long, value_name = "URL")]
    other: Vec<String>,
    /// Check as if it were this Unix time
    #[arg(long, value_name = "UNIX")]
    now: Option<u64>,
    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Explained {
    valid: bool,
    status: u16,
    code: Option<&'static str>,
    reason: Option<String>,
    causes: Vec<Cause>,
}

#[derive(Serialize)]
struct Cause {
    code: &'static str,
    cause: String,
    remedy: &'static str,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let link = parse_link(&args.url)?;
    let now = args.now.map_or_else(clock::now, UnixTime);
    let explained = match &args.config {
        Some(config) => by_config(config, &link, args.sign.ip(), now)?,
        None => by_key(args, &link, now)?,
    };
    if args.json {
        output::json(&Explained::new(&explained))?;
    } else {
        print(&explained, now)?;
    }
    Ok(if explained.verdict.is_ok() { Exit::Ok } else { Exit::Refused })
}

fn by_key(args: &Args, link: &Link, now: UnixTime) -> Result<Explanation, Failed> {
    let ip = args.sign.ip();
    let binding = if args.plain { Binding::Plain } else { binding(ip) };
    let mut older = Vec::new();
    for path in &args.older_key_file {
        let name = path.display().to_string();
        let from = format!("the key file {name}");
        let key = key_from(&KeySource::File(path.clone()), &from, &name, binding)?;
        let (scope, _) = args.scope.of();
        // Retired before everything.
        let period = KeyPeriod { active_from: UnixTime(0), retired_from: Some(UnixTime(0)) };
        let scheme = args.sign.scheme.with_key(key, scope, None)?;
        older.push(RingKey { id: KeyId::new(name), scheme, period });
    }
    let ring = args.sign.ring_with(&args.scope, binding, older)?;
    let explained = present(link, ip, |presented| explain(&ring, presented, now, Effort::Thorough));
    if explained.verdict.is_ok() || !explained.mistakes.is_empty() {
        return Ok(explained);
    }
    let others = args.other.iter().map(|other| parse_link(other)).collect::<Result<Vec<_>, _>>()?;
    Ok(of_another(&ring, link, &others, ip, now).unwrap_or(explained))
}

/// The same token at another path: if it opens that, it was made for it.
fn of_another(
    ring: &SchemeRing,
    link: &Link,
    others: &[Link],
    ip: Option<IpAddr>,
    now: UnixTime,
) -> Option<Explanation> {
    let scope = ring.scheme().scope();
    let fits = |other: &&Link| {
        let url = other.without_fragment();
        let (path, query) = (other.path(), link.query());
        let presented = Presented { path, url: url.as_bytes(), query, ip };
        matches!(ring.verify(&presented, now), Ok(_) | Err(Refusal::Expired { .. }))
    };
    let other = others.iter().find(fits)?;
    let signed = String::from_utf8_lossy(scope.signed_part(other.path())).into_owned();
    let mistake = match scope {
        Scope::File => Mistake::OtherFile(signed),
        Scope::Directory | Scope::Tree => Mistake::OtherDirectory(signed),
    };
    let refusal = Refusal::WrongToken;
    let status = ring.status(&refusal);
    Some(Explanation { verdict: Err(refusal), status, mistakes: vec![mistake] })
}

fn by_config(
    path: &std::path::Path,
    link: &Link,
    ip: Option<IpAddr>,
    now: UnixTime,
) -> Result<Explanation, Failed> {
    let config = config_file::load(path)?;
    let app = App::build(config, Arc::new(SystemClock))?;
    let url = link.without_fragment();
    let (subject, explained) = app.explain(&url, ip, now).ok_or_else(|| {
        Failed::usage(anyhow::anyhow!(
            "no route of {} has this URL: neither as a link, nor as a session, nor at its CDN",
            path.display()
        ))
    })?;
    output::note(&match subject {
        Subject::Session { route } => format!("a session of route \"{route}\""),
        Subject::Link { route } => format!("a link to route \"{route}\""),
        Subject::Cdn { route } => format!("a URL of the CDN of route \"{route}\""),
    });
    Ok(explained)
}

fn print(explained: &Explanation, now: UnixTime) -> anyhow::Result<()> {
    output::line(&in_words(&explained.verdict, explained.status, now))?;
    let label = match explained.verdict {
        Ok(_) => "odd",
        Err(_) => "cause",
    };
    for mistake in &explained.mistakes {
        output::line(&format!("{}: {mistake}", coloured(label, Tone::Bad)))?;
        output::line(&format!("  remedy: {}", mistake.remedy()))?;
    }
    if explained.verdict.is_err() && explained.mistakes.is_empty() {
        output::line(
            "cause: none of the known mistakes fits. Then another key was used (--older-key-file tries \
             more), an address that is not known here (--ip), another scheme (--scheme), or it is the \
             token of a file whose name is not near (--other tries one).",
        )?;
    }
    Ok(())
}

impl Explained {
    fn new(explained: &Explanation) -> Self {
        let refusal = explained.verdict.as_ref().err();
        Self {
            valid: refusal.is_none(),
            status: explained.status,
            code: refusal.map(|refusal| refusal.code()),
            reason: refusal.map(ToString::to_string),
            causes: explained
                .mistakes
                .iter()
                .map(|mistake| Cause {
                    code: mistake.code(),
                    cause: mistake.to_string(),
                    remedy: mistake.remedy(),
                })
                .collect(),
        }
    }
}
