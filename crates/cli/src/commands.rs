//! The commands: each has its arguments, its help and its `run` in one file.

pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod demo;
pub(crate) mod edge;
pub(crate) mod explain;
pub(crate) mod keygen;
pub(crate) mod man;
pub(crate) mod manifest;
pub(crate) mod ready;
pub(crate) mod schemes;
pub(crate) mod serve;
pub(crate) mod sign;
pub(crate) mod verify;

use crate::args::Command;
use crate::exit::Outcome;

/// Runs a command to its end.
pub(crate) fn run(command: Command) -> Outcome {
    match command {
        Command::Serve(args) => serve::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Edge(args) => edge::run(&args),
        Command::Sign(args) => sign::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Schemes(args) => schemes::run(&args),
        Command::Manifest(args) => manifest::run(&args),
        Command::Keygen(args) => keygen::run(&args),
        Command::Config(args) => config::run(&args),
        Command::Ready(args) => ready::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    }
}
