#!/usr/bin/env bash
# Prometheus' own promtool, which checks and tries alert rules: fetches Debian's package unless it is there already, and
# prints the program. The package is unpacked and not installed, since its installation starts a server. All else that there
# is to say goes to the standard error.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
unpacked=$target/prometheus-program
promtool=$unpacked/usr/bin/promtool

if [ ! -x "$promtool" ]; then
  echo "==> unpacking Prometheus" >&2
  fetched=$(mktemp --directory)
  trap 'rm -rf "$fetched"' EXIT
  # The lists of packages may never have been fetched on this machine.
  (cd "$fetched" && apt-get download --quiet=2 prometheus 2>/dev/null) || {
    as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    "${as_root[@]}" apt-get update --quiet=2 >&2
    (cd "$fetched" && apt-get download --quiet=2 prometheus 2>/dev/null)
  }
  rm -rf "$unpacked"
  dpkg-deb --extract "$fetched"/prometheus_*.deb "$fetched/unpacked"
  # The rest, most of it the server, is not needed.
  mkdir -p "$unpacked/usr/bin"
  mv "$fetched/unpacked/usr/bin/promtool" "$promtool"
fi
echo "$promtool"
