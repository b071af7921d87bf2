#!/usr/bin/env bash
# The token, manifest and gzip crates are for any program: they must not pull in a runtime or HTTP.
set -euo pipefail

for crate in sluicegate-token sluicegate-manifest sluicegate-gzip; do
  found=$(cargo tree --locked --edges normal --package "$crate" --prefix none |
    grep -E '^(tokio|reqwest|hyper|axum)[-a-z]* v' | sort -u || true)
  if [ -n "$found" ]; then
    echo "$crate must stay free of I/O, and depends on:" >&2
    echo "$found" >&2
    exit 1
  fi
done
echo "sluicegate-token, sluicegate-manifest and sluicegate-gzip are pure"
