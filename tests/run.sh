#!/usr/bin/env bash
# Everything that must hold before a change lands: formatting, lints, every test.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
# What looks over packages, and what lists the dependencies and judges them.
./tests/packages.sh binutils dpkg-dev lintian
./packaging/tools.sh > /dev/null
# What the guides' commands use.
./tests/packages.sh curl openssl procps
MESH_RELAY_TEST_PYTHON=$(./tests/python.sh)
MESH_RELAY_TEST_NODE=$(./tests/node.sh)
MESH_RELAY_TEST_PROMTOOL=$(./tests/promtool.sh)
export MESH_RELAY_TEST_PYTHON MESH_RELAY_TEST_NODE MESH_RELAY_TEST_PROMTOOL
trap './tests/postgres.sh stop; ./tests/rabbitmq.sh stop; ./tests/kafka.sh stop; ./tests/browser.sh stop' EXIT
MESH_RELAY_TEST_POSTGRES=$(./tests/postgres.sh start)
MESH_RELAY_TEST_RABBITMQ=$(./tests/rabbitmq.sh start)
MESH_RELAY_TEST_KAFKA=$(./tests/kafka.sh start)
MESH_RELAY_TEST_BROWSER=$(./tests/browser.sh start)
export MESH_RELAY_TEST_POSTGRES MESH_RELAY_TEST_RABBITMQ MESH_RELAY_TEST_KAFKA MESH_RELAY_TEST_BROWSER

echo "==> formatting"
cargo fmt --all -- --check
echo "==> lints"
cargo clippy --locked --workspace --all-targets -- --deny warnings
echo "==> the relay's program"
cargo build --locked --package mesh-relay
echo "==> tests"
log=$target/tests.log
result=0
cargo test --locked --workspace --no-fail-fast -- --nocapture 2>&1 | tee "$log" || result=$?

awk '/^test result: / { gsub(";", ""); for (i = 2; i <= NF; i++) {
       if ($i == "passed") passed += $(i - 1); if ($i == "failed") failed += $(i - 1) } }
     END { printf "%d passed, %d failed\n", passed, failed }' "$log"
exit "$result"
