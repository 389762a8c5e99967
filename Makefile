# What each word does: `make help`.
CARGO ?= cargo
LAB := $(or $(LVSD_LAB_DIR),target/lab)
LAB_TEST := $(CARGO) test --quiet --test lab --

.PHONY: help test scenario shell check demo bench deps

help:
	@echo "make test                every test, the lab's scenarios on a real IPVS kernel included"
	@echo "make scenario NAME=vip   the scenarios whose name contains it; LVSD_LAB=stock|uml|native"
	@echo "make shell               a site of two directors, three real servers and a client to play with"
	@echo "make demo                the main job, narrated"
	@echo "make bench               measures on both kernels"
	@echo "make check               formatting, clippy and documentation, warnings as errors"
	@echo "make deps                fetches the lab's kernels and programs into $(LAB); installs nothing"

deps:
	@sh tests/lab/guest/deps.sh $(LAB)

test: deps
	$(CARGO) test

scenario: deps
	$(CARGO) test --test lab -- $(NAME) $(if $(VERBOSE),--nocapture)

shell: deps
	@$(LAB_TEST) --shell

demo: deps
	@$(LAB_TEST) --demo

bench: deps
	@$(CARGO) test --quiet --release --test lab -- --bench

check:
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets -- -D warnings
	RUSTDOCFLAGS=-Dwarnings $(CARGO) doc --no-deps
