#!/usr/bin/env bash
# Runs every fuzz target, or those named, for FUZZ_SECS seconds each (600 unless set), one after
# another. Seeds: the fixtures, earlier crashes, and the corpus that SLUICEGATE_CORPUS names.
set -euo pipefail
cd "$(dirname "$0")/.."
secs=${FUZZ_SECS:-600}
[ $# -gt 0 ] || set -- lexer render mpd verify

cargo fuzz --version > /dev/null 2>&1 || cargo install cargo-fuzz --locked

# Sanitizers want a nightly compiler; a stable one takes the flags when told that it is one.
if cargo +nightly --version > /dev/null 2>&1; then
  toolchain=(+nightly)
else
  toolchain=()
  export RUSTC_BOOTSTRAP=1
fi

folders=(fixtures fuzz/crashes)
for name in hls dash; do
  [ ! -d "${SLUICEGATE_CORPUS:-}/$name" ] || folders+=("$SLUICEGATE_CORPUS/$name")
done
for target in "$@"; do
  seeds=fuzz/corpus/$target
  mkdir -p "$seeds"
  # What the target reads, the longest input, and its words. Short inputs reach nearly as much as
  # long ones, and run several times as often; an MPD is never that short.
  kinds=(-name '*.m3u8' -o -name '*.m3u' -o -name 'input.*') max_len=1024 words=m3u8
  [ "$target" != mpd ] || kinds=(-name '*.mpd') max_len=4096 words=mpd
  # Named by content, so that a second run adds nothing.
  find "${folders[@]}" -type f \( "${kinds[@]}" \) -size -64k \
    ! -name 'expected.*' -print0 |
    while IFS= read -r -d '' file; do
      cp "$file" "$seeds/$(sha1sum < "$file" | cut -d ' ' -f 1)"
    done
  if [ "$target" = verify ]; then
    words=token max_len=512
    # The signed URLs of the vectors, behind two bytes that choose the scheme.
    grep -o '"signed": "[^"]*"' fixtures/token/vectors.json | cut -d '"' -f 4 | sed 's|^https*://[^/]*||' |
      awk '{ print NR "\t" $0 }' | while IFS=$'\t' read -r number url; do
        printf "\\x$(printf %02x $((number % 64)))1%s" "$url" > "$seeds/vector-$number"
      done
  fi
  echo "fuzzing $target for $secs s"
  cargo "${toolchain[@]}" fuzz run "$target" -- \
    -max_total_time="$secs" -max_len="$max_len" -timeout=10 -dict="fuzz/dictionaries/$words.dict" \
    -print_final_stats=1
done
