#!/usr/bin/env bash
# Every relative link in a Markdown file leads to a file or folder that exists.
set -euo pipefail
cd "$(dirname "$0")/.."

found=0
while IFS= read -r page; do
    # Code blocks and code spans hold no links.
    while IFS= read -r target; do
        path=${target%%#*}
        case "$target" in
            *://* | mailto:* | '#'*) continue ;;
            /*) place=".$path" ;;
            *) place="$(dirname "$page")/$path" ;;
        esac
        if [ ! -e "$place" ]; then
            echo "$page links to $target, which does not exist." >&2
            found=1
        fi
    done < <(awk '/^ *```/ { code = !code; next } !code' "$page" | sed 's/`[^`]*`//g' |
        { grep -oE '\]\([^) ]+\)' || true; } | sed 's/^](//; s/)$//')
done < <(find . -name '*.md' -type f -not -path './target/*' -not -path '*/node_modules/*' -not -path './.git/*' | sort)
exit "$found"
