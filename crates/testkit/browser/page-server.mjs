import { readFile } from "node:fs/promises";
import { createServer } from "node:http";

const FILES = {
  "/": ["page.html", "text/html; charset=utf-8"],
  "/player.js": ["player.js", "text/javascript"],
  "/player-hls.js": ["player-hls.js", "text/javascript"],
  "/player-shaka.js": ["player-shaka.js", "text/javascript"],
  "/player-videojs.js": ["player-videojs.js", "text/javascript"],
  "/player-dashjs.js": ["player-dashjs.js", "text/javascript"],
  "/load-script.js": ["load-script.js", "text/javascript"],
  "/hls.mjs": ["node_modules/hls.js/dist/hls.mjs", "text/javascript"],
  "/shaka.js": ["node_modules/shaka-player/dist/shaka-player.compiled.js", "text/javascript"],
  "/dash.js": ["node_modules/dashjs/dist/modern/umd/dash.all.min.js", "text/javascript"],
  "/video.js": ["node_modules/video.js/dist/video.min.js", "text/javascript"],
};

/** Whether a URL is that of one of the files of the page server at `origin`. */
export function isFile(url, origin) {
  return url.startsWith(origin) && Object.hasOwn(FILES, url.slice(origin.length));
}

/** Serves the test player on a loopback port that the system picks, while `use(origin)` runs. */
export async function withPageServer(use) {
  const server = createServer(answer);
  await new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  try {
    return await use(`http://127.0.0.1:${server.address().port}`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

async function answer(request, response) {
  const [file, type] = FILES[request.url] ?? [];
  if (!file) {
    response.writeHead(404).end();
    return;
  }
  try {
    const body = await readFile(new URL(file, import.meta.url));
    response.writeHead(200, { "content-type": type }).end(body);
  } catch (error) {
    response.writeHead(500).end(error.message);
  }
}
