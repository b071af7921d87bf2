//! `sluicegate manifest sign --out DIR`: many manifests into a folder.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::anyhow;
use sluicegate_offline::{
    Done, Durability, Links, Others, Outcome as Signing, Output, Places, Terms, Tree,
};

use super::super::{folder, names_store};
use super::report::{self, Report};
use super::{Args, terms};
use crate::exit::{Exit, Failed, Outcome};
use crate::output::{self, Progress};
use crate::scheme_args::parse_duration;

/// Where signed manifests go, and how.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Many manifests")]
pub(super) struct TreeArgs {
    /// The folder that signed manifests are written to, or s3://bucket/folder; inputs may be folders
    /// and patterns then, or one s3://bucket/folder
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write nothing: only say what would be signed, and what cannot be
    #[arg(long)]
    check: bool,
    /// Copy all other files of the folders along
    #[arg(long, conflicts_with = "link")]
    copy: bool,
    /// Link all other files of the folders into the output (hard links, on one file system)
    #[arg(long)]
    link: bool,
    /// Follow symbolic links out of the folders that are given, and out of the output: what they lead
    /// to is published
    #[arg(long)]
    follow: bool,
    /// Leave it to the system when files are on the disk: faster, and not safe from a power failure
    #[arg(long)]
    no_fsync: bool,
    /// Sign only what will run out within this time, or changed since it was signed: 12h, 7d
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, requires = "out")]
    only_expiring: Option<Duration>,
    /// Go on, and sign what changes: the folder of a live packager
    #[arg(long, requires = "out", conflicts_with_all = ["check", "only_expiring"])]
    watch: bool,
    /// Print a report of every manifest as JSON; with --watch a line for each
    #[arg(long)]
    pub(super) json: bool,
}

impl TreeArgs {
    pub(super) const fn is_wanted(&self) -> bool {
        self.out.is_some() || self.check
    }

    pub(super) const fn is_watch(&self) -> bool {
        self.watch
    }

    /// What cannot be done with object storage.
    pub(super) fn refuse_for_store(&self) -> Result<(), Failed> {
        let wrong = match (self.watch, self.link) {
            (true, _) => "--watch is for a folder of this machine",
            (_, true) => "--link is for one file system: give --copy",
            _ => return Ok(()),
        };
        Err(Failed::usage(anyhow!(wrong)))
    }

    /// Whether the output is a folder of object storage.
    pub(super) fn is_to_store(&self) -> bool {
        self.out.as_deref().is_some_and(names_store)
    }

    pub(super) fn output(&self) -> Output {
        Output {
            folder: self.out.clone().filter(|_| !self.check),
            durability: if self.no_fsync { Durability::Unsynced } else { Durability::Synced },
            others: match (self.copy, self.link) {
                (true, _) => Others::Copy,
                (_, true) => Others::Link,
                _ => Others::Leave,
            },
            links: if self.follow { Links::Follow } else { Links::Within },
            unless_good_for: self.only_expiring,
        }
    }
}

pub(super) fn run(args: &Args) -> Outcome {
    if args.inputs.iter().any(|input| input.as_os_str() == "-") {
        return Err(Failed::usage(anyhow!(
            "standard input has no name to be written under: leave --out away"
        )));
    }
    let places = folder::places(&args.base_url)?;
    let terms = terms(args, &args.base_url.url)?;
    let output = args.tree.output();
    let tree = folder::manifests(&args.inputs, &places, output.links, &terms.limits)?;
    let done = sign(args, &tree, &places, &terms, &output)?;
    conclude(args, &done)
}

/// Signs a tree, and tells of each manifest that is not as it should be.
pub(super) fn sign(
    args: &Args,
    tree: &Tree,
    places: &Places,
    terms: &Terms,
    output: &Output,
) -> Result<Vec<Done>, Failed> {
    let progress = Progress::of("manifests");
    let count = AtomicU64::new(0);
    let tell = |done: &Done| {
        progress.at(count.fetch_add(1, Ordering::Relaxed) + 1);
        if args.tree.json {
            return;
        }
        for remark in report::remarks(done) {
            progress.note(&remark);
        }
    };
    let done = tree.sign(places, terms, output, &tell).map_err(folder::not_taken)?;
    progress.finish();
    Ok(done)
}

/// Prints the report of a run.
pub(super) fn conclude(args: &Args, done: &[Done]) -> Outcome {
    let report = Report::of(done);
    if args.tree.json {
        output::json(&report)?;
    } else {
        output::note(&report.summary());
    }
    Ok(exit(done))
}

/// A file that cannot be read or written is a failure; one that is not signed is refused.
fn exit(done: &[Done]) -> Exit {
    let has_failed =
        |done: &Done| matches!(done.outcome, Signing::Unreadable(_) | Signing::Unwritten(_));
    if done.iter().any(has_failed) {
        Exit::Failure
    } else if done.iter().any(|done| report::failure(done).is_some()) {
        Exit::Refused
    } else {
        Exit::Ok
    }
}
