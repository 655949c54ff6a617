# Two commands to start: `make demo` and `make test`. Each does its own set-up on Debian or Ubuntu with a Rust
# toolchain, says what it does, and can be run again.

.PHONY: demo test tools

demo: tools
	@echo "==> building the relay"
	cargo build --locked --package mesh-relay
	@echo "==> carrying a pair through an embedded sandbox"
	cargo run --locked --quiet --package mesh-relay -- demo

test: tools
	./tests/run.sh

# What the build needs besides Rust.
tools:
	@./tests/packages.sh build-essential
