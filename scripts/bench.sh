#!/usr/bin/env bash
# Measures the speed figures and writes them to docs/performance.md. Arguments go to the benchmark: "cluster" measures cluster
# mode alone, "timing" what the time of a refusal tells of secrets, and only prints it.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/need.sh
cargo bench -p atomik-server --bench speed --no-run

# The servers' files lie on the disk that the project is built on: in memory syncing would be free.
place=${CARGO_TARGET_DIR:-target}/bench
mkdir -p "$place"
TMPDIR=$(cd "$place" && pwd)
export TMPDIR
# Without the servers cluster mode is left out.
beside=()
if scripts/need-postgres.sh >/dev/null && scripts/need-redis.sh >/dev/null; then
    beside=(scripts/with-postgres.sh scripts/with-redis.sh)
fi
"${beside[@]}" cargo bench -p atomik-server --bench speed -- "$@"
