//! Live DASH: MPDs that slide, tokens that end while they play, and patches.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sluicegate_testkit::browser::{PlayOptions, Playback, Player};
use sluicegate_testkit::{
    Browser, Gateway, LiveOrigin, Nginx, require_browser, require_proof, require_tools,
};

use crate::playback::assert_undisturbed;
use crate::setup::{by_cdn, gateway, nginx_before};

/// The window of the CDN's tokens: they live 10 to 20 s.
const TTL_SECS: u64 = 10;

/// A minute is three lifetimes of the longest-lived token.
const LONG_SECS: u32 = 60;

fn redirecting(base_url: &str) -> String {
    by_cdn(base_url, TTL_SECS).replace("segments = \"cdn\"", "segments = \"redirect\"")
}

/// A playback with the servers that it was from.
struct Played {
    playback: Playback,
    origin: LiveOrigin,
    nginx: Nginx,
}

/// Plays for so long, with the gateway's clock at the real time.
fn play(name: &str, settings: impl Fn(&str) -> String, player: Player, secs: u32) -> Played {
    let origin = LiveOrigin::start();
    let nginx = nginx_before(&origin);
    let gateway = gateway(&origin, &settings(&nginx.url("/")));
    let link = gateway.entry_link(&format!("/dash/{name}.mpd"));
    let options = PlayOptions {
        player,
        live_seconds: Some(secs),
        timeout: Duration::from_secs(u64::from(secs) + 30),
        ..PlayOptions::default()
    };
    let playback = with_real_time(&gateway, || Browser::play(&link, &options));
    eprintln!(
        "{name}, {player:?}: {} frames ({} dropped) in {secs} s, {} requests, {:?} s behind, errors {:?}",
        playback.frames,
        playback.dropped_frames,
        playback.requests.len(),
        playback.latency,
        playback.errors
    );
    assert!(!playback.timed_out, "{playback:#?}");
    assert!(playback.frames >= u64::from(secs) * 25 * 8 / 10, "{} frames", playback.frames);
    Played { playback, origin, nginx }
}

pub(crate) fn with_real_time<T>(gateway: &Gateway, act: impl FnOnce() -> T) -> T {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                gateway.clock.set_to_real_time();
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act));
        is_over.store(true, Ordering::SeqCst);
        done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

impl Played {
    fn assert_undisturbed(&self, by_cdn: bool) {
        assert_undisturbed(&self.playback, &self.origin, by_cdn.then_some(&self.nginx));
    }

    /// The expiries of the CDN's tokens that were used.
    fn windows(&self) -> BTreeSet<&str> {
        let urls = self.playback.requests.iter().map(|request| request.url.as_str());
        let at_cdn = urls.filter(|url| url.starts_with(&self.nginx.url("/")));
        at_cdn.filter_map(|url| Some(url.split_once("expires=")?.1)).collect()
    }

    /// How often the MPD was loaded, but for the entry.
    fn loads(&self) -> usize {
        let asked = self.origin.asked();
        asked.iter().filter(|asked| asked.target.contains(".mpd")).count()
    }

    fn patches(&self) -> usize {
        let is_patch = |request: &&sluicegate_testkit::browser::Request| {
            request.url.contains("patch.mpp") && request.status == Some(200)
        };
        self.playback.requests.iter().filter(is_patch).count()
    }
}

macro_rules! require_all {
    () => {
        require_tools!("ffmpeg", "nginx");
        require_browser!();
    };
}

#[test]
fn a_live_timeline_plays_from_a_cdn_in_chromium() {
    require_all!();
    let played = play("timeline", |cdn| by_cdn(cdn, TTL_SECS), Player::DashJs, 6);
    played.assert_undisturbed(true);
    assert!(played.loads() >= 3, "the MPD is loaded again by its Location");
}

#[test]
fn patches_renew_a_live_timeline_in_chromium() {
    require_all!();
    let played = play("patch", |_| "carry = \"path\"".to_owned(), Player::DashJs, 6);
    played.assert_undisturbed(false);
    assert!(played.patches() >= 1, "{:#?}", played.playback.requests);
}

#[test]
fn proof_live_dash_outlives_its_tokens_from_a_cdn_in_chromium() {
    require_proof!();
    require_all!();
    let played = play("timeline", |cdn| by_cdn(cdn, TTL_SECS), Player::DashJs, LONG_SECS);
    played.assert_undisturbed(true);
    assert!(played.windows().len() >= 5, "{:?}", played.windows());
    let played = play("number", |cdn| by_cdn(cdn, TTL_SECS), Player::DashJs, LONG_SECS);
    played.assert_undisturbed(true);
    assert!(played.windows().len() >= 5, "{:?}", played.windows());
}

/// shaka-project/shaka-player#8978, #6996: it keeps the templates of its first MPD.
#[test]
fn proof_live_dash_outlives_its_tokens_by_redirects_in_chromium() {
    require_proof!();
    require_all!();
    for (name, player) in
        [("number", Player::Shaka), ("timeline", Player::Shaka), ("number", Player::DashJs)]
    {
        let played = play(name, redirecting, player, LONG_SECS);
        played.assert_undisturbed(true);
        assert!(played.windows().len() >= 5, "{:?}", played.windows());
    }
}

#[test]
fn proof_live_dash_plays_with_the_session_in_path_and_query_in_chromium() {
    require_proof!();
    require_all!();
    for (name, carry, player) in [
        ("number", "path", Player::Shaka),
        ("timeline", "query", Player::Shaka),
        ("timeline", "path", Player::VideoJs),
    ] {
        let played = play(name, |_| format!("carry = \"{carry}\""), player, LONG_SECS);
        played.assert_undisturbed(false);
    }
}

#[test]
fn proof_patches_renew_a_live_timeline_for_a_minute_in_chromium() {
    require_proof!();
    require_all!();
    for by_cdn in [false, true] {
        let settings = |cdn: &str| match by_cdn {
            false => "carry = \"path\"".to_owned(),
            true => redirecting(cdn),
        };
        let played = play("patch", settings, Player::DashJs, LONG_SECS);
        played.assert_undisturbed(by_cdn);
        assert!(played.patches() >= 10, "{} patches", played.patches());
    }
}
