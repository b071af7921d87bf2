import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { Recorder } from "./recorder.mjs";

const ARGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--autoplay-policy=no-user-gesture-required",
  // Tests stay on this machine, whatever a page or the browser itself asks for.
  "--no-proxy-server",
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE *.localhost, EXCLUDE 127.0.0.1, EXCLUDE [::1]",
];

const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 };

/**
 * Runs `use({ page, recorder, open })` in a fresh browser; `open()` gives a further page with a recorder of its own.
 * Whatever happens, a signal included, the browser and its directory are gone afterwards.
 */
export async function withChromium({ viewport, dark = false }, use) {
  const home = await mkdtemp(join(tmpdir(), "sluicegate-browser-"));
  const launching = launch(home, viewport, dark);
  let cleaning = null;
  const clean = () => (cleaning ??= (async () => {
    // A signal may come while the browser still starts; it can be closed only after that.
    await launching.then((context) => context.close()).catch(() => {});
    // The browser may still be writing its last files.
    await rm(home, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  })());
  const stop = (signal) => clean().finally(() => process.exit(SIGNALS[signal]));
  for (const signal of Object.keys(SIGNALS)) process.once(signal, stop);

  try {
    const context = await launching;
    const record = async (page) => {
      const recorder = new Recorder();
      await recorder.listen(await context.newCDPSession(page));
      return { page, recorder };
    };
    const open = async () => record(await context.newPage());
    return await use({ ...(await record(context.pages()[0] ?? (await context.newPage()))), open });
  } finally {
    await clean();
    for (const signal of Object.keys(SIGNALS)) process.removeListener(signal, stop);
  }
}

function launch(home, viewport, dark) {
  return chromium.launchPersistentContext(join(home, "profile"), {
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    headless: true,
    args: ARGS,
    // All that the browser writes goes into the one directory that is removed afterwards.
    artifactsDir: join(home, "artifacts"),
    env: {
      ...process.env,
      HOME: home,
      TMPDIR: home,
      XDG_CONFIG_HOME: join(home, "config"),
      XDG_CACHE_HOME: join(home, "cache"),
    },
    handleSIGHUP: false,
    handleSIGINT: false,
    handleSIGTERM: false,
    // Test servers sign their own certificates.
    ignoreHTTPSErrors: true,
    viewport,
    colorScheme: dark ? "dark" : "light",
  });
}
