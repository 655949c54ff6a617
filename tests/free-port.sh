#!/usr/bin/env bash
# Prints a port of loopback on which nobody listens.
set -euo pipefail

for _ in $(seq 50); do
  # Below those that the system gives to connections going out.
  port=$((20000 + RANDOM % 12000))
  # Nobody answers there.
  if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    echo "$port"
    exit 0
  fi
done
echo "no free port was found" >&2
exit 1
