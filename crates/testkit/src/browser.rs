//! Chromium, by the scripts in `crates/testkit/browser`.
//!
//! A browser takes both cores of a small machine, so one runs at a time: within a process by a lock,
//! across processes by the test group `browser` of `.config/nextest.toml`, to which a test belongs
//! whose name holds `browser_` or `_in_chromium`.

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tempfile::NamedTempFile;

use crate::fixtures::browser_dir;
use crate::process::{Process, finish};
use crate::tools::tool;

static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// How often a script's timeout may begin anew, while something moves.
const MOST_TIMES: u32 = 3;

/// What the start and the end of a browser may take beside the script's own timeout.
const START_AND_END: Duration = Duration::from_secs(45);

/// Runs the browser scripts.
#[derive(Clone, Copy, Debug)]
pub struct Browser;

/// How to play a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct PlayOptions {
    /// When to give up after the last progress: 30 s unless told. A play takes three times as long at
    /// most.
    pub timeout: Duration,
    /// Stop once so many frames were decoded; without it, play to the end.
    pub frames: Option<u64>,
    /// Playback rate: 1 unless told. A high one drops frames.
    pub rate: f64,
    /// Stay at this rendition, counted from 0 by rising bitrate.
    pub level: Option<usize>,
    /// Choose this audio track, counted from 0.
    pub audio_track: Option<usize>,
    /// Write a PNG at the end.
    pub screenshot: Option<PathBuf>,
    /// The player: hls.js unless told.
    pub player: Player,
    /// Stop once a live stream was played for so many seconds.
    pub live_seconds: Option<u32>,
}

/// One of several streams.
#[derive(Clone, Debug, PartialEq)]
pub struct Play {
    /// The stream.
    pub url: String,
    /// How to play it.
    pub options: PlayOptions,
    /// Beginnings of URLs. A play with [`PlayOptions::frames`] goes on until each was asked for.
    pub wanted: Vec<String>,
}

/// A player of the browser.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Player {
    /// hls.js.
    #[default]
    HlsJs,
    /// Shaka Player.
    Shaka,
    /// video.js with its own HLS and DASH engine.
    VideoJs,
    /// dash.js.
    DashJs,
}

/// What a playback came to; the fields are those of the script's document.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Playback {
    /// Whether the end was reached.
    pub ended: bool,
    /// Frames that were decoded.
    pub frames: u64,
    /// Of these, frames that were not shown.
    pub dropped_frames: u64,
    /// Seconds; none for a live stream.
    pub duration: Option<f64>,
    /// Seconds played.
    pub current_time: f64,
    /// Seconds behind the live edge, of a play with [`PlayOptions::live_seconds`]: the median.
    pub latency: Option<f64>,
    /// Whether the time was over first.
    pub timed_out: bool,
    /// The renditions, by rising bitrate.
    pub levels: Vec<Level>,
    /// Names of the audio tracks.
    pub audio_tracks: Vec<String>,
    /// The chosen audio track; -1 for none.
    pub audio_track: i64,
    /// Names of the subtitle tracks.
    pub subtitle_tracks: Vec<String>,
    /// The chosen subtitle track; -1 for none.
    pub subtitle_track: i64,
    /// How many subtitle cues were loaded.
    pub cues: u64,
    /// All that the player complained of, also what it got over.
    pub errors: Vec<PlayerError>,
    /// All requests, in order; a redirect is a row of its own.
    pub requests: Vec<Request>,
}

/// A rendition.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Level {
    /// Pixels, if the playlist says so.
    pub width: Option<u32>,
    /// Pixels, if the playlist says so.
    pub height: Option<u32>,
    /// Bits per second; 0 if the player does not know.
    #[serde(default)]
    pub bitrate: u64,
}

/// A complaint of the player.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PlayerError {
    /// `networkError`, `mediaError`, ...
    #[serde(rename = "type")]
    pub kind: String,
    /// What exactly, in the player's words.
    pub details: String,
    /// Whether it ended the playback.
    pub fatal: bool,
    /// The URL that it is about.
    pub url: Option<String>,
    /// The status of the answer; 0 or none if there was none.
    pub status: Option<u16>,
}

/// A request of the page.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// The method.
    pub method: String,
    /// The whole URL.
    pub url: String,
    /// The server's status, also if CORS kept the answer from the page; none without an answer.
    pub status: Option<u16>,
    /// Whether a redirect led here.
    pub from_redirect: bool,
    /// `xhr`, `fetch`, `preflight`, ...
    pub resource_type: String,
    /// The `Range` header.
    pub range_header: Option<String>,
    /// Why the page did not get the answer.
    pub failure: Option<String>,
}

