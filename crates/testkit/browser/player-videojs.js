// video.js with its own HLS and DASH engine for player.js.
import { loadScript } from "./load-script.js";

export async function createPlayer(video, { url, level, audioTrack, fail, ready }) {
  await loadScript("./video.js");
  const { videojs } = window;
  const player = videojs(video, { html5: { vhs: { overrideNative: true } } });
  const representations = () =>
    (player.tech(true)?.vhs?.representations?.() ?? []).toSorted((a, b) => a.bandwidth - b.bandwidth);
  const list = (tracks) => Array.from({ length: tracks.length }, (_, index) => tracks[index]);
  const audioTracks = () => list(player.audioTracks());
  const subtitleTracks = () => list(player.textTracks()).filter(({ kind }) => kind === "subtitles");

  player.on("error", () => {
    const { code, message, status } = player.error();
    fail({ type: `code ${code}`, details: message, fatal: true, url: null, status: status ?? null });
  });
  // Of a live stream it loads nothing before it is to play.
  player.one("loadstart", ready);
  player.one("loadedmetadata", () => {
    if (level !== null) representations().forEach((one, index) => one.enabled(index === level));
    const audio = audioTrack === null ? null : audioTracks()[audioTrack];
    if (audio) audio.enabled = true;
    const [subtitles] = subtitleTracks();
    if (subtitles) subtitles.mode = "showing";
    ready();
  });
  const isDash = new URL(url).pathname.endsWith(".mpd");
  player.src({ src: url, type: isDash ? "application/dash+xml" : "application/x-mpegURL" });

  return {
    levels: () => representations().map(({ width, height, bandwidth }) => ({ width, height, bitrate: bandwidth })),
    tracks: () => ({
      audioTracks: audioTracks().map(({ label }) => label),
      audioTrack: audioTracks().findIndex(({ enabled }) => enabled),
      subtitleTracks: subtitleTracks().map(({ label }) => label),
      subtitleTrack: subtitleTracks().findIndex(({ mode }) => mode === "showing"),
    }),
    cues: () => subtitleTracks().reduce((sum, { cues }) => sum + (cues?.length ?? 0), 0),
    playingDate: () => null,
  };
}
