//! `sluicegate config check`: whether a configuration can be served.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Serialize;
use sluicegate_gateway::{Config, RouteConfig};

use crate::exit::{Exit, Failed, Outcome};
use crate::{config_file, output};

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

#[derive(Serialize)]
struct Checked {
    valid: bool,
    /// Why it cannot be served.
    error: Option<String>,
    listen: Option<SocketAddr>,
    routes: Vec<CheckedRoute>,
    /// What can be served and is hardly meant so.
    warnings: Vec<String>,
}

#[derive(Serialize)]
struct CheckedRoute {
    id: String,
    path: String,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let Command::Check { file, json } = &args.command;
    let loaded = config_file::load(file);
    if *json {
        let exit = loaded.as_ref().map_or_else(|failed| failed.exit, |_| Exit::Ok);
        output::json(&Checked::new(&loaded))?;
        return Ok(exit);
    }
    let config = loaded?;
    for warning in config_file::warnings(&config) {
        output::warning(&warning);
    }
    let route = |route: &RouteConfig| format!("{} at {}", route.id, route.path);
    let routes: Vec<_> = config.routes.iter().map(route).collect();
    output::line(&format!("{}: good; routes: {}", file.display(), routes.join(", ")))?;
    Ok(Exit::Ok)
}

impl Checked {
    fn new(loaded: &Result<Config, Failed>) -> Self {
        let config = loaded.as_ref().ok();
        let route =
            |route: &RouteConfig| CheckedRoute { id: route.id.clone(), path: route.path.clone() };
        Self {
            valid: config.is_some(),
            error: loaded.as_ref().err().map(|failed| format!("{:#}", failed.error)),
            listen: config.map(|config| config.listen),
            routes: config
                .map(|config| config.routes.iter().map(route).collect())
                .unwrap_or_default(),
            warnings: config.map(config_file::warnings).unwrap_or_default(),
        }
    }
}
