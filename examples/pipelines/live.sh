#!/usr/bin/env bash
# A live stream of test pictures, signed as it is made: ffmpeg packages into one folder, and sluicegate
# publishes each playlist, with its segments, in another.
#
#   SLUICEGATE_KEY=... live.sh PUBLIC_DIR [BASE_URL]      # until Ctrl-C
set -euo pipefail

public=${1:?the folder that the CDN serves}
base=${2:-http://127.0.0.1:8082/}
work=$(mktemp -d)
trap 'kill $(jobs -p) 2> /dev/null; wait; rm -rf -- "$work"' EXIT
trap 'exit 0' INT TERM

mkdir -p -- "$public" "$work/live"
ffmpeg -nostdin -hide_banner -v error -re \
  -f lavfi -i testsrc2=s=640x360:r=25 -f lavfi -i sine=frequency=440 \
  -c:v libx264 -preset ultrafast -tune zerolatency -pix_fmt yuv420p -g 25 -c:a aac \
  -f hls -hls_time 1 -hls_list_size 6 -hls_flags delete_segments+temp_file \
  -hls_segment_filename "$work/live/seg-%d.ts" "$work/live/index.m3u8" &
sluicegate manifest sign --watch --scope "${SCOPE:-directory}" --base-url "$base" --ttl 10m \
  --copy --out "$public" "$work" &
wait -n
