//! Real playlists: `SLUICEGATE_CORPUS` names a folder whose `hls/` holds them.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use std::collections::BTreeMap;
use std::path::PathBuf;

use common::Mode;
use sluicegate_manifest::{Options, Template, undo};

/// The corpus's folder of playlists, if there is a corpus.
fn corpus() -> Option<PathBuf> {
    let Some(root) = std::env::var_os("SLUICEGATE_CORPUS") else {
        println!("SKIPPED: SLUICEGATE_CORPUS is not set");
        return None;
    };
    let hls = PathBuf::from(root).join("hls");
    if !hls.is_dir() {
        let is_ci = std::env::var_os("CI").is_some_and(|ci| ci == "true");
        assert!(!is_ci, "SLUICEGATE_CORPUS has no folder {}", hls.display());
        println!("SKIPPED: SLUICEGATE_CORPUS has no folder {}", hls.display());
        return None;
    }
    Some(hls)
}

/// Why the playlist is refused in the first mode that refuses it.
fn refusal(source: &[u8]) -> Option<String> {
    let template = match Template::compile(source.to_vec().into(), &Options::default()) {
        Ok(template) => template,
        Err(error) => return Some(error.to_string()),
    };
    let mut refusal = None;
    for mode in Mode::ALL {
        match mode.render(&template) {
            Ok((rendered, _)) => {
                assert_eq!(undo(&rendered.bytes, &rendered.edits), source, "{mode:?}");
                assert!(mode != Mode::Identity || rendered.bytes == source);
            }
            Err(error) => {
                refusal.get_or_insert_with(|| error.to_string());
            }
        }
    }
    refusal
}

/// The message without its place, `line 4 (byte 198), ` or `line 4 (byte 198): `.
fn kind(refusal: &str) -> String {
    let message = refusal.split_once(')').map_or(refusal, |(_, message)| message);
    message.trim_start_matches([',', ':', ' ']).to_owned()
}

#[test]
fn real_playlists_come_back_byte_for_byte() {
    let Some(hls) = corpus() else { return };
    let mut playlists = 0;
    let mut refused: BTreeMap<String, usize> = BTreeMap::new();
    for path in common::files_below(&hls).into_iter().filter(|path| common::is_playlist(path)) {
        playlists += 1;
        let name = path.strip_prefix(&hls).unwrap().display().to_string();
        let source = std::fs::read(&path).unwrap();
        let checked = std::panic::catch_unwind(|| refusal(&source));
        let Ok(refusal) = checked else { panic!("{name}: see above") };
        if let Some(refusal) = refusal {
            println!("refused {name}: {refusal}");
            *refused.entry(kind(&refusal)).or_default() += 1;
        }
    }
    for (kind, count) in &refused {
        println!("{count:4} {kind}");
    }
    let refused: usize = refused.values().sum();
    println!("{playlists} playlists, {refused} refused");
    assert!(playlists > 100, "{playlists} playlists are no corpus");
    assert!(refused * 4 <= playlists, "{refused} of {playlists} are refused");
}
