//! Players without a window: ffmpeg and GStreamer.

use std::process::Command;
use std::time::Duration;

use crate::process::run;
use crate::tools::tool;

/// A stream of the fixtures is decoded in a few seconds; GStreamer's old DASH element can hang.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What GStreamer's HLS element says when it loses a race with itself, whoever the server is: it had
/// all of a short stream before its pad was there (once in some 100 plays with GStreamer 1.22). All
/// of that rendition had come by then, so the play is tried again.
const LOST_RACE: &str = "Can't push EOS on non-exposed pad";
const MAX_ATTEMPTS: usize = 3;

/// What ffmpeg made of a stream.
///
/// ffmpeg goes on, and exits with success, when a segment is missing: count the frames.
#[derive(Clone, Debug)]
pub struct FfmpegRun {
    /// Frames of the first video stream that were decoded.
    pub frames: u64,
    /// Whether ffmpeg exited with success.
    pub exit_ok: bool,
    /// Its errors.
    pub stderr: String,
}

/// What GStreamer made of a stream. It exits with failure when a segment is missing.
#[derive(Clone, Debug)]
pub struct GstRun {
    /// Whether it played to the end.
    pub ok: bool,
    /// Its errors.
    pub stderr: String,
}

/// Decodes the first video stream of a URL as fast as it can.
///
/// # Panics
/// When ffmpeg is not installed.
#[must_use]
pub fn ffmpeg_frames(url: &str) -> FfmpegRun {
    ffmpeg(&["-i", url, "-map", "0:v:0"], TIMEOUT)
}

/// Decodes the first video stream of a live URL from its last segment on, until it has so many
/// seconds of it.
///
/// # Panics
/// When ffmpeg is not installed.
#[must_use]
pub fn ffmpeg_live_frames(url: &str, secs: u32) -> FfmpegRun {
    ffmpeg(
        &["-live_start_index", "-1", "-i", url, "-map", "0:v:0", "-t", &secs.to_string()],
        TIMEOUT + Duration::from_secs(secs.into()),
    )
}

fn ffmpeg(arguments: &[&str], timeout: Duration) -> FfmpegRun {
    let mut command = Command::new(tool("ffmpeg").expect("ffmpeg is not installed"));
    command.args(["-nostdin", "-v", "error"]).args(arguments);
    command.args(["-f", "null", "-progress", "-", "-"]);
    let done = run(&mut command, timeout).expect("ffmpeg can be run");
    FfmpegRun {
        frames: last_frame(&done.stdout),
        exit_ok: done.status.is_some_and(|status| status.success()),
        stderr: done.stderr,
    }
}

/// Plays video, audio and subtitles of a URL as fast as it can.
///
/// # Panics
/// When GStreamer is not installed.
#[must_use]
pub fn gstreamer(url: &str) -> GstRun {
    let program = tool("gst-launch-1.0").expect("gst-launch-1.0 is not installed");
    let mut attempts = 0;
    loop {
        let mut command = Command::new(&program);
        command.env("GST_DEBUG", "adaptivedemux2:1").env("GST_DEBUG_NO_COLOR", "1");
        command.args(["-q", "playbin3", &format!("uri={url}")]);
        for sink in ["video-sink", "audio-sink", "text-sink"] {
            command.arg(format!("{sink}=fakesink sync=false"));
        }
        let done = run(&mut command, TIMEOUT).expect("gst-launch-1.0 can be run");
        let ok = done.status.is_some_and(|status| status.success());
        attempts += 1;
        if ok || attempts == MAX_ATTEMPTS || !done.stderr.contains(LOST_RACE) {
            return GstRun { ok, stderr: done.stderr };
        }
    }
}

/// The last `frame=` of what `-progress` writes.
fn last_frame(progress: &str) -> u64 {
    let mut frames = progress.lines().filter_map(|line| line.strip_prefix("frame="));
    frames.next_back().and_then(|frames| frames.trim().parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_frame_counts() {
        assert_eq!(last_frame("frame=1\nfps=0\nframe= 200\nprogress=end\n"), 200);
        assert_eq!(last_frame("progress=end\n"), 0);
    }
}
