#!/usr/bin/env bash
# Runs a command beside a private Redis server, which ends with it whatever happens:
#
#   scripts/with-redis.sh cargo test -p atomik-storage --test redis
#   scripts/with-postgres.sh scripts/with-redis.sh cargo test
#
# ATOMIK_TEST_REDIS_URL names the server to the command; ATOMIK_TEST_REDIS_CTL is a program that does something with it:
# kill (as a power cut does), start (again, on the same port), pause, resume. The server listens on a port of 127.0.0.1 that nobody
# else uses, and keeps nothing.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ $# -eq 0 ]; then
    echo 'Usage: scripts/with-redis.sh COMMAND...' >&2
    exit 2
fi
server=$(scripts/need-redis.sh)

folder=$(mktemp -d "${TMPDIR:-/tmp}/atomik-redis.XXXXXX")
stop() {
    status=$?
    trap - EXIT
    "$folder/ctl" kill >/dev/null 2>&1 || true
    rm -rf "$folder"
    exit "$status"
}
trap stop EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# The program that controls the server: $1 is its port.
write_control() {
    cat >"$folder/ctl" <<CONTROL
#!/usr/bin/env bash
set -euo pipefail
pid() { cat '$folder/pid'; }
case \$1 in
start)
    '$server' --bind 127.0.0.1 --port $1 --daemonize yes --pidfile '$folder/pid' --dir '$folder' --logfile '$folder/log' --save '' --appendonly no
    # It says so when it listens; a port that is taken ends it before.
    for _ in \$(seq 500); do
        if grep -q 'Ready to accept connections' '$folder/log' 2>/dev/null && [ -s '$folder/pid' ]; then exit 0; fi
        if grep -q 'Failed listening' '$folder/log' 2>/dev/null; then exit 1; fi
        sleep 0.01
    done
    exit 1
    ;;
kill)
    ended=\$(pid)
    kill -KILL "\$ended"
    while [ -d "/proc/\$ended" ] && ! grep -q '^State:.Z' "/proc/\$ended/status" 2>/dev/null; do sleep 0.01; done
    rm -f '$folder/pid' '$folder/log'
    ;;
pause) kill -STOP "\$(pid)" ;;
resume) kill -CONT "\$(pid)" ;;
*)
    echo 'start, kill, pause or resume' >&2
    exit 2
    ;;
esac
CONTROL
    chmod 700 "$folder/ctl"
}

# A server of its own for each run: the port is drawn until one is free.
for _ in 1 2 3 4 5 6 7 8 9 10; do
    port=$((20000 + RANDOM % 40000))
    write_control "$port"
    if "$folder/ctl" start >/dev/null; then
        started=1
        break
    fi
    rm -f "$folder/log.failed" && mv "$folder/log" "$folder/log.failed"
done
if [ -z "${started:-}" ]; then
    cat "$folder/log.failed" >&2
    echo 'The private Redis server did not start; what it said is above.' >&2
    exit 1
fi

export ATOMIK_TEST_REDIS_URL="redis://127.0.0.1:$port"
export ATOMIK_TEST_REDIS_CTL="$folder/ctl"
"$@"
