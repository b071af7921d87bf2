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

/** Asks `look` until it gives something true or `seconds` are over; says whether it did. */
export async function poll(seconds, look) {
  const deadline = Date.now() + seconds * 1000;
  for (;;) {
    if (await look()) return true;
    if (Date.now() >= deadline) return false;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
