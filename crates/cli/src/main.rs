//! The command line of Sluicegate.
//!
//! Every command exits with 0 for success, 1 for something refused or invalid, 2 for a failure and
//! 64 for a usage error. Results go to stdout; notes and errors go to stderr.

/// Rendered playlists are large and live for one answer: the system's allocator spends more on them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

mod args;
mod clock;
mod commands;
mod config_file;
mod core_dumps;
mod exit;
mod key_source;
mod link_args;
mod listen;
mod output;
mod runtime;
mod scheme_args;
mod stop;
#[cfg(feature = "object-store")]
mod store;
mod telemetry;
mod traces;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;

use args::Args;
use exit::{Exit, Failed};

fn main() -> ExitCode {
    let exit = match Args::try_parse() {
        Ok(args) => run(args).unwrap_or_else(|failed| {
            output::error(&failed.error);
            failed.exit
        }),
        Err(error) => usage_or_help(&error),
    };
    exit.into()
}

fn run(args: Args) -> Result<Exit, Failed> {
    if !args.core_dumps {
        core_dumps::switch_off()
            .context("cannot switch core dumps off; --core-dumps allows them")?;
    }
    commands::run(args.command)
}

/// clap reports `--help` and `--version` as errors too; only its real ones are for stderr.
fn usage_or_help(error: &clap::Error) -> Exit {
    // Nobody is left to be told that the text could not be written.
    let _ = error.print();
    if error.use_stderr() { Exit::Usage } else { Exit::Ok }
}
