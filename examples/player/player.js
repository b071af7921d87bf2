import { loadStreams } from "./config.js";
import { FORMATS, formatOf, loadEngine, playersOf } from "./engines.js";
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
  const left = new Side(document.querySelector("#left"), { retry: false });
  const right = new Side(document.querySelector("#right"), { retry: true });
  // For tests, which look at the page from outside.
  window.sluicegateDemo = { left, right };

  let streams = await loadStreams();
  // The fragment names the stream, and a player for it, so that a link can open the page at them.
  const [wanted, wantedPlayer] = location.hash.slice(1).split("?").map(decodeURIComponent);
  let chosen = (streams.find(({ path }) => path === wanted) ?? streams[0]).path;
  const players = Object.fromEntries(FORMATS.map((format) => {
    const names = playersOf(format);
    return [format, names.includes(wantedPlayer) ? wantedPlayer : names[0]];
  }));

  const play = async () => {
    const format = formatOf(chosen);
    const engine = await loadEngine(format, players[format]);
    const stream = streams.find(({ path }) => path === chosen);
    left.play(engine, stream.cdn);
    right.play(engine, stream.gateway);
  };
  const playAnew = async () => {
    try {
      streams = await loadStreams();
      notice.hidden = true;
      await play();
    } catch (error) {
      notice.textContent = `No fresh links: ${error.message}`;
      notice.hidden = false;
    }
  };

  const show = () => {
    const format = formatOf(chosen);
    const formats = FORMATS.filter((one) => streams.some(({ path }) => formatOf(path) === one));
    buildPicker("#formats", formats.map((name) => ({ name, value: name })), format, (picked) => {
      choose(streams.find(({ path }) => formatOf(path) === picked).path);
    });
    const offered = streams.filter(({ path }) => formatOf(path) === format);
    buildPicker("#streams", offered.map(({ name, path }) => ({ name, value: path })), chosen, choose);
    buildPicker("#players", playersOf(format).map((name) => ({ name, value: name })), players[format], (picked) => {
      players[format] = picked;
      choose(chosen);
    });
  };
  const choose = (path) => {
    chosen = path;
    const format = formatOf(path);
    const player = players[format] === playersOf(format)[0] ? "" : `?${encodeURIComponent(players[format])}`;
    history.replaceState(null, "", `#${path}${player}`);
    show();
    playAnew();
  };

  show();
  document.querySelector("#again").addEventListener("click", playAnew);
  document.querySelector("#controls").hidden = false;
  await play();
}
