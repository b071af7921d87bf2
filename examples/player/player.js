import { loadStreams } from "./config.js";
import { buildPicker } from "./picker.js";
import { Side } from "./side.js";

const notice = document.querySelector("#notice");

try {
  await start();
} catch (error) {
  console.error(error);
  notice.textContent = `The demo cannot start: ${error.message}`;
  notice.hidden = false;
}

async function start() {
  const Hls = await loadHls();
  const left = new Side(Hls, document.querySelector("#left"), { retry: false });
  const right = new Side(Hls, document.querySelector("#right"), { retry: true });
  // For tests, which look at the page from outside.
  window.sluicegateDemo = { left, right };

  let streams = await loadStreams();
  // The fragment names the stream, so that a link can open the page at one of them.
  const wanted = decodeURIComponent(location.hash.slice(1));
  let chosen = (streams.find(({ path }) => path === wanted) ?? streams[0]).path;

  const play = () => {
    const stream = streams.find(({ path }) => path === chosen);
    left.play(stream.cdn);
    right.play(stream.gateway);
  };
  const playAnew = async () => {
    try {
      streams = await loadStreams();
      notice.hidden = true;
      play();
    } catch (error) {
      notice.textContent = `No fresh links: ${error.message}`;
      notice.hidden = false;
    }
  };

  buildPicker(streams, chosen, (path) => {
    chosen = path;
    history.replaceState(null, "", `#${path}`);
    playAnew();
  });
  document.querySelector("#again").addEventListener("click", playAnew);
  document.querySelector("#controls").hidden = false;
  play();
}

async function loadHls() {
  try {
    return (await import("./node_modules/hls.js/dist/hls.mjs")).default;
  } catch (cause) {
    throw new Error("hls.js is missing; run “npm ci” in examples/player", { cause });
  }
}
