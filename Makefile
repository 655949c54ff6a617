# Two commands to start: `make demo` and `make test`; `make prove` runs for long, `make bench` measures, and `make packages`
# makes what is released. Each does its own set-up on Debian or Ubuntu with a Rust toolchain, says what it does, and can be
# run again.

target := $(or $(CARGO_TARGET_DIR),target)

.PHONY: bench demo packages prove supply test tools

demo: tools
	@echo "==> building the relay"
	cargo build --locked --package mesh-relay
	@echo "==> carrying a pair through an embedded sandbox"
	cargo run --locked --quiet --package mesh-relay -- demo

test: tools
	./tests/run.sh

prove: tools
	@echo "==> building the relay and its proofs"
	cargo build --locked --release --package mesh-relay
	@echo "==> long runs, one after the other; they need 20 GiB of disk"
	trap './tests/postgres.sh stop; ./tests/rabbitmq.sh stop; ./tests/kafka.sh stop' EXIT; \
	  MESH_RELAY_TEST_PYTHON=$$(./tests/python.sh) && export MESH_RELAY_TEST_PYTHON && \
	  MESH_RELAY_TEST_POSTGRES=$$(./tests/postgres.sh) && export MESH_RELAY_TEST_POSTGRES && \
	  MESH_RELAY_TEST_RABBITMQ=$$(./tests/rabbitmq.sh) && export MESH_RELAY_TEST_RABBITMQ && \
	  MESH_RELAY_TEST_KAFKA=$$(./tests/kafka.sh) && export MESH_RELAY_TEST_KAFKA && \
	  cargo test --locked --release --package mesh-relay-tests --features prove --test prove -- --nocapture --test-threads 1 && \
	  MESH_RELAY_PROVE_CANARY_RUNS=50 \
	  cargo test --locked --release --package mesh-relay-tests --test canary -- --nocapture --test-threads 1

bench: tools
	@echo "==> building the relay and its measurements"
	cargo build --locked --release --package mesh-relay --package mesh-relay-benches
	@echo "==> comparing the sandbox with the official emulator"
	MESH_RELAY_TEST_PYTHON=$$(./tests/python.sh) && export MESH_RELAY_TEST_PYTHON && \
	  cargo run --locked --release --quiet --package mesh-relay-benches --bin sandbox-comparison
	@echo "==> starting the relay, and letting it idle with 50 mailboxes; some two minutes"
	cargo run --locked --release --quiet --package mesh-relay-benches --bin footprint
	@echo "==> uploading through the client, and past it"
	cargo run --locked --release --quiet --package mesh-relay-benches --bin client-upload
	@echo "==> carrying pairs from OUT to IN, at leisure and at half load; some four minutes"
	cargo run --locked --release --quiet --package mesh-relay-benches --bin folder-latency
	@echo "==> writing to the journal, and asking it; fills some gigabytes of disk"
	trap './tests/postgres.sh stop' EXIT; \
	  MESH_RELAY_BENCH_POSTGRES=$$(./tests/postgres.sh) && export MESH_RELAY_BENCH_POSTGRES && \
	  cargo run --locked --release --quiet --package mesh-relay-benches --bin journal
	@echo "==> asking the operator page and its searches with a million messages; some three minutes"
	cargo run --locked --release --quiet --package mesh-relay-benches --bin console-load
	@echo "==> carrying messages between RabbitMQ and MESH, beside bare programs; some ten minutes"
	trap './tests/rabbitmq.sh stop' EXIT; \
	  MESH_RELAY_BENCH_RABBITMQ=$$(./tests/rabbitmq.sh) && export MESH_RELAY_BENCH_RABBITMQ && \
	  cargo run --locked --release --quiet --package mesh-relay-benches --bin queue-load
	@echo "==> the same between Kafka and MESH; some ten minutes"
	trap './tests/kafka.sh stop' EXIT; \
	  MESH_RELAY_BENCH_KAFKA=$$(./tests/kafka.sh) && export MESH_RELAY_BENCH_KAFKA && \
	  cargo run --locked --release --quiet --package mesh-relay-benches --bin queue-load

packages: supply
	./tests/packages.sh dpkg-dev
	@echo "==> building the relay"
	MESH_RELAY_RELEASE="$$(./packaging/release.sh)" cargo build --locked --release --package mesh-relay
	@echo "==> packing it"
	./packaging/build.sh --program $(target)/release/mesh-relay --supply $(target)/supply --out $(target)/packages

supply: tools
	@echo "==> holding the dependencies against deny.toml, and listing them"
	./packaging/supply.sh $(target)/supply

# What the build needs besides Rust.
tools:
	@./tests/packages.sh build-essential libssl-dev pkg-config
