#!/usr/bin/env bash
# Prints the path of redis-server (6 or later), for the tests that run on a private server; installs it where it is missing and
# that is allowed.
set -euo pipefail

oldest=6

find_server() {
    local server version
    for server in "${REDIS_SERVER:-}" "$(command -v redis-server || true)"; do
        if [ -n "$server" ] && [ -x "$server" ]; then
            version=$("$server" --version | sed 's/.*v=\([0-9]*\).*/\1/')
            if [ "${version:-0}" -ge "$oldest" ]; then
                echo "$server"
                return
            fi
        fi
    done
    return 1
}

if ! find_server; then
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "Missing: redis-server, version $oldest or later, which tests run on. Install it (on Debian: sudo apt-get install" \
            'redis-server), or say where it is: REDIS_SERVER=/path/to/redis-server make test' >&2
        exit 1
    fi
    echo 'Installing Redis …' >&2
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends redis-server; } >&2
    if ! find_server; then
        echo "Missing: redis-server, version $oldest or later; what could be installed is older." >&2
        exit 1
    fi
fi
