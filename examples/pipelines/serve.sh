#!/usr/bin/env bash
# A CDN on this machine: nginx with secure_link, which opens a file only to a good token.
#
#   SLUICEGATE_KEY=... serve.sh FOLDER [PORT]     # until Ctrl-C
#
# SCOPE=directory (the default): a token opens the files of one directory; SCOPE=file: one file.
set -euo pipefail

folder=$(cd -- "${1:?the folder to serve}" && pwd)
port=${2:-8082}
: "${SLUICEGATE_KEY:?the key that the manifests are signed with}"
case ${SCOPE:-directory} in
  directory) signed='$directory' ;;
  file) signed='$uri' ;;
  *) echo "serve.sh: SCOPE is directory or file" >&2 && exit 64 ;;
esac

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT # the configuration holds the key
trap 'kill "$nginx"' INT TERM
sed -e "s|@FOLDER@|$folder|; s|@PORT@|$port|; s|@SIGNED@|$signed|; s|@WORK@|$work|g; s|@KEY@|$SLUICEGATE_KEY|" \
  "$(dirname -- "${BASH_SOURCE[0]}")/nginx.conf" > "$work/nginx.conf"
PATH=$PATH:/usr/sbin nginx -p "$work" -e "$work/error.log" -c "$work/nginx.conf" &
nginx=$!
echo "CDN: http://127.0.0.1:$port/"
wait "$nginx" || true
