//! The downloader of the dash-mpd crate: a client with a reading of MPDs of its own.

use dash_mpd::fetch::DashDownloader;
use sluicegate_testkit::players::ffmpeg_frames;
use sluicegate_testkit::require_tools;

use super::modes::{Mode, Scene};
use crate::streams::FRAMES;

/// Downloads a stream, and counts its frames.
fn downloads(stream: &str, mode: Mode) {
    let scene = Scene::start(stream, mode);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stream.mp4");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let downloader = DashDownloader::new(&scene.link()).best_quality();
    let downloaded = runtime.block_on(downloader.download_to(&file));
    scene.assert_nobody_was_refused();
    assert!(downloaded.is_ok(), "{stream}, {mode:?}: {downloaded:?}");
    let run = ffmpeg_frames(file.to_str().unwrap());
    assert!(run.exit_ok && run.frames == FRAMES, "{stream}, {mode:?}: {run:?}");
}

#[test]
fn dash_mpd_downloads_in_every_way_of_naming_segments() {
    require_tools!("nginx", "ffmpeg");
    for (stream, mode) in [
        ("timeline", Mode::CdnDirectory),
        ("list", Mode::Query),
        ("number", Mode::CdnFile),
        ("number", Mode::Path),
        ("ondemand", Mode::Redirect),
    ] {
        downloads(stream, mode);
    }
}
