//! `sluicegate manifest diff`: what two manifests, or folders of them, differ in but for tokens.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use similar::TextDiff;
use sluicegate_offline::Tree;

use super::Input;
use super::sign::not_found;
use super::strip::stripped;
use crate::exit::{Exit, Failed, Outcome};
use crate::output::{Stream, printable};
use crate::scheme_args::SchemeArgs;

const EXAMPLES: &str = "\
Examples:
  sluicegate manifest diff videos signed              # nothing but tokens was added
  sluicegate manifest diff old/master.m3u8 new/master.m3u8
  sluicegate manifest diff --scheme bunny yesterday today

Prints a unified diff of what is left when the scheme's tokens are taken out of both. No key is needed.
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
}

pub(super) fn run(args: &Args) -> Outcome {
    let mut out = Stream::to_stdout();
    let mut differs = false;
    let (one, other) = (manifests(&args.one)?, manifests(&args.other)?);
    if args.one.is_dir() != args.other.is_dir() {
        let error = anyhow::anyhow!("give two manifests, or two folders");
        return Err(Failed::usage(error));
    }
    if !args.one.is_dir() {
        differs = compare(&args.one, &args.other, &args.scheme, &mut out)?;
    } else {
        for (relative, path) in &one {
            match other.get(relative) {
                Some(counterpart) => {
                    differs |= compare(path, counterpart, &args.scheme, &mut out)?;
                }
                None => differs |= alone(&args.one, relative, &mut out)?,
            }
        }
        for relative in other.keys().filter(|relative| !one.contains_key(*relative)) {
            differs |= alone(&args.other, relative, &mut out)?;
        }
    }
    out.finish()?;
    Ok(if differs { Exit::Refused } else { Exit::Ok })
}

/// The manifests of a folder by their paths below it; none of what is a file.
fn manifests(path: &Path) -> Result<BTreeMap<PathBuf, PathBuf>, Failed> {
    if !path.is_dir() {
        return Ok(BTreeMap::new());
    }
    let tree = Tree::find(&[path.to_owned()]).map_err(not_found)?;
    Ok(tree.paths().map(|(relative, path)| (relative.to_owned(), path.to_owned())).collect())
}

fn alone(folder: &Path, relative: &Path, out: &mut Stream) -> anyhow::Result<bool> {
    let (folder, relative) = (folder.display().to_string(), relative.display().to_string());
    out.write(&format!("only in {}: {}\n", printable(&folder), printable(&relative)))?;
    Ok(true)
}

fn compare(
    one: &Path,
    other: &Path,
    scheme: &SchemeArgs,
    out: &mut Stream,
) -> Result<bool, Failed> {
    let text = |path: &Path| {
        let text = stripped(&Input { file: path.to_owned() }, scheme)?;
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
