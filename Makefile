# Everything a stranger needs. `make` lists the targets.

NODES ?= 3
# What `make e2e` tests: debug (built by the unit tests anyway) or release.
PROFILE ?= debug
CARGO ?= cargo
# The load generator is a package of its own, and built apart from the node.
LOAD = CARGO_TARGET_DIR=benches/.work/target $(CARGO)
# What `make bench` measures: rows of benches/run.py, or --quick; nothing is everything.
BENCH ?=

.DEFAULT_GOAL := help
.PHONY: help setup build run up test lint unit e2e audit bench clean

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## /{printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install what is missing (Redis, nginx, Chromium, Python packages); quick when nothing is
	@scripts/setup.sh

build: ## the node, optimised, in target/release/
	@$(CARGO) build --release --locked

run: setup build ## one node on the embedded layer, with a live page
	@echo
	@echo "Starting one node without Redis, for a first look. To receive what your Django publishes:"
	@echo "  REDIS_URL=redis://127.0.0.1:6379/0 DJANGO_SECRET_KEY=… target/release/channelgate"
	@echo
	@target/release/channelgate serve

up: setup build ## Redis, NODES=3 nodes, nginx and the demo Django project, on loopback
	@CHANNELGATE_BIN=target/release/channelgate .venv/bin/python scripts/up.py --nodes $(NODES)

test: setup lint unit e2e ## everything: format, lints, unit tests, and the end-to-end suite

lint: setup ## formatting and lints of Rust, Python and TypeScript
	$(CARGO) fmt --all --check
	$(CARGO) clippy --all-targets --locked -- -D warnings
	$(LOAD) fmt --manifest-path benches/load/Cargo.toml --check
	$(LOAD) clippy --manifest-path benches/load/Cargo.toml --all-targets --locked -- -D warnings
	.venv/bin/ruff check tests scripts benches
	.venv/bin/ruff format --check tests scripts benches
	@for package in tests/*/package.json clients/*/package.json; do \
		[ -e "$$package" ] || continue; folder=$$(dirname "$$package"); echo "lint of $$folder"; \
		npm run --silent --if-present --prefix "$$folder" types && npm run --silent --if-present --prefix "$$folder" lint || exit 1; \
	done

unit: setup ## the tests of the Rust code
	$(CARGO) test --locked
	$(LOAD) test --quiet --manifest-path benches/load/Cargo.toml --locked

e2e: setup ## real Django, Redis, nginx and Chromium against real nodes
	$(CARGO) build --locked $(if $(filter release,$(PROFILE)),--release)
	CHANNELGATE_BIN=$(CURDIR)/target/$(PROFILE)/channelgate npm test --silent --prefix tests/browser
	CHANNELGATE_BIN=$(CURDIR)/target/$(PROFILE)/channelgate .venv/bin/python -m pytest tests/e2e

audit: setup ## licences, sources, withdrawn versions and known weaknesses of everything it is built from
	@scripts/audit.sh

bench: setup ## BENCH="--quick": the load tests beside other servers, into benches/results/ and docs/BENCHMARKS.md
	@benches/setup.sh
	@.venv/bin/python benches/run.py $(BENCH)
	@.venv/bin/python benches/report.py

clean: ## remove what was built and installed here
	$(CARGO) clean
	rm -rf .venv .run benches/.work benches/rivals/*/node_modules tests/*/node_modules clients/*/node_modules
	find tests scripts benches -name __pycache__ -type d -prune -exec rm -rf {} +
