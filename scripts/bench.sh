#!/usr/bin/env bash
# Measures the speed figures and writes them to docs/performance.md. With a name it measures that part alone, and only prints it:
# receiver, trading, brokers, memory, growth, timing or cluster. For soak see scripts/soak.sh.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/need.sh
cargo bench -p atomik-server --bench speed --no-run
# What the build has written is on the disk before anything is measured.
sync

# A burst holds a connection for each signal that is not answered yet, up to ten thousand.
ulimit -n "$(ulimit -Hn)"
# The servers' files lie on the disk that the project is built on: in memory syncing would be free.
place=${CARGO_TARGET_DIR:-target}/bench
mkdir -p "$place"
TMPDIR=$(cd "$place" && pwd)
export TMPDIR
# Only cluster mode needs the servers; without them it is left out.
beside=()
case ${1:-cluster} in
cluster)
    if scripts/need-postgres.sh >/dev/null && scripts/need-redis.sh >/dev/null; then
        beside=(scripts/with-postgres.sh scripts/with-redis.sh)
    fi
    ;;
esac
"${beside[@]}" cargo bench -p atomik-server --bench speed -- "$@"
