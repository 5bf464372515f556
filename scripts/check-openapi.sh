#!/usr/bin/env bash
# Whether web/openapi.json is what the program says of itself.
set -euo pipefail
cd "$(dirname "$0")/.."
# With the example, which is not needed here, nothing is compiled anew that the tests have compiled.
cargo build --quiet --workspace --bin atomik --example venue

if ! diff <(target/debug/atomik openapi) web/openapi.json >&2; then
    echo 'web/openapi.json is not what the program serves. Run:' >&2
    echo '  target/debug/atomik openapi > web/openapi.json && (cd web && npm run types)' >&2
    exit 1
fi
