#!/usr/bin/env bash
# Types, lints and logic of the dashboard, and whether its types are those of the API's document.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/install-dashboard.sh

cd web
npm run --silent check
npm run --silent types:check
npm run --silent test
