// hls.js for player.js.
import Hls from "./hls.mjs";

export function createPlayer(video, { url, level, audioTrack, fail, ready }) {
  const hls = new Hls(level === null ? {} : { startLevel: level });
  const { Events } = Hls;

  hls.on(Events.ERROR, (_, data) => fail(describe(data)));
  hls.on(Events.MANIFEST_PARSED, () => {
    if (level !== null) hls.loadLevel = level;
    ready();
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
  hls.loadSource(url);
  hls.attachMedia(video);

  return {
    levels: () => hls.levels.map(({ width, height, bitrate }) => ({ width, height, bitrate })),
    tracks: () => ({
      audioTracks: hls.audioTracks.map(({ name }) => name),
      audioTrack: hls.audioTrack,
      subtitleTracks: hls.subtitleTracks.map(({ name }) => name),
      subtitleTrack: hls.subtitleTrack,
    }),
    cues: () => [...video.textTracks].reduce((sum, { cues }) => sum + (cues?.length ?? 0), 0),
    playingDate: () => hls.playingDate,
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
