#!/usr/bin/env bash
# Installs the programs that the tests run, where apt may do so; names what is missing elsewhere.
# A test whose program is missing is SKIPPED and says so; with CI=true that is a failure.
set -euo pipefail

# program:package
wanted=(
  chromium:chromium
  ffmpeg:ffmpeg
  nginx:nginx-light
  caddy:caddy
  php:php-cli
  python3:python3
  openssl:openssl
  curl:curl
  wrk:wrk
  gst-launch-1.0:gstreamer1.0-tools
)
# GStreamer's plugins have no program of their own: this element stands for each set.
plugins=(
  hlsdemux2:gstreamer1.0-plugins-good
  playbin3:gstreamer1.0-plugins-base
  h264parse:gstreamer1.0-plugins-bad
  avdec_h264:gstreamer1.0-libav
)

missing() {
  local entry
  for entry in "${wanted[@]}"; do
    PATH="$PATH:/usr/sbin" command -v "${entry%%:*}" > /dev/null || echo "${entry##*:}"
  done
  for entry in "${plugins[@]}"; do
    gst-inspect-1.0 --exists "${entry%%:*}" 2> /dev/null || echo "${entry##*:}"
  done
}

mapfile -t packages < <(missing)
if ((${#packages[@]} > 0)) && command -v apt-get > /dev/null && [ "$(id -u)" = 0 ]; then
  echo "installing ${packages[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${packages[@]}" > /dev/null
  mapfile -t packages < <(missing)
fi
if ((${#packages[@]} > 0)); then
  echo "missing, so some tests are SKIPPED: ${packages[*]} (apt-get install ${packages[*]})"
  [ "${CI:-}" != true ]
fi

if ! cargo nextest --version > /dev/null 2>&1; then
  if [ "${CI:-}" = true ]; then
    cargo install --locked --quiet cargo-nextest
  else
    echo "cargo-nextest is missing (cargo install --locked cargo-nextest); cargo test is used"
  fi
fi
