#!/usr/bin/env bash
# Packages a video as HLS: two renditions, each in a folder of its own, and a multivariant playlist.
#
#   package-hls.sh INPUT OUTPUT_DIR
set -euo pipefail

input=${1:?the video to package}
out=${2:?the folder to write}

mkdir -p -- "$out"/{180p,360p}
ffmpeg -nostdin -hide_banner -v error -y -i "$input" \
  -filter_complex '[0:v]split[low][high];[low]scale=-2:180[v0];[high]scale=-2:360[v1]' \
  -map '[v0]' -map 0:a -map '[v1]' -map 0:a \
  -c:v libx264 -preset veryfast -pix_fmt yuv420p -force_key_frames 'expr:gte(t,n_forced*2)' \
  -b:v:0 300k -b:v:1 900k -c:a aac -b:a 96k \
  -f hls -hls_time 2 -hls_playlist_type vod -hls_segment_type fmp4 \
  -hls_fmp4_init_filename init.mp4 -hls_segment_filename "$out/%v/seg-%d.m4s" \
  -master_pl_name master.m3u8 -var_stream_map 'v:0,a:0,name:180p v:1,a:1,name:360p' \
  "$out/%v/index.m3u8"
