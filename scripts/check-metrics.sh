#!/usr/bin/env bash
# Every metric that the documents name is one of the program's.
set -euo pipefail
cd "$(dirname "$0")/.."

known=$(grep -rhoE '"atomik_[a-z_]+"' crates/*/src --include='*.rs' | tr -d '"' | sort -u)
named=$(grep -rhoE '\batomik_[a-z_]+' docs README.md deploy docker-compose.yml | sed -E 's/_(bucket|count|sum)$//' | sort -u)
missing=$(comm -13 <(echo "$known") <(echo "$named"))
if [ -n "$missing" ]; then
    echo "The documents name metrics that the program does not have:" $missing >&2
    exit 1
fi
echo "$(wc -l <<<"$named") metrics named in the documents, all of them the program's."
