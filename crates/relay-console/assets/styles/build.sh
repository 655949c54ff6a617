#!/usr/bin/env bash
# Makes ../nhsuk.css of NHS.UK frontend's sources, in a folder below the build folder. Run by hand when its version or its
# parts change, with Node 18 or later; the outcome is committed, and Cargo needs nothing of this.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

target=${CARGO_TARGET_DIR:-$here/../../../../target}
place=$target/styles
mkdir -p "$place"
place=$(cd "$place" && pwd)

cp "$here"/{package.json,package-lock.json,nhsuk.scss,build.mjs} "$place"
cd "$place"
npm ci --silent --ignore-scripts --no-audit --no-fund
node build.mjs "$here/../nhsuk.css"
