//! hls.js plays what the gateway delivers itself, and its URLs open for its session alone.

use sluicegate_testkit::{Browser, Gateway, require_browser};

use crate::playback::{assert_played, urls_at};
use crate::replay;
use crate::setup::streams_config;
use crate::streams::{AES128, BYTERANGES, FLAT, SUBDIRS, Stream};

fn plays_for_its_session_alone(stream: &Stream, carry: &str) {
    let gateway = Gateway::start(&streams_config(carry));
    let link = gateway.entry_link(&stream.master());
    let played = Browser::play(&link, &stream.play_options());
    assert_played(stream, &link, &played);
    let home = gateway.url("/");
    let is_elsewhere = |url: &&str| !url.starts_with(&home);
    let elsewhere: Vec<_> =
        played.requests.iter().map(|request| request.url.as_str()).filter(is_elsewhere).collect();
    assert!(elsewhere.is_empty(), "{elsewhere:#?}");
    replay::at_gateway(&gateway, stream, &urls_at(&played, &home));
}

#[test]
fn subdirectories_play_with_the_session_in_the_path_in_chromium() {
    require_browser!();
    plays_for_its_session_alone(&SUBDIRS, "path");
}

#[test]
fn subdirectories_play_with_the_session_in_the_query_in_chromium() {
    require_browser!();
    plays_for_its_session_alone(&SUBDIRS, "query");
}

#[test]
fn encrypted_segments_play_with_the_session_in_the_path_in_chromium() {
    require_browser!();
    plays_for_its_session_alone(&AES128, "path");
}

#[test]
fn byte_ranges_play_with_the_session_in_the_query_in_chromium() {
    require_browser!();
    plays_for_its_session_alone(&BYTERANGES, "query");
}

#[test]
fn one_folder_plays_with_the_session_in_the_path_in_chromium() {
    require_browser!();
    plays_for_its_session_alone(&FLAT, "path");
}
