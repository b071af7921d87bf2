#!/usr/bin/env bash
# Installs the programs that the tests run, where apt may do so; names what is missing elsewhere.
# A test whose program is missing is SKIPPED and says so; with CI=true that is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."

# program:package
wanted=(
  chromium:chromium
  ffmpeg:ffmpeg
  nginx:nginx-light
  caddy:caddy
  php:php-cli
  python3:python3
  make:make
  setpriv:util-linux
  redis-server:redis-server
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

# Debian's python3 makes virtual environments only with this package.
venv() {
  python3 -c 'import ensurepip, venv' 2> /dev/null || echo python3-venv
}

missing() {
  local entry
  for entry in "${wanted[@]}"; do
    PATH="$PATH:/usr/sbin" command -v "${entry%%:*}" > /dev/null || echo "${entry##*:}"
  done
  venv
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

# moto stands in for S3. A virtual environment of its own: the system's Python stays as it is.
if [ ! -x target/moto/bin/moto_server ]; then
  if python3 -m venv target/moto > /dev/null 2>&1; then
    target/moto/bin/pip install --quiet --disable-pip-version-check 'moto[s3,server]>=5,<6'
  else
    echo "missing, so tests of object storage are SKIPPED: python3-venv (apt-get install python3-venv)"
    [ "${CI:-}" != true ]
  fi
fi

if ! cargo nextest --version > /dev/null 2>&1; then
  if [ "${CI:-}" = true ]; then
    cargo install --locked --quiet cargo-nextest
  else
    echo "cargo-nextest is missing (cargo install --locked cargo-nextest); cargo test is used"
  fi
fi
