import { loadDash } from "./engines/dash.js";
import { loadHls } from "./engines/hls.js";
import { loadShaka } from "./engines/shaka.js";

/** The players for each format, the first one first; each is loaded when it is needed. */
const ENGINES = {
  HLS: [{ name: "hls.js", load: loadHls }],
  DASH: [{ name: "dash.js", load: loadDash }, { name: "Shaka Player", load: loadShaka }],
};

export const FORMATS = Object.keys(ENGINES);

export function formatOf(path) {
  return path.endsWith(".mpd") ? "DASH" : "HLS";
}

export function playersOf(format) {
  return ENGINES[format].map(({ name }) => name);
}

/** Loads a player. */
export async function loadEngine(format, name) {
  const { load } = ENGINES[format].find((engine) => engine.name === name);
  try {
    return await load();
  } catch (cause) {
    throw new Error(`${name} is missing; run “npm ci” in examples/player`, { cause });
  }
}
