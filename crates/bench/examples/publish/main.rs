//! Signing for publication: a tree of many manifests, beside a line scan that hashes one URI at a time;
//! and how long after a packager's rename a sliding playlist is out.
//!
//! `publish [FOLDER]` works in FOLDER, or in the system's folder for temporary files. Trees are new each
//! time: a file system that has just removed as many files is slow to make others.

mod line_scan;
mod sliding;
mod tree;

use std::path::PathBuf;

use anyhow::Context as _;

fn main() -> anyhow::Result<()> {
    let parent = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let work = tempfile::tempdir_in(&parent)
        .with_context(|| format!("cannot make a folder in {}", parent.display()))?;
    tree::measure(work.path())?;
    sliding::measure(work.path())
}
