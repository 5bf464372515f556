#!/usr/bin/env bash
# Holds the dependencies to deny.toml: licences, banned crates, sources; advisories where their database can be had.
set -euo pipefail
cd "$(dirname "$0")/.."

version=0.20.2
tools=target/tools
deny=$tools/bin/cargo-deny
if [ "$("$deny" --version 2>/dev/null || true)" != "cargo-deny $version" ]; then
    echo "Installing cargo-deny $version into $tools (once; takes a few minutes)"
    # It runs for seconds: its own profile, made for speed, would compile for minutes.
    CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_OPT_LEVEL=1 \
        cargo install cargo-deny --version "$version" --locked --quiet --root "$tools"
fi

"$deny" --all-features check bans licenses sources

# The advisories come from a git repository that a machine without a way out cannot reach. Everything else is checked
# all the same, and the gap is said out loud.
if timeout 60 "$deny" fetch db >/dev/null 2>&1; then
    "$deny" --all-features check --disable-fetch advisories
else
    echo "SKIPPED: the advisory database cannot be fetched from here; advisories were not checked."
fi
