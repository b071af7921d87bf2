//! What the commands on folders of manifests share: where the folder is, and what is in it.

#[cfg(feature = "object-store")]
use std::path::Path;
use std::path::PathBuf;

#[cfg(feature = "object-store")]
use anyhow::Context as _;
use anyhow::anyhow;
use sluicegate_manifest::Limits;
use sluicegate_offline::{Links, Places, Tree, TreeError};

use super::BaseUrl;
use crate::exit::{Exit, Failed};
#[cfg(feature = "object-store")]
use crate::{output::Progress, runtime::run_to_end, store::Store};

/// The folder that a base URL stands for.
pub(super) fn places(base_url: &BaseUrl) -> Result<Places, Failed> {
    Places::at(base_url.url.clone()).ok_or_else(|| {
        Failed::usage(anyhow!(
            "--base-url is the URL of the folder here, and ends in '/': https://cdn.example.com/videos/"
        ))
    })
}

/// The manifests among the inputs, and those that the named ones lead to; one at least.
pub(super) fn manifests(
    inputs: &[PathBuf],
    places: &Places,
    links: Links,
    limits: &Limits,
) -> Result<Tree, Failed> {
    let mut tree = Tree::find(inputs, links).map_err(not_taken)?;
    tree.follow(places, limits);
    not_empty(tree)
}

/// The manifests of a folder of object storage, fetched into `work`.
#[cfg(feature = "object-store")]
pub(super) fn staged(store: &Store, work: &Path) -> Result<Tree, Failed> {
    std::fs::create_dir_all(work).context("cannot make a temporary folder")?;
    let progress = Progress::of("objects");
    let others = run_to_end(store.stage(work, &progress))??;
    progress.finish();
    let tree = Tree::staged(work, store.shown(), others).map_err(not_taken)?;
    not_empty(tree)
}

fn not_empty(tree: Tree) -> Result<Tree, Failed> {
    if tree.is_empty() {
        let error = anyhow!("there is no manifest among the inputs");
        return Err(Failed { exit: Exit::Refused, error });
    }
    Ok(tree)
}

/// How a command ends whose inputs or output cannot be taken.
pub(super) fn not_taken(error: TreeError) -> Failed {
    let exit = match &error {
        TreeError::Unreadable { .. } | TreeError::Write(_) => Exit::Failure,
        _ => Exit::Usage,
    };
    Failed { exit, error: error.into() }
}
