#!/usr/bin/env bash
# Plays random histories of the trading side until it is stopped, or for ATOMIK_SECONDS, or ATOMIK_SEEDS of them, other ones each
# time it is begun: from ATOMIK_FIRST_SEED on. ATOMIK_SEED=n [ATOMIK_STEPS=...] replays one instead. See
# crates/engine/tests/simulator/main.rs.
set -euo pipefail
cd "$(dirname "$0")/.."
export ATOMIK_FIRST_SEED=${ATOMIK_FIRST_SEED:-$(date +%s)000000}
if [ -z "${ATOMIK_SEED:-}${ATOMIK_SEEDS:-}" ]; then
    export ATOMIK_SECONDS=${ATOMIK_SECONDS:-1000000000}
fi
exec cargo test -p atomik-engine --test simulator -- --nocapture whatever_happens
