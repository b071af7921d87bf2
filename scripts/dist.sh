#!/usr/bin/env bash
# Builds the release archive: the program, its manual pages and completions, the documentation, and a
# checksum beside it. The same source gives the same archive.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --locked --release --package sluicegate --features object-store,otel
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
host=$(rustc -vV | sed -n 's/^host: //p')
name=sluicegate-$version-$host
dist=target/dist
rm -rf "${dist:?}/$name"
mkdir -p "$dist/$name/completions"

install -m 755 target/release/sluicegate "$dist/$name/sluicegate"
strip "$dist/$name/sluicegate"
program=$dist/$name/sluicegate
for shell in bash zsh fish; do
  "$program" completions "$shell" > "$dist/$name/completions/sluicegate.$shell"
done
"$program" man "$dist/$name/man/man1"
cp README.md LICENSE "$dist/$name/"
cp -r docs "$dist/$name/"
install -m 644 examples/gateway.toml "$dist/$name/gateway.toml"

moment=$(git log -1 --format=%ct 2> /dev/null || date +%s)
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$moment" -C "$dist" -cf - "$name" |
  gzip --no-name --best > "$dist/$name.tar.gz"
(cd "$dist" && sha256sum "$name.tar.gz" > "$name.tar.gz.sha256")
echo "$dist/$name.tar.gz"
