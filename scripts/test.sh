#!/usr/bin/env bash
# Everything that has to hold before a change lands. Stops at the first thing that does not.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/need.sh
# What is missing is said before an hour of work, not after it.
scripts/need-browser.sh >/dev/null
scripts/need-python.sh
scripts/need-postgres.sh >/dev/null
scripts/need-redis.sh >/dev/null
export NO_COLOR=1

log=$(mktemp)
# The last line says how many tests ran, whichever runner ran them, and also after a failure.
count() {
    status=$?
    awk '
        /^test result: / { passed += $4; failed += $6 }
        /^ *Tests +[0-9]/ {
            for (i = 2; i <= NF; i++) {
                if ($i == "passed") passed += $(i - 1)
                if ($i == "failed") failed += $(i - 1)
            }
        }
        / tests? run: / {
            for (i = 2; i <= NF; i++) {
                if ($i ~ /^passed/) passed += $(i - 1)
                if ($i ~ /^failed/) failed += $(i - 1)
            }
        }
        END { printf "%d passed, %d failed\n", passed, failed }
    ' "$log"
    rm -f "$log"
    exit "$status"
}
trap count EXIT

step() {
    printf '\n== %s\n' "$1"
    shift
    local began=$SECONDS
    "$@"
    printf '(%d s)\n' $((SECONDS - began))
}
tests() {
    "$@" 2>&1 | tee -a "$log"
}

step 'Format' cargo fmt --all --check
step 'File lengths' scripts/check-file-lengths.sh
step 'Links in the documentation' scripts/check-links.sh
step 'Tests that docs/reliability.md names' scripts/check-reliability.sh
step 'Metrics that the documents name' scripts/check-metrics.sh
step 'Dashboard' tests scripts/check-dashboard.sh
step 'Build of the dashboard' scripts/build-dashboard.sh
step 'Lints' cargo clippy --workspace --all-targets -- -D warnings
# Of the tests only this one is another with them.
step 'Lints with fail points' cargo clippy --workspace --lib --bins --test crash_points --features atomik-server/failpoints -- -D warnings
step 'Dependencies' scripts/check-dependencies.sh

# Before the tests, which compare readings of amounts with those of the clients that this installs.
step 'Clients of third parties' scripts/test-third-party-clients.sh
# The OpenAPI document is among these tests: crates/http compares the generated one with its snapshot.
if cargo nextest --version >/dev/null 2>&1; then
    step 'Tests' tests scripts/with-postgres.sh scripts/with-redis.sh cargo nextest run --workspace --no-fail-fast --color never
    step 'Documentation tests' tests cargo test --workspace --doc --no-fail-fast
else
    step 'Tests' tests scripts/with-postgres.sh scripts/with-redis.sh cargo test --workspace --no-fail-fast
fi
# The same program with its books elsewhere. All packages are named, here and below and in the scripts above: with others, what
# they depend on would be compiled anew. Where a test waits for a killed node's leases to run out nothing is computed, so more of
# them run at once than there are cores.
elsewhere() {
    local backend=$1
    shift
    ATOMIK_TEST_BACKEND=$backend scripts/with-postgres.sh scripts/with-redis.sh \
        cargo test --workspace --no-fail-fast "$@" -- --test-threads 8
}
whole_program=(--test canaries --test cli --test end_to_end --test real_brokers --test receiver_wire --test tradingview)
step 'Whole program on PostgreSQL' tests elsewhere postgres "${whole_program[@]}"
step 'Whole program on PostgreSQL and Redis' tests elsewhere postgres+redis "${whole_program[@]}"
step 'Crash sweep' tests env ATOMIK_CRASHES=300 ATOMIK_FIRST_SEED=1 scripts/crash-sweep.sh
step 'OpenAPI document' scripts/check-openapi.sh
step 'Requests made up from the OpenAPI document' scripts/test-api.sh
step 'Dashboard in a browser' tests scripts/test-dashboard.sh
crash_points=(--features atomik-server/failpoints --test crash_points)
step 'Crash points' tests cargo test --workspace "${crash_points[@]}"
step 'Crash points on PostgreSQL' tests elsewhere postgres "${crash_points[@]}"
step 'Crash points on PostgreSQL and Redis' tests elsewhere postgres+redis "${crash_points[@]}"
# Where the toolchain cannot, that is said, and is no failure.
fuzz() {
    scripts/fuzz.sh 5 || [ $? -eq 3 ]
}
step 'Fuzzing' fuzz
printf '\n'
