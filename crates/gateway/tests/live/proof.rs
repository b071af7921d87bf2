//! Long plays, and a matrix of players: `make proof` runs them.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sluicegate_testkit::browser::{PlayOptions, Playback, Player};
use sluicegate_testkit::nginx::{Scope, SecureLink};
use sluicegate_testkit::{
    Browser, Gateway, LiveOrigin, Nginx, fixtures, require_browser, require_proof, require_tools,
};

use crate::playback::assert_undisturbed;
use crate::setup::{by_cdn, config, gateway, nginx_before};

/// Frames of each stream of the fixtures; a player may leave out a few at the ends of segments.
const MIN_FRAMES: u64 = 190;

fn play_live(url: &str, secs: u32) -> Playback {
    let options = PlayOptions {
        live_seconds: Some(secs),
        timeout: Duration::from_secs(u64::from(secs) + 30),
        ..PlayOptions::default()
    };
    let played = Browser::play(url, &options);
    assert!(!played.timed_out, "{played:#?}");
    played
}

/// Plays for a minute with segments from a CDN whose tokens live 20 to 40 s, so that those of the
/// beginning have ended long before the end.
fn plays_for_a_minute(kind: &str) {
    let origin = LiveOrigin::start();
    let nginx = nginx_before(&origin);
    let gateway = gateway(&origin, &by_cdn(&nginx.url("/"), 20));
    let link = gateway.entry_link(&format!("/{kind}/master.m3u8"));
    let is_over = AtomicBool::new(false);
    let played = std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                gateway.clock.set_to_real_time();
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        let played = std::panic::catch_unwind(|| play_live(&link, 60));
        is_over.store(true, Ordering::SeqCst);
        played.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    let cdn = nginx.url("/");
    let at_cdn = played.requests.iter().filter(|asked| asked.url.starts_with(&cdn));
    let windows: BTreeSet<_> =
        at_cdn.filter_map(|asked| asked.url.split_once("expires=")).map(|(_, end)| end).collect();
    eprintln!(
        "{kind}: {} frames ({} dropped) in 60 s, {:.2} s behind the live edge, {} requests, \
         {} token windows, errors {:?}",
        played.frames,
        played.dropped_frames,
        played.latency.unwrap(),
        played.requests.len(),
        windows.len(),
        played.errors
    );
    assert_undisturbed(&played, &origin, Some(&nginx));
    assert!(played.frames >= 60 * 25 * 9 / 10, "{} frames", played.frames);
    assert!(windows.len() >= 3, "{windows:?}");
}

/// The median distance from the live edge of three plays, beside that of direct plays in between.
fn is_as_close_to_the_live_edge_as_direct_play(kind: &str) {
    let origin = LiveOrigin::start();
    let gateway = gateway(&origin, "");
    let path = format!("/{kind}/master.m3u8");
    let latency = |url: &str| {
        let played = play_live(url, 15);
        assert_undisturbed(&played, &origin, None);
        played.latency.unwrap()
    };
    let mut pairs: Vec<_> = (0..3)
        .map(|_| (latency(&origin.url(&path)), latency(&gateway.entry_link(&path))))
        .collect();
    eprintln!("{kind}: (direct, through the gateway) {pairs:.2?}");
    pairs.sort_by(|one, other| one.0.total_cmp(&other.0));
    let direct = pairs[1].0;
    pairs.sort_by(|one, other| one.1.total_cmp(&other.1));
    let through = pairs[1].1;
    eprintln!("{kind}: medians {direct:.2} s and {through:.2} s behind the live edge");
    assert!((through - direct).abs() <= LiveOrigin::TARGET_DURATION.as_secs_f64());
}

/// Plays all streams of the fixtures to their ends, from the gateway and from a CDN.
fn plays_all_streams(player: Player) {
    let location = SecureLink {
        prefix: "/cdn/".to_owned(),
        root: Some(fixtures::streams()),
        scope: Scope::Directory,
        secret: sluicegate_testkit::gateway::CDN_SECRET.to_owned(),
        bind_ip: false,
    };
    let nginx = Nginx::builder().secure_link(location).start();
    let origin = format!("file:{}", fixtures::streams().display());
    for settings in [String::new(), by_cdn(&nginx.url("/cdn/"), 3600)] {
        let gateway = Gateway::start(&config(&origin, &settings));
        for stream in ["subdirs", "flat", "aes128", "byteranges"] {
            let options = PlayOptions { player, rate: 2.0, ..PlayOptions::default() };
            let link = gateway.entry_link(&format!("/{stream}/master.m3u8"));
            let played = Browser::play(&link, &options);
            eprintln!(
                "{} {stream}{}: ended {}, {} frames ({} dropped), {} requests, errors {:?}",
                player.name(),
                if settings.is_empty() { "" } else { " by the CDN" },
                played.ended,
                played.frames,
                played.dropped_frames,
                played.requests.len(),
                played.errors
            );
            assert!(played.ended && !played.timed_out, "{played:#?}");
            assert!(played.frames >= MIN_FRAMES, "{} frames", played.frames);
            assert_eq!(played.fatal_errors(), Vec::<&_>::new());
            let bad: Vec<_> =
                played.requests.iter().filter(|asked| asked.status >= Some(400)).collect();
            assert!(bad.is_empty(), "{bad:#?}");
        }
    }
    assert!(nginx.access_log().iter().all(|line| line.status < 400));
}

#[test]
fn proof_plain_live_plays_for_a_minute_in_chromium() {
    require_proof!();
    require_tools!("ffmpeg", "nginx");
    require_browser!();
    plays_for_a_minute("plain");
}

#[test]
fn proof_low_latency_plays_for_a_minute_in_chromium() {
    require_proof!();
    require_tools!("ffmpeg", "nginx");
    require_browser!();
    plays_for_a_minute("ll");
}

#[test]
fn proof_plain_live_is_as_close_to_the_live_edge_as_direct_play_in_chromium() {
    require_proof!();
    require_tools!("ffmpeg");
    require_browser!();
    is_as_close_to_the_live_edge_as_direct_play("plain");
}

#[test]
fn proof_low_latency_is_as_close_to_the_live_edge_as_direct_play_in_chromium() {
    require_proof!();
    require_tools!("ffmpeg");
    require_browser!();
    is_as_close_to_the_live_edge_as_direct_play("ll");
}

#[test]
fn proof_shaka_plays_all_streams_in_chromium() {
    require_proof!();
    require_tools!("nginx");
    require_browser!();
    plays_all_streams(Player::Shaka);
}

#[test]
fn proof_video_js_plays_all_streams_in_chromium() {
    require_proof!();
    require_tools!("nginx");
    require_browser!();
    plays_all_streams(Player::VideoJs);
}
