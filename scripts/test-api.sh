#!/usr/bin/env bash
# Schemathesis makes up requests from the OpenAPI document, right ones and wrong ones, and sends them to the real program: no
# answer may be a 5xx, have a status that the document does not name, or a body of another form than it says. Arguments are how
# many seconds that takes (60) and a seed.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/need-python.sh
seconds=${1:-60}
seed=${2:-1}

package=schemathesis==4.32.5
env=$PWD/target/schemathesis
if [ ! -f "$env/.$package" ]; then
    rm -rf "$env"
    python3 -m venv "$env"
    "$env/bin/pip" install --quiet --disable-pip-version-check "$package"
    touch "$env/.$package"
fi

# With the example, which is not needed here, nothing is compiled anew that the tests have compiled.
cargo build --quiet --workspace --bin atomik --example venue
atomik="${CARGO_TARGET_DIR:-target}/debug/atomik"
folder=$(mktemp -d "${TMPDIR:-/tmp}/atomik-api.XXXXXX")
stop() {
    status=$?
    trap - EXIT
    [ -z "${server:-}" ] || kill "$server" 2>/dev/null || true
    rm -rf "$folder"
    exit "$status"
}
trap stop EXIT
"$atomik" quickstart --data-dir "$folder/data" --url http://127.0.0.1:8080 >"$folder/made"
key=$(grep -o 'atk_[0-9a-f]*' "$folder/made" | head -n 1)
ATOMIK_AUTH__REGISTRATION=open "$atomik" serve --data-dir "$folder/data" --listen 127.0.0.1:0 \
    >"$folder/said" 2>"$folder/log" &
server=$!
for _ in $(seq 1000); do
    url=$(sed -n 's/.* is listening on //p' "$folder/said")
    if [ -n "$url" ]; then break; fi
    kill -0 "$server"
    sleep 0.01
done
# So that there are a signal, an order and a fill to be asked for.
hook=$(grep -o '/api/v1/webhooks/[^"'"'"' ]*secret=[0-9a-f]*' "$folder/made" | head -n 1)
"$atomik" send "$url$hook" '{"action":"BUY","price":"5000"}' >/dev/null

# The events never end, and without its key nothing could be asked any more.
# It leaves files where it runs.
if ! (cd "$folder" && "$env/bin/st" run "$url/api/v1/openapi.json" --header "Authorization: Bearer $key" \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance \
    --phases examples,coverage,fuzzing --max-time "$seconds" --seed "$seed" --warnings off \
    --exclude-path /api/v1/events --exclude-path '/api/v1/api-keys/{id}') >"$folder/report" 2>&1; then
    cat "$folder/report"
    grep -i ' error \| panic' "$folder/log" | tail -n 20 || true
    exit 1
fi
sed -n '/^API Operations/,/Tested/p; /^Test cases/,/generated/p' "$folder/report"
# It is alive after all that.
kill -0 "$server"