/// How to look at a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageOptions {
    /// Frames of the right player to wait for: 1 unless told.
    pub wait_frames: u64,
    /// Wait for the end of the right player as well.
    pub until_ended: bool,
    /// When to give up after the last progress: 30 s unless told. A look takes three times as long at
    /// most.
    pub timeout: Duration,
    /// A file with a script to run in the page after the wait.
    pub eval_file: Option<PathBuf>,
    /// Write a PNG of the whole page at the end.
    pub screenshot: Option<PathBuf>,
    /// Width and height of the window: 1280 and 900 unless told.
    pub viewport: (u32, u32),
    /// Prefer the dark colour scheme.
    pub dark: bool,
}

/// What a page with the demo's two players showed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Page {
    /// The left player, if the page has players.
    pub left: Option<Side>,
    /// The right player.
    pub right: Option<Side>,
    /// Whether the time was over first.
    pub timed_out: bool,
    /// What the script gave.
    pub eval: serde_json::Value,
    /// What the browser wrote to its console; a line for each refused request among others.
    pub console_errors: Vec<String>,
    /// All requests, in order.
    pub requests: Vec<PageRequest>,
}

/// One of the two players.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Side {
    /// Frames that were decoded.
    pub frames: u64,
    /// The rows of the page's own table.
    pub requests: Vec<SideRequest>,
    /// Why it stopped.
    pub error: Option<String>,
    /// Whether it reached the end.
    pub ended: bool,
}

/// A row of a player's table.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SideRequest {
    /// Counted from 1.
    pub number: u64,
    /// The whole URL.
    pub url: String,
    /// The URL as the table shows it.
    pub short: String,
    /// `manifest`, `segment`, ...
    #[serde(rename = "type")]
    pub kind: String,
    /// The status, if there was an answer.
    pub status: Option<u16>,
    /// `pending`, `ok`, `refused`, `failed` or `cancelled`.
    pub outcome: Option<String>,
    /// Where a redirect led.
    pub redirected_to: Option<String>,
}

/// A request of the page.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct PageRequest {
    /// The whole URL.
    pub url: String,
    /// The status, if there was an answer.
    pub status: Option<u16>,
}

// === impl Browser ===

impl Browser {
    /// Plays an HLS or DASH stream. Whether it played well is for the test to judge.
    ///
    /// # Panics
    /// When the script itself fails.
    #[must_use]
    pub fn play(url: &str, options: &PlayOptions) -> Playback {
        run_script("play.mjs", &options.arguments(url), options.timeout)
    }

    /// Plays several streams in one browser, some of them at a time.
    ///
    /// # Panics
    /// When the script itself fails, or no file can be written.
    #[must_use]
    pub fn plays(plays: &[Play]) -> Vec<Playback> {
        let list: Vec<_> = plays
            .iter()
            .map(|Play { url, options, wanted }| {
                json!({ "arguments": options.arguments(url), "wanted": wanted })
            })
            .collect();
        let mut file = NamedTempFile::new().unwrap();
        serde_json::to_writer(&mut file, &list).unwrap();
        let timeout = plays.iter().map(|play| play.options.timeout).sum();
        run_script("plays.mjs", &["--list".to_owned(), file.path().display().to_string()], timeout)
    }

    /// Opens a page.
    ///
    /// # Panics
    /// When the script itself fails.
    #[must_use]
    pub fn page(url: &str, options: &PageOptions) -> Page {
        run_script("page.mjs", &options.arguments(url), options.timeout)
    }
}

fn run_script<T: DeserializeOwned>(script: &str, arguments: &[String], timeout: Duration) -> T {
    // A test that failed while it had the browser spoils nothing for the next one.
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut command = Command::new(tool("node").expect("node is not installed"));
    command.arg(browser_dir().join(script)).args(arguments);
    if let Some(chromium) = tool("chromium") {
        command.env("CHROMIUM", chromium);
    }
    // On SIGTERM the script closes the browser and removes its profile, which takes a while.
    let mut process =
        Process::spawn(&mut command).expect("node can be run").with_grace(Duration::from_secs(10));
    let done = finish(&mut process, MOST_TIMES * timeout + START_AND_END).unwrap();
    assert!(
        done.status.is_some_and(|status| status.success()),
        "{script} failed with {:?}:\n{}",
        done.status,
        done.stderr
    );
    serde_json::from_str(&done.stdout)
        .unwrap_or_else(|error| panic!("{script} printed no document: {error}\n{}", done.stdout))
}

// === impl PlayOptions ===

impl PlayOptions {
    fn arguments(&self, url: &str) -> Vec<String> {
        let mut arguments = Arguments::new(url, self.timeout);
        arguments.option("--rate", Some(self.rate));
        arguments.option("--frames", self.frames);
        arguments.option("--level", self.level);
        arguments.option("--audio-track", self.audio_track);
        arguments.option("--screenshot", self.screenshot.as_ref().map(|file| file.display()));
        arguments.option("--player", Some(self.player.name()));
        arguments.option("--live-seconds", self.live_seconds);
        arguments.0
    }
}

