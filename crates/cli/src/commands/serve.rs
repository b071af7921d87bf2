//! `sluicegate serve`: the gateway.

use std::path::PathBuf;
use std::sync::Arc;

use sluicegate_gateway::{
    Bound, Config, Door, Inherited, Listening, Live, SystemClock, bind, serve,
};
use tracing_subscriber::filter::LevelFilter;

use crate::exit::{Exit, Outcome};
use crate::stop::{Stop, run_until_stopped};
use crate::telemetry::LogArgs;
use crate::{config_file, output, traces};

const EXAMPLES: &str = "\
Examples:
  sluicegate config check gateway.toml
  sluicegate serve --config gateway.toml
  SLUICEGATE_LOG=debug sluicegate serve --config gateway.toml --log-format json

Prints its address on stdout, and that of the operators' page if there is an [admin] table, then a log
line for each request on stderr.

SIGHUP reads the configuration again, and so does a change of it or of a file that it names: sessions,
connections and running requests go on. What cannot be used is told in the log, and the old one stays.

SIGTERM or Ctrl-C stops: /readyz is 503, new connections are taken for stop.notice_secs more (0), and
running requests get stop.drain_secs (10) to end; a second signal cuts them. A socket of systemd, or of
systemfd, is taken instead of `listen`, a second one instead of `admin.listen`: nobody is refused while
one process takes over from another.";

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
    let traces = traces::start()?;
    let outcome = run_until_stopped(|stop| run_gateway(args, config, stop));
    traces.finish();
    outcome
}

async fn run_gateway(args: &Args, config: Config, stop: Stop) -> Outcome {
    let mut inherited = Inherited::of_environment();
    let listening = match inherited.take(0)? {
        Some(listening) => listening,
        None => bind(config.listen).await?,
    };
    let scheme = if config.tls.is_some() { "https" } else { "http" };
    let admin = match (&config.admin, inherited.take(1)?) {
        (Some(_), Some(listening)) => Some(listening),
        (Some(admin), None) => Some(bind(admin.listen).await?),
        (None, _) => None,
    };
    let bound = Bound { players: listening.addr(), operators: admin.as_ref().map(Listening::addr) };
    let live = Live::build(config, bound, Arc::new(SystemClock))?;
    output::line(&format!("gateway: {scheme}://{}/", listening.addr()))?;
    let operators = admin.zip(live.admin_router());
    if let Some((listening, _)) = &operators {
        output::line(&format!("admin: http://{}/", listening.addr()))?;
    }
    let admin_stop = stop.clone();
    let for_operators = async move {
        let Some((listening, router)) = operators else { return Ok(()) };
        serve(listening, router, Door::default(), admin_stop.begun(), || ()).await
    };
    let (watched, followed, path) = (live.clone(), live.clone(), args.config.clone());
    // Both end with the runtime.
    tokio::spawn(async move { watched.watch().await });
    tokio::spawn(async move { followed.follow(&path).await });
    let draining = live.clone();
    let on_shutdown = move || draining.app().drain();
    let for_players = serve(listening, live.front(), live.door(), stop.begun(), on_shutdown);
    tokio::try_join!(for_players, for_operators)?;
    Ok(Exit::Ok)
}
