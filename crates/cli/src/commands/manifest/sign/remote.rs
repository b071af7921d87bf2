//! `sluicegate manifest sign` from and to folders of object storage.

use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use sluicegate_offline::{Done, Others, Outcome as Signing, Output, Tree, TreeError, WriteError};

use super::super::{folder, names_store};
use super::{Args, report, terms, tree};
use crate::exit::{Failed, Outcome};
use crate::output::{self, Progress};
use crate::runtime::run_to_end;
use crate::store::{Store, each};

pub(super) fn run(args: &Args) -> Outcome {
    let work = tempfile::tempdir().context("cannot make a temporary folder")?;
    let places = folder::places(&args.base_url)?;
    let terms = terms(args, &args.base_url.url)?;
    let from = source(args)?;
    let wanted = args.tree.output();
    let to =
        wanted.folder.as_deref().filter(|out| names_store(out)).map(Store::open).transpose()?;
    if let (Some(from), Some(to)) = (&from, &to)
        && from.overlaps(to)
    {
        let (output, input) = (to.shown().to_owned(), from.shown().to_owned());
        return Err(folder::not_taken(TreeError::Overlap { output, input }));
    }
    let tree = match &from {
        Some(store) => folder::staged(store, &work.path().join("in"))?,
        None => folder::manifests(&args.inputs, &places, wanted.links, &terms.limits)?,
    };
    let output = Output {
        folder: if to.is_some() { Some(work.path().join("out")) } else { wanted.folder.clone() },
        // Other files do not take a way through a folder of this machine.
        others: if from.is_some() || to.is_some() { Others::Leave } else { wanted.others },
        durability: wanted.durability,
        links: wanted.links,
        unless_good_for: wanted.unless_good_for,
    };
    if let (Some(to), Some(out), Some(_)) = (&to, &output.folder, output.unless_good_for) {
        let signed: Vec<_> = tree.paths().map(|(relative, _)| relative.to_owned()).collect();
        run_to_end(to.stage_signed(&signed, out))??;
    }
    let mut done = Vec::new();
    // Media first: no manifest shall lead to what is not there.
    if wanted.others == Others::Copy && output.folder.is_some() {
        done.extend(run_to_end(bring(&tree, from.as_ref(), to.as_ref(), &output))?);
        tell_failures(args, &done);
    }
    let signed = tree::sign(args, &tree, &places, &terms, &output)?;
    done.extend(match (&to, &output.folder) {
        (Some(to), Some(out)) => {
            let published = run_to_end(publish(signed, to, out))?;
            tell_failures(args, &published);
            published
        }
        _ => signed,
    });
    tree::conclude(args, &done)
}

/// Names what is not in its place; what was not signed has been named before.
fn tell_failures(args: &Args, done: &[Done]) {
    let unwritten = done.iter().filter(|done| matches!(done.outcome, Signing::Unwritten(_)));
    for remark in unwritten.flat_map(report::remarks).filter(|_| !args.tree.json) {
        output::note(&remark);
    }
}

/// The store that is the input, if one is.
fn source(args: &Args) -> Result<Option<Store>, Failed> {
    match &args.inputs[..] {
        [input] if names_store(input) => Ok(Some(Store::open(input)?)),
        inputs if inputs.iter().any(|input| names_store(input)) => Err(Failed::usage(anyhow!(
            "a folder of object storage is the only input: give one at a time"
        ))),
        _ => Ok(None),
    }
}

/// Puts each manifest that was signed in its place, and says what became of it.
async fn publish(signed: Vec<Done>, to: &Store, out: &Path) -> Vec<Done> {
    let put = async |done: &Done| match done.outcome {
        Signing::Signed(_) => to.put(&out.join(&done.relative), &done.relative).await,
        _ => Ok(()),
    };
    let put = each(signed, put).await.into_iter();
    put.map(|(done, result)| settled(done, to.shown(), result)).collect()
}

/// Brings along what is no manifest, from a store, to one, or both.
async fn bring(
    tree: &Tree,
    from: Option<&Store>,
    to: Option<&Store>,
    output: &Output,
) -> Vec<Done> {
    let progress = Progress::of("files");
    let bring = async |done: &Done| {
        let result = match (from, to, &output.folder) {
            (Some(from), Some(to), _) => to.copy_from(from, &done.relative).await,
            (None, Some(to), _) => to.put(&done.path, &done.relative).await,
            (Some(from), None, Some(out)) => {
                from.copy_to(out, &done.relative, output.durability).await
            }
            (None, None, _) | (_, None, None) => Ok(()),
        };
        progress.one_more();
        result
    };
    let others = tree.other_paths().map(|(relative, path)| Done {
        path: path.to_owned(),
        relative: relative.to_owned(),
        outcome: Signing::Taken,
    });
    let place =
        to.map(|to| to.shown().to_owned()).or_else(|| output.folder.clone()).unwrap_or_default();
    let brought = each(others, bring).await.into_iter();
    brought.map(|(done, result)| settled(done, &place, result)).collect()
}

/// With the reason why it is not in its place, if it is not.
fn settled(mut done: Done, place: &Path, result: anyhow::Result<()>) -> Done {
    if let Err(error) = result {
        let path: PathBuf = place.join(&done.relative);
        let source = io::Error::other(error.to_string());
        done.outcome = Signing::Unwritten(WriteError { path, source });
    }
    done
}
