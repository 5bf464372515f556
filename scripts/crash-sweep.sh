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
on_embedded=
stop() {
    [ -z "$on_embedded" ] || kill "$on_embedded" 2>/dev/null || true
    rm -f "$said"
}
trap stop EXIT
ATOMIK_TEST_BACKEND=embedded ATOMIK_CRASHES=$((crashes > 1 ? crashes - on_postgres : 1)) "${sweep[@]}" -- --nocapture >"$said" 2>&1 &
on_embedded=$!
status=0
ATOMIK_TEST_BACKEND=postgres ATOMIK_CRASHES=$on_postgres scripts/with-postgres.sh "${sweep[@]}" -- --nocapture || status=$?
wait "$on_embedded" || status=$?
on_embedded=
cat "$said"
exit "$status"