impl Player {
    /// Its name for the script.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HlsJs => "hls.js",
            Self::Shaka => "shaka",
            Self::VideoJs => "video.js",
            Self::DashJs => "dash.js",
        }
    }
}

impl Default for PlayOptions {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(30),
            frames: None,
            rate: 1.0,
            level: None,
            audio_track: None,
            screenshot: None,
            player: Player::default(),
            live_seconds: None,
        }
    }
}

// === impl PageOptions ===

impl PageOptions {
    fn arguments(&self, url: &str) -> Vec<String> {
        let (width, height) = self.viewport;
        let mut arguments = Arguments::new(url, self.timeout);
        arguments.option("--wait-frames", Some(self.wait_frames));
        arguments.option("--viewport", Some(format!("{width}x{height}")));
        arguments.option("--eval-file", self.eval_file.as_ref().map(|file| file.display()));
        arguments.option("--screenshot", self.screenshot.as_ref().map(|file| file.display()));
        arguments.flag("--until-ended", self.until_ended);
        arguments.flag("--dark", self.dark);
        arguments.0
    }
}

impl Default for PageOptions {
    fn default() -> Self {
        Self {
            wait_frames: 1,
            until_ended: false,
            timeout: Duration::from_secs(30),
            eval_file: None,
            screenshot: None,
            viewport: (1280, 900),
            dark: false,
        }
    }
}

struct Arguments(Vec<String>);

impl Arguments {
    fn new(url: &str, timeout: Duration) -> Self {
        let mut arguments = Self(Vec::new());
        arguments.option("--url", Some(url));
        arguments.option("--timeout", Some(timeout.as_secs_f64()));
        arguments
    }

    fn option(&mut self, name: &str, value: Option<impl ToString>) {
        if let Some(value) = value {
            self.0.extend([name.to_owned(), value.to_string()]);
        }
    }

    fn flag(&mut self, name: &str, wanted: bool) {
        if wanted {
            self.0.push(name.to_owned());
        }
    }
}

// === impl Playback ===

impl Playback {
    /// The errors that ended the playback.
    #[must_use]
    pub fn fatal_errors(&self) -> Vec<&PlayerError> {
        self.errors.iter().filter(|error| error.fatal).collect()
    }

    /// The status of each request, in order; 0 where there was no answer.
    #[must_use]
    pub fn statuses(&self) -> Vec<u16> {
        self.requests.iter().map(|request| request.status.unwrap_or(0)).collect()
    }

    /// The requests whose status is not among `expected`: `requests_other_than(&[200, 206])`.
    #[must_use]
    pub fn requests_other_than(&self, expected: &[u16]) -> Vec<&Request> {
        let is_other =
            |request: &&Request| !request.status.is_some_and(|status| expected.contains(&status));
        self.requests.iter().filter(is_other).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_become_arguments() {
        let options = PlayOptions { level: Some(1), ..PlayOptions::default() };
        assert_eq!(
            options.arguments("http://x/"),
            [
                "--url",
                "http://x/",
                "--timeout",
                "30",
                "--rate",
                "1",
                "--level",
                "1",
                "--player",
                "hls.js"
            ]
        );
        let options = PageOptions { dark: true, ..PageOptions::default() };
        assert_eq!(
            options.arguments("u")[4..],
            ["--wait-frames", "1", "--viewport", "1280x900", "--dark"]
        );
    }

    #[test]
    fn a_document_is_read_and_asked() {
        let playback: Playback = serde_json::from_str(
            r#"{"ended": false, "frames": 3, "droppedFrames": 0, "duration": null,
                "currentTime": 0.1, "latency": null, "timedOut": true, "levels": [{"bitrate": 5}], "audioTracks": [],
                "audioTrack": -1, "subtitleTracks": [], "subtitleTrack": -1, "cues": 0,
                "errors": [{"type": "networkError", "details": "levelLoadError", "fatal": true,
                            "url": null, "status": 403}],
                "requests": [
                    {"method": "GET", "url": "a", "status": 200, "fromRedirect": false,
                     "resourceType": "xhr", "rangeHeader": null, "failure": null},
                    {"method": "GET", "url": "b", "status": null, "fromRedirect": true,
                     "resourceType": "xhr", "rangeHeader": "bytes=0-1", "failure": "x"}]}"#,
        )
        .unwrap();
        assert_eq!(playback.fatal_errors().len(), 1);
        assert_eq!(playback.statuses(), [200, 0]);
        assert_eq!(playback.requests_other_than(&[200, 206])[0].url, "b");
    }
}
