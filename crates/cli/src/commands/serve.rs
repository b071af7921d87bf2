//! `sluicegate serve`: the gateway.

use std::path::PathBuf;
use std::sync::Arc;

use sluicegate_gateway::{App, Config, SystemClock, bind, serve};
use tracing_subscriber::filter::LevelFilter;

use crate::exit::{Exit, Outcome};
use crate::stop::{Stop, run_until_stopped};
use crate::telemetry::LogArgs;
use crate::{config_file, output};

const EXAMPLES: &str = "\
Examples:
  sluicegate config check gateway.toml
  sluicegate serve --config gateway.toml
  SLUICEGATE_LOG=debug sluicegate serve --config gateway.toml --log-format json

Prints its address on stdout, and that of the operators' page if there is an [admin] table, then a log
line for each request on stderr. SIGTERM or Ctrl-C stops: no new connection is accepted, /readyz is 503
on those that are open, running requests get ten seconds to end; a second signal cuts them.";

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
    let config = config_file::load(&args.config)?;
    for warning in config_file::warnings(&config) {
        output::warning(&warning);
    }
    args.log.start(LevelFilter::INFO)?;
    run_until_stopped(|stop| run_gateway(config, stop))
}

async fn run_gateway(mut config: Config, stop: Stop) -> Outcome {
    let listening = bind(config.listen).await?;
    config.listen = listening.addr();
    let admin = match &config.admin {
        Some(admin) => Some(bind(admin.listen).await?),
        None => None,
    };
    let app = App::build(config, Arc::new(SystemClock))?;
    output::line(&format!("gateway: http://{}/", listening.addr()))?;
    let operators = admin.zip(app.admin_router());
    if let Some((listening, _)) = &operators {
        output::line(&format!("admin: http://{}/", listening.addr()))?;
    }
    let admin_stop = stop.clone();
    let for_operators = async move {
        match operators {
            Some((listening, router)) => serve(listening, router, admin_stop.begun(), || ()).await,
            None => Ok(()),
        }
    };
    let (router, watched) = (app.router(), app.clone());
    // It ends with the runtime.
    tokio::spawn(async move { watched.watch_origins().await });
    let for_players = serve(listening, router, stop.begun(), move || app.drain());
    tokio::try_join!(for_players, for_operators)?;
    Ok(Exit::Ok)
}
