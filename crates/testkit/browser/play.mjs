// Plays one HLS or DASH stream with a player of the page and prints what happened; see README.md.
import { withChromium } from "./chromium.mjs";
import { runCommand } from "./command.mjs";
import { playOptions } from "./options.mjs";
import { withPageServer } from "./page-server.mjs";
import { VIEWPORT, playOn } from "./playing.mjs";

await runCommand(async (args) => {
  const options = playOptions(args);
  return withPageServer((origin) =>
    withChromium({ viewport: VIEWPORT }, async ({ page, recorder }) => {
      const played = await playOn(page, recorder, origin, options);
      return { ...played, requests: recorder.without(`${origin}/`) };
    }),
  );
});
