//! `sluicegate man`: manual pages.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::CommandFactory as _;

use crate::args;
use crate::exit::{Exit, Outcome};

const EXAMPLES: &str = "\
Examples:
  sluicegate man ~/.local/share/man/man1 && man sluicegate-manifest-sign";

/// Write the manual pages, one for each command
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// A folder of pages of section 1; it is made if it is not there
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let cannot = || format!("cannot write to {}", args.folder.display());
    fs::create_dir_all(&args.folder).with_context(cannot)?;
    clap_mangen::generate_to(args::Args::command(), &args.folder).with_context(cannot)?;
    Ok(Exit::Ok)
}
