#!/usr/bin/env bash
# Kills the program at calls of the system that seeds pick, a thousand times or ATOMIK_CRASHES: two of three times with its books
# in SQLite, and meanwhile one of three with its books in PostgreSQL, where each kill costs the seconds of its leases. Other places
# each time it is begun: seeds count from ATOMIK_FIRST_SEED on. ATOMIK_SEED=n plays the history of one seed again, on both. See
# crates/server/tests/crash_sweep/main.rs.
set -euo pipefail
cd "$(dirname "$0")/.."
crashes=${ATOMIK_CRASHES:-1000}
on_postgres=$(((crashes + 2) / 3))
export ATOMIK_FIRST_SEED=${ATOMIK_FIRST_SEED:-$(date +%s)000}

sweep=(cargo test --workspace --test crash_sweep)
"${sweep[@]}" --no-run
said=$(mktemp)
halves=()
# All that a half began ends with it, the programs under test too: each is a group of processes of its own.
stop() {
    for half in "${halves[@]}"; do kill -TERM -- "-$half" 2>/dev/null || true; done
    rm -f "$said"
}
trap stop EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
set -m
ATOMIK_TEST_BACKEND=embedded ATOMIK_CRASHES=$((crashes > 1 ? crashes - on_postgres : 1)) \
    "${sweep[@]}" -- --nocapture >"$said" 2>&1 </dev/null &
halves+=($!)
ATOMIK_TEST_BACKEND=postgres ATOMIK_CRASHES=$on_postgres \
    scripts/with-postgres.sh "${sweep[@]}" -- --nocapture </dev/null &
halves+=($!)
set +m
# A signal ends this wait at once, and then both halves.
status=0
wait "${halves[1]}" || status=$?
wait "${halves[0]}" || status=$?
cat "$said"
exit "$status"
