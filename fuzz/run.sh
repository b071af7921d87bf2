#!/usr/bin/env bash
# Runs every fuzz target, or those named, for FUZZ_SECS seconds each (600 unless set), one after
# another. Seeds: the fixtures, earlier crashes, and the corpus that SLUICEGATE_CORPUS names.
set -euo pipefail
cd "$(dirname "$0")/.."
secs=${FUZZ_SECS:-600}
[ $# -gt 0 ] || set -- lexer render

cargo fuzz --version > /dev/null 2>&1 || cargo install cargo-fuzz --locked

# Sanitizers want a nightly compiler; a stable one takes the flags when told that it is one.
if cargo +nightly --version > /dev/null 2>&1; then
  toolchain=(+nightly)
else
  toolchain=()
  export RUSTC_BOOTSTRAP=1
fi

folders=(fixtures fuzz/crashes)
[ ! -d "${SLUICEGATE_CORPUS:-}/hls" ] || folders+=("$SLUICEGATE_CORPUS/hls")
for target in "$@"; do
  seeds=fuzz/corpus/$target
  mkdir -p "$seeds"
  # Named by content, so that a second run adds nothing.
  find "${folders[@]}" -type f \( -name '*.m3u8' -o -name '*.m3u' -o -name 'input.*' \) -size -64k \
    ! -name 'expected.*' -print0 |
    while IFS= read -r -d '' file; do
      cp "$file" "$seeds/$(sha1sum < "$file" | cut -d ' ' -f 1)"
    done
  echo "fuzzing $target for $secs s"
  # Short inputs reach nearly as much as long ones, and run several times as often.
  cargo "${toolchain[@]}" fuzz run "$target" -- \
    -max_total_time="$secs" -max_len=1024 -timeout=10 -dict=fuzz/dictionaries/m3u8.dict \
    -print_final_stats=1
done
