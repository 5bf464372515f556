#!/usr/bin/env bash
# Sends signals that trade for an hour, or for ATOMIK_SECONDS. Fails where memory grows by 5 % or more once it is warm, or where one
# signal was not accepted and filled once. Caches fill for twenty minutes and more: a shorter run says nothing about growth.
# A whole hour's figures are written to docs/performance.md.
set -euo pipefail
cd "$(dirname "$0")/.."
exec scripts/bench.sh soak
