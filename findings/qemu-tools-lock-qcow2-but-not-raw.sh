#!/usr/bin/env bash
# QEMU locks images, and `qemu-img info` is what people run to see whether one is in use. While a tool of QEMU's has a
# qcow2 image open for writing, `qemu-img info` is refused ("Failed to get shared "write" lock"), and so is a second
# writer. While the same tool has a raw image open for writing, `qemu-img info` answers as if nobody had it, with `-f raw`
# too, and a second process opens it for writing as well: the locks of tools are about what must not change under them,
# which is the metadata of a format, and a raw image has none. (A guest's disk does keep others out, unless share-rw=on.)
#
# Seen with qemu-utils 1:7.2+dfsg-7+deb12u18+b3 (QEMU 7.2.22) of Debian 12 on 2026-11-29:
#
#   raw: info 0, info -f 0, open for writing 0
#   qcow2: info 1, info -f 1, open for writing 1
set -eu

VERSION=1:7.2+dfsg-7+deb12u18+b3
EXPECTED='raw: info 0, info -f 0, open for writing 0
qcow2: info 1, info -f 1, open for writing 1'

folder=$(mktemp -d)
holder=
clean() {
  [ -z "$holder" ] || kill "$holder" 2>/dev/null || true
  rm -rf "$folder"
}
trap clean EXIT

mkdir -p "$folder/debs/partial" "$folder/root"
apt-get -qq -y --download-only --reinstall --no-install-recommends -o Dir::Cache::archives="$folder/debs" \
  install "qemu-utils=$VERSION" >/dev/null 2>&1
for deb in "$folder"/debs/*.deb; do dpkg -x "$deb" "$folder/root"; done
export LD_LIBRARY_PATH="$folder/root/usr/lib/x86_64-linux-gnu:$folder/root/lib/x86_64-linux-gnu"
img=$folder/root/usr/bin/qemu-img
io=$folder/root/usr/bin/qemu-io

status() {
  "$@" >/dev/null 2>&1 && echo 0 || echo $?
}

seen=
for format in raw qcow2; do
  image=$folder/disk.$format
  "$img" create -q -f "$format" "$image" 4M
  # Holds the image for writing, and says so when it has it.
  mkfifo "$folder/ready.$format"
  stdbuf -oL "$io" -f "$format" -c 'length' -c 'sleep 20000' "$image" >"$folder/ready.$format" &
  holder=$!
  read -r _ <"$folder/ready.$format"
  line="$format: info $(status "$img" info "$image"), info -f $(status "$img" info -f "$format" "$image"),"
  line="$line open for writing $(status "$io" -f "$format" -c 'length' "$image")"
  kill "$holder" 2>/dev/null
  wait "$holder" 2>/dev/null || true
  holder=
  seen=${seen:+$seen$'\n'}$line
done

echo "$seen"
[ "$seen" = "$EXPECTED" ] || {
  echo "this changed: expected" >&2
  echo "$EXPECTED" >&2
  exit 1
}
