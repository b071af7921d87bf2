//! `sluicegate manifest diff`: what two manifests, or folders of them, differ in but for tokens.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use similar::TextDiff;
use sluicegate_offline::{Links, Tree};

use super::folder::not_taken;
use super::strip::stripped;
use super::{Input, LimitArgs};
use crate::exit::{Exit, Failed, Outcome};
use crate::output::{Stream, printable};
use crate::scheme_args::SchemeArgs;

const EXAMPLES: &str = "\
Examples:
  sluicegate manifest diff videos signed              # was anything but tokens added?
  sluicegate manifest diff old/master.m3u8 new/master.m3u8
  sluicegate manifest diff --scheme bunny yesterday today

Prints a unified diff of what is left when the scheme's tokens are taken out of both. No key is needed.
Templates of a DASH manifest that signing moved, or wrote out, differ, too: no token alone was added there.
Exit code 0: nothing else differs. 1: something does.";

/// Compare manifests, or folders of them, but for their tokens
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Args {
    /// A manifest, or a folder
    #[arg(value_name = "A")]
    one: PathBuf,
    /// Another one
    #[arg(value_name = "B")]
    other: PathBuf,
    #[command(flatten)]
    scheme: SchemeArgs,
    #[command(flatten)]
    limits: LimitArgs,
}

pub(super) fn run(args: &Args) -> Outcome {
    let mut out = Stream::to_stdout();
    let differs = match (args.one.is_dir(), args.other.is_dir()) {
        (false, false) => compare(&args.one, &args.other, args, &mut out)?,
        (true, true) => compare_folders(args, &mut out)?,
        _ => return Err(Failed::usage(anyhow::anyhow!("give two manifests, or two folders"))),
    };
    out.finish()?;
    Ok(if differs { Exit::Refused } else { Exit::Ok })
}

fn compare_folders(args: &Args, out: &mut Stream) -> Result<bool, Failed> {
    let (one, other) = (manifests(&args.one)?, manifests(&args.other)?);
    let mut differs = false;
    for (relative, path) in &one {
        differs |= match other.get(relative) {
            Some(counterpart) => compare(path, counterpart, args, out)?,
            None => alone(&args.one, relative, out)?,
        };
    }
    for relative in other.keys().filter(|relative| !one.contains_key(*relative)) {
        differs |= alone(&args.other, relative, out)?;
    }
    Ok(differs)
}

/// The manifests of a folder by their paths below it.
fn manifests(folder: &Path) -> Result<BTreeMap<PathBuf, PathBuf>, Failed> {
    let tree = Tree::find(&[folder.to_owned()], Links::Follow).map_err(not_taken)?;
    Ok(tree.paths().map(|(relative, path)| (relative.to_owned(), path.to_owned())).collect())
}

fn alone(folder: &Path, relative: &Path, out: &mut Stream) -> anyhow::Result<bool> {
    let (folder, relative) = (folder.display().to_string(), relative.display().to_string());
    out.write(&format!("only in {}: {}\n", printable(&folder), printable(&relative)))?;
    Ok(true)
}

fn compare(one: &Path, other: &Path, args: &Args, out: &mut Stream) -> Result<bool, Failed> {
    let text = |path: &Path| {
        let text = stripped(&Input { file: path.to_owned() }, &args.scheme, &args.limits)?;
        Ok::<_, Failed>(String::from_utf8_lossy(&text).into_owned())
    };
    let (before, after) = (text(one)?, text(other)?);
    if before == after {
        return Ok(false);
    }
    let diff = TextDiff::from_lines(&before, &after);
    let (one, other) = (one.display().to_string(), other.display().to_string());
    let unified = diff.unified_diff().header(&printable(&one), &printable(&other)).to_string();
    for line in unified.lines() {
        out.write(&format!("{}\n", printable(line)))?;
    }
    Ok(true)
}
