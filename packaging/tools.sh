#!/usr/bin/env bash
# Sets up what checks and describes the supply chain, unless it is there already, and prints the folder of its programs.
# Everything else that there is to say goes to the standard error.
set -euo pipefail
cd "$(dirname "$0")/.."

place=${CARGO_TARGET_DIR:-$PWD/target}/supply-tools
wanted=packaging/requirements.txt

python=$(command -v python3 || true)
if [ -z "$python" ] || ! "$python" -c 'import ensurepip, tomllib, venv' 2>/dev/null; then
  ./tests/packages.sh python3 python3-venv >&2
  python=/usr/bin/python3
fi
if ! cmp --silent "$wanted" "$place/requirements.txt"; then
  echo "==> fetching the tools of the supply chain into $place" >&2
  rm -rf "$place"
  "$python" -m venv "$place"
  "$place/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted" >&2
  # Last, so that an interrupted set-up is done again.
  cp "$wanted" "$place/requirements.txt"
fi
(cd "$place/bin" && pwd)
