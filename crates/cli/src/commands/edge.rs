//! `sluicegate edge`: a stand-in for the CDN on a developer's machine.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use sluicegate_gateway::{Door, Edge, SystemClock, bind, serve};
use sluicegate_token::{Binding, SchemeRing};
use tracing_subscriber::filter::LevelFilter;

use crate::exit::{Exit, Outcome};
use crate::key_source::KeyArgs;
use crate::scheme_args::{CheckedScopeArgs, SchemeArgs};
use crate::stop::run_until_stopped;
use crate::telemetry::LogArgs;
use crate::{listen, output};

const EXAMPLES: &str = "\
Examples:
  export SLUICEGATE_KEY=$(sluicegate keygen)
  sluicegate edge fixtures/streams --scope directory &
  curl -I \"$(sluicegate sign --scope directory http://127.0.0.1:8081/flat/master.m3u8)\"
  sluicegate manifest sign --base-url http://127.0.0.1:8082/ --out signed --copy fixtures/streams
  sluicegate edge --scope directory --listen 127.0.0.1:8082 signed   # a signed tree, without a CDN

Answers as Gcore's edge and nginx secure_link do: 403 without a good token, 410 for a good one
that has expired. A directory token opens no subdirectory. The log says why a token is refused, and so
does a page at /_edge/, with the last requests.";

/// Serve a folder as the CDN would: only with a good token
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// The folder to serve
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    scheme: SchemeArgs,
    #[command(flatten)]
    scope: CheckedScopeArgs,
    /// Links are bound to the client's address: `sluicegate sign --ip ADDR`
    #[arg(long)]
    bind_ip: bool,
    /// Where to listen; port 0 picks a free one
    #[arg(
        long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8081",
        value_parser = listen::parse
    )]
    listen: SocketAddr,
    #[command(flatten)]
    key: KeyArgs,
    #[command(flatten)]
    log: LogArgs,
}

pub(crate) fn run(args: &Args) -> Outcome {
    let binding = if args.bind_ip { Binding::Ip } else { Binding::Plain };
    let key = args.key.read(binding)?;
    let (scope, opens) = args.scope.of();
    let ring = SchemeRing::of(args.scheme.with_key(key, scope, None)?).opens(opens);
    let edge = Edge::open(&args.folder, ring, Arc::new(SystemClock))
        .with_context(|| format!("cannot serve the folder {}", args.folder.display()))?;
    args.log.start(LevelFilter::INFO)?;
    run_until_stopped(|stop| async move {
        let listening = bind(args.listen).await?;
        let url = format!("http://{}", listening.addr());
        output::line(&format!("edge: {url}/"))?;
        output::line(&format!("requests: {url}{}", Edge::PAGE))?;
        serve(listening, edge.router(), Door::default(), stop.begun(), || ()).await?;
        Ok(Exit::Ok)
    })
}
