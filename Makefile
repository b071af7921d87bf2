# The commands of the README, and what they stand on. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
CARGO := cargo
LOCKED := --locked
LISTEN ?= 127.0.0.1:8080
# Of the command line: all that it can be built with.
FEATURES := --features sluicegate/object-store,sluicegate/otel

.PHONY: bench bench-steps browser-under-load dist publish soak help demo test proof tools npm fmt lint guard nextest test-doc test-npm golden fuzz clean

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

demo: ## Two players side by side: a CDN's token alone, and through the gateway
	@command -v npm > /dev/null || { echo "make demo needs Node.js and npm (https://nodejs.org, or apt-get install nodejs npm)" >&2; exit 1; }
	@command -v $(CARGO) > /dev/null || { echo "make demo needs Rust (https://rustup.rs)" >&2; exit 1; }
	cd examples/player && npm ci --no-audit --no-fund --silent
	$(CARGO) build $(LOCKED) --release --package sluicegate
	target/release/sluicegate demo --listen $(LISTEN)

test: tools npm fmt lint guard nextest test-doc test-npm ## All checks, as CI runs them

tools: ## Install what the tests need (Debian, as root; elsewhere it says what is missing)
	scripts/test-tools.sh

npm: ## Install the npm packages of the page and of the browser tests
	@if command -v npm > /dev/null; then \
	  for package in examples/player crates/testkit/browser; do (cd $$package && npm ci --no-audit --no-fund --silent); done; \
	else echo "SKIPPED: the browser tests need npm"; [ "$${CI:-}" != true ]; fi

fmt: ## Formatting
	$(CARGO) fmt --all --check

lint: ## clippy, warnings denied
	$(CARGO) clippy $(LOCKED) $(FEATURES) --workspace --all-targets -- --deny warnings

guard: ## The pure crates stay pure
	scripts/pure-crates.sh

nextest: ## Unit and integration tests
	@if $(CARGO) nextest --version > /dev/null 2>&1; then \
	  $(CARGO) nextest run $(LOCKED) $(FEATURES) --workspace --exclude sluicegate-bench; \
	else \
	  echo "cargo-nextest is not installed; running cargo test, one binary after another"; \
	  $(CARGO) test $(LOCKED) $(FEATURES) --workspace --exclude sluicegate-bench --lib --bins --tests -- --test-threads 2; \
	fi

proof: export SLUICEGATE_PROOF := 1
proof: tools npm ## Long plays, the matrix of players, ten minutes of wrong tokens and ten of load; the numbers are printed
	$(CARGO) build $(LOCKED) --release --package sluicegate
	@if $(CARGO) nextest --version > /dev/null 2>&1; then \
	  $(CARGO) nextest run $(LOCKED) $(FEATURES) --workspace --profile proof --filterset 'test(proof_)'; \
	else \
	  $(CARGO) test $(LOCKED) $(FEATURES) --workspace --exclude sluicegate-bench --lib --bins --tests -- --test-threads 1 --nocapture proof_; \
	fi
	fuzz/run.sh verify
	scripts/proof-deploy.sh
	$(MAKE) soak

test-doc: ## Examples in the documentation
	$(CARGO) test $(LOCKED) $(FEATURES) --workspace --exclude sluicegate-bench --doc

test-npm: ## Tests of the npm packages
	@if command -v npm > /dev/null; then \
	  for package in examples/player crates/testkit/browser; do (cd $$package && npm test --silent); done; \
	else echo "SKIPPED: the npm tests need npm"; [ "$${CI:-}" != true ]; fi

bench: ## The gateway beside nginx and bare axum, and how it grows; then each step by itself (needs nginx, wrk, valgrind; SECS, ROUNDS, OUT)
	$(CARGO) build $(LOCKED) --release --package sluicegate
	$(CARGO) build $(LOCKED) --release --package sluicegate-bench --example bench --example icount
	target/release/examples/bench $(PARTS)
	$(MAKE) bench-steps

bench-steps: ## Time of each step beside the field's crates, and its instructions
	$(CARGO) bench $(LOCKED) --package sluicegate-bench
	$(CARGO) build $(LOCKED) --release --package sluicegate-bench --example icount
	scripts/instructions.sh

publish: ## Signing a tree of a million URIs, and a live folder (FOLDER: where files are written)
	$(CARGO) build $(LOCKED) --release --package sluicegate-bench --example publish
	target/release/examples/publish $(FOLDER)

soak: ## Ten minutes at half load: no growth of memory or of open files after the first (MINUTES)
	$(CARGO) build $(LOCKED) --release --package sluicegate
	$(CARGO) build $(LOCKED) --release --package sluicegate-bench --example bench
	target/release/examples/bench soak $${MINUTES:-10}

browser-under-load: ## Each browser test beside busy cores, again and again (COUNT, FILTER)
	scripts/browser-under-load.sh

dist: ## A stripped release archive with its checksum, in target/dist
	scripts/dist.sh

golden: ## Write the expected golden files, and the tables of the configuration, anew; look at the difference
	UPDATE_GOLDEN=1 $(CARGO) test $(LOCKED) --package sluicegate-gateway --lib the_documentation_has_every_key
	UPDATE_GOLDEN=1 $(CARGO) test $(LOCKED) --package sluicegate-manifest --test golden

fuzz: ## Fuzz manifests and tokens, FUZZ_SECS (600) for each target
	fuzz/run.sh

clean: ## Remove what was built
	$(CARGO) clean
	rm -rf examples/player/node_modules crates/testkit/browser/node_modules
