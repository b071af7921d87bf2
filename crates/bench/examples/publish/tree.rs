//! 2,000 media playlists with 500 segments each.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rayon::prelude::*;
use sluicegate_bench::media_playlist;
use sluicegate_manifest::{ExistingToken, Limits};
use sluicegate_offline::{Durability, Host, Links, Others, Output, Places, Terms, Tree};
use sluicegate_token::{CdnKey, Gcore, Scope, UnixTime};
use url::Url;

use crate::line_scan;

pub(crate) const BASE: &str = "https://cdn.example.com/vod/";
pub(crate) const SECRET: &str = "secret-of-the-benchmark";
pub(crate) const EXPIRES: UnixTime = UnixTime(2_000_000_000);
const MANIFESTS: usize = 2_000;
const SEGMENTS: usize = 500;
const ROUNDS: usize = 5;

pub(crate) fn terms(scope: Scope) -> Terms {
    let scheme = Arc::new(Gcore::new(CdnKey::plain("cdn", SECRET.as_bytes()), scope));
    let url = Url::parse(BASE).expect("it is a URL");
    let host = Host { url, scheme, expires: EXPIRES };
    let now = UnixTime(1_800_000_000);
    Terms {
        hosts: vec![host],
        ip: None,
        existing: ExistingToken::Refuse,
        trusts_strangers: false,
        refuses_strangers: false,
        now,
        limits: Limits::OWN_FILE,
    }
}

pub(crate) fn places() -> Places {
    Places::at(Url::parse(BASE).expect("it is a URL")).expect("it is a folder")
}

pub(crate) fn output(folder: Option<PathBuf>, durability: Durability) -> Output {
    Output {
        folder,
        durability,
        others: Others::Leave,
        links: Links::Within,
        unless_good_for: None,
    }
}

pub(crate) fn measure(work: &Path) -> anyhow::Result<()> {
    let input = work.join("input");
    let playlist = media_playlist(SEGMENTS);
    for number in 0..MANIFESTS {
        let folder = input.join(format!("film-{:03}/{}", number / 10, number % 10));
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("index.m3u8"), &playlist)?;
    }
    let uris = MANIFESTS * (SEGMENTS + 2);
    println!(
        "{MANIFESTS} playlists with {uris} URIs, {} KB each; the median of {ROUNDS} rounds\n",
        playlist.len() / 1000
    );
    println!("| | s | million URIs/s |\n| --- | ---: | ---: |");
    // Two of the same name are not in each other's way: the rounds of all are run in turn.
    let mut rows: Vec<(&str, Vec<f64>)> = Vec::new();
    for round in 0..ROUNDS {
        let out = |name: &str| Some(work.join(format!("{name}-{round}")));
        for (at, (name, run)) in runs().into_iter().enumerate() {
            let (signed, took) = run(&input, out(&format!("out-{at}")))?;
            let secs = took.as_secs_f64();
            anyhow::ensure!(signed == uris, "{name}: {signed} URIs");
            match rows.get_mut(at) {
                Some((_, all)) => all.push(secs),
                None => rows.push((name, vec![secs])),
            }
        }
    }
    for (name, mut secs) in rows {
        secs.sort_by(f64::total_cmp);
        let median = secs[ROUNDS / 2];
        println!("| {name} | {median:.3} | {:.2} |", uris as f64 / median / 1e6);
    }
    println!("\npeak memory of all: {} MiB", peak_mib()?);
    Ok(())
}

/// How many URIs, and how long it took.
type Measured = anyhow::Result<(usize, Duration)>;
type Run = fn(&Path, Option<PathBuf>) -> Measured;

fn runs() -> [(&'static str, Run); 9] {
    [
        ("find the manifests", |input, _| {
            timed(|| {
                Ok(Tree::find(&[input.to_owned()], Links::Within)?.paths().count() * (SEGMENTS + 2))
            })
        }),
        ("sign what is found, write nothing, tokens of files", |input, _| {
            let tree = Tree::find(&[input.to_owned()], Links::Within)?;
            timed(|| sign(&tree, None, Scope::File, Durability::Unsynced))
        }),
        ("find and sign, write nothing, tokens of files", |input, _| {
            publish(input, None, Scope::File, Durability::Unsynced)
        }),
        ("find, sign and write, tokens of files", |input, out| {
            publish(input, out, Scope::File, Durability::Unsynced)
        }),
        ("find, sign and write, tokens of directories", |input, out| {
            publish(input, out, Scope::Directory, Durability::Unsynced)
        }),
        ("find, sign, write and fsync, tokens of files", |input, out| {
            publish(input, out, Scope::File, Durability::Synced)
        }),
        ("write and rename files as long, nothing else", |input, out| {
            write_alone(input, &out.expect("each run has a folder"))
        }),
        ("line scan, one hash at a time, write nothing", |input, _| {
            timed(|| line_scan::sign(input, None))
        }),
        ("line scan, one hash at a time", |input, out| {
            timed(|| line_scan::sign(input, out.as_deref()))
        }),
    ]
}

fn timed(run: impl FnOnce() -> anyhow::Result<usize>) -> Measured {
    let began = Instant::now();
    Ok((run()?, began.elapsed()))
}

fn publish(input: &Path, out: Option<PathBuf>, scope: Scope, durability: Durability) -> Measured {
    timed(|| sign(&Tree::find(&[input.to_owned()], Links::Within)?, out, scope, durability))
}

fn sign(
    tree: &Tree,
    out: Option<PathBuf>,
    scope: Scope,
    durability: Durability,
) -> anyhow::Result<usize> {
    let done = tree.sign(&places(), &terms(scope), &output(out, durability), &|_| ())?;
    let tokens = |done: &sluicegate_offline::Done| match &done.outcome {
        sluicegate_offline::Outcome::Signed(signed) => signed.tokens,
        _ => 0,
    };
    Ok(done.iter().map(tokens).sum())
}

/// What the file system takes for as many files of the same lengths, whoever writes them.
fn write_alone(input: &Path, out: &Path) -> Measured {
    const SIGNED_URI_ADDS: usize = "?md5=&expires=2000000000".len() + 22;
    let tree = Tree::find(&[input.to_owned()], Links::Within)?;
    let paths: Vec<PathBuf> = tree.paths().map(|(relative, _)| out.join(relative)).collect();
    let text = vec![b'#'; media_playlist(SEGMENTS).len() + (SEGMENTS + 2) * SIGNED_URI_ADDS];
    timed(|| {
        let counts = paths.par_iter().map(|path| -> anyhow::Result<usize> {
            fs::create_dir_all(path.parent().unwrap_or(out))?;
            let unfinished = path.with_extension("tmp");
            fs::write(&unfinished, &text)?;
            fs::rename(unfinished, path)?;
            Ok(SEGMENTS + 2)
        });
        counts.sum()
    })
}

/// The most memory that this process had, all rows together.
fn peak_mib() -> anyhow::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    Ok(kib.unwrap_or_default() / 1024)
}
