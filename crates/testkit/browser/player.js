// Runs in the page. play.mjs calls `start` and looks at `state`.
import Hls from "./hls.mjs";

const video = document.querySelector("video");
const errors = [];
let hls;
let over = false;

window.testPlayer = { start, state };

function start({ url, rate, level, audioTrack }) {
  hls = new Hls(level === null ? {} : { startLevel: level });
  const { Events } = Hls;

  hls.on(Events.ERROR, (_, data) => {
    errors.push(describe(data));
    over ||= data.fatal;
  });
  hls.on(Events.MANIFEST_PARSED, () => {
    if (level !== null) hls.loadLevel = level;
    video.playbackRate = rate;
    video.play().catch((error) => {
      errors.push({ type: "play", details: String(error), fatal: true, url: null, status: null });
      over = true;
    });
  });
  // Without a choice hls.js leaves subtitles alone, and their playlists would never be asked for.
  // It sets its own choice right after this event, so ours has to come after that.
  hls.on(Events.SUBTITLE_TRACKS_UPDATED, (_, { subtitleTracks }) => {
    setTimeout(() => {
      if (subtitleTracks.length > 0 && hls.subtitleTrack < 0) hls.subtitleTrack = 0;
    });
  });
  hls.once(Events.AUDIO_TRACKS_UPDATED, (_, { audioTracks }) => {
    if (audioTrack !== null && audioTrack < audioTracks.length) hls.audioTrack = audioTrack;
  });
  video.addEventListener("ended", () => { over = true; });

  hls.loadSource(url);
  hls.attachMedia(video);
}

function state() {
  const quality = video.getVideoPlaybackQuality();
  return {
    over,
    ended: video.ended,
    frames: quality.totalVideoFrames,
    droppedFrames: quality.droppedVideoFrames,
    duration: finite(video.duration),
    currentTime: video.currentTime,
    levels: hls.levels.map(({ width, height, bitrate }) => ({ width, height, bitrate })),
    audioTracks: hls.audioTracks.map(({ name }) => name),
    audioTrack: hls.audioTrack,
    subtitleTracks: hls.subtitleTracks.map(({ name }) => name),
    subtitleTrack: hls.subtitleTrack,
    cues: [...video.textTracks].reduce((sum, { cues }) => sum + (cues?.length ?? 0), 0),
    errors,
  };
}

function describe(data) {
  return {
    type: data.type,
    details: data.details,
    fatal: data.fatal,
    url: data.url ?? data.frag?.url ?? data.context?.url ?? null,
    status: data.response?.code ?? data.networkDetails?.status ?? null,
  };
}

// A live stream lasts for ever, which JSON cannot say.
function finite(number) {
  return Number.isFinite(number) ? number : null;
}
