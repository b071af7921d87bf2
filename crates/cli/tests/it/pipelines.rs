//! The pipelines of `examples/pipelines`: package, sign, serve by nginx as a CDN, play.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use sluicegate_testkit::browser::{PlayOptions, Player};
use sluicegate_testkit::http::Client;
use sluicegate_testkit::port::free_port;
use sluicegate_testkit::process::{run, wait_for_port};
use sluicegate_testkit::tools::tool;
use sluicegate_testkit::{Browser, Process, fixtures, players, require_browser, require_tools};
use tempfile::TempDir;

use crate::run::{KEY, Run, program, sluicegate};
use crate::serving::wait_until;

const TIMEOUT: Duration = Duration::from_secs(120);
/// Four seconds of 25 frames.
const FRAMES: u64 = 100;

/// A film, and a CDN for what becomes of it.
struct Pipeline {
    folder: TempDir,
    scope: &'static str,
    base: String,
    cdn: Process,
    addr: std::net::SocketAddr,
}

pub(crate) fn examples() -> PathBuf {
    fixtures::workspace_root().join("examples/pipelines")
}

/// Runs a command to its success, with the program on the path and the key in the environment.
pub(crate) fn succeed(command: &mut Command) -> String {
    let command = command.env("PATH", path_with_program()).env("SLUICEGATE_KEY", KEY);
    let done = run(command, TIMEOUT).unwrap();
    let ok = done.status.is_some_and(|status| status.success());
    assert!(ok, "{command:?}\n{}{}", done.stdout, done.stderr);
    done.stdout
}

fn path_with_program() -> String {
    let program = program();
    let folder = Path::new(program.get_program()).parent().unwrap();
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap())
}

/// A film of test pictures and a tone.
pub(crate) fn film(path: &Path) {
    let mut ffmpeg = Command::new(tool("ffmpeg").unwrap());
    ffmpeg.args(["-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=640x360:r=25:d=4"]);
    ffmpeg.args(["-f", "lavfi", "-i", "sine=frequency=440:duration=4", "-c:v", "libx264"]);
    succeed(ffmpeg.args(["-preset", "ultrafast", "-c:a", "aac"]).arg(path));
}

impl Pipeline {
    /// Runs the example's Makefile before an nginx with `secure_link`.
    fn start(scope: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        film(&folder.path().join("film.mp4"));
        let addr = free_port().unwrap();
        let base = format!("http://{addr}/");
        let public = folder.path().join("public");
        fs::create_dir(&public).unwrap();
        let mut serve = Command::new(examples().join("serve.sh"));
        serve.arg(&public).arg(addr.port().to_string());
        serve.env("SLUICEGATE_KEY", KEY).env("SCOPE", scope);
        let cdn = Process::spawn(&mut serve).unwrap();
        assert!(wait_for_port(addr, Duration::from_secs(20)), "{}", cdn.stderr());
        let pipeline = Self { folder, scope, base, cdn, addr };
        pipeline.make("all");
        pipeline
    }

    fn make(&self, target: &str) -> String {
        let mut make = Command::new("make");
        make.arg("-s").arg("-f").arg(examples().join("Makefile")).arg(target);
        make.current_dir(self.folder.path());
        succeed(make.args([format!("BASE_URL={}", self.base), format!("SCOPE={}", self.scope)]))
    }

    /// Links for HLS and DASH, as the example prints them.
    fn links(&self) -> (String, String) {
        let printed = self.make("link");
        let (hls, dash) = printed.trim().split_once('\n').unwrap();
        (hls.to_owned(), dash.to_owned())
    }

    /// Every file of the CDN, and every URI of the signed manifests, without its token and with an
    /// altered one.
    fn assert_closed(&self) {
        let mut client = Client::connect(self.addr).unwrap();
        let mut status = |target: &str| client.get(target.as_bytes(), &[]).unwrap().status;
        let files = fixtures::files_below(&self.folder.path().join("public"));
        assert!(files.len() > 15, "{}", files.len());
        let mut tokens = 0;
        for (path, bytes) in &files {
            let target = format!("/{}", path.display());
            assert_eq!(status(&target), 403, "{target}");
            let text = String::from_utf8_lossy(bytes);
            if !text.starts_with("#EXTM3U") && !text.contains("<MPD") {
                continue;
            }
            for token in text.split("md5=").skip(1) {
                let token = &token[..22];
                tokens += 1;
                let expires = text.split("expires=").nth(1).unwrap();
                let expires: String = expires.chars().take_while(char::is_ascii_digit).collect();
                let altered = if token.starts_with('A') { "B" } else { "A" };
                let altered = format!("{altered}{}", &token[1..]);
                let later = expires.parse::<u64>().unwrap() + 1;
                for query in [
                    format!("md5={altered}&expires={expires}"),
                    format!("md5={token}&expires={later}"),
                    format!("md5={token}"),
                ] {
                    assert_eq!(status(&format!("{target}?{query}")), 403, "{target}");
                }
            }
        }
        assert!(tokens > 10, "{tokens}");
    }
}

