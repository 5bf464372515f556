#!/usr/bin/env bash
# Takes one guard after another away and runs the tests that have to notice: `scripts/mutants.sh [NAME...]`. The list is
# crates/engine/tests/mutants/*.patch; each patch says in its first two lines what it takes away and which tests must fail
# ("what: ..." and "test: ...", with what a test needs to run beside before it: "test: [scripts/with-postgres.sh] -p ...").
# Nothing here is changed: all happens in a copy below target/. Fails unless every mutant is caught.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
list=crates/engine/tests/mutants
tree=target/mutants/tree
# Never the workspace's own: cargo would take what was built of a mutant for what the sources here would give.
export CARGO_TARGET_DIR=$root/target/mutants/target CARGO_INCREMENTAL=0 NO_COLOR=1
log=$(mktemp)
trap 'rm -f "$log"' EXIT

rm -rf "$tree"
mkdir -p "$tree"
git ls-files -z --cached --others --exclude-standard | while IFS= read -r -d '' file; do
    if [ -e "$file" ]; then printf '%s\0' "$file"; fi
done | xargs -0 cp --parents -t "$tree"

# Runs the tests of a patch in the copy: `run_tests --no-run` only builds them.
run_tests() {
    local words beside=()
    read -ra words <<<"$tests"
    while [[ ${words[0]} == scripts/* ]]; do
        beside+=("$root/${words[0]}")
        words=("${words[@]:1}")
    done
    [ "${1:-}" = --no-run ] && beside=()
    (cd "$tree" && timeout 900 "${beside[@]}" cargo test "${words[@]}" "$@" >"$log" 2>&1)
}

names=("$@")
if [ ${#names[@]} -eq 0 ]; then
    for patch in "$list"/*.patch; do names+=("$(basename "$patch" .patch)"); done
fi

# A test that fails anyway catches nothing.
declare -A passed
for name in "${names[@]}"; do
    tests=$(sed -n 's/^test: //p' "$list/$name.patch")
    if [ -z "${passed[$tests]:-}" ]; then
        if ! run_tests; then
            tail -40 "$log"
            echo "Without any mutant this fails already: cargo test $tests" >&2
            exit 1
        fi
        passed[$tests]=yes
    fi
done

survived=0
printf '%-14s %-30s %s\n' '' mutant 'what it takes away; what noticed'
for name in "${names[@]}"; do
    patch=$list/$name.patch
    tests=$(sed -n 's/^test: //p' "$patch")
    what=$(sed -n 's/^what: //p' "$patch")
    git apply --directory="$tree" "$patch"
    if ! run_tests --no-run; then
        verdict='DOES NOT BUILD' noticed=$(grep -m1 '^error' "$log" || true)
    elif run_tests; then
        verdict=SURVIVED noticed=nothing
    else
        verdict=caught noticed=$(grep -m1 -oE '^test .* \.\.\. FAILED' "$log" | sed 's/^test //; s/ \.\.\. FAILED//' || true)
    fi
    [ "$verdict" = caught ] || survived=$((survived + 1))
    printf '%-14s %-30s %s; %s\n' "$verdict" "$name" "$what" "${noticed:-it did not end}"
    git apply --reverse --directory="$tree" "$patch"
done
echo "${#names[@]} mutants, $survived not caught"
[ "$survived" -eq 0 ]
