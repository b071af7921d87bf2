//! dash.js, Shaka Player, video.js, ffmpeg and GStreamer play the DASH streams in every mode of
//! delivery, and no URL that they asked for opens with a broken token.

mod downloader;
mod modes;
mod replay;

use sluicegate_testkit::browser::{PlayOptions, Playback, Player, PlayerError};
use sluicegate_testkit::players::{ffmpeg_frames, gstreamer};
use sluicegate_testkit::{Browser, require_browser, require_proof, require_tools};

use self::modes::{Mode, Scene};
use crate::streams::FRAMES;

/// The streams, each with the files of media that a playback to the end asks for at least.
const STREAMS: [(&str, usize); 5] =
    [("number", 10), ("timeline", 10), ("list", 10), ("ondemand", 2), ("hosts", 10)];

const PLAYERS: [Player; 3] = [Player::DashJs, Player::Shaka, Player::VideoJs];

/// A player may leave out a few frames at the ends of segments.
const MIN_FRAMES: u64 = FRAMES - 10;

/// Plays a stream to the end, and tries its URLs again.
fn plays(stream: &str, mode: Mode, player: Player) {
    let scene = Scene::start(stream, mode);
    let options = PlayOptions { player, rate: 2.0, ..PlayOptions::default() };
    let link = scene.link();
    let played = Browser::play(&link, &options);
    let what = format!("{stream}, {mode:?}, {player:?}");
    eprintln!(
        "{what}: {} frames, {} requests, statuses {:?}, errors {:?}",
        played.frames,
        played.requests.len(),
        played.statuses(),
        played.errors
    );
    assert_played(&what, &link, mode, &played);
    let files = scene.media_files(&played);
    let (_, expected) = STREAMS.iter().find(|(name, _)| *name == stream).unwrap();
    assert!(files.len() >= *expected, "{what}: {files:#?}");
    scene.assert_delivered_from_where_it_should(&played);
    replay::with_broken_tokens(&what, &played, &link);
}

fn assert_played(what: &str, link: &str, mode: Mode, played: &Playback) {
    assert!(played.ended && !played.timed_out, "{what} was not played to the end: {played:#?}");
    assert!(played.frames >= MIN_FRAMES, "{what}: {played:#?}");
    let is_bad = |error: &&PlayerError| error.fatal || error.kind == "networkError";
    let bad: Vec<_> = played.errors.iter().filter(is_bad).collect();
    assert!(bad.is_empty(), "{what}: {bad:#?}");
    let others = played.requests_other_than(&[200, 204, 206]);
    let is_redirect = |request: &&sluicegate_testkit::browser::Request| {
        request.status == Some(302) && (request.url == link || mode == Mode::Redirect)
    };
    let unexpected: Vec<_> = others.iter().filter(|request| !is_redirect(request)).collect();
    assert!(unexpected.is_empty(), "{what}: {unexpected:#?}");
    assert!(others.iter().any(|request| request.url == link), "{what}: no entry");
}

/// ffmpeg and GStreamer play a stream in every mode.
fn decodes(stream: &str, mode: Mode) {
    let scene = Scene::start(stream, mode);
    let run = ffmpeg_frames(&scene.link());
    scene.assert_nobody_was_refused();
    assert!(run.exit_ok && run.frames == FRAMES, "{stream}, {mode:?}: {run:?}");
    let run = gstreamer(&scene.link());
    assert!(run.ok, "{stream}, {mode:?}: {run:?}");
    scene.assert_nobody_was_refused();
}

#[test]
fn dash_plays_with_the_session_in_the_path_in_chromium() {
    require_browser!();
    require_tools!("nginx");
    plays("timeline", Mode::Path, Player::DashJs);
}

#[test]
fn dash_plays_with_the_session_in_the_query_in_chromium() {
    require_browser!();
    require_tools!("nginx");
    plays("list", Mode::Query, Player::VideoJs);
}

#[test]
fn dash_plays_from_a_cdn_with_a_token_a_directory_in_chromium() {
    require_browser!();
    require_tools!("nginx");
    plays("timeline", Mode::CdnDirectory, Player::Shaka);
}

#[test]
fn dash_plays_from_a_cdn_with_a_token_a_file_in_chromium() {
    require_browser!();
    require_tools!("nginx");
    plays("number", Mode::CdnFile, Player::DashJs);
}

#[test]
fn dash_plays_by_redirects_to_a_cdn_in_chromium() {
    require_browser!();
    require_tools!("nginx");
    plays("ondemand", Mode::Redirect, Player::Shaka);
}

#[test]
fn dash_plays_from_one_of_two_hosts_in_chromium() {
    require_browser!();
    require_tools!("nginx");
    plays("hosts", Mode::CdnDirectory, Player::DashJs);
}

/// dash.js takes the token from the MPD's own URL.
#[test]
fn dash_plays_with_the_query_copied_by_the_player_in_chromium() {
    require_browser!();
    require_tools!("nginx");
    plays("timeline", Mode::CopiedQuery, Player::DashJs);
}

#[test]
fn ffmpeg_and_gstreamer_play_dash() {
    require_tools!("nginx", "ffmpeg", "gst-launch-1.0");
    for (stream, mode) in [
        ("timeline", Mode::Path),
        ("number", Mode::Query),
        ("timeline", Mode::CdnDirectory),
        ("number", Mode::CdnFile),
        ("list", Mode::Redirect),
        ("ondemand", Mode::CdnFile),
        ("hosts", Mode::Path),
    ] {
        decodes(stream, mode);
    }
}

fn plays_in_every_mode(stream: &str) {
    require_proof!();
    require_browser!();
    require_tools!("nginx");
    for mode in Mode::ALL {
        for player in PLAYERS {
            plays(stream, mode, player);
        }
    }
}

#[test]
fn proof_dash_numbers_play_in_every_mode_in_chromium() {
    plays_in_every_mode("number");
}

#[test]
fn proof_dash_timelines_play_in_every_mode_in_chromium() {
    plays_in_every_mode("timeline");
}

#[test]
fn proof_dash_lists_play_in_every_mode_in_chromium() {
    plays_in_every_mode("list");
}

#[test]
fn proof_dash_on_demand_plays_in_every_mode_in_chromium() {
    plays_in_every_mode("ondemand");
}

#[test]
fn proof_dash_of_two_hosts_plays_in_every_mode_in_chromium() {
    plays_in_every_mode("hosts");
}

#[test]
fn proof_ffmpeg_and_gstreamer_play_every_dash_stream_in_every_mode() {
    require_proof!();
    require_tools!("nginx", "ffmpeg", "gst-launch-1.0");
    for (stream, _) in STREAMS {
        for mode in Mode::ALL {
            decodes(stream, mode);
        }
    }
}
