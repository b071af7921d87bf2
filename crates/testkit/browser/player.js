// Runs in the page. play.mjs calls `start` and looks at `state`.
const ADAPTERS = { "hls.js": "./player-hls.js", shaka: "./player-shaka.js", "video.js": "./player-videojs.js", "dash.js": "./player-dashjs.js" };

const video = document.querySelector("video");
const errors = [];
const latencies = [];
let adapter;
let over = false;
/** The numbers of the picture at the end of the stream; null before it. */
let atEnd = null;
let playingSince = null;

window.testPlayer = { start, state };

async function start({ player, url, rate, level, audioTrack, liveSeconds }) {
  const { createPlayer } = await import(ADAPTERS[player]);
  video.addEventListener("ended", end);
  video.addEventListener("playing", () => { playingSince ??= performance.now(); });
  adapter = await createPlayer(video, { url, level, audioTrack, fail, end, ready: () => play(rate) });
  if (liveSeconds !== null) setInterval(sampleLatency, 1000);
}

function play(rate) {
  video.playbackRate = rate;
  video.play().catch((error) => {
    // The next source of a player that sets it twice interrupts the first wish to play.
    if (error.name === "AbortError") return;
    fail({ type: "play", details: String(error), fatal: true, url: null, status: null });
  });
}

function fail(error) {
  errors.push(error);
  over ||= error.fatal;
}

/** The player or the media element says that the end is reached. What a player does afterwards does not count. */
function end() {
  atEnd ??= picture();
  over = true;
}

function picture() {
  const { totalVideoFrames, droppedVideoFrames } = video.getVideoPlaybackQuality();
  return { frames: totalVideoFrames, droppedFrames: droppedVideoFrames, currentTime: video.currentTime };
}

/** How far behind the live edge the picture is, in seconds: by the stream's own wall clock if it has one. */
function sampleLatency() {
  if (playingSince === null) return;
  const date = adapter.playingDate();
  const { seekable } = video;
  if (date) latencies.push((Date.now() - date.getTime()) / 1000);
  else if (seekable.length > 0) latencies.push(seekable.end(seekable.length - 1) - video.currentTime);
}

function state() {
  return {
    over,
    playedSeconds: playingSince === null ? 0 : (performance.now() - playingSince) / 1000,
    ended: atEnd !== null,
    ...(atEnd ?? picture()),
    duration: finite(video.duration),
    latency: median(latencies),
    levels: adapter.levels(),
    ...adapter.tracks(),
    cues: adapter.cues(),
    errors,
  };
}

// A live stream lasts for ever, which JSON cannot say.
function finite(number) {
  return Number.isFinite(number) ? number : null;
}

function median(numbers) {
  if (numbers.length === 0) return null;
  const sorted = numbers.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
