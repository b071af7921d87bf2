#!/usr/bin/env bash
# Checks docker/ by the programs that will read it, and builds its image for real where no registry of images
# is needed: with buildah, on bases that debootstrap makes, with the Rust of this machine. Debian, as root.
set -euo pipefail
cd "$(dirname "$0")/.."
export PATH="$PATH:/usr/sbin:/sbin"

wanted=(buildah:buildah debootstrap:debootstrap promtool:prometheus systemd-analyze:systemd)
missing=()
for entry in "${wanted[@]}"; do
  command -v "${entry%%:*}" > /dev/null || missing+=("${entry##*:}")
done
if ((${#missing[@]} > 0)); then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
fi

work=$(mktemp -d)
containers=()
cleanup() {
  for container in "${containers[@]}"; do buildah rm "$container" > /dev/null 2>&1 || true; done
  rm -rf "$work"
}
trap cleanup EXIT

promtool check config docker/prometheus/prometheus.yml
python3 -m json.tool docker/grafana/dashboards/sluicegate.json > /dev/null

# The program that the unit names is not installed here.
sed 's#/usr/local/bin/sluicegate#/bin/true#' docker/systemd/sluicegate.service > "$work/sluicegate.service"
cp docker/systemd/sluicegate.socket "$work/"
systemd-analyze verify "$work/sluicegate.service" "$work/sluicegate.socket"
systemd-analyze security --offline=true --threshold=20 "$work/sluicegate.service" | tail -1

suite=$(. /etc/os-release && echo "$VERSION_CODENAME")
echo "making a base of Debian $suite"
debootstrap --variant=minbase --include=ca-certificates "$suite" "$work/base" > "$work/debootstrap.log" \
  || { tail "$work/debootstrap.log"; exit 1; }
# Whatever authorities this machine trusts.
cp -L /etc/ssl/certs/ca-certificates.crt "$work/base/etc/ssl/certs/"
container=$(buildah from scratch)
containers+=("$container")
buildah copy -q "$container" "$work/base" / > /dev/null
buildah commit -q "$container" localhost/sluicegate-base > /dev/null

container=$(buildah from localhost/sluicegate-base)
containers+=("$container")
buildah run --isolation chroot "$container" -- sh -c \
  'apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends gcc libc6-dev > /dev/null'
buildah config --env PATH=/opt/rust/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
buildah commit -q "$container" localhost/sluicegate-rust > /dev/null

echo "building docker/Dockerfile"
buildah build --isolation chroot \
  --build-arg BUILD_IMAGE=localhost/sluicegate-rust --build-arg RUN_IMAGE=localhost/sluicegate-base \
  --volume "$(rustc --print sysroot):/opt/rust:ro" \
  --volume "${CARGO_HOME:-$HOME/.cargo}/registry:/root/.cargo/registry" \
  --file docker/Dockerfile --tag localhost/sluicegate .

container=$(buildah from localhost/sluicegate)
containers+=("$container")
in_image() { buildah run --isolation chroot "$container" -- "$@"; }
in_image sluicegate --version
[ "$(in_image id -u)" = 10001 ] || { echo "the image runs as root" >&2; exit 1; }
config=$(buildah inspect --type image localhost/sluicegate)
grep -q '"/usr/local/bin/sluicegate"' <<< "$config"
bytes=$(buildah images --json localhost/sluicegate | python3 -c 'import json,sys; print(json.load(sys.stdin)[0]["size"])')
binary=$(buildah mount "$container")/usr/local/bin/sluicegate
echo "the image: $bytes; its binary: $(($(stat -c %s "$binary") / 1000000)) MB"

# It serves what compose mounts there, and says so to its health check.
folder=$(buildah mount "$container")
mkdir -p "$folder/etc/sluicegate/keys" "$folder/media"
cp -r fixtures/streams/. "$folder/media/"
sed -e '/^\[session.store\]/,/^$/d' -e 's/0\.0\.0\.0:8080/127.0.0.1:18080/' -e 's/0\.0\.0\.0:9090/127.0.0.1:19090/' \
  docker/gateway.toml > "$folder/etc/sluicegate/gateway.toml"
for key in entry bearer admin; do "$binary" keygen --out "$folder/etc/sluicegate/keys/$key.key"; done
"$binary" keygen --session --out "$folder/etc/sluicegate/keys/session.key"
chown -R 10001 "$folder/etc/sluicegate"
in_image sluicegate config check /etc/sluicegate/gateway.toml
in_image sluicegate serve --config /etc/sluicegate/gateway.toml > "$work/serve.log" 2>&1 &
serving=$!
for _ in $(seq 50); do
  in_image sluicegate ready http://127.0.0.1:18080 2> /dev/null && break
  sleep 0.2
done
in_image sluicegate ready http://127.0.0.1:18080
pkill -TERM -P "$serving" || kill -TERM "$serving"
wait "$serving" || true
echo "docker/ is as it should be"
