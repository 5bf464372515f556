#!/usr/bin/env bash
# Writes web/dist, which the next build of the program embeds, unless it is newer than all that it is made of.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install-dashboard.sh

cd web
built=dist/index.html
if [ -f "$built" ] && [ -z "$(find . \( -name node_modules -o -name dist -o -name e2e \) -prune -o -type f -newer "$built" -print -quit)" ]; then
    exit 0
fi
npm run --silent build
# The clock of the page that was copied is its source's: now it is the build's.
touch "$built"
