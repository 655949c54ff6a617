#!/usr/bin/env bash
# Puts what tests/node/package.json names into a folder, unless it is there already, and prints that folder; what was
# fetched stands below its node_modules. Everything else that there is to say goes to the standard error.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${CARGO_TARGET_DIR:-$PWD/target}
place=$target/node
wanted=tests/node/package-lock.json

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
  ./tests/packages.sh nodejs npm >&2
fi
if ! node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)'; then
  echo "$(command -v node) is older than 20, which the OpenID Connect provider needs; put a newer node first in PATH" >&2
  exit 1
fi
if ! cmp --silent "$wanted" "$place/fetched"; then
  echo "==> fetching the packages of Node into $place" >&2
  rm -rf "$place"
  mkdir -p "$place"
  cp tests/node/package.json "$wanted" "$place"
  # No package may run anything of its own while it is put there.
  npm ci --prefix "$place" --ignore-scripts --no-audit --no-fund --loglevel=error >&2
  # Last, so that an interrupted set-up is done again.
  cp "$wanted" "$place/fetched"
fi
# A build folder may be named from here; who reads this may stand elsewhere.
(cd "$place" && pwd)
