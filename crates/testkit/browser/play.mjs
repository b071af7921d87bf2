// Plays one HLS or DASH stream with a player of the page and prints what happened; see README.md.
import { withChromium } from "./chromium.mjs";
import { poll, runCommand } from "./command.mjs";
import { playOptions } from "./options.mjs";
import { withPageServer } from "./page-server.mjs";

await runCommand(async (args) => {
  const options = playOptions(args);
  return withPageServer((origin) =>
    withChromium({ viewport: { width: 640, height: 360 } }, (browser) => play(browser, origin, options)),
  );
});

async function play({ page, recorder }, origin, options) {
  await page.goto(origin);
  await page.waitForFunction("window.testPlayer");
  await page.evaluate((wanted) => window.testPlayer.start(wanted), options);

  let state;
  const finished = await poll(options.timeout, async () => {
    state = await page.evaluate(() => window.testPlayer.state());
    return state.over
      || (options.frames !== null && state.frames >= options.frames)
      || (options.liveSeconds !== null && state.playedSeconds >= options.liveSeconds);
  }, () => state && `${state.frames} ${state.currentTime} ${recorder.rows.length}`);
  if (options.screenshot) await page.screenshot({ path: options.screenshot });

  const { over, playedSeconds, ...seen } = state;
  return { ...seen, timedOut: !finished, requests: recorder.without(`${origin}/`) };
}
