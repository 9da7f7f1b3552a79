# Each recipe is what one would type; `make run` and `make test` are all a newcomer needs.

# A fast-starting optimised build: seconds to link instead of the minutes that `--release` takes over thin LTO.
PROFILE ?= quick
LISTEN  ?= 127.0.0.1:7070
JOURNAL ?= sled:./data
FUZZ_S  ?= 60
FEED    ?= $(firstword $(wildcard ../shared/data/livestreams.jsonl) examples/data/livestreams.jsonl)

.PHONY: run demo dashboard screenshots test test-rust test-clients bench bench-all fuzz lint fmt

## dashboard: the web pages, for the binary to hold; without Node the hub shows a plain page instead
dashboard:
	@if command -v npm >/dev/null; then cd dashboard && npm ci --no-audit --no-fund && npm run build; \
	else echo "no npm here: the hub is built with its plain page"; fi

## run: the hub on 127.0.0.1:7070 with its journal under ./data
run: dashboard
	cargo run --profile $(PROFILE) -- serve --listen $(LISTEN) --journal $(JOURNAL)

## demo: the same with demo accounts, and a bot that feeds it
demo: dashboard
	cargo run --profile $(PROFILE) -- demo --listen $(LISTEN) --journal sled:./data/demo --feed $(FEED)

## test: everything: the rules, the stories, the real clients
test: test-rust test-clients

test-rust:
	cargo test --workspace

test-clients: dashboard
	cargo build
	cd tests/clients && npm ci --no-audit --no-fund && npm test

## screenshots: every page in both themes, wide and narrow, into docs/images/
screenshots: dashboard
	cargo build --profile $(PROFILE)
	cd tests/clients && npm ci --no-audit --no-fund && \
	TRUNKLINE_BIN=$(CURDIR)/target/$(PROFILE)/trunkline node screenshots.mjs ../../docs/images

## bench: many clients against the hub, and against a bare loop of send(2) on the same sockets; some minutes
bench:
	cargo bench --profile $(PROFILE) --bench load

## bench-all: every measurement whose result stands under benches/runs/; an hour
bench-all:
	cargo bench --profile $(PROFILE) --workspace

## fuzz: a minute for each parser of what comes from outside (needs cargo-fuzz; a stable toolchain will do); FUZZ_S=600 for longer
fuzz:
	for target in frames identifiers envelopes links; do cargo fuzz run -s none $$target -- -max_total_time=$(FUZZ_S) || exit 1; done

lint:
	cargo fmt --all -- --check
	cargo clippy --workspace --all-targets -- -D warnings

fmt:
	cargo fmt --all
