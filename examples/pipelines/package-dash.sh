#!/usr/bin/env bash
# Packages a video as DASH: two video Representations and one of audio, each in a folder of its own.
#
#   package-dash.sh INPUT OUTPUT_DIR
set -euo pipefail

input=${1:?the video to package}
out=${2:?the folder to write}

# ffmpeg makes no folders for DASH.
mkdir -p -- "$out"/{0,1,2}
ffmpeg -nostdin -hide_banner -v error -y -i "$input" \
  -filter_complex '[0:v]split[low][high];[low]scale=-2:180[v0];[high]scale=-2:360[v1]' \
  -map '[v0]' -map '[v1]' -map 0:a \
  -c:v libx264 -preset veryfast -pix_fmt yuv420p -force_key_frames 'expr:gte(t,n_forced*2)' \
  -b:v:0 300k -b:v:1 900k -c:a aac -b:a 96k \
  -f dash -seg_duration 2 -use_timeline 1 -use_template 1 \
  -adaptation_sets 'id=0,streams=0,1 id=1,streams=2' \
  -init_seg_name '$RepresentationID$/init.mp4' -media_seg_name '$RepresentationID$/seg-$Number$.m4s' \
  "$out/manifest.mpd"
