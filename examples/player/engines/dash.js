// dash.js behind the page's own interface.
import { loadScript } from "./script.js";

/** What dash.js calls a request, in words. */
const TYPES = { MPD: "manifest", InitializationSegment: "init segment", MediaSegment: "segment", IndexSegment: "index" };

export async function loadDash() {
  await loadScript(new URL("../node_modules/dashjs/dist/modern/umd/dash.all.min.js", import.meta.url));
  const { dashjs } = window;
  return {
    isSupported: () => dashjs.supportsMediaSource(),
    start(video, url, { log, retry, ready, failed }) {
      const player = dashjs.MediaPlayer().create();
      const { events } = dashjs.MediaPlayer;
      const rows = new WeakMap();
      player.addRequestInterceptor((request) => {
        const type = request.customData?.request?.type;
        rows.set(request, log.begin(request.url, TYPES[type] ?? type ?? "other"));
        return Promise.resolve(request);
      });
      player.addResponseInterceptor((response) => {
        const row = rows.get(response.request);
        // Without a status it was given up, for another Representation for instance.
        if (row && response.status) log.answer(row, response.status, response.url);
        else if (row) log.cancel(row);
        return Promise.resolve(response);
      });
      if (!retry) {
        const retryAttempts = { MPD: 0, InitializationSegment: 0, MediaSegment: 0, IndexSegment: 0 };
        player.updateSettings({ streaming: { retryAttempts } });
      }
      player.on(events.ERROR, ({ error }) => failed(error.message));
      player.on(events.STREAM_INITIALIZED, ready);
      player.initialize(video, url, false);
      const destroy = () => {
        player.destroy();
        log.cancelPending();
      };
      return { stop: destroy, destroy };
    },
  };
}
