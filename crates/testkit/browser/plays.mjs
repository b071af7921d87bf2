// Plays several streams in one browser and prints what happened in each; see README.md.
import { readFile } from "node:fs/promises";
import { withChromium } from "./chromium.mjs";
import { runCommand } from "./command.mjs";
import { playOptions, playsOptions } from "./options.mjs";
import { isFile, withPageServer } from "./page-server.mjs";
import { VIEWPORT, playOn } from "./playing.mjs";

/** How many pages play at a time. */
const TOGETHER = 3;

await runCommand(async (args) => {
  const { list } = playsOptions(args);
  const plays = JSON.parse(await readFile(list, "utf8"));
  return withPageServer((origin) =>
    withChromium({ viewport: VIEWPORT }, async ({ open }) => {
      const played = [];
      const queue = plays.entries();
      // All of them take from the one queue.
      const takeTurns = async () => {
        for (const [at, play] of queue) played[at] = await playOne(await open(), origin, play);
      };
      await Promise.all(Array.from({ length: TOGETHER }, takeTurns));
      return played;
    }),
  );
});

async function playOne({ page, recorder }, origin, { arguments: args, wanted }) {
  const played = await playOn(page, recorder, origin, { ...playOptions(args), wanted });
  await page.close();
  return { ...played, requests: recorder.rows.filter(({ url }) => !isFile(url, origin)) };
}
