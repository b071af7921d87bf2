//! `sluicegate manifest`: manifests as files, without a gateway.

mod diff;
mod folder;
mod hosts;
mod inspect;
mod limits;
mod shown;
mod sign;
mod strip;
mod verify;

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use sluicegate_manifest::{CompileError, Options, RefuseReason, Template};
use sluicegate_offline::{is_not_regular, open};
use url::Url;

use self::limits::{LimitArgs, with_limits};
use crate::exit::{Exit, Failed, Outcome};
use crate::output::printable;

const EXAMPLES: &str = "\
Examples:
  sluicegate manifest inspect --base-url https://cdn.example.com/videos/a/ master.m3u8
  sluicegate manifest sign --base-url https://cdn.example.com/videos/a/ master.m3u8 > signed.m3u8
  sluicegate manifest strip signed.m3u8 | cmp - master.m3u8
  sluicegate manifest sign --base-url https://cdn.example.com/videos/ --out signed videos
  sluicegate manifest verify --base-url https://cdn.example.com/videos/ signed

`sluicegate manifest COMMAND --help` has examples of each command.";

/// Sign, inspect, strip, compare or verify manifests
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Sign(Box<sign::Args>),
    Inspect(inspect::Args),
    Strip(strip::Args),
    Diff(diff::Args),
    Verify(Box<verify::Args>),
}

pub(crate) fn run(args: &Args) -> Outcome {
    match &args.command {
        Command::Sign(args) => sign::run(args),
        Command::Inspect(args) => inspect::run(args),
        Command::Strip(args) => strip::run(args),
        Command::Diff(args) => diff::run(args),
        Command::Verify(args) => verify::run(args),
    }
}

/// The argument that names a manifest.
#[derive(Debug, clap::Args)]
struct Input {
    /// The manifest, or - for standard input; `inspect` takes an http(s) URL, too
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl Input {
    fn is_stdin(&self) -> bool {
        self.file.as_os_str() == "-"
    }

    /// What messages call it.
    fn name(&self) -> String {
        if self.is_stdin() {
            return "standard input".to_owned();
        }
        if let Some(url) = self.url() {
            return shown::url(&url);
        }
        printable(&self.file.to_string_lossy()).into_owned()
    }

    /// The URL, if it is one.
    fn url(&self) -> Option<Url> {
        url_of(&self.file)
    }

    /// Reads it and finds its URIs.
    fn template(&self, limits: &LimitArgs) -> Result<Template, Failed> {
        self.compile(self.read()?, &limits.options())
    }

    fn compile(&self, source: Vec<u8>, options: &Options) -> Result<Template, Failed> {
        let template = Template::compile(source.into(), options);
        template.map_err(|error| self.refused(&not_compiled(&error)))
    }

    fn read(&self) -> Result<Vec<u8>, Failed> {
        if self.is_stdin() {
            let mut source = Vec::new();
            io::stdin().lock().read_to_end(&mut source).context("cannot read standard input")?;
            return Ok(source);
        }
        if self.url().is_some() {
            return Err(Failed::usage(anyhow!(
                "a manifest is read from a file here: fetch it first (`curl -L URL -o FILE`); \
                 `sluicegate manifest inspect` takes a URL"
            )));
        }
        let mut source = Vec::new();
        match open(&self.file, None).and_then(|mut file| file.read_to_end(&mut source)) {
            Err(error) if is_not_regular(&error) => Err(Failed::usage(anyhow!(
                "{} is no regular file: give - and the manifest on standard input",
                self.name()
            ))),
            read => {
                read.with_context(|| format!("cannot read the manifest {}", self.name()))?;
                Ok(source)
            }
        }
    }

    /// What is wrong with it, with its name.
    fn refused(&self, problem: &str) -> Failed {
        let error = anyhow!("{}: {}", self.name(), printable(problem));
        Failed { exit: Exit::Refused, error }
    }

    /// The manifest's own URL, of one that may be that of its folder.
    fn own_url(&self, base: &BaseUrl) -> Result<Url, Failed> {
        let mut url = base.url.clone();
        if !base.is_folder {
            return Ok(url);
        }
        if self.is_stdin() {
            return Err(Failed::usage(anyhow!(
                "--base-url ends in '/', and standard input has no file name: give the manifest's \
                 own URL, such as https://cdn.example.com/videos/a/master.m3u8"
            )));
        }
        let name = self.file.file_name().and_then(|name| name.to_str());
        match (name, url.path_segments_mut()) {
            (Some(name), Ok(mut segments)) => {
                segments.pop_if_empty().push(name);
            }
            _ => {
                return Err(Failed::usage(anyhow!(
                    "the file has no name that could end a URL: give the manifest's own URL as \
                     --base-url"
                )));
            }
        }
        Ok(url)
    }
}

/// An argument that is an HTTP URL, and no file's name.
fn url_of(argument: &Path) -> Option<Url> {
    let text = argument.to_str()?;
    let is_http = text.starts_with("http://") || text.starts_with("https://");
    is_http.then(|| text.parse().ok()).flatten()
}

/// Whether an argument is a folder of object storage: `s3://bucket/folder`, `gs://`, `az://`.
fn names_store(argument: &Path) -> bool {
    let scheme =
        argument.to_str().and_then(|text| text.split_once("://")).map(|(scheme, _)| scheme);
    matches!(scheme, Some("s3" | "s3a" | "gs" | "az" | "azure" | "abfs" | "abfss" | "adl"))
}

#[cfg(not(feature = "object-store"))]
fn no_store() -> Failed {
    Failed::usage(anyhow!(
        "this build has no object storage: make one with \
         `cargo build --release --package sluicegate --features object-store`"
    ))
}

/// Where a manifest lies.
#[derive(Clone, Debug)]
struct BaseUrl {
    url: Url,
    is_folder: bool,
}

fn parse_base_url(text: &str) -> Result<BaseUrl, String> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    // The text is not repeated: its query may hold a token.
    let url = url.ok_or(
        "expected the manifest's URL (https://host/path/name.m3u8), or that of its folder \
         (https://host/path/)",
    )?;
    Ok(BaseUrl { is_folder: url.as_str().ends_with('/'), url })
}

/// Why a manifest is none that can be signed, and what to do here.
fn not_compiled(error: &CompileError) -> String {
    with_limits(error.to_string(), error.limits())
}

/// Why a URI is refused, and what to do here.
fn refusal(reason: &RefuseReason) -> String {
    match reason {
        RefuseReason::ExistingToken(parameter) => format!(
            "it already holds the parameter '{parameter}': `manifest strip` takes tokens out, \
             `manifest sign --existing-token replace` replaces them"
        ),
        RefuseReason::ForeignHost => "it names a host that nothing is signed for, and `--third-party \
             refuse` refuses such manifests; `--third-party keep` keeps it, `manifest sign --policy` adds \
             hosts"
            .to_owned(),
        _ => with_limits(reason.to_string(), reason.limits()),
    }
}

/// `1 URI`, `2 URIs`.
fn uris(count: usize) -> String {
    format!("{count} URI{}", if count == 1 { "" } else { "s" })
}

/// `1 manifest`, `2 manifests`.
fn manifests(count: usize) -> String {
    format!("{count} manifest{}", if count == 1 { "" } else { "s" })
}
