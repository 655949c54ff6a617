#!/usr/bin/env bash
# Prints what `--version` is to say: the release, and the commit that it is built from.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(sed -n '/^\[workspace.package\]/,/^\[/ s/^version = "\(.*\)"$/\1/p' Cargo.toml)
commit=$(git describe --always --exclude '*' --abbrev=12 --dirty=-changed 2>/dev/null || true)
echo "$version${commit:+ (commit $commit)}"
