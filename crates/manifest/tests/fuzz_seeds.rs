//! The fuzz targets' bodies on every fixture, and on every input that once failed.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[allow(unreachable_pub, reason = "it is a crate of its own in fuzz/")]
#[path = "../../../fuzz/src/lib.rs"]
mod bodies;

use std::path::PathBuf;

use bodies::common;

/// Every seed, cut short in some places too; tells how many there were.
fn run_on_seeds(body: fn(&[u8])) -> usize {
    let fixtures = common::fixtures();
    let crashes = fixtures.join("../fuzz/crashes");
    let paths = [fixtures, crashes].into_iter().flat_map(|folder| common::files_below(&folder));
    let mut count = 0;
    let is_seed = |path: &PathBuf| {
        common::is_playlist(path)
            || path.extension().is_some_and(|extension| extension == "mpd")
            || path.file_stem().is_some_and(|name| name == "input")
    };
    for path in paths.filter(is_seed) {
        println!("{}", path.display());
        let seed = std::fs::read(&path).unwrap();
        for eighths in 1..=8 {
            body(&seed[..seed.len() * eighths / 8]);
        }
        count += 1;
    }
    count
}

#[test]
fn lexer_on_every_seed() {
    let count = run_on_seeds(bodies::lexer);
    assert!(count >= 60, "{count} seeds");
}

#[test]
fn render_on_every_seed() {
    let count = run_on_seeds(bodies::render);
    assert!(count >= 60, "{count} seeds");
}

/// Each vector's URL against every scheme, signed and cut short.
#[test]
fn verify_on_every_vector() {
    let text = std::fs::read_to_string(common::fixtures().join("token/vectors.json")).unwrap();
    let urls = text.lines().filter_map(|line| {
        let (_, rest) = line.split_once("\"signed\": \"").or(line.split_once("\"url\": \""))?;
        rest.split('"').next()
    });
    let mut count = 0;
    for url in urls {
        let target =
            url.split_once("://").map_or(url, |(_, rest)| &rest[rest.find('/').unwrap()..]);
        for choice in 0..64 {
            for end in [target.len(), target.len() * 3 / 4] {
                let target = target.get(..end).unwrap_or(target);
                bodies::verify(&[&[choice, choice], target.as_bytes()].concat());
            }
        }
        count += 1;
    }
    assert!(count >= 100, "{count} vectors");
}

#[test]
fn mpd_on_every_seed() {
    let count = run_on_seeds(bodies::mpd);
    assert!(count >= 60, "{count} seeds");
}
