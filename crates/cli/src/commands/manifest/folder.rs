//! What the commands on folders of manifests share: where the folder is, and what is in it.

use std::path::PathBuf;

use anyhow::anyhow;
use sluicegate_offline::{Places, Tree, TreeError};

use super::BaseUrl;
use crate::exit::{Exit, Failed};

/// The folder that a base URL stands for.
pub(super) fn places(base_url: &BaseUrl) -> Result<Places, Failed> {
    Places::at(base_url.url.clone()).ok_or_else(|| {
        Failed::usage(anyhow!(
            "--base-url is the URL of the folder here, and ends in '/': https://cdn.example.com/videos/"
        ))
    })
}

/// The manifests among the inputs, and those that the named ones lead to; one at least.
pub(super) fn manifests(inputs: &[PathBuf], places: &Places) -> Result<Tree, Failed> {
    let mut tree = Tree::find(inputs).map_err(not_taken)?;
    tree.follow(places);
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
