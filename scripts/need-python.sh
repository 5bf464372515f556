#!/usr/bin/env bash
# Says whether Python can make virtual environments, for the clients of third parties; installs it where it is missing and
# that is allowed.
set -euo pipefail

makes_environments() {
    python3 -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1
}

if ! makes_environments; then
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo 'Missing: Python 3.10 or later with venv, which runs the clients of third parties against the fake venues.' \
            'Install it (on Debian: sudo apt-get install python3 python3-venv).' >&2
        exit 1
    fi
    echo 'Installing Python …' >&2
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3 python3-venv; } >&2
    makes_environments
fi
