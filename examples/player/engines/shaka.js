// Shaka Player behind the page's own interface.
import { loadScript } from "./script.js";

export async function loadShaka() {
  await loadScript(new URL("../node_modules/shaka-player/dist/shaka-player.compiled.js", import.meta.url));
  const { shaka } = window;
  shaka.polyfill.installAll();
  const { RequestType, AdvancedRequestType } = shaka.net.NetworkingEngine;
  const name = (type, context) => {
    if (type === RequestType.MANIFEST) return "manifest";
    if (type === RequestType.KEY) return "key";
    return context?.type === AdvancedRequestType.INIT_SEGMENT ? "init segment" : "segment";
  };
  return {
    isSupported: () => shaka.Player.isBrowserSupported(),
    start(video, url, { log, retry, ready, failed }) {
      const player = new shaka.Player();
      const rows = new Map();
      const network = player.getNetworkingEngine();
      network.registerRequestFilter((type, { uris: [uri] }, context) => {
        rows.set(uri, log.begin(uri, name(type, context)));
      });
      network.registerResponseFilter((_, { originalUri, uri, status }) => {
        const row = rows.get(originalUri);
        if (row) log.answer(row, status ?? 200, uri);
      });
      const fail = ({ code, data }) => {
        // Its filters see no answer that is refused.
        if (code === shaka.util.Error.Code.BAD_HTTP_STATUS) {
          const row = rows.get(data[0]) ?? [...rows.values()].findLast(({ outcome }) => outcome === "pending");
          if (row) log.answer(row, data[1]);
        }
        failed(`code ${code}`);
      };
      if (!retry) {
        const retryParameters = { maxAttempts: 1 };
        player.configure({ manifest: { retryParameters }, streaming: { retryParameters } });
      }
      player.addEventListener("error", ({ detail }) => fail(detail));
      player.attach(video).then(() => player.load(url)).then(ready, fail);
      const destroy = () => {
        player.destroy();
        log.cancelPending();
      };
      return { stop: destroy, destroy };
    },
  };
}
