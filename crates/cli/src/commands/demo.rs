//! `sluicegate demo`: the gateway, a stand-in CDN and a page with two players, on one machine.

mod page;
mod streams;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, anyhow};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sluicegate_gateway::{
    AllowedSites, App, Carry, CdnConfig, Config, ConnectionLimits, Door, Edge, EntryConfig,
    GrantMode, Limits, Listening, OriginConfig, RateLimits, RouteConfig, Segments, SessionConfig,
    SessionRules, SystemClock, ThirdParty, Timeouts, TrustedProxies, Unexpandable, bind, serve,
};
use sluicegate_token::{CdnKey, Gcore, SchemeRing, Scope, SessionKey, SessionKeys};
use tracing_subscriber::filter::LevelFilter;

use self::page::Links;
use crate::exit::{Exit, Failed, Outcome};
use crate::stop::{Stop, run_until_stopped};
use crate::telemetry::LogArgs;
use crate::{listen, output};

const EXAMPLES: &str = "\
Examples:
  sluicegate demo
  sluicegate demo --listen 127.0.0.1:0 --segments cdn

Run it in the source tree after `npm ci` in examples/player; `make demo` does both. Prints the
page's URL, a link for any player, and a command that fetches its playlist. The links are for this
machine. The keys are random and live as long as the process; Ctrl-C ends it.";

/// Show two players side by side: a CDN's token alone, and the same through the gateway
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Where to listen; port 0 picks a free one
    #[arg(
        long, value_name = "ADDR:PORT", default_value = "127.0.0.1:8080",
        value_parser = listen::parse
    )]
    listen: SocketAddr,
    /// Folder with streams, each in a folder of its own with a master.m3u8 or manifest.mpd
    #[arg(long, value_name = "DIR", default_value = "fixtures/streams")]
    streams: PathBuf,
    /// Folder with the page and, in its node_modules, hls.js
    #[arg(long, value_name = "DIR", default_value = "examples/player")]
    page: PathBuf,
    /// Who delivers the segments on the gateway's side
    #[arg(long, value_name = "WHO", value_enum, default_value_t = SegmentsName::Gateway)]
    segments: SegmentsName,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum SegmentsName {
    /// The gateway itself
    Gateway,
    /// The stand-in CDN, with signed URLs
    Cdn,
}

pub(crate) fn run(args: &Args) -> Outcome {
    if !args.streams.is_dir() {
        return Err(no_folder(&args.streams, "--streams"));
    }
    let streams = streams::find(&args.streams)?;
    if streams.is_empty() {
        return Err(Failed::usage(anyhow!(
            "no folder in {} holds a master.m3u8 or manifest.mpd: pass another one by --streams DIR",
            args.streams.display()
        )));
    }
    if !args.page.is_dir() {
        return Err(no_folder(&args.page, "--page"));
    }
    if !args.page.join("node_modules/hls.js/dist/hls.mjs").is_file() {
        return Err(Failed::usage(anyhow!(
            "{} has no hls.js: run `npm ci` there, or `make demo`, or pass --page DIR",
            args.page.display()
        )));
    }
    args.log.start(LevelFilter::WARN)?;
    run_until_stopped(|stop| run_demo(args, streams, stop))
}

fn no_folder(folder: &Path, option: &str) -> Failed {
    Failed::usage(anyhow!(
        "there is no folder {}: run this in the source tree, or pass {option} DIR",
        folder.display()
    ))
}

