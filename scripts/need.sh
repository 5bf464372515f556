#!/usr/bin/env bash
# Says what is missing on this machine, in a sentence and with a remedy, before anything is built.
set -euo pipefail

missing=0
need() {
    if ! eval "$1" >/dev/null 2>&1; then
        echo "Missing: $2" >&2
        missing=1
    fi
}

need 'cargo --version' 'Rust. Install it with rustup (https://rustup.rs), then run this again.'
need 'cargo fmt --version' 'rustfmt. Run: rustup component add rustfmt'
need 'cargo clippy --version' 'clippy. Run: rustup component add clippy'
need 'cc --version || gcc --version || clang --version' \
    'a C compiler, for SQLite and the TLS library. On Debian or Ubuntu: apt-get install build-essential'
need 'node -e "const [major, minor] = process.versions.node.split(\".\").map(Number); process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1)"' \
    'Node.js 20.19 or later, which builds the dashboard (https://nodejs.org). Without it, `cargo build` still builds all the rest.'
need 'npm --version' 'npm, which comes with Node.js.'
exit "$missing"
