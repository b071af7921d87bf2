//! A minute and a half of each delivery by each player, with tokens of the CDN that live 10 to 20 s:
//! nothing is refused, without any code in the player.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{self, Next};
use sluicegate_testkit::browser::{PlayOptions, Playback, Player};
use sluicegate_testkit::players::ffmpeg_live_frames;
use sluicegate_testkit::process::run;
use sluicegate_testkit::{
    Browser, Gateway, LiveOrigin, Server, require_browser, require_proof, require_tools,
};
use tempfile::TempDir;
use tower_http::services::ServeDir;

use crate::dash::with_real_time;
use crate::playback::assert_undisturbed;
use crate::setup::{by_cdn, config, gateway, nginx_before, nginx_before_url};

/// The window of the CDN's tokens.
const TTL_SECS: u64 = 10;
const SECS: u32 = 90;
/// Of the film's frames, at 25 a second, a player may be late with some.
const MIN_FRAMES: u64 = SECS as u64 * 25 * 9 / 10;

/// Each player with what it plays.
const PLAYERS: [(Player, &str); 3] =
    [(Player::HlsJs, "m3u8"), (Player::Shaka, "m3u8"), (Player::DashJs, "mpd")];

/// How a route delivers segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Gateway,
    Cdn,
    Redirect,
}

impl Mode {
    fn settings(self, cdn: &str) -> String {
        match self {
            Self::Gateway => String::new(),
            Self::Cdn => by_cdn(cdn, TTL_SECS),
            Self::Redirect => by_cdn(cdn, TTL_SECS).replace("= \"cdn\"", "= \"redirect\""),
        }
    }
}

fn play(gateway: &Gateway, path: &str, player: Player) -> Playback {
    let options = PlayOptions {
        player,
        live_seconds: Some(SECS),
        timeout: Duration::from_secs(u64::from(SECS) + 30),
        ..PlayOptions::default()
    };
    let played = with_real_time(gateway, || Browser::play(&gateway.entry_link(path), &options));
    assert!(!played.timed_out, "{player:?}: {played:#?}");
    played
}

/// The different expiries among a play's requests of the CDN.
fn windows(played: &Playback, cdn: &str) -> usize {
    let urls = played.requests.iter().map(|request| request.url.as_str());
    let at_cdn = urls.filter(|url| url.starts_with(cdn));
    at_cdn.filter_map(|url| Some(url.split_once("expires=")?.1)).collect::<BTreeSet<_>>().len()
}

fn report(what: &str, player: Player, played: &Playback, cdn: &str) {
    let refused = played.statuses().into_iter().filter(|status| *status >= 400).count();
    eprintln!(
        "{what}, {player:?}: {} frames ({} dropped), {} requests, {refused} refused, {} token windows, errors {:?}",
        played.frames,
        played.dropped_frames,
        played.requests.len(),
        windows(played, cdn),
        played.errors
    );
    assert!(played.frames >= MIN_FRAMES, "{} frames", played.frames);
}

fn live(mode: Mode) {
    for (player, format) in PLAYERS {
        let origin = LiveOrigin::start();
        let nginx = nginx_before(&origin);
        let gateway = gateway(&origin, &mode.settings(&nginx.url("/")));
        let path = if format == "mpd" { "/dash/timeline.mpd" } else { "/plain/master.m3u8" };
        let played = play(&gateway, path, player);
        report(&format!("live, {mode:?}"), player, &played, &nginx.url("/"));
        assert_undisturbed(&played, &origin, (mode != Mode::Gateway).then_some(&nginx));
        if mode != Mode::Gateway {
            assert!(windows(&played, &nginx.url("/")) >= 7);
        }
    }
}

