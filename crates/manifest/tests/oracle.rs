//! A second opinion: m3u8-rs reads the same playlist before and after signing, but for the tokens.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use m3u8_rs::{ExtTag, Key, KeyMethod, MasterPlaylist, MediaPlaylist, Playlist, SessionDataField};

/// The text without the tokens that signing adds to it.
fn without_token(text: &mut String) {
    const TOKEN_CHARS: usize = 22;
    let end = format!("&expires={}", common::EXPIRES);
    while let Some(at) = text.find("md5=") {
        let hash_end = at + "md5=".len() + TOKEN_CHARS;
        assert!(text[hash_end..].starts_with(&end), "{text}");
        text.replace_range(at - 1..hash_end + end.len(), "");
    }
}

fn without_token_of_key(key: &mut Key) {
    key.uri.iter_mut().for_each(without_token);
    // Where a comma is missing, the URI is read as a part of the method.
    if let KeyMethod::Other(method) = &mut key.method {
        without_token(method);
    }
}

fn without_tokens_of_tags(tags: &mut [ExtTag]) {
    tags.iter_mut().filter_map(|tag| tag.rest.as_mut()).for_each(without_token);
}

fn without_tokens_of_master(playlist: &mut MasterPlaylist) {
    playlist.variants.iter_mut().for_each(|variant| without_token(&mut variant.uri));
    for alternative in &mut playlist.alternatives {
        alternative.uri.iter_mut().for_each(without_token);
    }
    for data in &mut playlist.session_data {
        if let SessionDataField::Uri(uri) = &mut data.field {
            without_token(uri);
        }
    }
    playlist.session_key.iter_mut().for_each(|key| without_token_of_key(&mut key.0));
    without_tokens_of_tags(&mut playlist.unknown_tags);
}

fn without_tokens_of_media(playlist: &mut MediaPlaylist) {
    for segment in &mut playlist.segments {
        without_token(&mut segment.uri);
        segment.key.iter_mut().for_each(without_token_of_key);
        segment.map.iter_mut().for_each(|map| without_token(&mut map.uri));
        without_tokens_of_tags(&mut segment.unknown_tags);
    }
    without_tokens_of_tags(&mut playlist.unknown_tags);
}

/// The parse, if nothing of the text was left over.
fn parse_fully(text: &[u8]) -> Option<Playlist> {
    match m3u8_rs::parse_playlist(text) {
        Ok(([], playlist)) => Some(playlist),
        _ => None,
    }
}

fn without_tokens(mut playlist: Playlist) -> Playlist {
    match &mut playlist {
        Playlist::MasterPlaylist(master) => without_tokens_of_master(master),
        Playlist::MediaPlaylist(media) => without_tokens_of_media(media),
    }
    playlist
}

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
        assert_eq!(before, without_tokens(after), "{}", path.display());
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
