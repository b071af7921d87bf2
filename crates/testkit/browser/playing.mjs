import { poll } from "./command.mjs";

export const VIEWPORT = { width: 640, height: 360 };

/**
 * Plays one stream on a page of the page server at `origin`, until it is over or as `options` say, and gives what the
 * player did. `wanted` are beginnings of URLs: a play with `frames` goes on until each was asked for.
 */
export async function playOn(page, recorder, origin, { wanted = [], ...options }) {
  await page.goto(origin);
  await page.waitForFunction("window.testPlayer");
  await page.evaluate((chosen) => window.testPlayer.start(chosen), options);

  const wasAskedFor = (start) => recorder.rows.some(({ url }) => url.startsWith(start));
  let state;
  const finished = await poll(options.timeout, async () => {
    state = await page.evaluate(() => window.testPlayer.state());
    return state.over
      || (options.frames !== null && state.frames >= options.frames && wanted.every(wasAskedFor))
      || (options.liveSeconds !== null && state.playedSeconds >= options.liveSeconds);
  }, () => state && `${state.frames} ${state.currentTime} ${recorder.rows.length}`);
  if (options.screenshot) await page.screenshot({ path: options.screenshot });

  const { over, playedSeconds, ...seen } = state;
  return { ...seen, timedOut: !finished };
}
