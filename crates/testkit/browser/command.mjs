/**
 * Runs a script's `work` and prints the one JSON document it gives.
 * Exit code 0: the document is there, and the caller judges it. 2: the script itself failed.
 */
export async function runCommand(work) {
  try {
    const text = JSON.stringify(await work(process.argv.slice(2)));
    process.stdout.write(`${text}\n`, () => process.exit(0));
  } catch (error) {
    process.stderr.write(`${error.stack ?? error}\n`, () => process.exit(2));
  }
}

/** How often a wait may begin anew. */
const MOST_TIMES = 3;

/**
 * Asks `look` until it gives something true; says whether it did. It gives up `seconds` after the
 * last change of `progress()`: a busy machine is slow, and what stalls does not change. In all it
 * waits three times as long at most.
 */
export async function poll(seconds, look, progress = () => 0) {
  const began = Date.now();
  let changed = began;
  let last = progress();
  for (;;) {
    if (await look()) return true;
    const now = Date.now();
    const current = progress();
    if (current !== last) {
      last = current;
      changed = now;
    }
    if (now - changed >= seconds * 1000 || now - began >= MOST_TIMES * seconds * 1000) return false;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
