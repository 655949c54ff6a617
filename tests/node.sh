#!/usr/bin/env bash
# Sets up what tests run on Node, an OpenID Connect provider, unless it is there already, and prints the folder that holds
# its node_modules. Everything else that there is to say goes to the standard error.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=${CARGO_TARGET_DIR:-$PWD/target}/node
wanted=tests/node/package-lock.json

if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
  ./tests/packages.sh nodejs npm >&2
fi
if ! node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)'; then
  echo "$(command -v node) is older than 20, which the provider needs; put a newer node first in PATH" >&2
  exit 1
fi
if ! cmp --silent "$wanted" "$folder/installed.json"; then
  echo "==> fetching the OpenID Connect provider into $folder" >&2
  rm -rf "$folder"
  mkdir -p "$folder"
  cp tests/node/package.json "$wanted" "$folder"
  (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2)
  # Last, so that an interrupted set-up is done again.
  cp "$wanted" "$folder/installed.json"
fi
echo "$folder"
