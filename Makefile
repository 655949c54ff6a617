# Two commands to start: `make demo` and `make test`; `make bench` measures. Each does its own set-up on Debian or
# Ubuntu with a Rust toolchain, says what it does, and can be run again.

.PHONY: bench demo test tools

demo: tools
	@echo "==> building the relay"
	cargo build --locked --package mesh-relay
	@echo "==> carrying a pair through an embedded sandbox"
	cargo run --locked --quiet --package mesh-relay -- demo

test: tools
	./tests/run.sh

bench: tools
	@echo "==> building the relay and its measurements"
	cargo build --locked --release --package mesh-relay
	cargo build --locked --release --package mesh-relay-benches
	@echo "==> comparing the sandbox with the official emulator"
	MESH_RELAY_TEST_PYTHON=$$(./tests/python.sh) && export MESH_RELAY_TEST_PYTHON && \
	  cargo run --locked --release --quiet --package mesh-relay-benches --bin sandbox-comparison

# What the build needs besides Rust.
tools:
	@./tests/packages.sh build-essential
