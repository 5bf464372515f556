#!/usr/bin/env bash
# Writes web/dist, which the next build of the program embeds, unless it was made of just these sources.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install-dashboard.sh

cd web
# Every source by its name and content, so that one that is gone shows too, and the page that came of them.
made_of() {
    find . \( -name node_modules -o -name dist -o -name e2e \) -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 cksum
    cksum dist/index.html
}
# Not in dist: everything there is embedded.
record=node_modules/.built
if [ -f dist/index.html ] && [ -f "$record" ] && [ "$(made_of)" = "$(cat "$record")" ]; then
    exit 0
fi
npm run --silent build
made_of >"$record"
