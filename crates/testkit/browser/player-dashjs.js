// dash.js for player.js.
import { loadScript } from "./load-script.js";

/** Above the priority of the handler of dash.js that seeks. */
const BEFORE_DASH_JS = 10_000;

export async function createPlayer(video, { url, level, audioTrack, fail, end, ready }) {
  await loadScript("./dash.js");
  const { dashjs } = window;
  const player = dashjs.MediaPlayer().create();
  const { events } = dashjs.MediaPlayer;
  const representations = () => player.getRepresentationsByType("video").toSorted((a, b) => a.bandwidth - b.bandwidth);
  const tracks = (type) => player.getTracksFor(type);
  const current = (type) => tracks(type).findIndex((track) => track === player.getCurrentTrackFor(type));
  const name = ({ labels, lang, id }) => labels?.[0]?.text ?? lang ?? String(id);

  if (level !== null) {
    player.updateSettings({ streaming: { abr: { autoSwitchBitrate: { video: false } } } });
    // Chosen by its bitrate: afterwards the first segment of another one has been asked for already.
    player.on(events.MANIFEST_LOADED, ({ data }) => {
      const wanted = videoBitrates(data)[level];
      if (wanted) player.updateSettings({ streaming: { abr: { initialBitrate: { video: wanted / 1000 } } } });
    });
  }
  // dash.js compares the time with the MPD's end by a timer. If the timer comes before the media element's `ended`,
  // dash.js reports the end, seeks back by half a second and pauses there, and `ended` never comes.
  player.on(events.PLAYBACK_ENDED, ({ isLast }) => { if (isLast) end(); }, null, { priority: BEFORE_DASH_JS });
  player.on(events.ERROR, ({ error }) => fail(describe(error)));
  player.on(events.STREAM_INITIALIZED, () => {
    const audio = audioTrack === null ? null : tracks("audio")[audioTrack];
    if (audio) player.setCurrentTrack(audio);
    ready();
  });
  player.initialize(video, url, false);

  return {
    levels: () => (player.isReady() && player.getActiveStream() ? representations() : [])
      .map(({ width, height, bandwidth }) => ({ width, height, bitrate: bandwidth })),
    tracks: () => {
      if (!player.isReady() || !player.getActiveStream()) {
        return { audioTracks: [], audioTrack: -1, subtitleTracks: [], subtitleTrack: -1 };
      }
      return {
        audioTracks: tracks("audio").map(name),
        audioTrack: current("audio"),
        subtitleTracks: tracks("text").map(name),
        subtitleTrack: current("text"),
      };
    },
    cues: () => [...video.textTracks].reduce((sum, { cues }) => sum + (cues?.length ?? 0), 0),
    playingDate: () => (player.isDynamic() ? new Date(player.timeAsUTC() * 1000) : null),
  };
}

/** The bitrates of the first Period's video, rising. */
function videoBitrates({ Period: [period] }) {
  const video = period.AdaptationSet.find(({ contentType, mimeType }) => (contentType ?? mimeType ?? "").startsWith("video"));
  return (video?.Representation ?? []).map(({ bandwidth }) => bandwidth).toSorted((a, b) => a - b);
}

function describe({ code, message, data }) {
  const { request, response } = data ?? {};
  const status = response?.status ?? null;
  return {
    type: status === null ? `code ${code}` : "networkError",
    details: `code ${code}: ${message}`,
    fatal: ![27, 28].includes(code),
    url: request?.url ?? null,
    status,
  };
}
