//! Short plays of live streams.

use sluicegate_testkit::browser::{PlayOptions, Playback};
use sluicegate_testkit::players::ffmpeg_live_frames;
use sluicegate_testkit::{Browser, LiveOrigin, Nginx, require_browser, require_tools};

use crate::setup::{by_cdn, gateway, nginx_before};

/// Nothing of a live play was refused, at the player, the origin or the CDN.
pub(crate) fn assert_undisturbed(played: &Playback, origin: &LiveOrigin, nginx: Option<&Nginx>) {
    // A live play is stopped in the middle of its requests, which then have no status.
    let is_bad = |status: &u16| *status >= 400;
    let bad: Vec<_> = played.statuses().into_iter().filter(is_bad).collect();
    assert!(bad.is_empty(), "{:#?}", played.requests);
    assert_eq!(played.fatal_errors(), Vec::<&_>::new());
    let is_network = |error: &&_| {
        let error: &sluicegate_testkit::browser::PlayerError = error;
        error.kind == "networkError"
    };
    assert_eq!(played.errors.iter().find(is_network), None, "{:#?}", played.errors);
    assert_eq!(origin.refused(), []);
    if let Some(nginx) = nginx {
        assert_served(nginx);
    }
}

/// The CDN delivered something and refused nothing.
fn assert_served(nginx: &Nginx) {
    let log = nginx.access_log();
    // A client that leaves early is logged with what it had got until then, or as 499.
    let is_refused =
        |line: &&sluicegate_testkit::nginx::AccessLine| line.status >= 400 && line.status != 499;
    assert_eq!(log.iter().find(is_refused), None);
    assert!(log.iter().any(|line| line.uri.ends_with(".m4s")), "{log:#?}");
}

#[test]
fn ffmpeg_plays_a_live_stream_for_a_while() {
    require_tools!("ffmpeg", "nginx");
    let origin = LiveOrigin::start();
    let nginx = nginx_before(&origin);
    let gateway = gateway(&origin, &by_cdn(&nginx.url("/"), 60));
    let run = ffmpeg_live_frames(&gateway.entry_link("/plain/master.m3u8"), 6);
    assert!(run.exit_ok && run.frames >= 145, "{run:?}");
    assert_eq!(origin.refused(), []);
    assert_served(&nginx);
    let reloads =
        origin.asked().iter().filter(|asked| asked.target.ends_with("index.m3u8")).count();
    eprintln!("{} frames, {reloads} playlists, {:?}", run.frames, run.stderr);
    assert!(reloads > 3, "it went on beyond what there was at the start");
}

#[test]
fn a_low_latency_stream_plays_for_a_while_in_chromium() {
    require_tools!("ffmpeg", "nginx");
    require_browser!();
    let origin = LiveOrigin::start();
    let nginx = nginx_before(&origin);
    let gateway = gateway(&origin, &by_cdn(&nginx.url("/"), 60));
    let options = PlayOptions { live_seconds: Some(3), ..PlayOptions::default() };
    let played = Browser::play(&gateway.entry_link("/ll/master.m3u8"), &options);
    eprintln!("{} frames, {:?} s behind, {:?}", played.frames, played.latency, played.errors);
    assert_undisturbed(&played, &origin, Some(&nginx));
    assert!(!played.timed_out && played.frames >= 40, "{played:#?}");
    let targets: Vec<_> = origin.asked().into_iter().map(|asked| asked.target).collect();
    for wanted in ["?_HLS_msn=", "&_HLS_part=", "/part-"] {
        assert!(targets.iter().any(|target| target.contains(wanted)), "{wanted}: {targets:#?}");
    }
}
