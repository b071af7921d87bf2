// Shaka Player for player.js.
import { loadScript } from "./load-script.js";

export async function createPlayer(video, { url, level, audioTrack, fail, ready }) {
  await loadScript("./shaka.js");
  const { shaka } = window;
  shaka.polyfill.installAll();
  const player = new shaka.Player();
  await player.attach(video);
  // Versions of a resolution that differ in the audio alone are one level.
  const variants = () =>
    [...new Map(player.getVariantTracks().map((track) => [track.videoId ?? track.id, track])).values()]
      .sort((a, b) => a.bandwidth - b.bandwidth);
  const audioLabels = () => player.getAudioTracks().map(({ label, language }) => label ?? language);

  player.addEventListener("error", ({ detail }) => fail(describe(shaka, detail)));
  player.load(url).then(() => {
    if (level !== null && variants()[level]) {
      player.configure("abr.enabled", false);
      player.selectVariantTrack(variants()[level], true);
    }
    const audio = audioTrack === null ? null : player.getAudioTracks()[audioTrack];
    if (audio) player.selectAudioTrack(audio);
    const [text] = player.getTextTracks();
    if (text) player.selectTextTrack(text);
    ready();
  }, (error) => fail({ ...describe(shaka, error), fatal: true }));

  return {
    levels: () => variants().map(({ width, height, bandwidth }) => ({ width, height, bitrate: bandwidth })),
    tracks: () => ({
      audioTracks: audioLabels(),
      audioTrack: player.getAudioTracks().findIndex(({ active }) => active),
      subtitleTracks: player.getTextTracks().map(({ label, language }) => label ?? language),
      subtitleTrack: player.getTextTracks().findIndex(({ active }) => active),
    }),
    cues: () => [...video.textTracks].reduce((sum, { cues }) => sum + (cues?.length ?? 0), 0),
    playingDate: () => player.getPlayheadTimeAsDate(),
  };
}

function describe(shaka, { severity, category, code, data }) {
  const isHttp = code === shaka.util.Error.Code.BAD_HTTP_STATUS || code === shaka.util.Error.Code.HTTP_ERROR;
  return {
    type: category === shaka.util.Error.Category.NETWORK ? "networkError" : `category ${category}`,
    details: `code ${code}`,
    fatal: severity === shaka.util.Error.Severity.CRITICAL,
    url: isHttp ? (data[0] ?? null) : null,
    status: code === shaka.util.Error.Code.BAD_HTTP_STATUS ? data[1] : null,
  };
}