async fn run_demo(args: &Args, streams: Vec<streams::Stream>, stop: Stop) -> Outcome {
    let secret = URL_SAFE_NO_PAD.encode(random::<24>()?);
    let key = CdnKey::plain("demo", secret.as_bytes());
    let cdn_scheme = Arc::new(Gcore::new(key.clone(), Scope::Directory));
    let link_scheme = Arc::new(Gcore::new(key, Scope::File));

    let listening = bind(args.listen).await?;
    // Another port is another origin to a browser, as a CDN is.
    let cdn_listening = bind(SocketAddr::new(args.listen.ip(), 0)).await?;
    let links = Links {
        gateway: url_of(&listening),
        cdn: url_of(&cdn_listening),
        link_scheme: Arc::clone(&link_scheme),
        cdn_scheme: Arc::clone(&cdn_scheme),
        streams,
    };
    let edge = Edge::open(
        &args.streams,
        SchemeRing::of(Arc::clone(&cdn_scheme) as _),
        Arc::new(SystemClock),
    )
    .with_context(|| format!("cannot serve the folder {}", args.streams.display()))?;
    let config = config(args, &listening, &cdn_listening, link_scheme, cdn_scheme)?;
    let app = App::build(config, Arc::new(SystemClock))?;

    announce(&links)?;
    let router = app.router_with(page::router(&args.page, links));
    let cdn = serve(cdn_listening, edge.router(), Door::default(), stop.clone().begun(), || ());
    let gateway = serve(listening, router, Door::default(), stop.begun(), move || app.drain());
    tokio::try_join!(gateway, cdn)?;
    Ok(Exit::Ok)
}

/// Scheme, host and port for a browser on this machine.
fn url_of(listening: &Listening) -> String {
    format!("http://{}", listen::reachable(listening.addr()))
}

fn announce(links: &Links) -> anyhow::Result<()> {
    let first = &links.streams[0];
    let hls = links.gateway_link(first)?;
    output::line(&format!("player: {}/player/", links.gateway))?;
    output::line(&format!("hls: {hls}"))?;
    output::line(&format!("curl: curl -sL '{hls}'"))
}

fn config(
    args: &Args,
    listening: &Listening,
    cdn: &Listening,
    link_scheme: Arc<Gcore>,
    cdn_scheme: Arc<Gcore>,
) -> anyhow::Result<Config> {
    let keys = SessionKeys::new(vec![SessionKey::new(1, random()?)])?;
    Ok(Config {
        listen: listening.addr(),
        tls: None,
        connections: ConnectionLimits::default(),
        rates: RateLimits::default(),
        origin_addresses: Vec::new(),
        public_url: None,
        trusted_proxies: TrustedProxies::default(),
        allowed_sites: AllowedSites::default(),
        session: SessionConfig {
            keys,
            length_secs: 4 * 3600,
            rules: SessionRules::default(),
            store: None,
        },
        api: None,
        admin: None,
        profiles: Vec::new(),
        limits: Limits::default(),
        daterange_uris: Vec::new(),
        timeouts: Timeouts::default(),
        routes: vec![RouteConfig {
            id: "demo".to_owned(),
            path: "/".to_owned(),
            keys: None,
            origin: OriginConfig::Folder(args.streams.clone()),
            health: None,
            allow_hosts: Vec::new(),
            asset: None,
            grant: GrantMode::Directory,
            carry: Carry::Path,
            segments: match args.segments {
                SegmentsName::Gateway => Segments::Gateway,
                SegmentsName::Cdn => Segments::Cdn,
            },
            third_party: ThirdParty::Refuse,
            existing_token: sluicegate_gateway::ExistingToken::Refuse,
            strict: false,
            unexpandable: Unexpandable::default(),
            url_query_info: false,
            sign_licenses: false,
            accel: None,
            bind_ip: false,
            forward_query: Vec::new(),
            entry: Some(EntryConfig {
                ring: SchemeRing::of(link_scheme),
                leeway_secs: 0,
                profile: 0,
            }),
            cdn: Some(CdnConfig {
                base_url: format!("{}/", url_of(cdn)).parse()?,
                ring: SchemeRing::of(cdn_scheme),
                ttl_secs: 3600,
            }),
        }],
        warnings: Vec::new(),
        files: Vec::new(),
    })
}

fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| anyhow!("no random bytes: {error}"))?;
    Ok(bytes)
}
