//! 2,000 media playlists with 500 segments each.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use sluicegate_bench::media_playlist;
use sluicegate_manifest::ExistingToken;
use sluicegate_offline::{Durability, Host, Others, Output, Places, Terms, Tree};
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
    Terms { hosts: vec![host], ip: None, existing: ExistingToken::Refuse, now }
}

pub(crate) fn places() -> Places {
    Places::at(Url::parse(BASE).expect("it is a URL")).expect("it is a folder")
}

pub(crate) fn output(folder: Option<PathBuf>, durability: Durability) -> Output {
    Output { folder, durability, others: Others::Leave, unless_good_for: None }
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
            let out = out(&format!("out-{at}"));
            let began = Instant::now();
            let signed = run(&input, out)?;
            let secs = began.elapsed().as_secs_f64();
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

type Run = fn(&Path, Option<PathBuf>) -> anyhow::Result<usize>;

fn runs() -> [(&'static str, Run); 7] {
    [
        ("find the manifests", |input, _| {
            let tree = Tree::find(&[input.to_owned()])?;
            Ok(tree.paths().count() * (SEGMENTS + 2))
        }),
        ("sign, write nothing, tokens of files", |input, _| {
            sign(input, None, Scope::File, Durability::Unsynced)
        }),
        ("sign, tokens of files", |input, out| sign(input, out, Scope::File, Durability::Unsynced)),
        ("sign, tokens of directories", |input, out| {
            sign(input, out, Scope::Directory, Durability::Unsynced)
        }),
        ("sign and fsync, tokens of files", |input, out| {
            sign(input, out, Scope::File, Durability::Synced)
        }),
        ("line scan, one hash at a time, write nothing", |input, _| line_scan::sign(input, None)),
        ("line scan, one hash at a time", |input, out| line_scan::sign(input, out.as_deref())),
    ]
}

fn sign(
    input: &Path,
    out: Option<PathBuf>,
    scope: Scope,
    durability: Durability,
) -> anyhow::Result<usize> {
    let tree = Tree::find(&[input.to_owned()])?;
    let done = tree.sign(&places(), &terms(scope), &output(out, durability), &|_| ())?;
    let tokens = |done: &sluicegate_offline::Done| match &done.outcome {
        sluicegate_offline::Outcome::Signed(signed) => signed.tokens,
        _ => 0,
    };
    Ok(done.iter().map(tokens).sum())
}

/// The most memory that this process had, all rows together.
fn peak_mib() -> anyhow::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    Ok(kib.unwrap_or_default() / 1024)
}
