#!/usr/bin/env bash
# What docs/reliability.md names is there: files, tests (in code type behind their file, in lists), test binaries, make targets.
set -euo pipefail
cd "$(dirname "$0")/.."

page=docs/reliability.md
found=0
missing() {
    echo "$page names $1, which is not there." >&2
    found=1
}

# Paths, wherever they stand.
while IFS= read -r path; do
    [ -e "$path" ] || missing "$path"
done < <(grep -oE '\b(crates|web|scripts|docs|deploy)/[A-Za-z0-9_./@-]*[A-Za-z0-9_]' "$page" | sort -u)

# Tests: a list item begins with the file, the names follow. In Rust they are functions, or cases of a macro that makes functions.
tests=0
while IFS=$'\t' read -r file name; do
    tests=$((tests + 1))
    case $file in
    *.rs) grep -qE "(\bfn $name\b|^ +$name: )" "$file" 2>/dev/null || missing "the test $name of $file" ;;
    *) grep -qF "'$name'" "$file" 2>/dev/null || grep -qF ": $name\`" "$file" 2>/dev/null || missing "the test \"$name\" of $file" ;;
    esac
done < <(awk '
    /^- `(crates|web)\// { item = 1; file = "" }
    !/^- `(crates|web)\// && !/^  / { item = 0 }
    item {
        parts = split($0, part, "`")
        for (i = 2; i <= parts; i += 2) {
            if (part[i] ~ /^(crates|web)\//) file = part[i]
            else if (part[i] !~ /^(scripts|docs|deploy)\//) print file "\t" part[i]
        }
    }' "$page")
# That the lists are read at all.
[ "$tests" -gt 100 ] || missing "so few tests ($tests) that its lists cannot have been read"

while IFS= read -r binary; do
    compgen -G "crates/*/tests/$binary.rs" >/dev/null || compgen -G "crates/*/tests/$binary/main.rs" >/dev/null ||
        missing "the test binary $binary"
done < <(grep -oE -- '--test [a-z_]+' "$page" | sed 's/.* //' | sort -u)

while IFS= read -r target; do
    grep -qE "^$target:" Makefile || missing "make $target"
done < <(grep -oE '(`|^)make [a-z-]+' "$page" | sed 's/.*make //' | sort -u)
exit "$found"
