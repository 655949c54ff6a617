#!/usr/bin/env bash
# Everything that must hold before a change lands: formatting, lints, every test.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
environment=$target/python
wanted=tests/requirements.txt

python=$(command -v python3 || true)
if [ -z "$python" ] || ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  ./tests/packages.sh python3 python3-venv
  python=/usr/bin/python3
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "$python is older than 3.11, which the official emulator needs; put a newer python3 first in PATH" >&2
  exit 1
fi
if ! cmp --silent "$wanted" "$environment/requirements.txt"; then
  echo "==> fetching the official emulator and client into $environment"
  rm -rf "$environment"
  "$python" -m venv "$environment"
  "$environment/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted"
  # Last, so that an interrupted set-up is done again.
  cp "$wanted" "$environment/requirements.txt"
fi
export MESH_RELAY_TEST_PYTHON=$environment/bin/python

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
