#!/usr/bin/env bash
# Prints where Chromium is, for the tests that drive the pages; installs it where it is missing and that is allowed.
set -euo pipefail

find_browser() {
    for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome-stable google-chrome; do
        if [ -n "$name" ] && command -v "$name"; then
            return
        fi
    done
    return 1
}

if ! find_browser; then
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
        echo 'Missing: Chromium, which the tests drive the pages with. Install it (on Debian: sudo apt-get install chromium),' \
            'or say where it is: CHROMIUM=/path/to/chromium make test' >&2
        exit 1
    fi
    echo 'Installing Chromium …' >&2
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium; } >&2
    find_browser
fi
