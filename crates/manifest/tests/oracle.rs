//! A second opinion: m3u8-rs reads the same playlist before and after signing, but for the tokens.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;
#[path = "common/second_opinion.rs"]
mod second_opinion;

use second_opinion::{parse_fully, with_absolute_assets, without_tokens};

/// Compares every playlist below the folder that m3u8-rs reads and that is not refused; tells how
/// many there were, and how many that were not compared.
fn compare_below(folder: &str) -> (usize, usize) {
    let (mut compared, mut passed_over) = (0, 0);
    for path in common::files_below(&common::fixtures().join(folder)) {
        let is_input = common::is_playlist(&path) && !path.ends_with("expected.m3u8");
        if !is_input {
            continue;
        }
        let source = std::fs::read(&path).unwrap();
        let is_refused = folder == "hls" && !path.with_file_name("expected.m3u8").exists();
        let Some(before) = parse_fully(&source).filter(|_| !is_refused) else {
            passed_over += 1;
            continue;
        };
        let rendered = common::sign(&source, common::BASE).unwrap();
        assert!(!rendered.edits.is_empty(), "{}", path.display());
        let after = parse_fully(&rendered.bytes).unwrap();
        assert_ne!(before, after, "{}", path.display());
        let base = common::url(common::BASE);
        let [before, after] =
            [before, without_tokens(after)].map(|parsed| with_absolute_assets(parsed, &base));
        assert_eq!(before, after, "{}", path.display());
        compared += 1;
    }
    (compared, passed_over)
}

#[test]
fn streams_parse_alike_before_and_after_signing() {
    let (compared, passed_over) = compare_below("streams");
    assert!(compared >= 13 && passed_over == 0, "{compared} compared, {passed_over} not");
}

#[test]
fn golden_playlists_parse_alike_before_and_after_signing() {
    let (compared, passed_over) = compare_below("hls");
    println!("{compared} compared, {passed_over} refused or not read by m3u8-rs");
    assert!(compared >= 15, "{compared} compared, {passed_over} not");
}
