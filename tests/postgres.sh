#!/usr/bin/env bash
# A PostgreSQL server of the tests' own. `start` (or nothing) installs what is missing, makes a throw-away cluster,
# starts it and prints the URL of its administrator; `halt` stops it as a power cut would, so that `start` goes on with
# the same data at the same place; `stop` ends it and removes the cluster. It listens on loopback only, on a free port,
# and syncs as a real one does. Everything else that there is to say goes to the standard error.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
# What is to be remembered of the server. Another folder is another server.
place=${MESH_RELAY_TEST_POSTGRES_PLACE:-$target/postgres}
# How long the server may take to start, or to stop.
within=60

# PostgreSQL refuses to run as root.
as_owner=()
[ "$(id -u)" != 0 ] || as_owner=(runuser -u postgres --)

find_programs() {
  # Debian keeps them out of PATH, a folder for each version.
  find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin 2>/dev/null | sort --version-sort | tail -n 1
}

# Runs pg_ctl on the cluster.
control() {
  local programs data
  programs=$(cat "$place/programs")
  data=$(cat "$place/data")
  (cd / && "${as_owner[@]}" "$programs/pg_ctl" "$@" --pgdata "$data/cluster") >/dev/null 2>&1 </dev/null
}

make() {
  local programs data port
  programs=$(find_programs)
  if [ -z "$programs" ]; then
    ./tests/packages.sh postgresql >&2
    programs=$(find_programs)
  fi
  mkdir -p "$place"
  # Below /tmp, since the user that owns it may not reach the build folder.
  data=$(cd / && "${as_owner[@]}" mktemp --directory /tmp/mesh-relay-postgres.XXXXXX)
  echo "==> making a PostgreSQL cluster in $data" >&2
  (
    cd /
    "${as_owner[@]}" "$programs/initdb" --pgdata "$data/cluster" --username tests --auth trust --encoding UTF8 \
      --locale C.UTF-8 >/dev/null
  )
  port=$(./tests/free-port.sh)
  "${as_owner[@]}" tee "$data/cluster/postgresql.auto.conf" >/dev/null <<EOF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = '$data'
fsync = on
synchronous_commit = on
max_connections = 300
EOF
  echo "$programs" >"$place/programs"
  echo "postgresql://tests@127.0.0.1:$port/postgres" >"$place/url"
  # Last, so that an interrupted making is done again.
  echo "$data" >"$place/data"
}

start() {
  # What was made before may have been swept away with /tmp.
  if [ ! -f "$place/data" ] || [ ! -d "$(cat "$place/data")/cluster" ]; then
    make
  fi
  if ! control status; then
    local log
    log=$(cat "$place/data")/log
    control start --log "$log" --wait --timeout "$within" || {
      echo "PostgreSQL did not start; its log ends with:" >&2
      tail -n 20 "$log" >&2
      return 1
    }
  fi
  cat "$place/url"
}

halt() {
  control stop --mode immediate --wait --timeout "$within"
}

stop() {
  [ -f "$place/data" ] || return 0
  local data
  data=$(cat "$place/data")
  halt || true
  case $data in
    /tmp/mesh-relay-postgres.*) rm -rf "$data" ;;
  esac
  rm -rf "$place"
}

case ${1:-start} in
  start) start ;;
  halt) halt ;;
  stop) stop ;;
  *)
    echo "usage: $0 [start | halt | stop]" >&2
    exit 2
    ;;
esac
