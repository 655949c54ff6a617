#!/usr/bin/env bash
# A headless Chromium of the tests' own, driven through WebDriver. `start` (or nothing) installs what is missing, starts
# chromedriver and prints its URL; each of a test's sessions starts a browser with an empty profile. `stop` ends it with all
# of its browsers and removes what they wrote. It listens on loopback only, on a free port. All else that there is to say
# goes to the standard error.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
# What is to be remembered of the driver. Another folder is another driver.
place=${MESH_RELAY_TEST_BROWSER_PLACE:-$target/browser}
# How long the driver may take to start, or to stop, in seconds.
within=30

# The first number of a program's version.
version() {
  "$1" --version 2>/dev/null | sed -n 's/^[^0-9]*\([0-9]\+\)\..*/\1/p' | head -n 1
}

install() {
  # Debian's driver wants the Chromium of its own version, so that installing it brings an older Chromium up to that.
  ./tests/packages.sh chromium chromium-driver procps >&2
  if [ "$(version chromium)" != "$(version chromedriver)" ]; then
    echo "chromium is version $(version chromium), but chromedriver $(version chromedriver); install both from one source" >&2
    return 1
  fi
}

# The ids of what is left of the driver's session: itself, and its browsers with their helpers. (Those that wait for a crash
# stand outside of it, and end with their browser.) What is dead and not yet buried does not count.
session() {
  [ -s "$place/pid" ] || return 0
  ps -e -o pid=,sid=,stat=,comm= | awk -v session="$(cat "$place/pid")" '$2 == session && $3 !~ /^Z/ && $4 ~ /^chrom/ { print $1 }'
}

# Whether the driver itself runs.
runs() {
  [ -s "$place/pid" ] && session | grep --quiet --line-regexp "$(cat "$place/pid")"
}

start() {
  if ! runs; then
    install
    stop
    mkdir -p "$place"
    # Profiles stand below /tmp, since Chromium puts a socket there and the name of the build folder may be too long for one.
    mktemp --directory /tmp/mesh-relay-browser.XXXXXX >"$place/scratch"
    echo "==> starting chromedriver in $place" >&2
    # In a session of its own, by which `stop` finds what it started. It picks its port itself.
    HOME=$(cat "$place/scratch") TMPDIR=$(cat "$place/scratch") \
      setsid --fork bash -c 'echo $$ >"$0"; exec chromedriver --port=0' "$place/pid" >"$place/out" 2>&1 </dev/null
    for _ in $(seq $((within * 10))); do
      ! grep -q 'started successfully on port' "$place/out" || break
      sleep 0.1
    done
    sed -n 's|.*started successfully on port \([0-9]*\).*|http://127.0.0.1:\1|p' "$place/out" >"$place/url"
    if [ ! -s "$place/url" ]; then
      echo "chromedriver did not start:" >&2
      tail -n 20 "$place/out" >&2
      return 1
    fi
  fi
  cat "$place/url"
}

stop() {
  [ -d "$place" ] || return 0
  # Browsers may outlive a driver that is gone.
  local left scratch
  for _ in $(seq $((within * 10))); do
    left=$(session)
    [ -n "$left" ] || break
    # shellcheck disable=SC2086
    kill -KILL $left 2>/dev/null || true
    sleep 0.1
  done
  scratch=$(cat "$place/scratch" 2>/dev/null || true)
  case $scratch in
    /tmp/mesh-relay-browser.*) rm -rf "$scratch" ;;
  esac
  rm -rf "$place"
}

case ${1:-start} in
  start) start ;;
  stop) stop ;;
  *)
    echo "usage: $0 [start | stop]" >&2
    exit 2
    ;;
esac
