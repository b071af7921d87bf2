//! `sluicegate manifest verify`: whether every token of a signed tree opens what it stands at.

mod online;

use std::path::PathBuf;

use anyhow::anyhow;
use serde::Serialize;
use sluicegate_gateway::Fetcher;
use sluicegate_offline::{Audit, Checked, Finding, Gate, Links, Places, Problem, Tree};
use sluicegate_token::{SchemeRing, UnixTime};
use url::{Origin, Url};

use self::online::{Fetched, Online};
use super::hosts::HostArgs;
use super::{
    BaseUrl, LimitArgs, folder, manifests, names_store, not_compiled, parse_base_url,
    refusal as refusal_of, uris, url_of,
};
use crate::exit::{Exit, Failed, Outcome};
use crate::link_args::ExpiryArgs;
use crate::output::{Progress, Stream, printable};
use crate::runtime::run_to_end;
use crate::{clock, output};

const EXAMPLES: &str = "\
Examples:
  export SLUICEGATE_KEY=...
  sluicegate manifest verify --base-url https://cdn.example.com/videos/ signed
  sluicegate manifest verify --base-url https://cdn.example.com/videos/ --now 1800000000 signed
  sluicegate manifest verify --base-url https://cdn.example.com/videos/ --json signed | jq .problems
  sluicegate manifest verify --base-url https://cdn.example.com/videos/ --limit max_result_bytes=100000000 signed
  sluicegate manifest verify --http --base-url https://cdn.example.com/videos/ signed
  sluicegate manifest verify --http 'https://cdn.example.com/videos/a/master.m3u8?md5=...&expires=...'

Every URI on the base URL's host, and on those of --policy, must hold a token that opens it, and lead to
a file of the tree if it lies below the base URL. Give the scheme, scope and key that it was signed with.

With --http no key is needed: each URI is requested, by HEAD, or by GET for its first byte. Of a URL the
manifest is fetched, and so are those that it leads to on its host.
Exit code 0: all is good. 1: something is wrong, and is listed.";

/// Check every token of a folder of signed manifests
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Folders, files and patterns of signed manifests, or s3://bucket/folder; or URLs of manifests
    #[arg(value_name = "DIR|URL", required = true)]
    inputs: Vec<PathBuf>,
    /// Where players fetch the folder; ends in '/' [default: the host of the first URL]
    #[arg(long, value_name = "URL", value_parser = parse_base_url)]
    base_url: Option<BaseUrl>,
    /// Request every URI, instead of checking its token with the key
    #[arg(long)]
    http: bool,
    /// How many requests run at once
    #[arg(
        long, value_name = "COUNT", default_value_t = 16, requires = "http",
        value_parser = clap::value_parser!(u16).range(1..=1024)
    )]
    at_once: u16,
    #[command(flatten)]
    hosts: HostArgs,
    /// Check as if it were this Unix time
    #[arg(long, value_name = "UNIX")]
    now: Option<u64>,
    /// Files need not be in the tree: the CDN has them
    #[arg(long)]
    tokens_only: bool,
    #[command(flatten)]
    limits: LimitArgs,
    /// Print a report as JSON
    #[arg(long)]
    json: bool,
}

/// A row of what is wrong.
#[derive(Serialize)]
struct Row {
    path: String,
    line: Option<usize>,
    carrier: Option<String>,
    target: Option<String>,
    code: &'static str,
    problem: String,
}

#[derive(Serialize)]
struct Report {
    manifests: usize,
    uris: usize,
    /// URIs on other hosts, which never get a token.
    elsewhere: usize,
    /// The last good second of the token that ends first, as Unix time.
    expires: Option<u64>,
    problems: Vec<Row>,
    /// Files that no manifest leads to.
    unnamed: Vec<String>,
}

pub(super) fn run(args: &Args) -> Outcome {
    let urls: Vec<_> = args.inputs.iter().filter_map(|input| url_of(input)).collect();
    let audit = match urls.len() {
        0 => audit_folder(args)?,
        count if count == args.inputs.len() => audit_urls(args, &urls)?,
        _ => return Err(Failed::usage(anyhow!("give folders and files, or URLs, not both"))),
    };
    let report = Report::of(&audit, args.tokens_only);
    if args.json {
        output::json(&report)?;
    } else {
        report.print()?;
    }
    Ok(if report.problems.is_empty() { Exit::Ok } else { Exit::Refused })
}

fn audit_folder(args: &Args) -> Result<Audit, Failed> {
    let base = args.base_url.as_ref().ok_or_else(|| {
        Failed::usage(anyhow!(
            "say where players fetch the folder: --base-url https://cdn.example.com/videos/"
        ))
    })?;
    let places = folder::places(base)?;
    let gate = if args.http { None } else { Some(gate(args, &base.url)?) };
    let (tree, _work) = tree(args, &places)?;
    match gate {
        Some(gate) => Ok(tree.verify(&places, &gate)),
        None => {
            let online = online(args, asked_hosts(args, &base.url)?)?;
            Ok(online_audit(run_to_end(online.ask_tree(&tree, &places))?))
        }
    }
}

/// The manifests, and a folder of those that were fetched from object storage, which goes with it.
#[cfg(feature = "object-store")]
fn tree(args: &Args, places: &Places) -> Result<(Tree, Option<tempfile::TempDir>), Failed> {
    match &args.inputs[..] {
        [input] if names_store(input) => {
            let work = tempfile::tempdir()?;
            let tree = folder::staged(&crate::store::Store::open(input)?, work.path())?;
            Ok((tree, Some(work)))
        }
        inputs => {
            Ok((folder::manifests(inputs, places, Links::Follow, &args.limits.limits())?, None))
        }
    }
}

