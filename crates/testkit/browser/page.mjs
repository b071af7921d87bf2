// Opens a page with the demo's two players and prints what they did; see README.md.
import { readFile } from "node:fs/promises";
import { withChromium } from "./chromium.mjs";
import { poll, runCommand } from "./command.mjs";
import { pageOptions } from "./options.mjs";

await runCommand(async (args) => {
  const options = pageOptions(args);
  const script = options.evalFile ? await readFile(options.evalFile, "utf8") : null;
  return withChromium(options, (browser) => look(browser, options, script));
});

async function look({ page, recorder }, options, script) {
  const consoleErrors = [];
  page.on("console", (message) => {
    if (message.type() === "error") consoleErrors.push(message.text());
  });
  page.on("pageerror", (error) => consoleErrors.push(String(error)));
  await page.goto(options.url);

  let sides;
  const finished = await poll(options.timeout, async () => {
    sides = await page.evaluate(readSides);
    return isDone(sides, options);
  }, () => sides && `${sides.left?.frames} ${sides.right?.frames} ${recorder.rows.length}`);
  const result = script === null ? null : await page.evaluate(script);
  if (script !== null) sides = await page.evaluate(readSides);
  if (options.screenshot) await page.screenshot({ path: options.screenshot, fullPage: true });

  return {
    ...sides,
    timedOut: !finished,
    eval: result ?? null,
    consoleErrors,
    requests: recorder.rows.map(({ url, status }) => ({ url, status })),
  };
}

function isDone({ left, right }, { waitFrames, untilEnded }) {
  if (!left || !right) return false;
  if (right.error) return true;
  // The left side fails in its own time: a look at it before that would depend on luck.
  const leftIsSettled = left.error !== null || left.frames > 0;
  return leftIsSettled && right.frames >= waitFrames && (right.ended || !untilEnded);
}

// Runs in the page, with nothing but the page's own objects at hand.
function readSides() {
  const copy = (side) => side && {
    frames: side.frames(),
    requests: Array.from(side.requests, (row) => ({ ...row })),
    error: side.error ?? null,
    ended: Boolean(side.ended),
  };
  return { left: copy(window.sluicegateDemo?.left) ?? null, right: copy(window.sluicegateDemo?.right) ?? null };
}
