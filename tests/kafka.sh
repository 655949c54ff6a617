#!/usr/bin/env bash
# An Apache Kafka of the tests' own, broker and controller in one process. `start` (or nothing) fetches what is missing,
# starts it in an empty folder and prints where it is; `halt` kills it as a power cut would, so that `start` goes on with
# the same data at the same place; `stop` ends it and removes its data; `extra FILE`, before the first start, adds the
# properties of a file and what else that says. MESH_RELAY_TEST_KAFKA_JOINS names the folder of another one whose cluster it
# is to belong to. It listens on loopback only, on free ports. Debian has no package of it: the jars are those of Maven
# Central. All else that there is to say goes to the standard error.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
# What is to be remembered of the broker. Another folder is another broker.
place=${MESH_RELAY_TEST_KAFKA_PLACE:-$target/kafka}
# The versions of the program and of what writes its log.
kafka=4.1.1
log4j=2.24.3
# Where the program's jars are, for all brokers. Only a folder that is whole has this name.
jars=$target/kafka-program-$kafka
# How long the broker may take to start, in seconds.
within=90

fetch() {
  # Whichever Java there is, or the system's own; Kafka wants 17 at least.
  command -v java >/dev/null || ./tests/packages.sh default-jre-headless >&2
  command -v mvn >/dev/null || ./tests/packages.sh maven >&2
  echo "==> fetching Apache Kafka $kafka" >&2
  local work
  mkdir -p "$target"
  work=$(mktemp --directory "$target/kafka-fetch.XXXXXX")
  cat >"$work/pom.xml" <<EOF
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>mesh-relay</groupId><artifactId>kafka-of-the-tests</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$kafka</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>$log4j</version></dependency>
  </dependencies>
</project>
EOF
  if ! (cd "$work" && mvn --quiet --batch-mode --no-transfer-progress \
    org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory=jars) >"$work/log" 2>&1; then
    tail -n 20 "$work/log" >&2
    return 1
  fi
  # Another run may have been quicker; its jars are as good.
  mv --no-target-directory "$work/jars" "$jars" 2>/dev/null || true
  rm -rf "$work"
}

# Java, small and quick to start.
java_program() {
  exec java -Xms128m -Xmx400m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -XX:-UsePerfData -Xshare:auto \
    -Djava.awt.headless=true -Dlog4j2.configurationFile="$place/log4j2.properties" -cp "$jars/*" "$@"
}

make() {
  [ -d "$jars" ] || fetch
  echo "==> making a Kafka in $place" >&2
  mkdir -p "$place"
  local client controller roles node founding
  client=$(./tests/free-port.sh)
  if [ -n "${MESH_RELAY_TEST_KAFKA_JOINS:-}" ]; then
    roles=broker node=2 founding=--no-initial-controllers
    controller=$(cat "$MESH_RELAY_TEST_KAFKA_JOINS/controller")
  else
    roles=broker,controller node=1 founding=--standalone
    controller=$(./tests/free-port.sh)
  fi
  echo "$controller" >"$place/controller"
  cat >"$place/log4j2.properties" <<'EOF'
rootLogger.level = WARN
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %c{1}: %m%n
logger.started.name = kafka.server.KafkaRaftServer
logger.started.level = INFO
EOF
  # The extra listener, where one is asked for, stands in the file that `extra` left.
  local more=""
  [ ! -f "$place/extra.listener" ] || more=",$(cat "$place/extra.listener")"
  cat >"$place/server.properties" <<EOF
process.roles=$roles
node.id=$node
controller.quorum.bootstrap.servers=127.0.0.1:$controller
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://127.0.0.1:$client$([ $node != 1 ] || echo ",CONTROLLER://127.0.0.1:$controller")$more
advertised.listeners=PLAINTEXT://127.0.0.1:$client$more
inter.broker.listener.name=PLAINTEXT
log.dirs=$place/data
num.partitions=1
num.network.threads=2
num.io.threads=2
log.cleaner.dedupe.buffer.size=4194304
offsets.topic.replication.factor=1
offsets.topic.num.partitions=2
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=2
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
group.consumer.min.session.timeout.ms=1000
group.consumer.session.timeout.ms=6000
group.consumer.min.heartbeat.interval.ms=500
group.consumer.heartbeat.interval.ms=1000
auto.create.topics.enable=false
EOF
  [ ! -f "$place/extra.properties" ] || cat "$place/extra.properties" >>"$place/server.properties"
  local scram=()
  [ ! -f "$place/extra.scram" ] || scram=(--add-scram "$(cat "$place/extra.scram")")
  (java_program kafka.tools.StorageTool format $founding --cluster-id AAAAAAAAAAAAAAAAAAAAAA \
    "${scram[@]}" --config "$place/server.properties") >"$place/format" 2>&1 || {
    tail -n 20 "$place/format" >&2
    return 1
  }
  # Last, so that an interrupted making is done again.
  echo "127.0.0.1:$client" >"$place/address"
}

runs() {
  [ -f "$place/pid" ] && kill -0 "$(cat "$place/pid")" 2>/dev/null
}

start() {
  if [ ! -f "$place/address" ]; then
    rm -rf "$place/data"
    make
  fi
  if ! runs; then
    : >"$place/out"
    # In the place of the shell, so that its id is the broker's.
    (
      trap '' HUP
      exec </dev/null >"$place/out" 2>&1
      java_program kafka.Kafka "$place/server.properties"
    ) &
    echo $! >"$place/pid"
    for _ in $(seq $((within * 10))); do
      ! grep -q 'Kafka Server started' "$place/out" || break
      runs || break
      sleep 0.1
    done
    if ! grep -q 'Kafka Server started' "$place/out"; then
      echo "Kafka did not start:" >&2
      tail -n 20 "$place/out" >&2
      return 1
    fi
  fi
  cat "$place/address"
}

halt() {
  runs || return 0
  local pid
  pid=$(cat "$place/pid")
  kill -KILL "$pid"
  for _ in $(seq 100); do
    kill -0 "$pid" 2>/dev/null || return 0
    sleep 0.1
  done
}

stop() {
  [ -d "$place" ] || return 0
  halt
  rm -rf "$place"
}

# A file of properties, one a line. `listener NAME` in it opens a further listener and prints where it is; `scram …` adds a
# user as StorageTool takes it.
extra() {
  if [ -f "$place/address" ]; then
    echo "the broker is made already" >&2
    return 1
  fi
  mkdir -p "$place"
  : >"$place/extra.properties"
  local line port
  while IFS= read -r line; do
    case $line in
      'listener '*)
        port=$(./tests/free-port.sh)
        echo "${line#listener }://127.0.0.1:$port" >"$place/extra.listener"
        echo "127.0.0.1:$port"
        ;;
      'scram '*) echo "${line#scram }" >"$place/extra.scram" ;;
      *) echo "$line" >>"$place/extra.properties" ;;
    esac
  done <"$1"
}

case ${1:-start} in
  start) start ;;
  halt) halt ;;
  stop) stop ;;
  extra) extra "$2" ;;
  *)
    echo "usage: $0 [start | halt | stop | extra FILE]" >&2
    exit 2
    ;;
esac
