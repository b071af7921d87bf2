//! `sluicegate manifest sign --watch`: a live packager's folder, signed as it changes.

use std::path::Path;
use std::time::Duration;

use anyhow::anyhow;
use serde::Serialize;
use sluicegate_offline::{Done, News, Outcome as Signing, Watch, WatchError};

use super::super::{folder, manifests};
use super::report;
use super::{Args, terms};
use crate::exit::{Exit, Failed, Outcome};
use crate::output::{self, printable};
use crate::stop::run_until_stopped;

/// A line of `--json`.
#[derive(Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
enum Line<'n> {
    /// A manifest was signed, or not.
    Manifest(report::Row),
    /// A manifest waits for a file that it names.
    Waits { output: &'n Path, file: &'n Path },
    /// A file has gone.
    Removed { output: &'n Path },
    /// Something else is wrong.
    Trouble { problem: &'n str },
}

/// How many of the watch's doings went well, and how many did not.
#[derive(Debug, Default)]
struct Counts {
    signed: usize,
    failed: usize,
}

pub(super) fn run(args: &Args) -> Outcome {
    let [input] = &args.inputs[..] else {
        return Err(Failed::usage(anyhow!("--watch takes one folder")));
    };
    if !input.is_dir() {
        return Err(Failed::usage(anyhow!("--watch takes a folder: {} is none", input.display())));
    }
    let places = folder::places(&args.base_url)?;
    // A wrong key shows now, not at the first change.
    let renew_after = renew_after(args)?;
    let watch = Watch::open(input, places, args.tree.output()).map_err(not_watched)?;
    output::note(&format!("watching {}", printable(&input.to_string_lossy())));
    let stopper = watch.stopper();
    let args = args.clone();
    run_until_stopped(|stop| async move {
        tokio::spawn(async move {
            stop.begun().await;
            stopper.stop();
        });
        tokio::task::spawn_blocking(move || watch_on(&args, watch, renew_after)).await?
    })
}

fn watch_on(args: &Args, watch: Watch, renew_after: Option<Duration>) -> Outcome {
    let base = &args.base_url.url;
    let terms = || terms(args, base).map_err(|failed| format!("{:#}", failed.error));
    let mut counts = Counts::default();
    let mut unprinted = None;
    let mut tell = |news: &News| {
        counts.add(news);
        let told = if args.tree.json { print(news) } else { note(news) };
        unprinted = unprinted.take().or(told.err());
    };
    watch.run(&terms, renew_after, &mut tell).map_err(not_watched)?;
    if let Some(error) = unprinted {
        return Err(error.into());
    }
    output::note(&format!("{} signed, {} not", manifests(counts.signed), counts.failed));
    Ok(Exit::Ok)
}

/// Half of the time for which the tokens that end first are good, unless the command line says when
/// they end.
fn renew_after(args: &Args) -> Result<Option<Duration>, Failed> {
    let terms = terms(args, &args.base_url.url)?;
    if args.expiry.is_fixed() {
        return Ok(None);
    }
    let first = terms.hosts.iter().map(|host| host.expires.0).min();
    Ok(first.map(|first| Duration::from_secs(first.saturating_sub(terms.now.0)) / 2))
}

fn print(news: &News) -> anyhow::Result<()> {
    let line = match news {
        News::Done(Done { outcome: Signing::Taken, .. }) => return Ok(()),
        News::Done(done) => Line::Manifest(report::Row::of(done)),
        News::Waits { relative, what } => Line::Waits { output: relative, file: what },
        News::Removed(relative) => Line::Removed { output: relative },
        News::Trouble(problem) => Line::Trouble { problem },
    };
    output::json(&line)
}

fn note(news: &News) -> anyhow::Result<()> {
    let shown = |path: &Path| printable(&path.to_string_lossy()).into_owned();
    match news {
        News::Done(done) => report::remarks(done).for_each(|remark| output::note(&remark)),
        News::Waits { relative, what } => output::note(&format!(
            "{}: it names {}, which is not there yet",
            shown(relative),
            shown(what)
        )),
        News::Removed(_) => {}
        News::Trouble(problem) => output::warning(&printable(problem)),
    }
    Ok(())
}

impl Counts {
    fn add(&mut self, news: &News) {
        match news {
            News::Done(Done { outcome: Signing::Signed(_), .. }) => self.signed += 1,
            News::Done(done) if report::failure(done).is_some() => self.failed += 1,
            _ => {}
        }
    }
}

fn not_watched(error: WatchError) -> Failed {
    match error {
        WatchError::Tree(error) => folder::not_taken(error),
        error => error.into(),
    }
}