fn play(pipeline: &Pipeline) {
    let (hls, dash) = pipeline.links();
    for (url, player) in [
        (&hls, Player::HlsJs),
        (&hls, Player::Shaka),
        (&dash, Player::DashJs),
        (&dash, Player::Shaka),
    ] {
        // On a busy machine dash.js changes renditions at the very end, and waits there for ever.
        let options = PlayOptions { player, level: Some(0), ..PlayOptions::default() };
        let played = Browser::play(url, &options);
        assert!(played.ended, "{player:?}: {played:#?}");
        assert!(played.frames.abs_diff(FRAMES) <= 3, "{player:?}: {}", played.frames);
        assert!(played.statuses().iter().all(|status| *status < 400), "{:#?}", played.requests);
    }
    for url in [&hls, &dash] {
        let decoded = players::ffmpeg_frames(url);
        assert_eq!((decoded.frames, decoded.exit_ok), (FRAMES, true), "{}", decoded.stderr);
        let played = players::gstreamer(url);
        assert!(played.ok, "{}", played.stderr);
    }
    assert!(!pipeline.cdn.stderr().contains(KEY));
}

#[test]
fn what_the_makefile_publishes_plays_in_chromium() {
    require_tools!("make", "nginx", "ffmpeg", "gst-launch-1.0");
    require_browser!();
    let pipeline = Pipeline::start("directory");
    play(&pipeline);
    pipeline.assert_closed();
}

#[test]
fn what_the_makefile_publishes_with_tokens_of_files_is_decoded() {
    require_tools!("make", "nginx", "ffmpeg", "gst-launch-1.0");
    let pipeline = Pipeline::start("file");
    let (hls, dash) = pipeline.links();
    for url in [&hls, &dash] {
        let decoded = players::ffmpeg_frames(url);
        assert_eq!((decoded.frames, decoded.exit_ok), (FRAMES, true), "{}", decoded.stderr);
        let played = players::gstreamer(url);
        assert!(played.ok, "{}", played.stderr);
    }
    pipeline.assert_closed();
    // A second run is as good as the first.
    pipeline.make("all");
}

#[test]
fn a_live_stream_is_published_as_it_is_made() {
    require_tools!("nginx", "ffmpeg");
    let folder = tempfile::tempdir().unwrap();
    let public = folder.path().join("public");
    fs::create_dir(&public).unwrap();
    let addr = free_port().unwrap();
    let base = format!("http://{addr}/");
    let mut serve = Command::new(examples().join("serve.sh"));
    serve.arg(&public).arg(addr.port().to_string()).env("SLUICEGATE_KEY", KEY);
    let cdn = Process::spawn(&mut serve).unwrap();
    assert!(wait_for_port(addr, Duration::from_secs(20)), "{}", cdn.stderr());
    let mut live = Command::new(examples().join("live.sh"));
    live.arg(&public).arg(&base).env("SLUICEGATE_KEY", KEY).env("PATH", path_with_program());
    let live = Process::spawn(&mut live).unwrap();
    let playlist = public.join("live/index.m3u8");
    wait_until(|| {
        fs::read_to_string(&playlist).is_ok_and(|text| text.matches(".ts?md5=").count() > 2)
    });
    let mut command = sluicegate();
    command.args(["sign", "--scope", "directory"]).arg(format!("{base}live/index.m3u8"));
    let link = Run::line(&mut command);
    let decoded = players::ffmpeg_live_frames(&link, 4);
    assert!(decoded.exit_ok && decoded.frames.abs_diff(FRAMES) <= 1, "{decoded:?}");
    // What has slid out of the playlist is not kept.
    let segments = fixtures::files_below(&public).len();
    assert!(segments < 15, "{segments}: {}", live.stderr());
}
