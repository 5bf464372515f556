#!/usr/bin/env bash
# Fuzzes what strangers and brokers send: every target for so many seconds, 300 where nothing is said.
#
#   scripts/fuzz.sh                     all targets, five minutes each
#   scripts/fuzz.sh 3600 tradovate tws  two of them, an hour each
#
# It is built as cargo-fuzz does it, but by any toolchain and without the address sanitizer: there is no unsafe code of ours. New
# inputs stay in target/fuzz/corpus; an input that panics is named, kept in target/fuzz/artifacts, and belongs into fuzz/corpus
# once it is mended, where the ordinary tests put it through again. With --keep, what was found is added to fuzz/corpus, minimized.
set -euo pipefail
cd "$(dirname "$0")/.."

keep=
if [ "${1:-}" = --keep ]; then
    keep=1
    shift
fi
seconds=${1:-300}
shift || true
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
    for file in fuzz/fuzz_targets/*.rs; do targets+=("$(basename "$file" .rs)"); done
fi

if ! { c++ --version || g++ --version || clang++ --version; } >/dev/null 2>&1; then
    echo 'Not fuzzed: libFuzzer needs a C++ compiler (on Debian: apt-get install g++). The kept inputs are put through all the' \
        'same, by the ordinary tests.' >&2
    exit 3
fi

place=$(mkdir -p "${CARGO_TARGET_DIR:-target}/fuzz" && cd "${CARGO_TARGET_DIR:-target}/fuzz" && pwd)
# What makes libFuzzer see where an input leads: counters at every edge, comparisons, and one piece of code a crate.
flags=(
    -Cpasses=sancov-module
    -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares
    --cfg=fuzzing
)
# With the target named, build scripts and macros are built without them.
triple=$(rustc -vV | sed -n 's/^host: //p')
# A short run is over before faster code has paid for its compiling.
profile=release built=release
if [ "$seconds" -le 60 ]; then profile=dev built=debug; fi
RUSTFLAGS="${flags[*]}" cargo build --quiet --profile "$profile" --locked --manifest-path fuzz/Cargo.toml --target "$triple" \
    --target-dir "$place/build" --bins

status=0
for target in "${targets[@]}"; do
    mkdir -p "$place/corpus/$target" "$place/artifacts/$target" "fuzz/corpus/$target"
    recorded=()
    case $target in
    alpaca) recorded=(../shared/brokers/alpaca) ;;
    binance) recorded=(../shared/brokers/nautilus/binance) ;;
    esac
    [ -d "${recorded[0]:-nowhere}" ] || recorded=()
    log="$place/$target.log"
    if "$place/build/$triple/$built/$target" "$place/corpus/$target" "fuzz/corpus/$target" "fuzz/seeds/$target" "${recorded[@]}" \
        -max_total_time="$seconds" -max_len=16384 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$place/artifacts/$target/" >"$log" 2>&1; then
        executed=$(awk '/stat::number_of_executed_units/ { print $2 }' "$log")
        echo "$target: $executed inputs in $seconds s, nothing found."
    else
        status=1
        echo "$target: found something." >&2
        grep -v '^#' "$log" | tail -n 60 >&2
    fi
    if [ -n "$keep" ]; then
        # The smallest set that reaches as much.
        "$place/build/$triple/$built/$target" -merge=1 -max_len=1024 "fuzz/corpus/$target" "$place/corpus/$target" >/dev/null 2>&1
    fi
done
exit "$status"
