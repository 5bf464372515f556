#!/usr/bin/env bash
# Runs a command beside a private PostgreSQL server, which ends with it whatever happens:
#
#   scripts/with-postgres.sh cargo test -p atomik-storage --test postgres
#
# ATOMIK_TEST_POSTGRES_URL names the server to the command, ATOMIK_TEST_POSTGRES_CTL is pg_ctl with all that it needs to
# restart it. The server listens on a port of 127.0.0.1 that nobody else uses, and keeps everything below a temporary folder:
# below TMPDIR where that is set, else in memory where there is room, so that flushing costs nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ $# -eq 0 ]; then
    echo 'Usage: scripts/with-postgres.sh COMMAND...' >&2
    exit 2
fi
bin=$(scripts/need-postgres.sh)

# PostgreSQL refuses to run as root.
as_server=()
if [ "$(id -u)" -eq 0 ]; then
    owner=nobody
    if id postgres >/dev/null 2>&1; then owner=postgres; fi
    if command -v setpriv >/dev/null; then
        as_server=(setpriv "--reuid=$owner" "--regid=$(id -g "$owner")" --clear-groups --)
    else
        as_server=(runuser -u "$owner" --)
    fi
fi

base=${TMPDIR:-/tmp}
# Megabytes that are free in memory; the tests write less than half of this.
if [ -z "${TMPDIR:-}" ] && [ -d /dev/shm ] && [ -w /dev/shm ] && [ "$(df -Pm /dev/shm | awk 'NR == 2 { print $4 }')" -gt 4096 ]; then
    base=/dev/shm
fi
folder=$(mktemp -d "$base/atomik-postgres.XXXXXX")
stop() {
    status=$?
    trap - EXIT
    if [ -f "$folder/data/postmaster.pid" ]; then
        "${as_server[@]}" "$bin/pg_ctl" -D "$folder/data" -m immediate -w stop >/dev/null 2>&1 || true
    fi
    rm -rf "$folder"
    exit "$status"
}
trap stop EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
chmod 711 "$folder"
if [ ${#as_server[@]} -gt 0 ]; then
    chown "$owner" "$folder"
fi

say() {
    cat "$folder/log" >&2
    echo "$1" >&2
    exit 1
}
(cd / && "${as_server[@]}" "$bin/initdb" -D "$folder/data" -U atomik --auth=trust --encoding=UTF8 --locale=C >"$folder/log" 2>&1) ||
    say 'PostgreSQL could not make a private database; what it said is above.'
# A server of its own for each run: the port is drawn until one is free.
for _ in 1 2 3 4 5 6 7 8 9 10; do
    port=$((20000 + RANDOM % 40000))
    # Many tests run at once, each with its own stores.
    options="-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories= -c max_connections=400 -c shared_buffers=128MB -c max_wal_size=2GB -c log_min_messages=fatal -c logging_collector=off"
    if (cd / && "${as_server[@]}" "$bin/pg_ctl" -D "$folder/data" -l "$folder/data/server.log" -w -o "$options" start >"$folder/log" 2>&1); then
        started=1
        break
    fi
done
[ -n "${started:-}" ] || say 'The private PostgreSQL server did not start; what it said is above.'

export ATOMIK_TEST_POSTGRES_URL="postgres://atomik@127.0.0.1:$port/postgres"
printf -v ATOMIK_TEST_POSTGRES_CTL '%q ' "${as_server[@]}" "$bin/pg_ctl" -D "$folder/data" -l "$folder/data/server.log" -w -o "$options"
export ATOMIK_TEST_POSTGRES_CTL
"$@"
