//! `sluicegate serve`: the gateway.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use sluicegate_gateway::{App, Config, SystemClock, bind, serve, shutdown_signal};

use crate::exit::{Exit, Failed, OrExit as _, Outcome};
use crate::output;
use crate::telemetry::LogArgs;

const EXAMPLES: &str = "\
Examples:
  sluicegate config check gateway.toml
  sluicegate serve --config gateway.toml
  SLUICEGATE_LOG=debug sluicegate serve --config gateway.toml --log-format json

SIGTERM or Ctrl-C stops: /readyz turns to 503, running requests get ten seconds to end.";

/// Run the gateway
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The configuration (docs/configuration.md; examples/gateway.toml is one to begin with)
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    #[command(flatten)]
    log: LogArgs,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let config = Config::load(&args.config).or_exit(Exit::Refused)?;
    args.log.start("info");
    block_on(run_gateway(config))
}

async fn run_gateway(mut config: Config) -> Outcome {
    let listening = bind(config.listen).await?;
    config.listen = listening.addr();
    output::note(&format!("listening on http://{}", config.listen));
    let app = App::build(config, Arc::new(SystemClock))?;
    let router = app.router();
    serve(listening, router, stopped(), move || app.drain()).await?;
    Ok(Exit::Ok)
}

/// Completes when the process is told to stop.
pub(crate) async fn stopped() {
    if let Err(error) = shutdown_signal().await {
        output::error(&anyhow::Error::new(error).context("cannot watch for signals"));
        std::future::pending::<()>().await;
    }
}

/// Runs an asynchronous command on all cores.
pub(crate) fn block_on(command: impl Future<Output = Outcome>) -> Outcome {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")
        .map_err(Failed::from)?;
    runtime.block_on(command)
}
