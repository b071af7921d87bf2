//! `sluicegate completions`: what a shell completes.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::args;
use crate::exit::{Exit, Outcome};
use crate::output;

const EXAMPLES: &str = "\
Examples:
  sluicegate completions bash > ~/.local/share/bash-completion/completions/sluicegate
  sluicegate completions zsh > ~/.zfunc/_sluicegate
  sluicegate completions fish > ~/.config/fish/completions/sluicegate.fish";

/// Print a shell's completions
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut args::Args::command(), "sluicegate", &mut script);
    output::bytes(&script)?;
    Ok(Exit::Ok)
}
