#!/usr/bin/env bash
# Lets clients of third parties trade against the fake venues, so that those are not only our own idea of a broker.
# Each client is installed once, in a virtual environment below target/: the first time, that needs network.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/need-python.sh

# One line a broker: its name, and the pinned packages of its client.
clients=(
    "alpaca alpaca-py==0.44.0"
    "binance python-binance==1.0.37 ccxt==4.5.90"
    "ibkr_web ibind[oauth]==0.2.2"
    "ibkr_web_oauth ibind[oauth]==0.2.2"
    "tws ib_async==2.1.0 ibapi-latest==10.51.1"
)

cargo build --quiet --workspace --example venue
for client in "${clients[@]}"; do
    read -r broker packages <<<"$client"
    if [[ $# -gt 0 && " $* " != *" $broker "* ]]; then
        continue
    fi
    env="target/third-party-clients/$broker"
    if [[ ! -f "$env/.${packages// /_}" ]]; then
        python3 -m venv "$env"
        # shellcheck disable=SC2086 # several packages
        "$env/bin/pip" install --quiet --disable-pip-version-check $packages
        touch "$env/.${packages// /_}"
    fi
    coproc venue { exec "${CARGO_TARGET_DIR:-target}/debug/examples/venue" "$broker"; }
    # The venue ends when its input does: shellcheck cannot see that coproc sets these.
    # shellcheck disable=SC2154
    { venue_pid=$venue_PID; input=${venue[1]}; read -r address <&"${venue[0]}"; }
    "$env/bin/python" "crates/testkit/python/${broker}_client.py" trade "$address"
    exec {input}>&-
    wait "$venue_pid"
done
