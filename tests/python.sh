#!/usr/bin/env bash
# Sets up the Python environment with the official emulator and client and an S3 server, unless it is there already, and
# prints its interpreter. Everything else that there is to say goes to the standard error.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
environment=$target/python
wanted=tests/requirements.txt

python=$(command -v python3 || true)
if [ -z "$python" ] || ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  ./tests/packages.sh python3 python3-venv >&2
  python=/usr/bin/python3
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "$python is older than 3.11, which the official emulator needs; put a newer python3 first in PATH" >&2
  exit 1
fi
if ! cmp --silent "$wanted" "$environment/requirements.txt"; then
  echo "==> fetching the official emulator and client into $environment" >&2
  rm -rf "$environment"
  "$python" -m venv "$environment"
  "$environment/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted" >&2
  # Last, so that an interrupted set-up is done again.
  cp "$wanted" "$environment/requirements.txt"
fi
echo "$environment/bin/python"
