//! What can stand on the command line; the arguments of a command live beside its code.

use clap::{Parser, Subcommand};

use crate::commands::{
    completions, config, demo, edge, explain, keygen, man, manifest, ready, schemes, serve, sign,
    verify,
};

const EXAMPLES: &str = "\
Examples:
  sluicegate demo
  sluicegate serve --config gateway.toml
  sluicegate keygen --out cdn.key
  sluicegate sign --key-file cdn.key --ttl 2h https://cdn.example.com/videos/a/master.m3u8
  sluicegate verify --key-file cdn.key 'https://cdn.example.com/videos/a/master.m3u8?md5=...'
  sluicegate explain --key-file cdn.key 'https://cdn.example.com/videos/a/master.m3u8?md5=...'
  sluicegate manifest sign --key-file cdn.key --base-url https://cdn.example.com/videos/a/ master.m3u8

Exit codes: 0 ok, 1 refused or invalid, 2 failure, 64 usage.
`sluicegate COMMAND --help` has examples of each command.";

/// Streaming gateway that signs every URI of a manifest, for CDNs with secure tokens.
#[derive(Debug, Parser)]
#[command(name = "sluicegate", version, after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Allow core dumps of this process, which hold its keys.
    #[arg(long, global = true)]
    pub(crate) core_dumps: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// The commands, in the order in which `--help` lists them.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Serve(serve::Args),
    Demo(demo::Args),
    Edge(edge::Args),
    Sign(sign::Args),
    Verify(verify::Args),
    Explain(explain::Args),
    Schemes(schemes::Args),
    Manifest(manifest::Args),
    Keygen(keygen::Args),
    Config(config::Args),
    Ready(ready::Args),
    Completions(completions::Args),
    Man(man::Args),
}
