# The project's commands. Each one is a line or a script that also runs without make.

.PHONY: run test check simulate crash-sweep mutants fuzz bench soak

# Builds the dashboard and the program and serves both on http://127.0.0.1:8080; prints what to do next.
run:
	@scripts/need.sh
	@scripts/build-dashboard.sh
	cargo build --release -p atomik-server
	./target/release/atomik serve

# Everything that has to hold before a change lands.
test:
	@scripts/test.sh

# The fast inner loop: format, lints, and the tests of the rules, the engine and the dashboard's logic.
check:
	@scripts/need.sh
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo test -p atomik-domain -p atomik-ports -p atomik-engine
	@scripts/check-dashboard.sh

# Fuzzing for as long as one likes; FUZZ="3600 tradovate" is an hour of one target. `make test` does it for some seconds.
fuzz:
	@scripts/fuzz.sh $(FUZZ)

# The speed figures, measured on this machine and written to docs/performance.md.
bench:
	@scripts/bench.sh

# An hour of steady trading, or ATOMIK_SECONDS of it: memory must not grow, and every signal must be filled once.
soak:
	@scripts/soak.sh

# Random histories of the trading side, on and on until stopped, or for ATOMIK_SECONDS. One that fails is shrunk and printed.
simulate:
	@scripts/simulate.sh

# Kills the program at a thousand calls of the system, or ATOMIK_CRASHES; `make test` does it three hundred times.
crash-sweep:
	@scripts/crash-sweep.sh

# Takes one guard after another out of a copy of the code; for each of them tests must fail.
mutants:
	@scripts/mutants.sh
