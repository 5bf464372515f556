#!/usr/bin/env bash
# Drives the pages in a real browser, against the real program with the dashboard that is embedded in it.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/build-dashboard.sh
CHROMIUM=$(scripts/need-browser.sh)
export CHROMIUM
cargo build --quiet -p atomik-server
cd web
ATOMIK_BINARY=$(realpath ../target/debug/atomik) npm run --silent e2e
