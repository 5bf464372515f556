#!/usr/bin/env bash
# Drives the pages in a real browser, against the real program with the dashboard that is embedded in it, and fakes of the
# brokers' venues.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/build-dashboard.sh
CHROMIUM=$(scripts/need-browser.sh)
export CHROMIUM
cargo build --quiet --workspace --bin atomik --example venue
built=$(realpath "${CARGO_TARGET_DIR:-target}/debug")
cd web
ATOMIK_BINARY=$built/atomik ATOMIK_VENUE=$built/examples/venue npm run --silent e2e
