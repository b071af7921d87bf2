#!/usr/bin/env bash
# Runs each browser test COUNT times (20 unless set) beside loops that keep all cores busy: a test that
# depends on time fails here. FILTER narrows the tests, for example 'test(pipelines::)'.
set -euo pipefail
cd "$(dirname "$0")/.."
count=${COUNT:-20}
filter=${FILTER:-all()}

started=()
stop() {
  [ ${#started[@]} -eq 0 ] || kill "${started[@]}" 2> /dev/null || true
}
trap stop EXIT
trap 'exit 130' INT TERM

features=(--features sluicegate/object-store,sluicegate/otel)
cargo nextest run --locked "${features[@]}" --workspace --exclude sluicegate-bench --no-run
for _ in $(seq "$(nproc)"); do
  (while :; do :; done) &
  started+=($!)
done
# In the background, since bash runs a trap after the command in the foreground has ended.
cargo nextest run --locked "${features[@]}" --workspace --exclude sluicegate-bench \
  --no-fail-fast --stress-count "$count" \
  --filterset "(test(browser_) | test(_in_chromium)) & ($filter)" &
started+=($!)
wait $!
