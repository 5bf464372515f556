#!/usr/bin/env bash
# No Rust file is longer than 600 lines. (Clippy holds functions to 70.)
set -euo pipefail
cd "$(dirname "$0")/.."

limit=600
found=0
while IFS= read -r file; do
    lines=$(wc -l <"$file")
    if [ "$lines" -gt "$limit" ]; then
        echo "$file has $lines lines; the limit is $limit. Split it by what its parts are about." >&2
        found=1
    fi
done < <(find crates -name '*.rs' -type f | sort)
exit "$found"
