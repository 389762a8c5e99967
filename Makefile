# What each word does: `make help`.
CARGO ?= cargo
LAB := $(or $(LVSD_LAB_DIR),target/lab)
LAB_TEST := $(CARGO) test --quiet --test lab --

# Where `make install` puts things; DESTDIR goes before each, for packages.
PREFIX ?= /usr
UNITS ?= /lib/systemd/system
EXAMPLES ?= $(PREFIX)/share/doc/lvsd
# What `cargo build --release` left.
LVSD ?= $(or $(CARGO_TARGET_DIR),target)/release/lvsd

.PHONY: help test scenario shell check demo bench deps install

help:
	@echo "make test                every test, the lab's scenarios on a real IPVS kernel included"
	@echo "make scenario NAME=vip   the scenarios whose name contains it; LVSD_LAB=stock|uml|native"
	@echo "make shell               a site of two directors, three real servers and a client to play with"
	@echo "make demo                the main job, narrated"
	@echo "make bench               measures; LVSD_BENCH_ONLY=failover|jitter|soak|table|scale"
	@echo "make check               formatting, clippy and documentation, warnings as errors"
	@echo "make install             the program, its units and examples, under PREFIX=$(PREFIX); DESTDIR for packages"
	@echo "make deps                fetches the lab's kernels and programs into $(LAB); installs nothing"

deps:
	@sh tests/lab/guest/deps.sh $(LAB)

# All of them, so that one failure does not hide the next.
test: deps
	$(CARGO) test --no-fail-fast

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

# Builds nothing: it is for root. The units name the program where it is put.
install:
	@test -x $(LVSD) || { echo "$(LVSD) is not there: run \`cargo build --release\` first" >&2; exit 1; }
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(UNITS) $(DESTDIR)$(EXAMPLES) $(DESTDIR)/etc/lvsd
	install -m 755 $(LVSD) $(DESTDIR)$(PREFIX)/bin/lvsd
	for unit in lvsd-director lvsd-realserver; do \
	    sed -e 's|/usr/bin|$(PREFIX)/bin|' -e 's|/usr/share/doc/lvsd|$(EXAMPLES)|' systemd/$$unit.service >$(DESTDIR)$(UNITS)/$$unit.service && \
	    chmod 644 $(DESTDIR)$(UNITS)/$$unit.service || exit 1; \
	done
	install -m 644 config/director.toml config/realserver.toml README.md $(DESTDIR)$(EXAMPLES)
