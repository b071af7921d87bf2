// hls.js behind the page's own interface: what Side asks of a player.
import { recordingLoader } from "../loader.js";
import { withoutRetries } from "../retries.js";

export async function loadHls() {
  const { default: Hls } = await import("../node_modules/hls.js/dist/hls.mjs");
  return {
    isSupported: () => Hls.isSupported(),
    start(video, url, { log, retry, ready, failed }) {
      const hls = new Hls({
        loader: recordingLoader(Hls.DefaultConfig.loader, log),
        ...(retry ? {} : withoutRetries(Hls.DefaultConfig)),
      });
      hls.on(Hls.Events.ERROR, (_, data) => {
        if (data.fatal) failed(data.details);
      });
      hls.on(Hls.Events.MANIFEST_PARSED, ready);
      hls.loadSource(url);
      hls.attachMedia(video);
      return { stop: () => hls.stopLoad(), destroy: () => hls.destroy() };
    },
  };
}