#[cfg(not(feature = "object-store"))]
fn tree(args: &Args, places: &Places) -> Result<(Tree, ()), Failed> {
    if args.inputs.iter().any(|input| names_store(input)) {
        return Err(super::no_store());
    }
    Ok((folder::manifests(&args.inputs, places, Links::Follow, &args.limits.limits())?, ()))
}

fn audit_urls(args: &Args, urls: &[Url]) -> Result<Audit, Failed> {
    let base = args.base_url.as_ref().map_or(&urls[0], |base| &base.url);
    if args.http {
        let online = online(args, asked_hosts(args, base)?)?;
        let asked = async { online.ask_fetched(online.fetch(urls).await).await };
        return Ok(online_audit(run_to_end(asked)?));
    }
    let gate = gate(args, base)?;
    let online = online(args, gate.hosts.iter().map(|(host, _)| host.origin()).collect())?;
    let fetched = run_to_end(online.fetch(urls))?;
    let check = |Fetched { name, template }: Fetched| match template {
        Ok((template, url)) => gate.check(&name, &template, url),
        Err(problem) => Checked::broken(&name, problem),
    };
    Ok(online_audit(fetched.into_iter().map(check).collect()))
}

/// What servers were asked says nothing of files that nobody leads to.
const fn online_audit(manifests: Vec<Checked>) -> Audit {
    Audit { manifests, unnamed: Vec::new() }
}

/// The hosts whose URIs are requested, where no key is needed.
fn asked_hosts(args: &Args, base: &Url) -> Result<Vec<Origin>, Failed> {
    let listed = args.hosts.listed()?.into_iter().map(|host| host.base_url.origin());
    Ok(listed.chain([base.origin()]).collect())
}

fn online(args: &Args, origins: Vec<Origin>) -> Result<Online, Failed> {
    Ok(Online {
        fetcher: Fetcher::new()?,
        origins,
        at_once: args.at_once.into(),
        now: now(args),
        limits: args.limits.clone(),
        progress: Progress::of("requests"),
    })
}

fn now(args: &Args) -> UnixTime {
    args.now.map_or_else(clock::now, UnixTime)
}

fn gate(args: &Args, base: &Url) -> Result<Gate, Failed> {
    let signers = args.hosts.hosts(base, &ExpiryArgs::default())?;
    let listed = signers.listed.into_iter().map(|cdn| (cdn.base_url, cdn.ring));
    let own = signers.own.map(|scheme| (base.clone(), SchemeRing::of(scheme)));
    let hosts = listed.chain(own).collect();
    Ok(Gate { hosts, ip: args.hosts.sign.ip(), now: now(args), limits: args.limits.limits() })
}

impl Report {
    fn of(audit: &Audit, tokens_only: bool) -> Self {
        let rows = |checked: &Checked| {
            let path = checked.path.display().to_string();
            checked.findings.iter().map(move |finding| Row::of(&path, finding)).collect::<Vec<_>>()
        };
        let mut problems: Vec<_> = audit.manifests.iter().flat_map(rows).collect();
        problems.retain(|row| !(tokens_only && row.code == "file-missing"));
        let unnamed = audit.unnamed.iter().map(|path| path.display().to_string());
        Self {
            manifests: audit.manifests.len(),
            uris: audit.manifests.iter().map(|checked| checked.uris).sum(),
            elsewhere: audit.manifests.iter().map(|checked| checked.elsewhere).sum(),
            expires: audit
                .manifests
                .iter()
                .filter_map(|checked| checked.expires)
                .min()
                .map(|at| at.0),
            problems,
            unnamed: if tokens_only { Vec::new() } else { unnamed.collect() },
        }
    }

    fn print(&self) -> anyhow::Result<()> {
        let mut out = Stream::to_stdout();
        for Row { path, line, carrier, target, problem, .. } in &self.problems {
            let mut text = printable(path).into_owned();
            if let Some(line) = line {
                text += &format!(":{line}");
            }
            for part in [carrier, target].into_iter().flatten() {
                text += &format!("  {}", printable(part));
            }
            out.write(&format!("{text}  {problem}\n"))?;
        }
        out.finish()?;
        for path in self.unnamed.iter().take(5) {
            output::note(&format!("no manifest leads to {}", printable(path)));
        }
        if self.unnamed.len() > 5 {
            output::note(&format!("nor to {} other files", self.unnamed.len() - 5));
        }
        if self.elsewhere > 0 {
            output::note(&format!("{} on other hosts, unsigned", uris(self.elsewhere)));
        }
        let until = match self.expires {
            Some(secs) => clock::rfc3339(UnixTime(secs)).map(|at| format!(", good until {at}")),
            None => None,
        };
        output::note(&format!(
            "{}, {}{}; {} wrong",
            manifests(self.manifests),
            uris(self.uris),
            until.unwrap_or_default(),
            self.problems.len()
        ));
        Ok(())
    }
}

impl Row {
    fn of(path: &str, finding: &Finding) -> Self {
        let (code, problem) = match &finding.problem {
            Problem::Unreadable(why) => ("broken", printable(why).into_owned()),
            Problem::Broken(error) => ("broken", printable(&not_compiled(error)).into_owned()),
            Problem::Unresolved(reason) => {
                ("unresolved", printable(&refusal_of(reason)).into_owned())
            }
            Problem::Refused(refusal) => (refusal.code(), refusal.to_string()),
            Problem::Missing => ("file-missing", "the file is not in the tree".to_owned()),
            Problem::Status(status) => ("http-status", format!("the server answers {status}")),
            Problem::Unanswered(why) => ("no-answer", printable(why).into_owned()),
        };
        Self {
            path: path.to_owned(),
            line: finding.line,
            carrier: finding.carrier.clone(),
            target: finding.target.clone(),
            code,
            problem,
        }
    }
}
