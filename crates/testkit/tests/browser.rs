//! Chromium by the scripts of this crate, and the other players, against a plain nginx.

use std::collections::BTreeSet;
use std::fs;

use sluicegate_testkit::browser::{PageOptions, PlayOptions, Player};
use sluicegate_testkit::players::{ffmpeg_frames, gstreamer};
use sluicegate_testkit::{Browser, Nginx, fixtures, require_browser, require_tools};

#[test]
fn a_stream_with_subdirectories_plays_in_chromium() {
    require_tools!("nginx");
    require_browser!();
    let nginx = Nginx::builder().plain("/", fixtures::streams().join("subdirs")).start();
    let played = Browser::play(&nginx.url("/master.m3u8"), &PlayOptions::default());
    assert!(played.ended && !played.timed_out, "{played:#?}");
    assert_eq!(played.fatal_errors(), Vec::<&_>::new());
    assert_eq!(played.requests_other_than(&[200, 206]), Vec::<&_>::new());
    assert!(played.frames >= 190 && played.cues > 0, "{played:#?}");
    assert!(nginx.access_log().iter().all(|line| matches!(line.status, 200 | 206)));
}

#[test]
fn a_missing_stream_is_a_fatal_error_in_chromium() {
    require_tools!("nginx");
    require_browser!();
    let nginx = Nginx::builder().plain("/", fixtures::streams().join("subdirs")).start();
    let played = Browser::play(&nginx.url("/nothing.m3u8"), &PlayOptions::default());
    assert!(!played.ended && played.frames == 0);
    assert_eq!(played.fatal_errors()[0].status, Some(404));
    assert!(played.statuses().contains(&404));
}

#[test]
fn a_page_shows_its_two_players_in_chromium() {
    require_tools!("nginx");
    require_browser!();
    // Offers what the page of the demo offers, without playing anything.
    let page = r#"<!doctype html><title>Two players</title><script>
        const row = { number: 1, url: "http://x/a", short: "a", type: "manifest", status: 403,
                      outcome: "refused", redirectedTo: null };
        const side = (frames, error, requests) => ({ frames: () => frames, error, requests, ended: false });
        window.sluicegateDemo = { left: side(0, "403 on a", [row]), right: side(5, null, []) };
    </script>"#;
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("index.html"), page).unwrap();
    fs::write(folder.path().join("title.js"), "document.title").unwrap();
    let nginx = Nginx::builder().plain("/", folder.path()).start();
    let options = PageOptions {
        wait_frames: 5,
        eval_file: Some(folder.path().join("title.js")),
        screenshot: Some(folder.path().join("page.png")),
        ..PageOptions::default()
    };
    let page = Browser::page(&nginx.url("/index.html"), &options);
    assert!(!page.timed_out, "{page:#?}");
    assert_eq!(page.eval, "Two players");
    let (left, right) = (page.left.unwrap(), page.right.unwrap());
    assert_eq!((left.error.as_deref(), left.requests[0].status), (Some("403 on a"), Some(403)));
    assert_eq!((right.frames, right.error), (5, None));
    assert!(folder.path().join("page.png").is_file());
}

/// Plays a DASH stream of the fixtures to the end; gives the names of the files that it took.
fn play_dash(stream: &str, player: Player) -> BTreeSet<String> {
    let nginx = Nginx::builder().plain("/", fixtures::streams().join(stream)).start();
    let options = PlayOptions { player, rate: 2.0, ..PlayOptions::default() };
    let played = Browser::play(&nginx.url("/manifest.mpd"), &options);
    assert!(played.ended && !played.timed_out, "{played:#?}");
    assert_eq!(played.errors, [], "{played:#?}");
    assert_eq!(played.requests_other_than(&[200, 206]), Vec::<&_>::new());
    assert!(played.frames >= 190, "{played:#?}");
    assert_eq!((played.levels.len(), played.audio_tracks.len()), (2, 1));
    let paths =
        played.requests.iter().filter_map(|request| request.url.strip_prefix(&nginx.url("/")));
    paths.map(str::to_owned).collect()
}

/// The MPD, and an initialization segment and four segments each of video and audio.
const FILES_OF_TEMPLATES: usize = 11;

#[test]
fn dash_js_plays_a_segment_timeline_in_chromium() {
    require_tools!("nginx");
    require_browser!();
    let files = play_dash("timeline", Player::DashJs);
    assert!(files.len() >= FILES_OF_TEMPLATES, "{files:#?}");
    assert!(files.contains("audio-en/96256.m4s"), "{files:#?}");
}

#[test]
fn shaka_plays_indexed_files_of_dash_in_chromium() {
    require_tools!("nginx");
    require_browser!();
    let files = play_dash("ondemand", Player::Shaka);
    assert!(files.len() >= 3 && files.contains("audio/en.mp4"), "{files:#?}");
}

#[test]
fn video_js_plays_numbered_segments_of_dash_in_chromium() {
    require_tools!("nginx");
    require_browser!();
    let files = play_dash("number", Player::VideoJs);
    assert!(files.len() >= FILES_OF_TEMPLATES, "{files:#?}");
    assert!(files.contains("audio-en-00004.m4s"), "{files:#?}");
}

/// In Shaka and dash.js it holds from the first segment on, in video.js from the first choice on.
#[test]
fn dash_js_stays_at_the_chosen_level_in_chromium() {
    require_tools!("nginx");
    require_browser!();
    let nginx = Nginx::builder().plain("/", fixtures::streams().join("list")).start();
    let options = PlayOptions {
        player: Player::DashJs,
        level: Some(0),
        frames: Some(60),
        ..PlayOptions::default()
    };
    let played = Browser::play(&nginx.url("/manifest.mpd"), &options);
    assert!(!played.timed_out && played.levels[0].height == Some(180), "{played:#?}");
    let is_other = |request: &&_| {
        let request: &sluicegate_testkit::browser::Request = request;
        request.url.contains("360p")
    };
    assert_eq!(played.requests.iter().find(is_other), None);
}

#[test]
fn ffmpeg_and_gstreamer_play_a_segment_list_of_dash() {
    require_tools!("nginx", "ffmpeg", "gst-launch-1.0");
    let nginx = Nginx::builder().plain("/", fixtures::streams().join("list")).start();
    let url = nginx.url("/manifest.mpd");
    let run = ffmpeg_frames(&url);
    assert!(run.exit_ok && run.frames >= 190, "{run:?}");
    let run = gstreamer(&url);
    assert!(run.ok, "{}", run.stderr);
    assert!(nginx.access_log().iter().all(|line| matches!(line.status, 200 | 206)));
}
