#!/usr/bin/env bash
# Prints the folder of PostgreSQL's server programs (14 or later), for the tests that run on a private server; installs them
# where they are missing and that is allowed.
set -euo pipefail

oldest=14

# Wherever it finds one, the newest of a place: distributions keep several versions beside each other.
find_server() {
    local folders=("${POSTGRES_BIN:-}") folder version
    if command -v postgres >/dev/null; then
        folders+=("$(dirname "$(realpath "$(command -v postgres)")")")
    fi
    while IFS= read -r folder; do
        folders+=("$folder")
    done < <(find /usr/lib/postgresql /usr/pgsql-* /opt/homebrew/opt /usr/local/opt -maxdepth 2 -name bin 2>/dev/null | sort -rV)
    for folder in "${folders[@]}"; do
        if [ -n "$folder" ] && [ -x "$folder/initdb" ] && [ -x "$folder/pg_ctl" ] && [ -x "$folder/postgres" ]; then
            version=$("$folder/postgres" --version | sed 's/[^0-9]*\([0-9]*\).*/\1/')
            if [ "${version:-0}" -ge "$oldest" ]; then
                echo "$folder"
                return
            fi
        fi
    done
    return 1
}

if ! find_server; then
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo "Missing: the server programs of PostgreSQL $oldest or later, which tests run on. Install them (on Debian: sudo" \
            'apt-get install postgresql), or say where they are: POSTGRES_BIN=/path/to/bin make test' >&2
        exit 1
    fi
    echo 'Installing PostgreSQL …' >&2
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends postgresql; } >&2
    find_server
fi