/// A film of a hundred seconds, as HLS and as DASH, whose segments are in folders of their own.
fn film() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["hls", "dash"] {
        std::fs::create_dir_all(folder.path().join("film").join(name)).unwrap();
    }
    let encode = |arguments: &[&str]| {
        let mut command = Command::new("ffmpeg");
        command.current_dir(folder.path().join("film")).args([
            "-v",
            "error",
            "-f",
            "lavfi",
            "-i",
            "testsrc2=size=320x180:rate=25",
            "-f",
            "lavfi",
            "-i",
            "sine=frequency=440",
            "-t",
            "100",
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-g",
            "50",
            "-keyint_min",
            "50",
            "-sc_threshold",
            "0",
            "-pix_fmt",
            "yuv420p",
            "-c:a",
            "aac",
        ]);
        let done = run(command.args(arguments), Duration::from_secs(100)).unwrap();
        assert!(done.status.is_some_and(|status| status.success()), "{}", done.stderr);
    };
    encode(&[
        "-f",
        "hls",
        "-hls_time",
        "2",
        "-hls_playlist_type",
        "vod",
        "-hls_segment_filename",
        "hls/segment-%03d.ts",
        "-master_pl_name",
        "master.m3u8",
        "-hls_base_url",
        "hls/",
        "index.m3u8",
    ]);
    encode(&[
        "-f",
        "dash",
        "-seg_duration",
        "2",
        "-use_template",
        "1",
        "-use_timeline",
        "1",
        "-init_seg_name",
        "dash/init-$RepresentationID$.m4s",
        "-media_seg_name",
        "dash/chunk-$RepresentationID$-$Number$.m4s",
        "master.mpd",
    ]);
    folder
}

/// Serves a film slowly: else a player has all of it before a token ends.
fn slowly(folder: &Path) -> Server {
    let wait = async |request: Request, next: Next| {
        tokio::time::sleep(Duration::from_millis(1300)).await;
        next.run(request).await
    };
    let files = Router::new().fallback_service(ServeDir::new(folder));
    Server::start(files.layer(middleware::from_fn(wait)))
}

fn on_demand(mode: Mode) {
    let folder = film();
    let slow = slowly(folder.path());
    let nginx = nginx_before_url(&slow.url("/"));
    let origin = format!("file:{}", folder.path().display());
    for (player, format) in PLAYERS {
        let gateway = Gateway::start(&config(&origin, &mode.settings(&nginx.url("/"))));
        let played = play(&gateway, &format!("/film/master.{format}"), player);
        report(&format!("on demand, {mode:?}"), player, &played, &nginx.url("/"));
        let bad: Vec<_> =
            played.requests.iter().filter(|asked| asked.status >= Some(400)).collect();
        assert!(bad.is_empty(), "{bad:#?}");
        assert_eq!(played.fatal_errors(), Vec::<&_>::new());
        // A playlist that is loaded once has tokens for the session; a redirect brings a new one.
        let windows = windows(&played, &nginx.url("/"));
        assert!(if mode == Mode::Cdn { windows == 1 } else { windows >= 3 }, "{windows}");
    }
    assert!(nginx.access_log().iter().all(|line| line.status < 400 || line.status == 499));
}

macro_rules! require_all {
    () => {
        require_proof!();
        require_tools!("ffmpeg", "nginx");
        require_browser!();
    };
}

#[test]
fn proof_live_plays_for_long_from_the_gateway_in_chromium() {
    require_all!();
    live(Mode::Gateway);
}

/// akamai tokens in rendition URIs that end in the middle of a play: video-dev/hls.js#1450 (H1) and
/// #3786 (H3).
#[test]
fn proof_live_plays_for_long_from_a_cdn_with_short_tokens_in_chromium() {
    require_all!();
    live(Mode::Cdn);
}

#[test]
fn proof_live_plays_for_long_by_redirects_with_short_tokens_in_chromium() {
    require_all!();
    live(Mode::Redirect);
}

#[test]
fn proof_a_film_plays_for_long_by_redirects_with_short_tokens_in_chromium() {
    require_all!();
    on_demand(Mode::Redirect);
}

/// avalonmediasystem/avalon#6076 (H5): tokens that end before the film does.
#[test]
fn proof_a_film_plays_for_long_from_a_cdn_in_chromium() {
    require_all!();
    on_demand(Mode::Cdn);
}

/// streamlink/streamlink#6694 (H4): who keeps the playlist's URL gets on with it.
#[test]
fn proof_ffmpeg_follows_a_live_stream_for_long() {
    require_proof!();
    require_tools!("ffmpeg", "nginx");
    for mode in [Mode::Gateway, Mode::Cdn, Mode::Redirect] {
        let origin = LiveOrigin::start();
        let nginx = nginx_before(&origin);
        let gateway = gateway(&origin, &mode.settings(&nginx.url("/")));
        let link = gateway.entry_link("/plain/master.m3u8");
        let run = with_real_time(&gateway, || ffmpeg_live_frames(&link, SECS));
        eprintln!("live, {mode:?}, ffmpeg: {} frames, {:?}", run.frames, run.stderr);
        assert!(run.exit_ok && run.frames >= MIN_FRAMES, "{run:?}");
        assert_eq!(origin.refused(), []);
        assert!(nginx.access_log().iter().all(|line| line.status < 400 || line.status == 499));
    }
}
