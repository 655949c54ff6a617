#!/usr/bin/env bash
# A RabbitMQ of the tests' own. `start` (or nothing) fetches what is missing, starts a broker in an empty folder and prints
# its URL; `tls` prints that of its listener for TLS, if it has one; `halt` kills it as a power cut would, so that `start` goes on with the same data at the same place; `ctl` runs
# rabbitmqctl on it; `stop` ends it and removes its data. It listens on loopback only, on free ports. Debian's package is
# unpacked and not installed, since its installation starts a broker on every address. All else that there is to say
# goes to the standard error.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
# More lines of its configuration, where `@tls@` is a free port; and the plugins to enable, in Erlang's words.
settings=${MESH_RELAY_TEST_RABBITMQ_CONF:-}
plugins=${MESH_RELAY_TEST_RABBITMQ_PLUGINS:-}
# What is to be remembered of the broker. Another folder is another broker.
place=${MESH_RELAY_TEST_RABBITMQ_PLACE:-$target/rabbitmq}
# Where the program is unpacked, for all brokers.
unpacked=$target/rabbitmq-program
# How long the broker may take to start, or to stop, in seconds.
within=90

programs() {
  find "$unpacked" -path '*/lib/rabbitmq/lib/*/sbin' -type d 2>/dev/null | head -n 1
}

unpack() {
  ./tests/packages.sh erlang-base erlang-asn1 erlang-crypto erlang-eldap erlang-inets erlang-mnesia erlang-os-mon \
    erlang-parsetools erlang-public-key erlang-runtime-tools erlang-ssl erlang-syntax-tools erlang-tools erlang-xmerl >&2
  echo "==> unpacking RabbitMQ" >&2
  local fetched
  fetched=$(mktemp --directory)
  (cd "$fetched" && apt-get download --quiet=2 rabbitmq-server 2>/dev/null)
  rm -rf "$unpacked"
  mkdir -p "$unpacked"
  dpkg-deb --extract "$fetched"/rabbitmq-server_*.deb "$unpacked"
  rm -rf "$fetched"
}

# The environment of the broker and of its tools.
environment() {
  # shellcheck disable=SC1091
  . "$place/ports"
  export RABBITMQ_NODENAME=mesh-relay-$amqp@localhost
  export RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_NODE_PORT=$amqp RABBITMQ_DIST_PORT=$dist
  export RABBITMQ_MNESIA_BASE=$place/data RABBITMQ_LOG_BASE=$place/log RABBITMQ_PID_FILE=$place/pid
  export RABBITMQ_CONFIG_FILE=$place/rabbitmq RABBITMQ_ENABLED_PLUGINS_FILE=$place/plugins
  export RABBITMQ_CONF_ENV_FILE=/dev/null HOME=$place
  # The daemon that maps names of nodes to ports would take a port of its own on every address, and outlive the broker.
  export ERL_EPMD_PORT=$epmd ERL_EPMD_ADDRESS=127.0.0.1
  export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1}"
  export ERL_CRASH_DUMP=$place/erl_crash.dump
}

make() {
  [ -n "$(programs)" ] || unpack
  echo "==> making a RabbitMQ in $place" >&2
  mkdir -p "$place"
  local tls
  tls=$(./tests/free-port.sh)
  printf 'amqp=%s\ndist=%s\nepmd=%s\ntls=%s\n' "$(./tests/free-port.sh)" "$(./tests/free-port.sh)" "$(./tests/free-port.sh)" "$tls" >"$place/ports.new"
  echo "[$plugins]." >"$place/plugins"
  # A quarter of the memory at most, and little disk is enough for tests.
  printf 'vm_memory_high_watermark.relative = 0.25\ndisk_free_limit.absolute = 100MB\nlog.file.level = warning\n' \
    >"$place/rabbitmq.conf"
  printf '%s\n' "${settings//@tls@/$tls}" >>"$place/rabbitmq.conf"
  # Last, so that an interrupted making is done again.
  mv "$place/ports.new" "$place/ports"
}

# Whether the process whose id a file holds runs.
runs() {
  [ -f "$1" ] && kill -0 "$(cat "$1")" 2>/dev/null
}

# Kills the process whose id a file holds, and waits until it is gone.
end() {
  runs "$1" || return 0
  local pid
  pid=$(cat "$1")
  kill -KILL "$pid"
  for _ in $(seq $((within * 10))); do
    kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.1
  done
}

start() {
  [ -f "$place/ports" ] || make
  environment
  if ! runs "$place/epmd.pid"; then
    nohup epmd -port "$epmd" -address 127.0.0.1 >/dev/null 2>&1 </dev/null &
    echo $! >"$place/epmd.pid"
  fi
  if ! runs "$place/pid"; then
    rm -f "$place/pid"
    nohup "$(programs)/rabbitmq-server" >"$place/out" 2>&1 </dev/null &
    if ! "$(programs)/rabbitmqctl" --quiet wait --timeout "$within" "$place/pid" >"$place/wait" 2>&1; then
      echo "RabbitMQ did not start:" >&2
      tail -n 20 "$place/out" "$place/wait" >&2
      return 1
    fi
  fi
  echo "amqp://guest:guest@127.0.0.1:$amqp/%2f"
}

halt() {
  end "$place/pid"
}

stop() {
  [ -d "$place" ] || return 0
  halt
  end "$place/epmd.pid"
  rm -rf "$place"
}

ctl() {
  environment
  "$(programs)/rabbitmqctl" --quiet "$@"
}

tls() {
  # shellcheck disable=SC1091
  . "$place/ports"
  echo "amqps://localhost:$tls/%2f"
}

case ${1:-start} in
  start) start ;;
  halt) halt ;;
  stop) stop ;;
  tls) tls ;;
  ctl)
    shift
    ctl "$@"
    ;;
  *)
    echo "usage: $0 [start | tls | halt | stop | ctl …]" >&2
    exit 2
    ;;
esac
