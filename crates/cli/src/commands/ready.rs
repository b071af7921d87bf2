//! `sluicegate ready`: for health checks of containers, which have no other program that asks.

use anyhow::anyhow;
use sluicegate_gateway::Fetcher;
use url::Url;

use crate::exit::{Exit, Failed, Outcome};
use crate::runtime::run_to_end;

const EXAMPLES: &str = "\
Examples:
  sluicegate ready http://127.0.0.1:8080

Exit codes: 0 it takes viewers, 1 it answers and takes none, 2 it does not answer.";

/// Ask a running gateway whether it takes viewers
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Its address
    #[arg(value_name = "URL")]
    url: Url,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let asked = args.url.join("/readyz").map_err(|error| Failed::usage(anyhow!("{error}")))?;
    let fetcher = Fetcher::new().map_err(anyhow::Error::from)?;
    match run_to_end(fetcher.status_once(&asked))? {
        Ok(200) => Ok(Exit::Ok),
        Ok(status) => Err(Failed {
            exit: Exit::Refused,
            error: anyhow!("{} takes no viewers: it answers {status} to /readyz", args.url),
        }),
        Err(error) => Err(anyhow!("{}: {error}", args.url).into()),
    }
}
