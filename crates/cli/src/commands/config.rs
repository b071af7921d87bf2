//! `sluicegate config check`: whether a configuration can be served.

use std::path::PathBuf;

use sluicegate_gateway::Config;

use crate::exit::{Exit, Failed, Outcome};
use crate::output;

const EXAMPLES: &str = "\
Examples:
  sluicegate config check gateway.toml
  sluicegate config check gateway.toml --json | jq -r '.routes[].id'

Keys are read and folders are looked for, no port is bound. Exit code 1 if it cannot be served.";

/// Check a configuration
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Read a configuration and its keys, and say what is wrong
    #[command(after_help = EXAMPLES)]
    Check {
        /// The configuration
        file: PathBuf,
        /// Print a JSON object
        #[arg(long)]
        json: bool,
    },
}

pub(crate) fn run(args: &Args) -> Outcome {
    let Command::Check { file, json } = &args.command;
    match Config::load(file) {
        Ok(config) => {
            if *json {
                let routes: Vec<_> = config
                    .routes
                    .iter()
                    .map(|route| serde_json::json!({ "id": route.id, "path": route.path }))
                    .collect();
                output::json(
                    &serde_json::json!({ "valid": true, "listen": config.listen, "routes": routes }),
                )?;
            } else {
                let routes: Vec<_> = config
                    .routes
                    .iter()
                    .map(|route| format!("{} at {}", route.id, route.path))
                    .collect();
                output::line(&format!("{}: good; routes: {}", file.display(), routes.join(", ")))?;
            }
            Ok(Exit::Ok)
        }
        Err(error) if *json => {
            output::json(&serde_json::json!({ "valid": false, "error": error.to_string() }))?;
            Ok(Exit::Refused)
        }
        Err(error) => Err(Failed { exit: Exit::Refused, error: error.into() }),
    }
}
