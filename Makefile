# The usual commands. `make` lists the targets.

NODES ?= 3
# The build that `make e2e` tests: debug (the unit tests build it anyway) or release.
PROFILE ?= debug
CARGO ?= cargo
# The load generator is a package of its own, built separately from the node.
LOAD_TARGET = $(CURDIR)/benches/.work/target
# Rows of benches/run.py that `make bench` measures, or --quick; empty for all rows.
BENCH ?=

# Processes of the end-to-end tests; they mostly wait.
WORKERS ?= 4
# Connections in each round of `make soak`, and seconds for each target of `make fuzz`.
SOAK ?= 10000
FUZZ_SECONDS ?= 180

PYTEST = CHANNELGATE_BIN=$(CURDIR)/target/$(PROFILE)/channelgate .venv/bin/python -m pytest tests/e2e

.DEFAULT_GOAL := help
.PHONY: help setup build run up demo test lint unit python node clients browser e2e soak fuzz audit wheel release bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## /{printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install what the tests need; quick if nothing is missing
	@scripts/setup.sh test

build: ## the node in release mode, in target/release/, with its debug information beside it
	@scripts/setup.sh run
	@scripts/build.sh

run: build ## one node on the embedded layer, with a live page
	@echo
	@echo "Starting one node without Redis, for a first look. To receive what your Django publishes:"
	@echo "  REDIS_URL=redis://127.0.0.1:6379/0 DJANGO_SECRET_KEY=… target/release/channelgate"
	@echo
	@target/release/channelgate serve

# What is missing is said before the build, which takes minutes.
up: ## Redis, NODES=3 nodes, nginx and the demo Django project, on loopback
	@scripts/setup.sh up
	@scripts/build.sh
	@scripts/app.sh optional
	@CHANNELGATE_BIN=target/release/channelgate .venv/bin/python scripts/up.py --nodes $(NODES)

demo: ## the same, in which things happen and can be broken: five pages to look at
	@scripts/setup.sh demo
	@scripts/build.sh
	@scripts/app.sh
	@CHANNELGATE_BIN=target/release/channelgate .venv/bin/python scripts/demo.py --nodes $(NODES)

test: setup ## everything: format, lints, unit tests, the packages, the page in a browser, and the end-to-end suite
	@.venv/bin/python scripts/test.py lint unit python clients browser e2e

lint: setup ## formatting and lints of Rust, Python and JavaScript
	@LOAD_TARGET=$(LOAD_TARGET) scripts/lint.sh

unit: setup ## the tests of the Rust code
	$(CARGO) test --locked --no-fail-fast
	CARGO_TARGET_DIR=$(LOAD_TARGET) $(CARGO) test --quiet --manifest-path benches/load/Cargo.toml --locked

python: setup node ## the tests of the Django package
	CHANNELGATE_BIN=$(CURDIR)/target/$(PROFILE)/channelgate .venv/bin/python -m pytest clients/django/tests --numprocesses 2

node:
	$(if $(filter release,$(PROFILE)),scripts/build.sh,$(CARGO) build --locked)

clients: setup node ## the npm packages, in Node and in Chromium with React 18 and 19 against real nodes, and as they are published
	CHANNELGATE_BIN=$(CURDIR)/target/$(PROFILE)/channelgate npm test --silent --prefix clients

browser: setup node ## the live page and the demonstration in Chromium
	@scripts/app.sh
	CHANNELGATE_BIN=$(CURDIR)/target/$(PROFILE)/channelgate npm test --silent --prefix tests/browser

# Tests that measure time or memory, or need both cores, run alone afterwards.
e2e: setup node ## real Django, Redis, nginx and Chromium against real nodes
	@scripts/app.sh
	@failed=0; \
	$(PYTEST) -m "not alone and not soak" --numprocesses $(WORKERS) --dist loadgroup --no-loadscope-reorder || failed=1; \
	$(PYTEST) -m alone || failed=1; \
	exit $$failed

soak: setup build ## memory over ten rounds of SOAK=10000 connections, 2,000 clients that reconnect at once, every consumer of the corpus, every line of the idioms, mutants of init, every Python and Django
	CHANNELGATE_BIN=$(CURDIR)/target/release/channelgate SOAK=$(SOAK) .venv/bin/python -m pytest tests/e2e/test_soak.py -s
	CHANNELGATE_BIN=$(CURDIR)/target/release/channelgate RECONNECTING=2000 .venv/bin/python -m pytest tests/e2e/test_bridge_faults.py -s -k many_clients
	CHANNELGATE_BIN=$(CURDIR)/target/release/channelgate .venv/bin/python -m pytest tests/e2e/test_corpus_matrix.py
	CHANNELGATE_BIN=$(CURDIR)/target/release/channelgate .venv/bin/python -m pytest tests/e2e/test_idioms.py -m soak
	MUTANTS=1 .venv/bin/python -m pytest clients/django/tests/translate/test_mutants.py --numprocesses 2
	.venv/bin/python scripts/matrix.py

fuzz: ## every fuzz target for FUZZ_SECONDS=180, two at a time; needs nightly and cargo-fuzz
	@FUZZ_SECONDS=$(FUZZ_SECONDS) scripts/fuzz.sh $(TARGETS)

audit: setup ## licences, sources, withdrawn versions and known vulnerabilities of all dependencies
	@scripts/audit.sh

wheel: ## the wheel of a release in dist/: the Python package and the node's program, for every Linux with glibc 2.17 or newer
	@scripts/setup.sh wheel
	@.venv/bin/python scripts/dist.py wheel

release: ## what is published, in dist/: source distribution, wheel, SBOM, checksums
	@scripts/setup.sh wheel
	@.venv/bin/python scripts/dist.py release

bench: ## load tests of Channelgate and other servers, into benches/results/ and docs/BENCHMARKS.md; BENCH="--quick"
	@scripts/setup.sh up
	@benches/setup.sh
	@.venv/bin/python benches/run.py $(BENCH)
	@.venv/bin/python benches/report.py

clean: ## remove everything built and installed here
	$(CARGO) clean
	rm -rf .venv .run dist benches/.work benches/rivals/*/node_modules tests/*/node_modules clients/node_modules clients/*/node_modules clients/*/dist clients/tests/*/node_modules clients/tests/*/*/node_modules
	find tests scripts benches -name __pycache__ -type d -prune -exec rm -rf {} +
