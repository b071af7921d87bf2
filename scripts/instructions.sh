#!/usr/bin/env bash
# Instructions of each step, by callgrind: they do not swing with the machine, so a regression shows. valgrind knows
# no AVX-512 and no SHA instructions, so hashes count for more here than they cost.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v valgrind > /dev/null || { echo "needs valgrind (apt-get install valgrind)" >&2; exit 1; }
program=target/release/examples/icount
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

count() { # step, times: all instructions of a run
  valgrind --tool=callgrind --callgrind-out-file="$work/out" "$program" "$@" > /dev/null 2> "$work/log"
  sed -n 's/^\(summary\|totals\): //p' "$work/out" | head -1
}

echo "| step | instructions |"
echo "| --- | ---: |"
while read -r step times what; do
  once=$(count "$step" "$times")
  twice=$(count "$step" $((2 * times)))
  printf '| %s | %d |\n' "$what" $(((twice - once) / times))
done << 'STEPS'
compile 5 compiling a playlist of 7,200 segments
plan 5 planning it
directory 20 rendering it with a directory token
file 5 rendering it with a token per file
copy 200 its compressed body for one viewer
verify 1000 verifying a session token
STEPS
