#!/usr/bin/env bash
# Installs what the dashboard is built with, where it is not there yet or not what package-lock.json says.
set -euo pipefail
cd "$(dirname "$0")/../web"

if ! cmp -s package-lock.json node_modules/.installed; then
    npm ci --no-audit --no-fund
    cp package-lock.json node_modules/.installed
fi
