//! `sluicegate manifest verify`: whether every token of a signed tree opens what it stands at.

use std::path::PathBuf;

use serde::Serialize;
use sluicegate_offline::{Audit, Checked, Finding, Gate, Problem};
use sluicegate_token::{SchemeRing, UnixTime};

use super::hosts::HostArgs;
use super::{BaseUrl, folder, parse_base_url, uris};
use crate::exit::{Exit, Failed, Outcome};
use crate::link_args::ExpiryArgs;
use crate::output::{Stream, printable};
use crate::{clock, output};

const EXAMPLES: &str = "\
Examples:
  export SLUICEGATE_KEY=...
  sluicegate manifest verify --base-url https://cdn.example.com/videos/ signed
  sluicegate manifest verify --base-url https://cdn.example.com/videos/ --now 1800000000 signed
  sluicegate manifest verify --base-url https://cdn.example.com/videos/ --json signed | jq .problems

Every URI on the base URL's host, and on those of --policy, must hold a token that opens it, and lead to
a file of the tree if it lies below the base URL. Give the scheme, scope and key that it was signed with.
Exit code 0: all is good. 1: something is wrong, and is listed.";

/// Check every token of a folder of signed manifests
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// Folders, files and patterns of signed manifests
    #[arg(value_name = "DIR", required = true)]
    inputs: Vec<PathBuf>,
    /// Where players fetch the folder; ends in '/'
    #[arg(long, value_name = "URL", value_parser = parse_base_url)]
    base_url: BaseUrl,
    #[command(flatten)]
    hosts: HostArgs,
    /// Check as if it were this Unix time
    #[arg(long, value_name = "UNIX")]
    now: Option<u64>,
    /// Files need not be in the tree: the CDN has them
    #[arg(long)]
    tokens_only: bool,
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
    /// The last good second of the token that ends first, as Unix time.
    expires: Option<u64>,
    problems: Vec<Row>,
    /// Files that no manifest leads to.
    unnamed: Vec<String>,
}

pub(super) fn run(args: &Args) -> Outcome {
    let places = folder::places(&args.base_url)?;
    let gate = gate(args)?;
    let tree = folder::manifests(&args.inputs, &places)?;
    let audit = tree.verify(&places, &gate);
    let report = Report::of(&audit, args.tokens_only);
    if args.json {
        output::json(&report)?;
    } else {
        report.print()?;
    }
    Ok(if report.problems.is_empty() { Exit::Ok } else { Exit::Refused })
}

fn gate(args: &Args) -> Result<Gate, Failed> {
    let base = &args.base_url.url;
    let signers = args.hosts.hosts(base, &ExpiryArgs::default())?;
    let listed = signers.listed.into_iter().map(|cdn| (cdn.base_url, cdn.ring));
    let own = signers.own.map(|scheme| (base.clone(), SchemeRing::of(scheme)));
    let now = args.now.map_or_else(clock::now, UnixTime);
    Ok(Gate { hosts: listed.chain(own).collect(), ip: args.hosts.sign.ip(), now })
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
        let until = match self.expires {
            Some(secs) => clock::rfc3339(UnixTime(secs)).map(|at| format!(", good until {at}")),
            None => None,
        };
        output::note(&format!(
            "{} manifests, {}{}; {} wrong",
            self.manifests,
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
            Problem::Broken(why) => ("broken", printable(why).into_owned()),
            Problem::Refused(refusal) => (refusal.code(), refusal.to_string()),
            Problem::Missing => ("file-missing", "the file is not in the tree".to_owned()),
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
